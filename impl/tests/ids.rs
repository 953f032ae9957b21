//! Ids, references to them, and ends from outside.

mod common;

use cloister::{CallError, GateError, Interp, Thread, Tstate};
use cloister_specs::{Denied, Fault, InterpreterConfig, Rule};
use common::{World, look, refuses_in};
use std::sync::mpsc::channel;
use std::thread;

impl World {
    /// An interpreter that this thread has left, with the thread state that it can be entered by.
    fn left(&self) -> (Interp, Tstate) {
        let before = self.thread.current();
        let made = self.isolated();
        self.thread.thread_state_swap(before).unwrap();
        made
    }

    fn refs(&self, interp: Interp) -> u64 {
        self.runtime.snapshot().interps.iter().find(|i| i.interp == interp).unwrap().id_refs
    }

    #[track_caller]
    fn denies(&self, denied: Denied, call: impl FnOnce(&Thread) -> Result<(), GateError>) {
        let before = look(&self.runtime, &self.thread);
        assert_eq!(call(&self.thread), Err(GateError::Denied(denied)));
        assert_eq!(look(&self.runtime, &self.thread), before);
    }
}

//= specs/rules/id.md#id-3
//= type=test
//# A look-up MUST find the interpreter that has the id, if there is one, and no other.
#[test]
fn an_interpreter_is_found_by_its_id_while_it_lives() {
    let w = World::new();
    let (first, _) = w.left();
    let (second, t2) = w.isolated();
    for interp in [w.main, first, second] {
        assert_eq!(w.thread.interpreter_look_up_id(interp.id().unwrap()), Ok(interp));
    }
    w.thread.end_interpreter(t2).unwrap();
    for unknown in [2, 3, -1, i64::MAX] {
        assert_eq!(w.thread.interpreter_look_up_id(unknown), Err(Denied::UnknownId));
    }
}

//= specs/rules/id.md#id-2
//= type=test
//# A creation that runs out of memory MUST NOT use up an id.
#[test]
fn a_creation_without_memory_uses_no_id() {
    let w = World::new();
    let fails =
        |fault| w.thread.new_interpreter_with(&InterpreterConfig::ISOLATED, &mut Some(fault)).is_err();
    assert!(fails(Fault::InterpAlloc) && fails(Fault::TstateAlloc));
    assert_eq!(w.left().0.id(), Some(1));
    // One that came further had one.
    assert!(fails(Fault::CoreInit));
    assert_eq!(w.left().0.id(), Some(3));
}

//= specs/rules/id.md#id-4
//= type=test
//# A reference MUST have been taken when it is given back.
//= specs/rules/id.md#id-5
//= type=test
//# An interpreter that requires references MUST be ended when the last one is given back, and only
//# then.
//= specs/rules/id.md#id-7
//= type=test
//# A thread that ends an interpreter from outside MUST be as it was afterwards.
#[test]
fn an_interpreter_ends_with_its_last_reference_if_it_requires_one() {
    let w = World::new();
    let (sub, _) = w.left();
    w.refuses(Rule::Id4, |t| t.interpreter_id_decref(sub));
    w.thread.interpreter_id_incref(sub).unwrap();
    w.thread.interpreter_id_decref(sub).unwrap();
    w.refuses(Rule::Id4, |t| t.interpreter_id_decref(sub));
    w.thread.interpreter_require_idref(sub, true).unwrap();
    w.refuses(Rule::Id4, |t| t.interpreter_id_decref(sub));
    w.thread.interpreter_id_incref(sub).unwrap();
    w.thread.interpreter_id_incref(sub).unwrap();
    w.thread.interpreter_id_decref(sub).unwrap();
    assert_eq!((w.refs(sub), sub.id()), (1, Some(1)));
    w.thread.interpreter_require_idref(sub, false).unwrap();
    w.thread.interpreter_id_decref(sub).unwrap();
    assert_eq!((w.refs(sub), sub.id()), (0, Some(1)));
    w.thread.interpreter_require_idref(sub, true).unwrap();
    w.thread.interpreter_id_incref(sub).unwrap();
    w.thread.interpreter_id_decref(sub).unwrap();
    assert_eq!(sub.id(), None);
    assert_eq!((w.thread.current(), w.thread.gilstate()), (Some(w.t0), Some(w.t0)));
    assert!(w.locked());
    for call in [Thread::interpreter_id_incref, |t: &Thread, i| t.interpreter_require_idref(i, true)] {
        w.refuses(Rule::Gil12, |t| call(t, sub));
    }
    w.refuses(Rule::Gil12, |t| t.interpreter_id_decref(sub));
}

#[test]
fn a_detached_thread_ends_an_interpreter_and_stays_detached() {
    let w = World::new();
    let (sub, _) = w.isolated();
    w.thread.interpreter_require_idref(sub, true).unwrap();
    w.thread.interpreter_id_incref(sub).unwrap();
    w.thread.save_thread().unwrap();
    w.thread.interpreter_id_decref(sub).unwrap();
    assert_eq!((w.thread.current(), sub.id()), (None, None));
    w.thread.restore_thread(w.t0).unwrap();
    w.thread.finalize().unwrap();
}

#[test]
fn the_last_reference_is_not_given_back_from_within_nor_to_main() {
    let w = World::new();
    for interp in [w.main, w.isolated().0] {
        w.thread.interpreter_require_idref(interp, true).unwrap();
        w.thread.interpreter_id_incref(interp).unwrap();
        let rule = if interp == w.main { Rule::Life11 } else { Rule::Id8 };
        w.refuses(rule, |t| t.interpreter_id_decref(interp));
    }
}

