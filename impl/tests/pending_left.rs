//! Pending calls that nobody runs: those that are left at an end, and those that are refused.

mod common;

use cloister::{Interp, PendingFn, Ran, Thread};
use cloister_specs::{Phase, Rule};
use common::World;
use common::pending::{Log, ring};
use std::sync::Arc;
use std::thread;

#[test]
fn what_is_left_is_run_when_the_interpreter_ends() {
    let w = World::new();
    let (sub, t1) = w.isolated();
    let (held, log) = (Arc::new(()), Log::default());
    for _ in 0..2 {
        let (held, call) = (Arc::clone(&held), log.writes(1));
        let call = move |thread: &Thread| {
            drop(held);
            call(thread)
        };
        w.thread.add_pending_call(Some(sub), Box::new(call)).unwrap();
    }
    assert_eq!(Arc::strong_count(&held), 3);
    w.thread.end_interpreter(t1).unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    w.thread.restore_thread(w.t0).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(Ran::NOTHING));
    assert_eq!(log.take(), [1, 1]);
}

#[test]
fn what_a_runtime_leaves_is_dropped() {
    let held = Arc::new(());
    let call = |held: &Arc<()>| -> PendingFn {
        let held = Arc::clone(held);
        Box::new(move |_| {
            drop(held);
            Ok(())
        })
    };
    let w = World::new();
    let (sub, _) = w.isolated();
    for interp in [None, Some(w.main), Some(sub)] {
        w.thread.add_pending_call(interp, call(&held)).unwrap();
    }
    assert_eq!(Arc::strong_count(&held), 4);
    drop(w);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_call_that_was_not_added_is_dropped_or_given_back() {
    let w = World::new();
    let held = Arc::new(());
    let theirs = Arc::clone(&held);
    let call = move |_: &Thread| {
        drop(theirs);
        Ok(())
    };
    assert!(w.thread.add_pending_call(Some(Interp::null()), Box::new(call)).is_err());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn nothing_is_added_to_an_interpreter_that_is_gone() {
    let w = World::new();
    let log = Log::default();
    let (sub, t1) = w.isolated();
    w.thread.end_interpreter(t1).unwrap();
    for gone in [sub, Interp::null()] {
        w.refuses(Rule::Gil12, |t| t.add_pending_call(Some(gone), log.writes(1)));
    }
    // Also when its memory is used again.
    let (next, _) = w.isolated();
    w.refuses(Rule::Gil12, |t| t.add_pending_call(Some(sub), log.writes(1)));
    assert_eq!(ring(&w, Some(next)), (0, false));
}

#[test]
fn nothing_is_added_to_an_interpreter_of_another_runtime() {
    let w = World::new();
    let log = Log::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = World::new();
            other.refuses(Rule::Gil12, |t| t.add_pending_call(Some(w.main), log.writes(1)));
        });
    });
}

#[test]
fn nothing_is_added_to_an_interpreter_that_is_being_created() {
    let w = World::new();
    let log = Log::default();
    thread::scope(|scope| {
        let creator = scope.spawn(|| {
            // It waits for the main GIL, in the middle of the creation.
            let thread = w.runtime.attach().unwrap();
            thread.new_interpreter().unwrap().unwrap();
        });
        let interp = loop {
            let snapshot = w.runtime.snapshot();
            match snapshot.interps.iter().find(|i| i.phase == Phase::Creating) {
                Some(info) if w.gil().drop_request => break info.interp,
                _ => thread::yield_now(),
            }
        };
        w.refuses(Rule::Life13, |t| t.add_pending_call(Some(interp), log.writes(1)));
        w.thread.save_thread().unwrap();
        creator.join().unwrap();
        w.thread.add_pending_call(Some(interp), log.writes(1)).unwrap();
    });
}

//= specs/rules/pend.md#pend-10
//= type=test
//# A thread MUST have a current thread state, and hold its GIL, when it makes pending calls.
#[test]
fn a_detached_thread_makes_no_pending_calls() {
    let w = World::new();
    let log = Log::default();
    w.thread.add_pending_call(None, log.writes(1)).unwrap();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Pend10, Thread::make_pending_calls);
    w.refuses(Rule::Tls18, Thread::eval_breaker_poll);
}
