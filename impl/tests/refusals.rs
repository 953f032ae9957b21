//! Each rule that a caller can break: the call is refused, and nothing happens.

mod common;

use cloister::{Interp, Runtime, Settings, Thread, Tstate};
use cloister_specs::{InterpreterConfig, Phase, Rule};
use common::{RuleOf, refuses_in};
use std::fmt::Debug;
use std::thread;
use std::time::Duration;

struct World {
    runtime: Runtime,
    thread: Thread,
    main: Interp,
    t0: Tstate,
}

impl World {
    fn new() -> World {
        let settings = Settings::default().with_switch_interval(Duration::from_millis(1));
        let (runtime, thread) = Runtime::start(settings).unwrap();
        let (main, t0) = (runtime.main().unwrap(), thread.current().unwrap());
        World { runtime, thread, main, t0 }
    }

    /// A thread state of the main interpreter, bound to no thread.
    fn unbound(&self) -> Tstate {
        self.thread.thread_state_new(self.main).unwrap().unwrap()
    }

    /// A thread state of the main interpreter, bound to this thread.
    fn bound(&self) -> Tstate {
        let tstate = self.unbound();
        self.thread.thread_state_bind(tstate).unwrap();
        tstate
    }

    fn cleared(&self) -> Tstate {
        let tstate = self.bound();
        self.thread.thread_state_clear(tstate).unwrap();
        tstate
    }

    fn deleted(&self) -> Tstate {
        let tstate = self.cleared();
        self.thread.thread_state_delete(tstate).unwrap();
        tstate
    }

    #[track_caller]
    fn refuses<T: Debug, E: RuleOf>(&self, rule: Rule, call: impl FnOnce(&Thread) -> Result<T, E>) {
        refuses_in(&self.runtime, &self.thread, rule, call);
    }
}

//= specs/rules/gil.md#gil-12
//= type=test
//# A thread MUST NOT touch an interpreter, a GIL or a thread state after it has been freed.
#[test]
fn a_deleted_thread_state_is_refused_by_every_call() {
    let w = World::new();
    for dead in [w.deleted(), Tstate::null()] {
        w.refuses(Rule::Gil12, |t| t.end_interpreter(dead));
        w.refuses(Rule::Gil12, |t| t.thread_state_bind(dead));
        w.refuses(Rule::Gil12, |t| t.thread_state_swap(Some(dead)));
        w.refuses(Rule::Gil12, |t| t.thread_state_clear(dead));
        w.refuses(Rule::Gil12, |t| t.thread_state_delete(dead));
        w.refuses(Rule::Gil12, |t| t.status(dead));
        w.thread.save_thread().unwrap();
        w.refuses(Rule::Gil12, |t| t.restore_thread(dead));
        w.thread.restore_thread(w.t0).unwrap();
    }
}

#[test]
fn a_deleted_thread_state_stays_refused_when_its_memory_is_used_again() {
    let w = World::new();
    let dead = w.deleted();
    let next = w.unbound();
    assert_ne!(dead, next);
    w.refuses(Rule::Gil12, |t| t.thread_state_bind(dead));
    w.thread.thread_state_bind(next).unwrap();
}

#[test]
fn an_ended_interpreter_is_refused() {
    let w = World::new();
    let (interp, t1) = w.thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    w.thread.end_interpreter(t1).unwrap();
    w.thread.restore_thread(w.t0).unwrap();
    w.refuses(Rule::Gil12, |t| t.thread_state_new(interp));
    w.refuses(Rule::Gil12, |t| t.thread_state_new(Interp::null()));
}

//= specs/rules/life.md#life-9
//= type=test
//# An interpreter MUST be ended by a thread whose current thread state is the one given.
#[test]
fn an_interpreter_is_not_ended_from_outside() {
    let w = World::new();
    let (_, t1) = w.thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.refuses(Rule::Life9, |t| t.end_interpreter(t1));
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Life9, |t| t.end_interpreter(t1));
}

