//! Taking up an interpreter from any thread.

mod common;

use cloister::EnsureError;
use cloister_specs::{Fault, GilState, Rule, StatusBits};
use common::{World, bound, in_a_fresh_thread, look};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use GilState::{Locked, Unlocked};

//= specs/rules/gilstate.md#gilstate-1
//= type=test
//# Ensure MUST answer with a thread state current in the calling thread and its GIL held.
//= specs/rules/gilstate.md#gilstate-9
//= type=test
//# The last Release of a thread state that Ensure made MUST delete it, and leave the thread with
//# none.
#[test]
fn a_foreign_thread_gets_a_thread_state_for_as_long_as_it_needs_one() {
    let w = World::new();
    let (runtime, main) = (w.runtime.clone(), w.main);
    in_a_fresh_thread(&w, |thread| {
        assert_eq!(thread.gilstate_ensure(main), Ok(Unlocked));
        let tstate = thread.current().unwrap();
        assert_eq!(thread.gilstate(), Some(tstate));
        let snapshot = runtime.snapshot();
        assert!(snapshot.interps[0].gil.unwrap().locked);
        let info = snapshot.tstates.iter().find(|info| info.tstate == tstate).unwrap();
        assert_eq!((info.interp, info.ensures), (main.serial(), 1));
        assert_eq!(info.thread, Some(thread.serial()));
        assert!(info.status.contains(StatusBits::ACTIVE | StatusBits::BOUND_GILSTATE));
        thread.gilstate_release(Unlocked).unwrap();
        assert!(thread.status(tstate).is_err());
        assert_eq!((thread.current(), thread.gilstate()), (None, None));
        let gil = runtime.snapshot().interps[0].gil.unwrap();
        assert!(!gil.locked && gil.last_holder.is_none());
    });
    assert_eq!(w.runtime.snapshot().tstates.len(), 1);
}

//= specs/rules/gilstate.md#gilstate-2
//= type=test
//# Ensure MUST take up the thread state that the gilstate slot names, and MUST NOT make another one
//# beside it.
//= specs/rules/gilstate.md#gilstate-10
//= type=test
//# Any other Release MUST leave the thread as it was before its Ensure.
#[test]
fn a_thread_takes_up_its_own_thread_state_and_is_then_as_it_was() {
    let w = World::new();
    let before = look(&w.runtime, &w.thread);
    assert_eq!(w.thread.gilstate_ensure(w.main), Ok(Locked));
    assert_eq!(w.thread.current(), Some(w.t0));
    w.thread.gilstate_release(Locked).unwrap();
    assert_eq!(look(&w.runtime, &w.thread), before);

    w.thread.save_thread().unwrap();
    let before = look(&w.runtime, &w.thread);
    assert_eq!(w.thread.gilstate_ensure(w.main), Ok(Unlocked));
    assert_eq!(w.thread.current(), Some(w.t0));
    assert!(w.locked());
    assert_eq!(w.runtime.snapshot().tstates.len(), 1);
    w.thread.gilstate_release(Unlocked).unwrap();
    assert_eq!(look(&w.runtime, &w.thread), before);
}

#[test]
fn ensures_nest_and_the_last_release_counts() {
    let w = World::new();
    let (runtime, main) = (w.runtime.clone(), w.main);
    in_a_fresh_thread(&w, |thread| {
        assert_eq!(thread.gilstate_ensure(main), Ok(Unlocked));
        let tstate = thread.current().unwrap();
        assert_eq!(thread.gilstate_ensure(main), Ok(Locked));
        // A blocking call, and a callback from within.
        thread.save_thread().unwrap();
        assert_eq!(thread.gilstate_ensure(main), Ok(Unlocked));
        assert_eq!(thread.current(), Some(tstate));
        thread.gilstate_release(Unlocked).unwrap();
        assert_eq!(thread.current(), None);
        thread.restore_thread(tstate).unwrap();
        thread.gilstate_release(Locked).unwrap();
        assert_eq!(thread.current(), Some(tstate));
        thread.gilstate_release(Unlocked).unwrap();
        assert_eq!(runtime.snapshot().tstates.len(), 1);
    });
}

