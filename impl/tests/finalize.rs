//! The end of the runtime, and its next beginning.

mod common;

use cloister::{CallError, CreateError, EnsureError, Interp, NotAdded, Runtime, Thread, Tstate};
use cloister_specs::{GilState, InterpreterConfig, Phase, Rule};
use common::{World, bound, look, refuses_in};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

fn phase(runtime: &Runtime, interp: Interp) -> Option<Phase> {
    runtime.snapshot().interps.iter().find(|i| i.interp == interp).map(|i| i.phase)
}

//= specs/rules/fin.md#fin-6
//= type=test
//# Finalizing MUST leave nothing behind: no interpreter, no thread state, no GIL, no pending call,
//# and nothing that a gilstate slot names.
#[test]
fn nothing_is_left_of_a_runtime_that_was_finalized() {
    let w = World::new();
    let (own, unbound) = (w.bound(), w.thread.thread_state_new(w.main).unwrap().unwrap());
    let (sender, receiver) = channel();
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            sender.send(bound(&other, w.main)).unwrap();
            assert!(other.gilstate().is_some());
            barrier.wait();
            barrier.wait();
            assert_eq!((other.current(), other.gilstate()), (None, None));
        });
        let foreign: Tstate = receiver.recv().unwrap();
        barrier.wait();
        w.thread.finalize().unwrap();
        let left = w.runtime.snapshot();
        assert!(left.interps.is_empty() && left.tstates.is_empty());
        assert_eq!((left.main_ring.calls, left.main_ring.signalled), (0, false));
        assert!(left.threads.iter().all(|t| t.gilstate.is_none()));
        assert_eq!((w.thread.current(), w.thread.gilstate(), w.runtime.main()), (None, None, None));
        for tstate in [w.t0, own, unbound, foreign] {
            w.refuses(Rule::Gil12, |t| t.restore_thread(tstate));
        }
        barrier.wait();
    });
}

//= specs/rules/fin.md#fin-4
//= type=test
//# Initializing a runtime that is initialized, and finalizing one that is not, MUST change nothing.
#[test]
fn the_second_time_changes_nothing() {
    let w = World::new();
    let before = look(&w.runtime, &w.thread);
    w.thread.initialize().unwrap();
    assert_eq!(look(&w.runtime, &w.thread), before);
    w.thread.finalize().unwrap();
    let before = look(&w.runtime, &w.thread);
    w.thread.finalize().unwrap();
    assert_eq!(look(&w.runtime, &w.thread), before);
}

//= specs/rules/fin.md#fin-5
//= type=test
//# Initializing MUST make the caller the main thread, with the only thread state of a new main
//# interpreter current and its GIL held.
//= specs/rules/id.md#id-1
//= type=test
//# The id of a new interpreter MUST be greater than every id that its runtime has given.
#[test]
fn a_runtime_is_initialized_again_by_another_thread() {
    let w = World::new();
    w.isolated();
    let (second, t2) = w.isolated();
    assert_eq!(second.id(), Some(2));
    w.thread.end_interpreter(t2).unwrap();
    assert_eq!(w.isolated().0.id(), Some(3));
    for interp in w.runtime.snapshot().interps.iter().filter(|i| i.id > 0) {
        let tstate =
            w.runtime.snapshot().tstates.iter().find(|t| t.interp == interp.interp.serial()).unwrap().tstate;
        w.thread.thread_state_swap(Some(tstate)).unwrap();
        w.thread.end_interpreter(tstate).unwrap();
    }
    w.thread.restore_thread(w.t0).unwrap();
    w.thread.finalize().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            other.initialize().unwrap();
            assert!(other.is_main_thread() && !w.runtime.snapshot().tstates.is_empty());
            let main = w.runtime.main().unwrap();
            assert!(main != w.main);
            let info = w.runtime.snapshot();
            assert_eq!((info.interps.len(), info.tstates.len()), (1, 1));
            assert_eq!((info.interps[0].phase, info.interps[0].id), (Phase::Live, 0));
            assert!(info.interps[0].gil.unwrap().locked);
            assert_eq!(other.current(), Some(info.tstates[0].tstate));
            assert_eq!(other.gilstate(), other.current());
            let (sub, t1) = other.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
            assert_eq!(sub.id(), Some(1));
            other.end_interpreter(t1).unwrap();
        });
    });
    assert!(!w.thread.is_main_thread());
}