//= specs/rules/life.md#life-10
//= type=test
//# An interpreter MUST NOT be ended while it has another thread state.
#[test]
fn an_interpreter_with_two_thread_states_is_not_ended() {
    let w = World::new();
    let (interp, t1) = w.thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    let t2 = w.thread.thread_state_new(interp).unwrap().unwrap();
    w.refuses(Rule::Life10, |t| t.end_interpreter(t1));
    w.thread.thread_state_clear(t2).unwrap();
    w.refuses(Rule::Life10, |t| t.end_interpreter(t1));
    w.thread.thread_state_delete(t2).unwrap();
    w.thread.end_interpreter(t1).unwrap();
}

//= specs/rules/life.md#life-11
//= type=test
//# The main interpreter MUST NOT be ended by EndInterpreter.
#[test]
fn the_main_interpreter_is_not_ended() {
    let w = World::new();
    w.refuses(Rule::Life11, |t| t.end_interpreter(w.t0));
}

//= specs/rules/life.md#life-13
//= type=test
//# A thread state MUST NOT be created, bound or made current in an interpreter that is not live,
//# except by the call that creates it.
#[test]
fn an_interpreter_gets_no_thread_state_while_it_is_created() {
    let w = World::new();
    thread::scope(|scope| {
        let creator = scope.spawn(|| {
            // It waits for the main GIL, in the middle of the creation.
            let thread = w.runtime.attach().unwrap();
            thread.new_interpreter_from_config(&InterpreterConfig::LEGACY).unwrap();
        });
        let interp = loop {
            let snapshot = w.runtime.snapshot();
            let requested = snapshot.interps.iter().any(|i| i.gil.is_some_and(|g| g.drop_request));
            match snapshot.interps.iter().find(|i| i.phase == Phase::Creating) {
                Some(info) if requested => break info.interp,
                _ => thread::yield_now(),
            }
        };
        w.refuses(Rule::Life13, |t| t.thread_state_new(interp));
        w.thread.save_thread().unwrap();
        creator.join().unwrap();
        w.thread.thread_state_new(interp).unwrap();
    });
}

//= specs/rules/tls.md#tls-3
//= type=test
//# A thread state MUST be alive and not yet bound when it is bound.
#[test]
fn a_thread_state_is_bound_once_and_alive() {
    let w = World::new();
    let bound = w.bound();
    w.refuses(Rule::Tls3, |t| t.thread_state_bind(bound));
    let cleared = w.unbound();
    w.thread.thread_state_clear(cleared).unwrap();
    w.refuses(Rule::Tls3, |t| t.thread_state_bind(cleared));
}

//= specs/rules/tls.md#tls-4
//= type=test
//# A thread state MUST be bound to the calling thread when it is made current.
//= specs/rules/tls.md#tls-1
//= type=test
//# A thread state MUST NOT be current in more than one OS thread, nor in another than the one it is
//# bound to.
#[test]
fn a_thread_state_is_current_only_where_it_is_bound() {
    let w = World::new();
    let unbound = w.unbound();
    w.refuses(Rule::Tls4, |t| t.thread_state_swap(Some(unbound)));
    let (runtime, t0) = (&w.runtime, w.t0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = runtime.attach().unwrap();
            refuses_in(runtime, &other, Rule::Tls4, |t| t.thread_state_swap(Some(t0)));
            refuses_in(runtime, &other, Rule::Tls4, |t| t.restore_thread(t0));
        });
    });
}

//= specs/rules/tls.md#tls-5
//= type=test
//# A thread MUST NOT restore a thread state while it has a current one.
#[test]
fn an_attached_thread_does_not_restore() {
    let w = World::new();
    let bound = w.bound();
    w.refuses(Rule::Tls5, |t| t.restore_thread(bound));
    w.refuses(Rule::Tls5, |t| t.restore_thread(w.t0));
    w.refuses(Rule::Tls5, |t| t.restore_thread(Tstate::null()));
}

//= specs/rules/tls.md#tls-6
//= type=test
//# A thread state MUST be alive when it is made current.
#[test]
fn a_cleared_thread_state_does_not_become_current() {
    let w = World::new();
    let cleared = w.cleared();
    w.refuses(Rule::Tls6, |t| t.thread_state_swap(Some(cleared)));
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Tls6, |t| t.restore_thread(cleared));
}

