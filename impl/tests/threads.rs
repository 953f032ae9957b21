//! Many OS threads at once.

use cloister::{Interp, Runtime, Settings, Thread, Tstate};
use cloister_specs::{InterpreterConfig, StatusBits};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// So long that a signal which is lost stops the test.
const NEVER: Duration = Duration::from_secs(3600);

fn start(interval: Duration) -> (Runtime, Thread, Interp) {
    let (runtime, thread) = Runtime::start(Settings::default().with_switch_interval(interval)).unwrap();
    let main = runtime.main().unwrap();
    (runtime, thread, main)
}

fn bound(thread: &Thread, interp: Interp) -> Tstate {
    let tstate = thread.thread_state_new(interp).unwrap().unwrap();
    thread.thread_state_bind(tstate).unwrap();
    tstate
}

/// Adds one, as only the holder of a GIL may: another in between would be lost.
fn add(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

//= specs/rules/gil.md#gil-1
//= type=test
//# A GIL MUST be held by at most one thread, and be locked exactly when it is held.
//= specs/rules/gil.md#gil-2
//= type=test
//# Outside a call, a thread with a current thread state MUST hold the GIL of its interpreter.
#[test]
fn threads_that_save_and_restore_never_run_at_once() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 20_000;
    let (runtime, thread, main) = start(NEVER);
    let counter = AtomicU64::new(0);
    thread.save_thread().unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let thread = runtime.attach().unwrap();
                let tstate = bound(&thread, main);
                for _ in 0..ROUNDS {
                    thread.restore_thread(tstate).unwrap();
                    add(&counter);
                    assert_eq!(thread.save_thread(), Ok(tstate));
                }
            });
        }
    });
    assert_eq!(counter.into_inner(), THREADS * ROUNDS);
    assert!(!runtime.snapshot().interps[0].gil.unwrap().locked);
}

//= specs/rules/gil.md#gil-6
//= type=test
//# A waiter whose interval expires while the GIL is held and has not been switched MUST ask for it.
//= specs/rules/gil.md#gil-7
//= type=test
//# Once a waiter has asked, the holder of that GIL MUST see the request.
//= specs/rules/gil.md#gil-9
//= type=test
//# A thread that drops a GIL on request MUST NOT go on before another thread state has taken it,
//# unless it is woken for no reason.
//= specs/rules/gil.md#gil-13
//= type=test
//# A poll that sees a request MUST hand the GIL over and come back with the same thread state current.
#[test]
fn threads_that_only_compute_take_turns() {
    const SWITCHES: u64 = 60;
    let (runtime, thread, main) = start(Duration::from_micros(200));
    thread.save_thread().unwrap();
    let (switches, last) = (AtomicU64::new(0), AtomicU64::new(0));
    let ran = [const { AtomicU64::new(0) }; 3];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (me, ran) in (1..).zip(&ran) {
            let (runtime, switches, last, done) = (&runtime, &switches, &last, &done);
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                let tstate = bound(&thread, main);
                thread.restore_thread(tstate).unwrap();
                while !done.load(Ordering::Relaxed) {
                    if last.swap(me, Ordering::Relaxed) != me {
                        add(switches);
                        add(ran);
                    }
                    let enough = switches.load(Ordering::Relaxed) >= SWITCHES;
                    done.fetch_or(enough, Ordering::Relaxed);
                    thread.eval_breaker_poll().unwrap();
                    assert_eq!(thread.current(), Some(tstate));
                    assert!(thread.status(tstate).unwrap().contains(StatusBits::ACTIVE));
                }
                thread.save_thread().unwrap();
            });
        }
    });
    assert!(switches.into_inner() >= SWITCHES);
    assert!(ran.iter().all(|n| n.load(Ordering::Relaxed) > 0), "{ran:?}");
}

//= specs/rules/gil.md#gil-10
//= type=test
//# A thread in the forced switch MUST have another thread that is about to take that GIL.
//= specs/rules/gil.md#gil-11
//= type=test
//# A thread that waits for a GIL MUST be able to go on: the GIL is free, or its holder is inside
//# a call that can go on, or outside one.
#[test]
fn a_request_left_by_another_interpreter_is_served() {
    let (runtime, thread, _main) = start(Duration::from_micros(200));
    let t0 = thread.current().unwrap();
    let arrived = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let thread = runtime.attach().unwrap();
            // Its interpreter shares the GIL that T0 never lets go of, but for polls.
            let (_, t1) = thread.new_interpreter_from_config(&InterpreterConfig::LEGACY).unwrap();
            arrived.store(true, Ordering::Release);
            thread.end_interpreter(t1).unwrap();
        });
        while !arrived.load(Ordering::Acquire) {
            thread.eval_breaker_poll().unwrap();
        }
    });
    assert_eq!(thread.current(), Some(t0));
}

