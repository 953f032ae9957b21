//! Threads of an interpreter: started, run, waited for.

mod common;

use cloister::{CallError, GateError, Started, Thread, Tstate};
use cloister_specs::{Denied, InterpreterConfig, Phase, Rule};
use common::{World, look, refuses_in};
use std::sync::mpsc::channel;
use std::thread;

/// Everything is allowed.
const OPEN: InterpreterConfig =
    InterpreterConfig { allow_daemon_threads: true, ..InterpreterConfig::ISOLATED };
const NO_THREADS: InterpreterConfig =
    InterpreterConfig { allow_threads: false, ..InterpreterConfig::ISOLATED };

fn start(thread: &Thread, daemon: bool) -> Result<Tstate, GateError> {
    thread.start_thread(daemon, |_| Ok::<(), ()>(())).map(|(tstate, ())| tstate)
}

fn started(w: &World, tstate: Tstate) -> Option<Started> {
    w.runtime.snapshot().tstates.iter().find(|t| t.tstate == tstate).and_then(|t| t.started)
}

//= specs/rules/fin.md#fin-15
//= type=test
//# Running a started thread state MUST bind it to the thread, make it current and hold its GIL.
#[test]
fn a_started_thread_runs_with_a_thread_state_of_its_own() {
    let w = World::new();
    let (sender, receiver) = channel();
    let handle = w
        .thread
        .spawn_thread(false, move |thread| {
            let current = thread.current();
            sender.send((current, thread.gilstate() == current, thread.gilstate_check())).unwrap();
            5
        })
        .unwrap();
    let saved = w.thread.save_thread().unwrap();
    let (current, named, checked) = receiver.recv().unwrap();
    assert!(current.is_some() && current != Some(w.t0) && named && checked);
    assert_eq!(handle.join().unwrap(), Ok(5));
    w.thread.restore_thread(saved).unwrap();
    assert_eq!(w.runtime.snapshot().tstates.len(), 1);
    assert!(w.locked());
}

#[test]
fn a_thread_that_leaves_its_thread_state_or_panics_still_ends() {
    let w = World::new();
    let leaves = w.thread.spawn_thread(true, |thread| thread.save_thread().map(|_| ())).unwrap();
    let deletes = w.thread.spawn_thread(false, |thread| thread.thread_state_delete_current()).unwrap();
    let panics = w.thread.spawn_thread(false, |_| panic!("on purpose")).unwrap();
    let saved = w.thread.save_thread().unwrap();
    assert_eq!(leaves.join().unwrap(), Ok(Ok(())));
    assert_eq!(deletes.join().unwrap(), Ok(Ok(())));
    assert!(panics.join().is_err());
    w.thread.restore_thread(saved).unwrap();
    assert_eq!(w.runtime.snapshot().tstates.len(), 1);
    w.thread.finalize().unwrap();
}

//= specs/rules/fin.md#fin-7
//= type=test
//# An end MUST wait for the threads of the interpreter that are no daemons before anything of it
//# is torn down.
//= specs/rules/fin.md#fin-18
//= type=test
//# While an end waits for threads, thread states of its interpreter MAY be made current as before.
//= specs/rules/fin.md#fin-9
//= type=test
//# A thread MUST NOT be started in an interpreter whose end has begun.
#[test]
fn an_end_waits_for_a_thread_which_goes_on_as_before() {
    let w = World::new();
    let (sub, t1) = w.isolated();
    let (sender, receiver) = channel();
    let body = move |thread: &Thread| {
        let phase = || {
            let snapshot = thread.runtime().snapshot();
            snapshot.interps.iter().find(|i| i.interp == sub).unwrap().phase
        };
        let mut turns = 0;
        while phase() == Phase::Live {
            let saved = thread.save_thread().unwrap();
            thread::yield_now();
            thread.restore_thread(saved).unwrap();
            turns += 1;
        }
        let mine = thread.current().unwrap();
        // The end waits: thread states go on, and nothing new is made.
        thread.thread_state_swap(None).unwrap();
        thread.thread_state_swap(Some(mine)).unwrap();
        let denied = start(thread, false);
        let refused = thread.thread_state_new(sub).unwrap_err().rule;
        let ended = thread.end_interpreter(mine).unwrap_err().rule();
        sender.send((phase(), denied, refused, ended)).unwrap();
        turns
    };
    let handle = w.thread.spawn_thread(false, body).unwrap();
    w.thread.end_interpreter(t1).unwrap();
    let denied = Err(GateError::Denied(Denied::Shutdown));
    assert_eq!(receiver.recv().unwrap(), (Phase::Ending, denied, Rule::Life13, Some(Rule::Life10)));
    assert!(handle.join().unwrap().is_ok());
    assert_eq!(sub.id(), None);
    assert_eq!(w.thread.current(), None);
}