//= specs/rules/tls.md#tls-7
//= type=test
//# A thread MUST have a current thread state when it saves it.
#[test]
fn a_detached_thread_has_nothing_to_save() {
    let w = World::new();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Tls7, Thread::save_thread);
}

//= specs/rules/tls.md#tls-8
//= type=test
//# A thread state MUST be alive when it is cleared.
#[test]
fn a_thread_state_is_cleared_once() {
    let w = World::new();
    let cleared = w.cleared();
    w.refuses(Rule::Tls8, |t| t.thread_state_clear(cleared));
}

//= specs/rules/tls.md#tls-9
//= type=test
//# A thread MUST be in the same interpreter, and hold its GIL, when it clears a thread state.
#[test]
fn a_thread_state_is_not_cleared_from_outside() {
    let w = World::new();
    let bound = w.bound();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Tls9, |t| t.thread_state_clear(bound));
    w.thread.new_interpreter_from_config(&InterpreterConfig::LEGACY).unwrap();
    w.refuses(Rule::Tls9, |t| t.thread_state_clear(bound));
}

//= specs/rules/tls.md#tls-10
//= type=test
//# A thread state MUST NOT be active when it is cleared by ThreadStateClear.
#[test]
fn a_current_thread_state_is_not_cleared() {
    let w = World::new();
    w.refuses(Rule::Tls10, |t| t.thread_state_clear(w.t0));
}

//= specs/rules/tls.md#tls-11
//= type=test
//# A thread state MUST be cleared before it is deleted.
#[test]
fn a_thread_state_is_not_deleted_before_it_is_cleared() {
    let w = World::new();
    let bound = w.bound();
    w.refuses(Rule::Tls11, |t| t.thread_state_delete(bound));
}

//= specs/rules/tls.md#tls-12
//= type=test
//# A thread state MUST NOT be current in any thread when it is deleted.
#[test]
fn a_current_thread_state_is_deleted_by_nobody() {
    let w = World::new();
    w.refuses(Rule::Tls12, |t| t.thread_state_delete(w.t0));
    let (runtime, t0) = (&w.runtime, w.t0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = runtime.attach().unwrap();
            refuses_in(runtime, &other, Rule::Tls12, |t| t.thread_state_delete(t0));
        });
    });
}

//= specs/rules/tls.md#tls-13
//= type=test
//# A thread state MUST NOT be cleared or deleted while a call of another thread still uses it.
#[test]
fn a_thread_state_that_waits_for_the_gil_is_not_cleared() {
    let w = World::new();
    let t1 = w.unbound();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let thread = w.runtime.attach().unwrap();
            thread.thread_state_bind(t1).unwrap();
            thread.restore_thread(t1).unwrap();
            thread.save_thread().unwrap();
        });
        let requested = || w.runtime.snapshot().interps[0].gil.unwrap().drop_request;
        while !requested() {
            thread::yield_now();
        }
        w.refuses(Rule::Tls13, |t| t.thread_state_clear(t1));
        w.thread.save_thread().unwrap();
        waiter.join().unwrap();
        w.thread.restore_thread(w.t0).unwrap();
        w.thread.thread_state_clear(t1).unwrap();
        w.thread.thread_state_delete(t1).unwrap();
    });
}

//= specs/rules/tls.md#tls-18
//= type=test
//# A thread MUST have a current thread state, and hold its GIL, when it polls the eval breaker.
#[test]
fn a_detached_thread_cannot_poll() {
    let w = World::new();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Tls18, Thread::eval_breaker_poll);
}

#[test]
fn the_first_broken_rule_is_the_one_that_is_named() {
    let w = World::new();
    let elsewhere = w.unbound();
    w.thread.thread_state_clear(elsewhere).unwrap();
    // Not bound here, and not alive either.
    w.refuses(Rule::Tls4, |t| t.thread_state_swap(Some(elsewhere)));
    // Current, and of the main interpreter.
    w.refuses(Rule::Tls12, |t| t.thread_state_delete(w.t0));
    w.thread.save_thread().unwrap();
    // The caller is detached, and it is cleared already.
    w.refuses(Rule::Tls9, |t| t.thread_state_clear(elsewhere));
    // Not current here, and of the main interpreter.
    w.refuses(Rule::Life9, |t| t.end_interpreter(w.t0));
}