//= specs/rules/fin.md#fin-1
//= type=test
//# A thread MUST have a thread state of the main interpreter current when it finalizes the runtime.
#[test]
fn a_runtime_is_not_finalized_from_elsewhere() {
    let w = World::new();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Fin1, Thread::finalize);
    w.isolated();
    w.refuses(Rule::Fin1, Thread::finalize);
}

//= specs/rules/fin.md#fin-2
//= type=test
//# The runtime MUST be finalized by its main thread.
#[test]
fn a_runtime_is_not_finalized_by_another_thread() {
    let w = World::new();
    w.thread.save_thread().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            other.gilstate_ensure(w.main).unwrap();
            refuses_in(&w.runtime, &other, Rule::Fin2, Thread::finalize);
        });
    });
}

//= specs/rules/fin.md#fin-3
//= type=test
//# The runtime MUST NOT be finalized while it has a sub-interpreter.
#[test]
fn a_runtime_with_a_sub_interpreter_is_not_finalized() {
    let w = World::new();
    let (_, t1) = w.isolated();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.refuses(Rule::Fin3, Thread::finalize);
    w.thread.thread_state_swap(Some(t1)).unwrap();
    w.thread.end_interpreter(t1).unwrap();
    w.thread.restore_thread(w.t0).unwrap();
    w.thread.finalize().unwrap();
}

//= specs/rules/fin.md#fin-19
//= type=test
//# An interpreter MUST NOT be created before the runtime is initialized, or after its end has begun.
#[test]
fn no_interpreter_is_created_without_a_runtime_or_at_its_end() {
    let w = World::new();
    let (sender, receiver) = channel();
    let creates = move |thread: &Thread| {
        let result = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED);
        sender.send((result.err(), thread.new_interpreter().err())).unwrap();
        Ok(())
    };
    w.thread.add_pending_call(None, Box::new(creates)).unwrap();
    w.thread.finalize().unwrap();
    let refused = (Some(CreateError::from(Rule::Fin19)), Some(CallError::from(Rule::Fin19)));
    assert_eq!(receiver.recv().unwrap(), refused);
    w.refuses(Rule::Fin19, |t| t.new_interpreter_from_config(&InterpreterConfig::ISOLATED));
    w.refuses(Rule::Fin19, Thread::new_interpreter);
}

//= specs/rules/fin.md#fin-8
//= type=test
//# An end MUST run every pending call that is left in the ring of its interpreter and, by the main
//# thread, in that of the main thread.
#[test]
fn an_end_runs_every_pending_call_whatever_becomes_of_it() {
    let w = World::new();
    let ran = Arc::new(AtomicU32::new(0));
    let call = |fails: bool| -> cloister::PendingFn {
        let ran = Arc::clone(&ran);
        Box::new(move |_| {
            ran.fetch_add(1, Ordering::Relaxed);
            if fails { Err(cloister::PendingFailed) } else { Ok(()) }
        })
    };
    let main = w.main;
    for interp in [None, Some(main)] {
        w.thread.add_pending_call(interp, call(true)).unwrap();
        w.thread.add_pending_call(interp, call(false)).unwrap();
    }
    let (inner, last) = (call(false), call(true));
    let adds = move |thread: &Thread| {
        thread.add_pending_call(Some(main), inner).unwrap();
        thread.add_pending_call(None, last).unwrap();
        // It leaves its thread state, which the end takes up again.
        thread.save_thread().unwrap();
        Ok(())
    };
    w.thread.add_pending_call(Some(main), Box::new(adds)).unwrap();
    w.thread.finalize().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 6);

    w.thread.initialize().unwrap();
    let (sub, t1) = w.isolated();
    w.thread.add_pending_call(Some(sub), call(true)).unwrap();
    w.thread.add_pending_call(Some(sub), call(false)).unwrap();
    w.thread.add_pending_call(None, call(false)).unwrap();
    w.thread.end_interpreter(t1).unwrap();
    // That of the main thread is none of its business.
    assert_eq!(ran.load(Ordering::Relaxed), 8);
    assert_eq!(w.runtime.snapshot().main_ring.calls, 1);
}

#[test]
fn a_pending_call_leaves_an_end_its_thread_state() {
    let w = World::new();
    let main = w.main;
    let (sender, receiver) = channel();
    let tries = move |thread: &Thread| {
        let current = thread.current().unwrap();
        let other = bound_or_refused(thread, main);
        let deleted = thread.thread_state_delete_current().unwrap_err().rule;
        let ended = thread.finalize();
        sender.send((thread.current() == Some(current), other, deleted, ended)).unwrap();
        Ok(())
    };
    w.thread.add_pending_call(None, Box::new(tries)).unwrap();
    w.thread.finalize().unwrap();
    assert_eq!(receiver.recv().unwrap(), (true, Err(Rule::Life13), Rule::Tls13, Ok(())));
    assert!(!w.runtime.is_initialized());
}

