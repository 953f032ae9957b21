//! Pending calls, one thread after the other.

mod common;

use cloister::{CallError, Interp, NotAdded, PendingFailed, Ran, Thread};
use cloister_specs::{RING, Rule};
use common::pending::{Log, failed, ran, ring};
use common::{World, bound, look, refuses_in};
use std::sync::mpsc::channel;
use std::thread;

fn busy(thread: &Thread) -> bool {
    thread.runtime().snapshot().interps.iter().any(|i| i.busy)
}

//= specs/rules/pend.md#pend-5
//= type=test
//# A poll that sees a signalled ring which it may run MUST run it, unless calls of this interpreter
//# are being run already.
//= specs/rules/pend.md#pend-4
//= type=test
//# The calls of a ring MUST be run in the order in which they were added, the interpreter's ring
//# before that of the main thread.
#[test]
fn a_poll_runs_what_was_added_in_its_order() {
    let w = World::new();
    let log = Log::default();
    for (number, interp) in [(3, None), (1, Some(w.main)), (4, None), (2, Some(w.main))] {
        w.thread.add_pending_call(interp, log.writes(number)).unwrap();
    }
    assert_eq!((ring(&w, None), ring(&w, Some(w.main))), ((2, true), (2, true)));
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(4)));
    assert_eq!(log.take(), [1, 2, 3, 4]);
    assert_eq!((ring(&w, None), ring(&w, Some(w.main))), ((0, false), (0, false)));
    assert_eq!(w.thread.eval_breaker_poll(), Ok(Ran::NOTHING));
    assert_eq!(w.thread.current(), Some(w.t0));
}

#[test]
fn a_call_is_added_by_a_thread_that_has_nothing() {
    let w = World::new();
    let log = Log::default();
    w.thread.save_thread().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            assert_eq!(other.gilstate(), None);
            other.add_pending_call(Some(w.main), log.writes(1)).unwrap();
            other.add_pending_call(None, log.writes(2)).unwrap();
        });
    });
    w.thread.restore_thread(w.t0).unwrap();
    assert_eq!(w.thread.make_pending_calls(), Ok(ran(2)));
    assert_eq!(log.take(), [1, 2]);
}

//= specs/rules/pend.md#pend-1
//= type=test
//# Adding a pending call MUST queue it behind those of its ring, or be answered as full and change
//# nothing.
#[test]
fn a_full_ring_gives_the_call_back() {
    let w = World::new();
    let log = Log::default();
    let numbers = 0..RING as u32;
    for interp in [None, Some(w.main)] {
        for number in numbers.clone() {
            w.thread.add_pending_call(interp, log.writes(number)).unwrap();
        }
        let before = look(&w.runtime, &w.thread);
        let Err(NotAdded::Full(back)) = w.thread.add_pending_call(interp, log.writes(99)) else {
            panic!("there is no room for it")
        };
        assert_eq!(look(&w.runtime, &w.thread), before);
        w.thread.eval_breaker_poll().unwrap();
        assert_eq!(log.take(), numbers.clone().collect::<Vec<_>>());
        w.thread.add_pending_call(interp, back).unwrap();
        w.thread.eval_breaker_poll().unwrap();
        assert_eq!(log.take(), [99]);
    }
}

//= specs/rules/pend.md#pend-3
//= type=test
//# A call in the ring of an interpreter MUST be run in that interpreter, by a thread that holds its
//# GIL.
#[test]
fn a_call_of_an_interpreter_waits_for_a_thread_that_runs_there() {
    let w = World::new();
    let (sub, t1) = w.isolated();
    let (shared, t2) = w.thread.new_interpreter().unwrap().unwrap();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    let (log, (sender, seen)) = (Log::default(), channel());
    w.thread.add_pending_call(Some(sub), log.writes(1)).unwrap();
    let look = move |thread: &Thread| {
        let locked = thread.runtime().snapshot().interps.iter().filter_map(|i| i.gil).any(|g| g.locked);
        sender.send((thread.current(), locked)).map_err(|_| PendingFailed)
    };
    w.thread.add_pending_call(Some(shared), Box::new(look)).unwrap();
    // Neither the main interpreter nor one with the same GIL is the right place.
    assert_eq!(w.thread.eval_breaker_poll(), Ok(Ran::NOTHING));
    assert_eq!(w.thread.make_pending_calls(), Ok(Ran::NOTHING));
    w.thread.thread_state_swap(Some(t1)).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(1)));
    assert_eq!(log.take(), [1]);
    w.thread.thread_state_swap(Some(t2)).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(1)));
    assert_eq!(seen.try_recv(), Ok((Some(t2), true)));
}