#[test]
fn every_answer_is_remembered_however_deep_ensures_nest() {
    const DEPTH: u32 = 300;
    let w = World::new();
    let blocks = |k: u32| k.is_multiple_of(3) || k.is_multiple_of(7);
    for k in 0..DEPTH {
        if blocks(k) {
            w.thread.save_thread().unwrap();
        }
        let answer = w.thread.gilstate_ensure(w.main).unwrap();
        assert_eq!(answer, if blocks(k) { Unlocked } else { Locked });
    }
    for k in (0..DEPTH).rev() {
        let (right, wrong) = if blocks(k) { (Unlocked, Locked) } else { (Locked, Unlocked) };
        assert_eq!(w.thread.gilstate_release(wrong).unwrap_err().rule, Rule::Gilstate6, "{k}");
        w.thread.gilstate_release(right).unwrap();
        assert_eq!(w.thread.current().is_none(), blocks(k));
        if blocks(k) {
            w.thread.restore_thread(w.t0).unwrap();
        }
    }
    w.refuses(Rule::Gilstate5, |t| t.gilstate_release(Locked));
}

//= specs/rules/gilstate.md#gilstate-3
//= type=test
//# Ensure MUST lead into the interpreter that the caller works for.
#[test]
fn a_callback_of_a_sub_interpreter_comes_back_to_it() {
    let w = World::new();
    let (sub, t1) = w.isolated();
    w.thread.save_thread().unwrap();
    assert_eq!(w.thread.gilstate_ensure(sub), Ok(Unlocked));
    assert_eq!(w.thread.current(), Some(t1));
    w.thread.gilstate_release(Unlocked).unwrap();
    in_a_fresh_thread(&w, |thread| {
        assert_eq!(thread.gilstate_ensure(sub), Ok(Unlocked));
        let snapshot = thread.runtime().snapshot();
        let made = snapshot.tstates.iter().find(|i| Some(i.tstate) == thread.current()).unwrap();
        assert_eq!(made.interp, sub.serial());
        thread.gilstate_release(Unlocked).unwrap();
    });
}

#[test]
fn the_ensures_of_one_thread_state_are_not_those_of_another() {
    let w = World::new();
    let other = w.bound();
    assert_eq!(w.thread.gilstate_ensure(w.main), Ok(Locked));
    w.thread.thread_state_swap(Some(other)).unwrap();
    w.refuses(Rule::Gilstate5, |t| t.gilstate_release(Locked));
    assert_eq!(w.thread.gilstate_ensure(w.main), Ok(Locked));
    w.thread.gilstate_release(Locked).unwrap();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.thread.gilstate_release(Locked).unwrap();
}

#[test]
fn a_thread_state_deleted_by_another_thread_is_replaced() {
    let w = World::new();
    let (sender, receiver) = channel();
    let (deleted, wait) = channel::<()>();
    thread::scope(|scope| {
        let (runtime, main) = (&w.runtime, w.main);
        let waiter = scope.spawn(move || {
            let thread = runtime.attach().unwrap();
            let tstate = bound(&thread, main);
            sender.send(tstate).unwrap();
            wait.recv().unwrap();
            assert_eq!(thread.gilstate_ensure(main), Ok(Unlocked));
            assert_ne!(thread.current(), Some(tstate));
            thread.gilstate_release(Unlocked).unwrap();
        });
        let tstate = receiver.recv().unwrap();
        w.thread.thread_state_clear(tstate).unwrap();
        w.thread.thread_state_delete(tstate).unwrap();
        deleted.send(()).unwrap();
        w.thread.save_thread().unwrap();
        waiter.join().unwrap();
    });
}

//= specs/rules/gilstate.md#gilstate-11
//= type=test
//# Check MUST answer yes exactly where the calling thread has a current thread state and its
//# gilstate slot names it.
#[test]
fn a_check_says_whether_the_thread_is_attached_also_beside_sub_interpreters() {
    let w = World::new();
    assert!(w.thread.gilstate_check());
    let (_, t1) = w.isolated();
    assert!(w.thread.gilstate_check());
    w.thread.save_thread().unwrap();
    assert!(!w.thread.gilstate_check());
    w.thread.restore_thread(t1).unwrap();
    w.thread.end_interpreter(t1).unwrap();
    assert!(!w.thread.gilstate_check());
    in_a_fresh_thread(&w, |thread| assert!(!thread.gilstate_check()));
}