#[test]
fn finalizing_waits_for_a_thread_but_not_for_a_daemon() {
    let w = World::new();
    let (go_on, goes_on) = channel::<()>();
    let daemon = w.thread.spawn_thread(true, move |thread| {
        let saved = thread.save_thread().unwrap();
        let _ = goes_on.recv();
        thread.restore_thread(saved)
    });
    let joined = w.thread.spawn_thread(false, |thread| {
        for _ in 0..100 {
            let saved = thread.save_thread().unwrap();
            thread.restore_thread(saved).unwrap();
        }
        thread.runtime().is_initialized()
    });
    w.thread.finalize().unwrap();
    assert_eq!(joined.unwrap().join().unwrap(), Ok(true));
    let _ = go_on.send(());
    // Its thread state is gone, or it had not begun to run.
    match daemon.unwrap().join().unwrap() {
        Ok(result) => assert!(matches!(result.unwrap_err().rule(), Some(Rule::Gil12))),
        Err(error) => assert!(matches!(error, CallError::Finalized) || error.rule().is_some()),
    }
}

#[test]
fn a_daemon_keeps_an_interpreter_from_being_ended() {
    let w = World::new();
    let (_, t1) = w.thread.new_interpreter_from_config(&OPEN).unwrap();
    let daemon = start(&w.thread, true).unwrap();
    assert_eq!(started(&w, daemon), Some(Started::Daemon));
    w.refuses(Rule::Life10, |t| t.end_interpreter(t1));
    w.thread.thread_state_clear(daemon).unwrap();
    w.thread.thread_state_delete(daemon).unwrap();
    w.thread.end_interpreter(t1).unwrap();
}

//= specs/rules/fork.md#fork-7
//= type=test
//# A thread MUST NOT be started in an interpreter whose configuration does not allow it.
//= specs/rules/fork.md#fork-8
//= type=test
//# A daemon MUST NOT be started in an interpreter whose configuration does not allow it.
#[test]
fn a_configuration_can_forbid_threads_and_daemons() {
    let w = World::new();
    w.thread.new_interpreter_from_config(&NO_THREADS).unwrap();
    let before = look(&w.runtime, &w.thread);
    assert_eq!(start(&w.thread, false), Err(GateError::Denied(Denied::Threads)));
    // That daemons are not allowed comes first.
    assert_eq!(start(&w.thread, true), Err(GateError::Denied(Denied::Daemons)));
    assert_eq!(look(&w.runtime, &w.thread), before);
    w.isolated();
    assert_eq!(start(&w.thread, true), Err(GateError::Denied(Denied::Daemons)));
    assert!(start(&w.thread, false).is_ok());
}

//= specs/rules/fin.md#fin-13
//= type=test
//# A thread that could not be started MUST leave no thread state behind.
#[test]
fn a_thread_that_cannot_be_started_leaves_nothing() {
    let w = World::new();
    let before = look(&w.runtime, &w.thread);
    let result = w.thread.start_thread(false, |_| Err::<(), ()>(()));
    assert_eq!(result, Err(GateError::Denied(Denied::CannotStart)));
    assert_eq!(look(&w.runtime, &w.thread), before);
    let spawn = std::panic::AssertUnwindSafe(|| {
        w.thread.start_thread(false, |_| -> Result<(), ()> { panic!("on purpose") })
    });
    assert!(std::panic::catch_unwind(spawn).is_err());
    assert_eq!(look(&w.runtime, &w.thread), before);
}

//= specs/rules/fin.md#fin-16
//= type=test
//# A thread MUST have a current thread state when it starts another thread.
#[test]
fn a_detached_thread_starts_none() {
    let w = World::new();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Fin16, |t| start(t, false));
    w.refuses(Rule::Fin16, |t| t.spawn_thread(false, |_| ()));
}