//= specs/rules/pend.md#pend-2
//= type=test
//# A call in the ring of the main thread MUST be run by the main thread, in the main interpreter.
#[test]
fn a_call_of_the_main_thread_waits_for_it_to_be_in_the_main_interpreter() {
    let w = World::new();
    let log = Log::default();
    w.thread.add_pending_call(None, log.writes(1)).unwrap();
    let (_, t1) = w.isolated();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(Ran::NOTHING));
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            assert!(!other.is_main_thread());
            other.restore_thread(bound(&other, w.main)).unwrap();
            assert_eq!(other.eval_breaker_poll(), Ok(Ran::NOTHING));
            assert_eq!(other.make_pending_calls(), Ok(Ran::NOTHING));
            // What is the interpreter's it runs.
            other.add_pending_call(Some(w.main), log.writes(2)).unwrap();
            assert_eq!(other.eval_breaker_poll(), Ok(ran(1)));
            assert_eq!(log.take(), [2]);
        });
    });
    assert!(w.thread.is_main_thread());
    w.thread.end_interpreter(t1).unwrap();
    w.thread.restore_thread(w.t0).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(1)));
    assert_eq!(log.take(), [1]);
}

#[test]
fn the_main_thread_is_the_main_thread_when_it_comes_back() {
    let World { runtime, thread, main, .. } = World::new();
    let log = Log::default();
    drop(thread);
    thread::scope(|scope| {
        scope.spawn(|| assert!(!runtime.attach().unwrap().is_main_thread()));
    });
    let thread = runtime.attach().unwrap();
    assert!(thread.is_main_thread());
    thread.add_pending_call(None, log.writes(1)).unwrap();
    thread.restore_thread(bound(&thread, main)).unwrap();
    assert_eq!(thread.eval_breaker_poll(), Ok(ran(1)));
    assert_eq!(log.take(), [1]);
}

//= specs/rules/pend.md#pend-8
//= type=test
//# MakePendingCalls MUST NOT run anything but in the main thread and the main interpreter.
#[test]
fn make_pending_calls_runs_nothing_in_a_sub_interpreter() {
    let w = World::new();
    let log = Log::default();
    let (sub, _) = w.isolated();
    w.thread.add_pending_call(None, log.writes(1)).unwrap();
    w.thread.add_pending_call(Some(w.main), log.writes(2)).unwrap();
    w.thread.add_pending_call(Some(sub), log.writes(3)).unwrap();
    let before = look(&w.runtime, &w.thread);
    assert_eq!(w.thread.make_pending_calls(), Ok(Ran::NOTHING));
    assert_eq!(look(&w.runtime, &w.thread), before);
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(1)));
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    assert_eq!(w.thread.make_pending_calls(), Ok(ran(2)));
    assert_eq!(log.take(), [3, 2, 1]);
}

//= specs/rules/pend.md#pend-7
//= type=test
//# A pending call that fails MUST end the run, and leave those behind it queued and signalled.
//= specs/rules/pend.md#pend-9
//= type=test
//# A ring that has calls MUST be signalled, unless a thread is running it.
#[test]
fn a_call_that_fails_leaves_the_rest_to_the_next_poll() {
    let w = World::new();
    let log = Log::default();
    w.thread.add_pending_call(None, log.fails(4)).unwrap();
    w.thread.add_pending_call(None, log.writes(5)).unwrap();
    for call in [log.writes(1), log.fails(2), log.writes(3)] {
        w.thread.add_pending_call(Some(w.main), call).unwrap();
    }
    assert_eq!(w.thread.eval_breaker_poll(), Ok(failed(2)));
    assert_eq!(log.take(), [1, 2]);
    assert_eq!((ring(&w, Some(w.main)), ring(&w, None)), ((1, true), (2, true)));
    assert!(!busy(&w.thread));
    assert_eq!(w.thread.eval_breaker_poll(), Ok(failed(2)));
    assert_eq!(log.take(), [3, 4]);
    assert_eq!((ring(&w, Some(w.main)), ring(&w, None)), ((0, false), (1, true)));
    assert_eq!(w.thread.make_pending_calls(), Ok(ran(1)));
    assert_eq!(log.take(), [5]);
    assert_eq!((ring(&w, Some(w.main)), ring(&w, None)), ((0, false), (0, false)));
}

