//! AcquireThread, ReleaseThread and DeleteCurrent.

mod common;

use cloister::{Thread, Tstate};
use cloister_specs::{Rule, StatusBits};
use common::{World, bound, refuses_in};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

//= specs/rules/gil.md#gil-18
//= type=test
//# AcquireThread MUST NOT answer before the caller holds the GIL of the thread state, and MUST make
//# it current.
//= specs/rules/gil.md#gil-20
//= type=test
//# ReleaseThread MUST leave no thread state current, and have dropped its GIL.
#[test]
fn a_released_thread_state_can_be_acquired() {
    let w = World::new();
    w.thread.release_thread(w.t0).unwrap();
    assert_eq!(w.thread.current(), None);
    assert!(!w.locked());
    w.thread.acquire_thread(w.t0).unwrap();
    assert_eq!(w.thread.current(), Some(w.t0));
    assert!(w.locked());
    assert!(w.thread.status(w.t0).unwrap().contains(StatusBits::ACTIVE));
}

#[test]
fn threads_that_acquire_and_release_never_run_at_once() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 10_000;
    let w = World::new();
    w.thread.save_thread().unwrap();
    let (runtime, main, counter) = (&w.runtime, w.main, &AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                let tstate = bound(&thread, main);
                for _ in 0..ROUNDS {
                    thread.acquire_thread(tstate).unwrap();
                    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                    thread.release_thread(tstate).unwrap();
                }
            });
        }
    });
    assert_eq!(counter.load(Ordering::Relaxed), THREADS * ROUNDS);
}

//= specs/rules/gil.md#gil-17
//= type=test
//# A thread MUST NOT acquire a thread state while it has a current one.
#[test]
fn an_attached_thread_does_not_acquire() {
    let w = World::new();
    let other = w.bound();
    for tstate in [w.t0, other, Tstate::null()] {
        w.refuses(Rule::Gil17, |t| t.acquire_thread(tstate));
    }
}

#[test]
fn what_cannot_be_restored_cannot_be_acquired() {
    let w = World::new();
    let (deleted, cleared) = (w.deleted(), w.bound());
    let unbound = w.thread.thread_state_new(w.main).unwrap().unwrap();
    w.thread.thread_state_clear(cleared).unwrap();
    w.thread.release_thread(w.t0).unwrap();
    w.refuses(Rule::Gil12, |t| t.acquire_thread(deleted));
    w.refuses(Rule::Gil12, |t| t.acquire_thread(Tstate::null()));
    w.refuses(Rule::Tls4, |t| t.acquire_thread(unbound));
    w.refuses(Rule::Tls6, |t| t.acquire_thread(cleared));
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            refuses_in(&w.runtime, &other, Rule::Tls4, |t| t.acquire_thread(w.t0));
        });
    });
}

//= specs/rules/gil.md#gil-19
//= type=test
//# A thread MUST release the thread state that is current.
#[test]
fn what_is_not_current_is_not_released() {
    let w = World::new();
    let (deleted, other) = (w.deleted(), w.bound());
    w.refuses(Rule::Gil12, |t| t.release_thread(deleted));
    w.refuses(Rule::Gil19, |t| t.release_thread(other));
    w.thread.release_thread(w.t0).unwrap();
    w.refuses(Rule::Gil19, |t| t.release_thread(w.t0));
}

//= specs/rules/tls.md#tls-22
//= type=test
//# DeleteCurrent MUST leave the thread without a thread state in either place, current or named, and
//# have dropped its GIL.
#[test]
fn a_thread_that_deletes_its_thread_state_is_left_with_none() {
    let w = World::new();
    w.thread.thread_state_delete_current().unwrap();
    assert_eq!((w.thread.current(), w.thread.gilstate()), (None, None));
    assert!(!w.locked());
    assert_eq!(w.gil().last_holder, None);
    assert!(w.thread.status(w.t0).is_err());
    assert_eq!(w.runtime.snapshot().tstates.len(), 0);
    // The interpreter lives on, and can be entered again.
    let t1 = w.bound();
    w.thread.restore_thread(t1).unwrap();
}

#[test]
fn a_thread_state_that_is_deleted_leaves_those_beside_it() {
    let w = World::new();
    let (interp, t1) = w.isolated();
    let t2 = bound(&w.thread, interp);
    w.thread.thread_state_delete_current().unwrap();
    assert!(w.thread.status(t1).is_err());
    w.thread.acquire_thread(t2).unwrap();
    w.thread.end_interpreter(t2).unwrap();
    w.thread.acquire_thread(w.t0).unwrap();
}

//= specs/rules/tls.md#tls-21
//= type=test
//# A thread MUST have a current thread state when it deletes its current one.
#[test]
fn a_detached_thread_has_nothing_to_delete() {
    let w = World::new();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Tls21, Thread::thread_state_delete_current);
}

#[test]
fn threads_that_come_and_go_leave_nothing() {
    const ROUNDS: usize = 2_000;
    let w = World::new();
    w.thread.save_thread().unwrap();
    let (runtime, main) = (&w.runtime, w.main);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                for _ in 0..ROUNDS {
                    let tstate = bound(&thread, main);
                    thread.acquire_thread(tstate).unwrap();
                    thread.eval_breaker_poll().unwrap();
                    thread.thread_state_delete_current().unwrap();
                    assert_eq!(thread.gilstate(), None);
                }
            });
        }
    });
    assert_eq!(w.runtime.snapshot().tstates.len(), 1);
    assert!(!w.locked());
}