#[test]
fn interpreters_with_their_own_gil_run_at_once() {
    let (runtime, thread, _main) = start(Duration::from_millis(5));
    thread.save_thread().unwrap();
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let thread = runtime.attach().unwrap();
                let config = InterpreterConfig::ISOLATED;
                let (_, tstate) = thread.new_interpreter_from_config(&config).unwrap();
                // Both stand here with a GIL in their hands.
                both.wait();
                thread.eval_breaker_poll().unwrap();
                both.wait();
                thread.end_interpreter(tstate).unwrap();
            });
        }
    });
}

#[test]
fn threads_that_swap_between_interpreters_never_run_in_one_at_once() {
    const ROUNDS: u64 = 10_000;
    let (runtime, thread, main) = start(NEVER);
    let (own, t1) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    thread.save_thread().unwrap();
    let counters = [AtomicU64::new(0), AtomicU64::new(0)];
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let thread = runtime.attach().unwrap();
                let tstates = [bound(&thread, main), bound(&thread, own)];
                for _ in 0..ROUNDS {
                    for (tstate, counter) in tstates.iter().zip(&counters) {
                        thread.thread_state_swap(Some(*tstate)).unwrap();
                        add(counter);
                    }
                }
                for [here, gone] in [[0, 1], [1, 0]] {
                    thread.thread_state_swap(Some(tstates[here])).unwrap();
                    let other = thread.thread_state_new([main, own][here]).unwrap().unwrap();
                    thread.thread_state_clear(other).unwrap();
                    thread.thread_state_delete(other).unwrap();
                    assert_ne!(thread.gilstate(), Some(tstates[gone]));
                }
                thread.save_thread().unwrap();
            });
        }
    });
    assert_eq!(counters.map(AtomicU64::into_inner), [3 * ROUNDS; 2]);
    assert!(thread.restore_thread(t1).is_ok());
}

/// One thread restores and saves while another clears, deletes and makes anew: whatever
/// the order, each call succeeds or is refused, and nothing is left over.
#[test]
fn a_thread_state_may_be_cleared_while_its_thread_tries_to_restore_it() {
    const ROUNDS: u64 = 2_000;
    let (runtime, thread, main) = start(Duration::from_micros(100));
    let t0 = thread.current().unwrap();
    let (restored, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel::<Tstate>();
        let (bound_by, bound_in) = std::sync::mpsc::channel::<()>();
        scope.spawn({
            let (runtime, restored, refused) = (&runtime, &restored, &refused);
            move || {
                let thread = runtime.attach().unwrap();
                for tstate in receiver {
                    thread.thread_state_bind(tstate).unwrap();
                    bound_by.send(()).unwrap();
                    while thread.restore_thread(tstate).is_ok() {
                        restored.fetch_add(1, Ordering::Relaxed);
                        thread.save_thread().unwrap();
                    }
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        for _ in 0..ROUNDS {
            let tstate = thread.thread_state_new(main).unwrap().unwrap();
            sender.send(tstate).unwrap();
            bound_in.recv().unwrap();
            while thread.thread_state_clear(tstate).is_err() {
                thread.save_thread().unwrap();
                thread.restore_thread(t0).unwrap();
            }
            thread.thread_state_delete(tstate).unwrap();
        }
        drop(sender);
        thread.save_thread().unwrap();
    });
    assert_eq!(refused.into_inner(), ROUNDS);
    assert_eq!(runtime.snapshot().tstates.len(), 1);
}

/// Everything at once, for as many rounds as it says.
#[test]
fn many_threads_make_use_and_end_interpreters() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 300;
    let (runtime, thread, main) = start(Duration::from_micros(100));
    thread.save_thread().unwrap();
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let runtime = &runtime;
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                let home = bound(&thread, main);
                for round in 0..ROUNDS {
                    thread.restore_thread(home).unwrap();
                    let config = match (seed + round) % 2 {
                        0 => InterpreterConfig::ISOLATED,
                        _ => InterpreterConfig::LEGACY,
                    };
                    let fault = cloister_specs::Fault::ALL.get(round % 9).copied();
                    match thread.new_interpreter_with(&config, &mut { fault }) {
                        Ok((interp, tstate)) => {
                            let other = thread.thread_state_new(interp).unwrap().unwrap();
                            thread.eval_breaker_poll().unwrap();
                            thread.thread_state_clear(other).unwrap();
                            thread.thread_state_delete(other).unwrap();
                            thread.end_interpreter(tstate).unwrap();
                        }
                        Err(_) => {
                            assert_eq!(thread.current(), Some(home));
                            thread.save_thread().unwrap();
                        }
                    }
                }
            });
        }
    });
    let snapshot = runtime.snapshot();
    assert_eq!((snapshot.interps.len(), snapshot.tstates.len()), (1, 1 + THREADS));
    assert!(!snapshot.interps[0].gil.unwrap().locked);
}
