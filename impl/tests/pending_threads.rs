//! Pending calls, many threads at once.

mod common;

use cloister::{NotAdded, PendingFn};
use common::{World, bound};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const ADDERS: usize = 3;
const CALLS: u64 = 500;

/// What was run: by which adder, which of its calls.
type Log = Arc<Mutex<Vec<(usize, u64)>>>;

fn writes(log: &Log, adder: usize, number: u64) -> PendingFn {
    let log = Arc::clone(log);
    Box::new(move |_| {
        log.lock().unwrap().push((adder, number));
        Ok(())
    })
}

/// Nothing lost, nothing twice, and for each adder in its order.
fn check(log: &Log) {
    let log = log.lock().unwrap();
    assert_eq!(log.len() as u64, ADDERS as u64 * CALLS);
    for adder in 0..ADDERS {
        let numbers = log.iter().filter(|(a, _)| *a == adder).map(|(_, n)| *n);
        assert!(numbers.eq(0..CALLS), "adder {adder}");
    }
}

//= specs/rules/pend.md#pend-1
//= type=test
//# Adding a pending call MUST queue it behind those of its ring, or be answered as full and change
//# nothing.
//= specs/rules/pend.md#pend-4
//= type=test
//# The calls of a ring MUST be run in the order in which they were added, the interpreter's ring
//# before that of the main thread.
#[test]
fn what_many_threads_add_to_the_main_thread_is_run_once_and_in_order() {
    let w = World::new();
    let log = Log::default();
    let full = AtomicU64::new(0);
    let left = AtomicUsize::new(ADDERS);
    thread::scope(|scope| {
        for adder in 0..ADDERS {
            let (runtime, log, full, left) = (&w.runtime, &log, &full, &left);
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                for number in 0..CALLS {
                    let mut call = writes(log, adder, number);
                    while let Err(error) = thread.add_pending_call(None, call) {
                        let NotAdded::Full(back) = error else { panic!("{error:?}") };
                        full.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                        call = back;
                    }
                }
                left.fetch_sub(1, Ordering::Release);
            });
        }
        while left.load(Ordering::Acquire) > 0 {
            w.thread.eval_breaker_poll().unwrap();
        }
        w.thread.eval_breaker_poll().unwrap();
    });
    check(&log);
    let ring = w.runtime.snapshot().main_ring;
    assert_eq!((ring.calls, ring.signalled), (0, false));
}

//= specs/rules/pend.md#pend-6
//= type=test
//# The pending calls of an interpreter MUST NOT be run by two at a time, be it two threads or a call
//# inside a call.
#[test]
fn what_many_threads_add_to_an_interpreter_is_run_by_whoever_polls_there() {
    const POLLERS: usize = 2;
    let w = World::new();
    let (sub, _) = w.isolated();
    w.thread.save_thread().unwrap();
    let log = Log::default();
    let (inside, ran) = (Arc::new(AtomicUsize::new(0)), AtomicU64::new(0));
    thread::scope(|scope| {
        for adder in 0..ADDERS {
            let (runtime, log, inside) = (&w.runtime, &log, &inside);
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                for number in 0..CALLS {
                    let (write, inside) = (writes(log, adder, number), Arc::clone(inside));
                    let mut call: PendingFn = Box::new(move |thread| {
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        // Some let other threads run meanwhile.
                        let result = write(thread);
                        if number.is_multiple_of(100) {
                            let saved = thread.save_thread().unwrap();
                            thread::yield_now();
                            thread.restore_thread(saved).unwrap();
                        }
                        assert_eq!(inside.fetch_sub(1, Ordering::Relaxed), 1);
                        result
                    });
                    while let Err(NotAdded::Full(back)) = thread.add_pending_call(Some(sub), call) {
                        thread::yield_now();
                        call = back;
                    }
                }
            });
        }
        for _ in 0..POLLERS {
            let (runtime, ran) = (&w.runtime, &ran);
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                thread.restore_thread(bound(&thread, sub)).unwrap();
                while ran.load(Ordering::Relaxed) < ADDERS as u64 * CALLS {
                    let polled = thread.eval_breaker_poll().unwrap();
                    assert!(!polled.failed);
                    ran.fetch_add(polled.calls.into(), Ordering::Relaxed);
                }
                thread.save_thread().unwrap();
            });
        }
    });
    check(&log);
    let snapshot = w.runtime.snapshot();
    assert!(snapshot.interps.iter().all(|i| i.ring.calls == 0 && !i.busy));
}

/// Interpreters come and go while others add to them: each call is run, refused, or dropped
/// with its interpreter, and none is lost.
#[test]
fn calls_added_to_interpreters_that_end_are_run_refused_or_dropped() {
    const ROUNDS: usize = 60;
    let w = World::new();
    let target = Mutex::new(w.main);
    let (held, done) = (Arc::new(()), AtomicUsize::new(0));
    let (added, refused, ran) = (AtomicU64::new(0), AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    thread::scope(|scope| {
        for _ in 0..2 {
            let (runtime, target, held, done) = (&w.runtime, &target, &held, &done);
            let (added, refused, ran) = (&added, &refused, &ran);
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                while done.load(Ordering::Acquire) == 0 {
                    let (held, ran) = (Arc::clone(held), Arc::clone(ran));
                    let call: PendingFn = Box::new(move |_| {
                        ran.fetch_add(1, Ordering::Relaxed);
                        drop(held);
                        Ok(())
                    });
                    let interp = *target.lock().unwrap();
                    match thread.add_pending_call(Some(interp), call) {
                        Ok(()) => added.fetch_add(1, Ordering::Relaxed),
                        Err(NotAdded::Refused(_)) => refused.fetch_add(1, Ordering::Relaxed),
                        Err(NotAdded::Full(_)) => 0,
                    };
                }
            });
        }
        for round in 0..ROUNDS {
            let (sub, t1) = w.isolated();
            *target.lock().unwrap() = sub;
            let calls = || w.runtime.snapshot().interps.iter().find(|i| i.interp == sub).unwrap().ring.calls;
            while calls() == 0 {
                thread::yield_now();
            }
            if round % 2 == 0 {
                w.thread.eval_breaker_poll().unwrap();
            }
            w.thread.end_interpreter(t1).unwrap();
            let before = refused.load(Ordering::Relaxed);
            while refused.load(Ordering::Relaxed) == before {
                thread::yield_now();
            }
            w.thread.restore_thread(w.t0).unwrap();
        }
        done.store(1, Ordering::Release);
    });
    w.thread.eval_breaker_poll().unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(ran.load(Ordering::Relaxed) > 0);
    assert!(added.into_inner() >= ROUNDS as u64);
}