//= specs/rules/fin.md#fin-14
//= type=test
//# A started thread state MUST be run, once, by a thread that has no current one.
#[test]
fn only_a_started_thread_state_is_run_and_only_once() {
    let w = World::new();
    let (unstarted, first, second) =
        (w.bound(), start(&w.thread, false).unwrap(), start(&w.thread, true).unwrap());
    w.refuses(Rule::Fin14, |t| t.run_thread(first));
    w.refuses(Rule::Gil12, |t| t.run_thread(Tstate::null()));
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Fin14, |t| t.run_thread(unstarted));
    w.thread.run_thread(first).unwrap();
    assert_eq!((w.thread.current(), w.thread.gilstate()), (Some(first), Some(first)));
    w.thread.thread_state_clear(second).unwrap();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Fin14, |t| t.run_thread(first));
    w.refuses(Rule::Fin14, |t| t.run_thread(second));
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            refuses_in(&w.runtime, &other, Rule::Fin14, |t| t.run_thread(first));
        });
    });
}

//= specs/rules/fin.md#fin-17
//= type=test
//# DeleteExcept MUST be given the caller's current thread state, leave no other one in its
//# interpreter, and free none that a call uses.
#[test]
fn the_thread_states_of_others_are_deleted_unless_a_call_uses_one() {
    let w = World::new();
    let others =
        [w.bound(), w.thread.thread_state_new(w.main).unwrap().unwrap(), start(&w.thread, false).unwrap()];
    w.refuses(Rule::Fin17, |t| t.thread_state_delete_except(others[0]));
    w.refuses(Rule::Gil12, |t| t.thread_state_delete_except(Tstate::null()));
    let (sub, t1) = w.isolated();
    w.refuses(Rule::Fin17, |t| t.thread_state_delete_except(w.t0));
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.thread.thread_state_delete_except(w.t0).unwrap();
    let left: Vec<_> = w.runtime.snapshot().tstates.iter().map(|t| t.tstate).collect();
    assert!(left.len() == 2 && left.contains(&w.t0) && left.contains(&t1) && sub.id() == Some(1));

    let (sender, receiver) = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            let ensured = other.gilstate_ensure(w.main).unwrap();
            other.gilstate_release(ensured).unwrap();
            sender.send(()).unwrap();
        });
        while !w.runtime.snapshot().tstates.iter().any(|t| t.in_use) {
            thread::yield_now();
        }
        w.refuses(Rule::Fin17, |t| t.thread_state_delete_except(w.t0));
        let saved = w.thread.save_thread().unwrap();
        receiver.recv().unwrap();
        w.thread.restore_thread(saved).unwrap();
    });
    w.thread.thread_state_delete_except(w.t0).unwrap();
    assert_eq!(w.runtime.snapshot().tstates.len(), 2);
}

//= specs/rules/tls.md#tls-23
//= type=test
//# A thread state MUST be creatable in a live interpreter that lists none.
#[test]
fn an_interpreter_without_thread_states_gets_another_and_is_ended() {
    let w = World::new();
    let (sub, _) = w.isolated();
    w.thread.thread_state_delete_current().unwrap();
    let tstate = w.thread.thread_state_new(sub).unwrap().unwrap();
    w.thread.thread_state_bind(tstate).unwrap();
    w.thread.restore_thread(tstate).unwrap();
    w.thread.end_interpreter(tstate).unwrap();
    assert_eq!(sub.id(), None);
}

//= specs/rules/fin.md#fin-20
//= type=test
//# A thread that the end of its interpreter would wait for MUST NOT end it.
#[test]
fn a_thread_that_is_waited_for_does_not_end_its_interpreter() {
    let w = World::new();
    let main = w.thread.current();
    let (sub, _) = w.thread.new_interpreter_from_config(&OPEN).unwrap();
    let waited_for = start(&w.thread, false).unwrap();
    w.thread.thread_state_delete_current().unwrap();
    w.thread.run_thread(waited_for).unwrap();
    w.refuses(Rule::Fin20, |t| t.end_interpreter(waited_for));

    let other = w.thread.thread_state_new(sub).unwrap().unwrap();
    w.thread.thread_state_bind(other).unwrap();
    w.thread.thread_state_swap(Some(other)).unwrap();
    w.thread.thread_state_clear(waited_for).unwrap();
    w.thread.thread_state_delete(waited_for).unwrap();
    w.thread.end_interpreter(other).unwrap();
    w.thread.thread_state_swap(main).unwrap();
}