//= specs/rules/gilstate.md#gilstate-4
//= type=test
//# An Ensure that cannot make a thread state MUST be answered with an error, and MUST NOT end the
//# process.
#[test]
fn an_ensure_that_finds_no_memory_can_be_tried_again() {
    let w = World::new();
    let (runtime, main) = (w.runtime.clone(), w.main);
    in_a_fresh_thread(&w, |thread| {
        let before = look(&runtime, thread);
        let result = thread.gilstate_ensure_with(main, &mut Some(Fault::TstateAlloc));
        assert_eq!(result, Err(EnsureError::NoMemory));
        assert_eq!(look(&runtime, thread), before);
        assert_eq!(thread.gilstate_ensure(main), Ok(Unlocked));
        // One that makes nothing cannot fail.
        assert_eq!(thread.gilstate_ensure_with(main, &mut Some(Fault::TstateAlloc)), Ok(Locked));
        thread.gilstate_release(Locked).unwrap();
        thread.gilstate_release(Unlocked).unwrap();
    });
}

#[cfg(feature = "faults")]
#[test]
fn each_allocation_of_an_ensure_may_fail() {
    let w = World::new();
    let (runtime, main) = (w.runtime.clone(), w.main);
    in_a_fresh_thread(&w, |thread| {
        let before = look(&runtime, thread);
        let mut failed = 0;
        for nth in 1.. {
            runtime.fail_allocation(nth);
            match thread.gilstate_ensure(main) {
                Err(error) => assert_eq!(error, EnsureError::NoMemory),
                Ok(_) => break,
            }
            assert_eq!(look(&runtime, thread), before, "allocation {nth}");
            failed = nth;
        }
        assert_eq!(failed, 2);
        thread.gilstate_release(Unlocked).unwrap();
    });
}

#[test]
fn a_thread_state_that_an_ensure_waits_with_is_not_cleared() {
    let w = World::new();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let thread = w.runtime.attach().unwrap();
            assert_eq!(thread.gilstate_ensure(w.main), Ok(Unlocked));
            thread.gilstate_release(Unlocked).unwrap();
        });
        while !w.gil().drop_request {
            thread::yield_now();
        }
        let made = w.runtime.snapshot().tstates.iter().find(|i| i.tstate != w.t0).unwrap().tstate;
        w.refuses(Rule::Tls13, |t| t.thread_state_clear(made));
        w.thread.save_thread().unwrap();
        waiter.join().unwrap();
        assert_eq!(w.runtime.snapshot().tstates.len(), 1);
    });
}

#[test]
fn callbacks_of_many_threads_never_run_at_once_and_leave_nothing() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 2_000;
    let w = World::new();
    let (sub, _) = w.isolated();
    w.thread.save_thread().unwrap();
    let counters = [AtomicU64::new(0), AtomicU64::new(0)];
    let add = |counter: &AtomicU64| counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let (runtime, main, counts) = (&w.runtime, w.main, &counters);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                for _ in 0..ROUNDS {
                    for (interp, counter) in [main, sub].into_iter().zip(counts) {
                        assert_eq!(thread.gilstate_ensure(interp), Ok(Unlocked));
                        assert!(thread.gilstate_check());
                        add(counter);
                        assert_eq!(thread.gilstate_ensure(interp), Ok(Locked));
                        thread.eval_breaker_poll().unwrap();
                        thread.gilstate_release(Locked).unwrap();
                        add(counter);
                        thread.gilstate_release(Unlocked).unwrap();
                        assert!(!thread.gilstate_check());
                    }
                }
            });
        }
    });
    assert_eq!(counters.map(AtomicU64::into_inner), [2 * THREADS * ROUNDS; 2]);
    let snapshot = w.runtime.snapshot();
    assert_eq!(snapshot.tstates.len(), 2);
    assert!(snapshot.interps.iter().filter_map(|i| i.gil).all(|gil| !gil.locked));
}