//= specs/rules/id.md#id-6
//= type=test
//# An interpreter MUST NOT be ended from outside through a thread state of another thread.
#[test]
fn an_interpreter_is_not_ended_through_what_is_not_the_callers() {
    let w = World::new();
    let (sub, t1) = w.left();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            other.thread_state_new(w.main).unwrap();
            let (_, own) = other.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
            refuses_in(&w.runtime, &other, Rule::Id6, |t| t.destroy_interpreter(sub));
            other.end_interpreter(own).unwrap();
        });
    });
    // Nor if it has none, or several.
    w.thread.thread_state_swap(Some(t1)).unwrap();
    let second = w.thread.thread_state_new(sub).unwrap().unwrap();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.refuses(Rule::Life10, |t| t.destroy_interpreter(sub));
    w.thread.thread_state_swap(Some(t1)).unwrap();
    w.thread.thread_state_clear(second).unwrap();
    w.thread.thread_state_delete(second).unwrap();
    w.thread.thread_state_delete_current().unwrap();
    w.thread.restore_thread(w.t0).unwrap();
    w.refuses(Rule::Id6, |t| t.destroy_interpreter(sub));
}

//= specs/rules/id.md#id-8
//= type=test
//# An interpreter MUST NOT be destroyed from within.
//= specs/rules/id.md#id-9
//= type=test
//# An interpreter MUST NOT be destroyed while code runs in it.
#[test]
fn an_interpreter_is_not_destroyed_from_within_nor_while_it_is_run() {
    let w = World::new();
    let (sub, t1) = w.isolated();
    w.denies(Denied::DestroyCurrent, |t| t.destroy_interpreter(sub));
    w.thread.set_running_main().unwrap();
    w.denies(Denied::DestroyCurrent, |t| t.destroy_interpreter(sub));
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.denies(Denied::Running, |t| t.destroy_interpreter(sub));
    w.refuses(Rule::Life11, |t| t.destroy_interpreter(w.main));
    w.thread.thread_state_swap(Some(t1)).unwrap();
    w.thread.set_not_running_main().unwrap();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.thread.destroy_interpreter(sub).unwrap();
    assert_eq!((sub.id(), w.thread.current()), (None, Some(w.t0)));
    w.refuses(Rule::Gil12, |t| t.destroy_interpreter(sub));
}

//= specs/rules/id.md#id-11
//= type=test
//# An interpreter MUST NOT be run by two at a time.
//= specs/rules/id.md#id-12
//= type=test
//# A thread MUST have a current thread state when it says that it runs, has run or destroys an
//# interpreter.
//= specs/rules/id.md#id-13
//= type=test
//# A thread MUST say of itself alone that it no longer runs an interpreter.
#[test]
fn one_at_a_time_runs_an_interpreter_and_says_so_itself() {
    let w = World::new();
    let second = w.bound();
    w.refuses(Rule::Id13, Thread::set_not_running_main);
    w.thread.set_running_main().unwrap();
    w.denies(Denied::AlreadyRunning, Thread::set_running_main);
    w.thread.thread_state_swap(Some(second)).unwrap();
    w.denies(Denied::AlreadyRunning, Thread::set_running_main);
    w.refuses(Rule::Id13, Thread::set_not_running_main);
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Id12, Thread::set_running_main);
    w.refuses(Rule::Id12, Thread::set_not_running_main);
    let (sub, _) = w.left();
    w.refuses(Rule::Id12, |t| t.destroy_interpreter(sub));
    // Who is deleted no longer runs it.
    w.thread.restore_thread(w.t0).unwrap();
    w.thread.thread_state_delete_current().unwrap();
    w.thread.restore_thread(second).unwrap();
    w.thread.set_running_main().unwrap();
}

//= specs/rules/id.md#id-10
//= type=test
//# Between the test whether an interpreter can be destroyed and the beginning of its end, nothing
//# MUST be able to change the answer.
#[test]
fn an_interpreter_that_is_about_to_be_destroyed_is_ending() {
    let w = World::new();
    let (sub, _) = w.thread.new_interpreter().unwrap().unwrap();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    let (sender, receiver) = channel();
    let looks = move |thread: &Thread| {
        let told = (
            thread.thread_state_new(sub).unwrap_err().rule,
            thread.destroy_interpreter(sub),
            thread.interpreter_look_up_id(1),
        );
        sender.send(told).unwrap();
        Ok(())
    };
    w.thread.add_pending_call(Some(sub), Box::new(looks)).unwrap();
    w.thread.destroy_interpreter(sub).unwrap();
    let within = Err(GateError::Denied(Denied::DestroyCurrent));
    assert_eq!(receiver.recv().unwrap(), (Rule::Life13, within, Ok(sub)));
    assert_eq!(sub.id(), None);
}

#[test]
fn a_pending_call_may_delete_what_an_end_from_outside_would_come_back_to() {
    let w = World::new();
    let (sub, t1) = w.left();
    let back = w.t0;
    let deletes = move |thread: &Thread| {
        thread.thread_state_swap(Some(back)).unwrap();
        thread.thread_state_delete_current().unwrap();
        thread.restore_thread(t1).map_err(|_| cloister::PendingFailed)
    };
    w.thread.add_pending_call(Some(sub), Box::new(deletes)).unwrap();
    assert_eq!(w.thread.destroy_interpreter(sub), Ok(()));
    assert_eq!((w.thread.current(), sub.id()), (None, None));
    assert_eq!(w.thread.restore_thread(w.t0), Err(CallError::from(Rule::Gil12)));
}