#[test]
fn the_last_call_that_fails_leaves_a_signal_and_nothing_behind_it() {
    let w = World::new();
    let log = Log::default();
    w.thread.add_pending_call(Some(w.main), log.fails(1)).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(failed(1)));
    assert_eq!(ring(&w, Some(w.main)), (0, true));
    assert_eq!(w.thread.eval_breaker_poll(), Ok(Ran::NOTHING));
    assert_eq!(ring(&w, Some(w.main)), (0, false));
}

#[test]
fn a_call_that_is_added_by_a_call_is_run_as_well() {
    let w = World::new();
    let log = Log::default();
    let (main, second) = (w.main, log.writes(2));
    let adds = move |thread: &Thread| thread.add_pending_call(Some(main), second).map_err(|_| PendingFailed);
    w.thread.add_pending_call(Some(w.main), Box::new(adds)).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(2)));
    assert_eq!(log.take(), [2]);
    assert_eq!(ring(&w, Some(w.main)).0, 0);
}

#[test]
fn calls_that_add_themselves_for_ever_do_not_hold_a_poll_up() {
    const MOST: u32 = 32;
    fn again(thread: &Thread, main: Interp) -> Result<(), PendingFailed> {
        let call = Box::new(move |thread: &Thread| again(thread, main));
        thread.add_pending_call(Some(main), call).map_err(|_| PendingFailed)
    }
    let w = World::new();
    let log = Log::default();
    w.thread.add_pending_call(None, log.writes(1)).unwrap();
    again(&w.thread, w.main).unwrap();
    // The ring of the main thread has its turn.
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(MOST + 1)));
    assert_eq!(log.take(), [1]);
    assert_eq!(ring(&w, Some(w.main)), (1, true));
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(MOST)));
}

//= specs/rules/pend.md#pend-6
//= type=test
//# The pending calls of an interpreter MUST NOT be run by two at a time, be it two threads or a call
//# inside a call.
#[test]
fn a_call_that_makes_pending_calls_or_polls_makes_none() {
    let w = World::new();
    let log = Log::default();
    let (sender, seen) = channel();
    let makes = move |thread: &Thread| {
        let results = [thread.make_pending_calls().map_err(CallError::from), thread.eval_breaker_poll()];
        sender.send((results, busy(thread))).map_err(|_| PendingFailed)
    };
    w.thread.add_pending_call(Some(w.main), Box::new(makes)).unwrap();
    w.thread.add_pending_call(Some(w.main), log.writes(1)).unwrap();
    w.thread.add_pending_call(None, log.writes(2)).unwrap();
    assert_eq!(w.thread.make_pending_calls(), Ok(ran(3)));
    assert_eq!(seen.try_recv(), Ok(([Ok(Ran::NOTHING); 2], true)));
    assert_eq!(log.take(), [1, 2]);
    assert!(!busy(&w.thread));
}