fn bound_or_refused(thread: &Thread, main: Interp) -> Result<(), Rule> {
    thread.thread_state_new(main).map(|_| ()).map_err(|refusal| refusal.rule)
}

#[test]
fn a_pending_call_that_panics_in_an_end_leaves_the_interpreter_alive() {
    let w = World::new();
    let (sub, t1) = w.isolated();
    w.thread.add_pending_call(Some(sub), Box::new(|_| panic!("on purpose"))).unwrap();
    let end = std::panic::AssertUnwindSafe(|| w.thread.end_interpreter(t1));
    assert!(std::panic::catch_unwind(end).is_err());
    assert_eq!(phase(&w.runtime, sub), Some(Phase::Live));
    assert_eq!(w.thread.current(), Some(t1));
    w.thread.add_pending_call(Some(sub), Box::new(|_| Ok(()))).unwrap();
    w.thread.end_interpreter(t1).unwrap();
    assert_eq!(phase(&w.runtime, sub), None);
}

#[test]
fn nothing_is_added_to_the_ring_of_a_runtime_that_is_gone() {
    let w = World::new();
    w.thread.finalize().unwrap();
    let added = w.thread.add_pending_call(None, Box::new(|_| Ok(())));
    assert!(matches!(added, Err(NotAdded::Refused(refusal)) if refusal.rule == Rule::Gil12));
    w.thread.initialize().unwrap();
    w.thread.add_pending_call(None, Box::new(|_| Ok(()))).unwrap();
    assert_eq!(w.thread.eval_breaker_poll().unwrap().calls, 1);
}

#[test]
fn a_poll_and_a_swap_that_wait_are_answered_as_well() {
    let w = World::new();
    let second = w.bound();
    let (sender, receiver) = channel();
    let main = w.main;
    w.thread.save_thread().unwrap();
    thread::scope(|scope| {
        let runtime = w.runtime.clone();
        scope.spawn(move || {
            let other = runtime.attach().unwrap();
            let (first, next) = (bound(&other, main), bound(&other, main));
            other.restore_thread(first).unwrap();
            sender.send(()).unwrap();
            // It hands the GIL over on request, or swaps, until it is told the end.
            let mut swaps = false;
            let end = loop {
                swaps = !swaps;
                let to = if other.current() == Some(first) { next } else { first };
                let result = if swaps {
                    other.thread_state_swap(Some(to)).map(|_| ())
                } else {
                    other.eval_breaker_poll().map(|_| ())
                };
                if let Err(error) = result {
                    break error;
                }
            };
            assert_eq!(end, CallError::Finalized);
            assert_eq!(other.current(), None);
        });
        receiver.recv().unwrap();
        w.thread.restore_thread(second).unwrap();
        w.thread.finalize().unwrap();
    });
    assert!(w.runtime.snapshot().tstates.is_empty());
}

#[test]
fn an_ensure_is_of_no_use_after_the_end() {
    let w = World::new();
    assert_eq!(w.thread.gilstate_ensure(w.main), Ok(GilState::Locked));
    w.thread.finalize().unwrap();
    assert_eq!(w.thread.gilstate_ensure(w.main), Err(Rule::Gil12.into()));
    assert!(!w.thread.gilstate_check());
    w.refuses(Rule::Gilstate7, |t| t.gilstate_release(GilState::Locked));
}

#[test]
fn threads_live_on_through_many_lives_of_a_runtime() {
    let w = World::new();
    let lives = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let other = w.runtime.attach().unwrap();
                while lives.load(Ordering::Relaxed) < 200 {
                    let Some(main) = w.runtime.main() else { continue };
                    match other.gilstate_ensure(main) {
                        Ok(state) => other.gilstate_release(state).unwrap(),
                        Err(EnsureError::Finalized) => assert_eq!(other.current(), None),
                        Err(error) => assert!(matches!(error.rule(), Some(Rule::Gil12 | Rule::Life13))),
                    }
                }
            });
        }
        for life in 1..=200 {
            w.thread.finalize().unwrap();
            w.thread.initialize().unwrap();
            if life % 2 == 0 {
                let t0 = w.thread.save_thread().unwrap();
                w.thread.restore_thread(t0).unwrap();
            }
            lives.store(life, Ordering::Relaxed);
        }
    });
    assert_eq!(w.runtime.snapshot().tstates.len(), 1);
}