#[test]
fn while_a_call_blocks_no_other_thread_runs_the_next_one() {
    let w = World::new();
    let log = Log::default();
    let (blocked, is_blocked) = channel();
    let (go_on, goes_on) = channel();
    let blocks = move |thread: &Thread| {
        let saved = thread.save_thread().map_err(|_| PendingFailed)?;
        blocked.send(saved).map_err(|_| PendingFailed)?;
        goes_on.recv().map_err(|_| PendingFailed)?;
        thread.restore_thread(saved).map_err(|_| PendingFailed)
    };
    w.thread.add_pending_call(Some(w.main), Box::new(blocks)).unwrap();
    w.thread.add_pending_call(Some(w.main), log.writes(1)).unwrap();
    thread::scope(|scope| {
        let (runtime, main, log) = (&w.runtime, w.main, &log);
        scope.spawn(move || {
            let other = runtime.attach().unwrap();
            let saved = is_blocked.recv().unwrap();
            other.restore_thread(bound(&other, main)).unwrap();
            assert!(busy(&other));
            assert_eq!(other.eval_breaker_poll(), Ok(Ran::NOTHING));
            assert_eq!(log.take(), []);
            // The thread state of the one that is blocked will be needed.
            refuses_in(runtime, &other, Rule::Tls13, |t| t.thread_state_clear(saved));
            other.save_thread().unwrap();
            go_on.send(()).unwrap();
        });
        assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(2)));
    });
    assert_eq!(log.take(), [1]);
    let status = w.runtime.snapshot();
    assert!(status.interps.iter().all(|i| !i.busy));
}

#[test]
fn a_call_that_comes_back_elsewhere_has_failed() {
    let w = World::new();
    let log = Log::default();
    let leaves = |thread: &Thread| thread.save_thread().map(|_| ()).map_err(|_| PendingFailed);
    w.thread.add_pending_call(Some(w.main), Box::new(leaves)).unwrap();
    w.thread.add_pending_call(Some(w.main), log.writes(1)).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(failed(1)));
    assert_eq!(w.thread.current(), None);
    assert!(!w.locked());
    w.thread.restore_thread(w.t0).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(1)));
    assert_eq!(log.take(), [1]);
}

#[test]
fn a_call_does_not_end_its_interpreter() {
    let w = World::new();
    let log = Log::default();
    let (sub, t1) = w.isolated();
    let (sender, seen) = channel();
    let ends = move |thread: &Thread| sender.send(thread.end_interpreter(t1)).map_err(|_| PendingFailed);
    w.thread.add_pending_call(Some(sub), Box::new(ends)).unwrap();
    w.thread.add_pending_call(Some(sub), log.writes(1)).unwrap();
    // The end would run the second call inside the first.
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(2)));
    assert_eq!(seen.try_recv(), Ok(Err(Rule::Pend6.into())));
    assert_eq!(log.take(), [1]);
    w.thread.end_interpreter(t1).unwrap();
    assert_eq!(sub.id(), None);
    // The next one, in the same memory, has nothing of it.
    let (next, t2) = w.isolated();
    assert_eq!(ring(&w, Some(next)), (0, false));
    assert!(!busy(&w.thread));
    w.thread.add_pending_call(Some(next), log.writes(2)).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(1)));
    assert_eq!(log.take(), [2]);
    w.thread.end_interpreter(t2).unwrap();
}

#[test]
fn a_call_may_delete_its_thread_state() {
    let w = World::new();
    let deletes = |thread: &Thread| thread.thread_state_delete_current().map_err(|_| PendingFailed);
    w.thread.add_pending_call(Some(w.main), Box::new(deletes)).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(failed(1)));
    assert_eq!((w.thread.current(), w.thread.gilstate()), (None, None));
    // Its memory is used again, and by nobody else.
    let t1 = w.bound();
    w.thread.restore_thread(t1).unwrap();
    assert_eq!(w.thread.eval_breaker_poll(), Ok(Ran::NOTHING));
}

#[test]
fn a_call_that_panics_leaves_the_interpreter_idle() {
    let w = World::new();
    let log = Log::default();
    w.thread.add_pending_call(Some(w.main), Box::new(|_| panic!("on purpose"))).unwrap();
    w.thread.add_pending_call(Some(w.main), log.writes(1)).unwrap();
    w.thread.add_pending_call(None, log.writes(2)).unwrap();
    let poll = std::panic::AssertUnwindSafe(|| w.thread.eval_breaker_poll());
    assert!(std::panic::catch_unwind(poll).is_err());
    assert!(!busy(&w.thread));
    assert_eq!(w.thread.current(), Some(w.t0));
    assert_eq!(w.thread.eval_breaker_poll(), Ok(ran(2)));
    assert_eq!(log.take(), [1, 2]);
}
