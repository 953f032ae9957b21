//! Forking the process, and replacing it.
#![cfg(unix)]

mod common;

use cloister::{ForkError, Forked, GateError, Runtime, Thread};
use cloister_specs::{Denied, InterpreterConfig, Rule};
use common::child::in_a_child;
use common::{World, bound, look};
use std::sync::mpsc::channel;
use std::thread;

/// An isolated interpreter that may fork and exec.
const OPEN: InterpreterConfig =
    InterpreterConfig { allow_fork: true, allow_exec: true, ..InterpreterConfig::ISOLATED };

/// One interpreter, one thread state, one thread; and they work.
fn is_whole(thread: &Thread) -> bool {
    let runtime: &Runtime = thread.runtime();
    let seen = runtime.snapshot();
    let alone = (seen.interps.len(), seen.tstates.len(), seen.threads.len()) == (1, 1, 1);
    let here = thread.current() == Some(seen.tstates[0].tstate) && thread.gilstate() == thread.current();
    let gil = seen.interps[0].gil.is_some_and(|gil| gil.locked && !gil.drop_request);
    alone && here && gil && thread.is_main_thread() && works(thread)
}

/// Creates and ends interpreters, starts a thread, finalizes, initializes.
fn works(thread: &Thread) -> bool {
    let before = thread.current();
    for config in [InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY] {
        let (_, tstate) = thread.new_interpreter_from_config(&config).unwrap();
        thread.end_interpreter(tstate).unwrap();
        thread.thread_state_swap(before).unwrap();
    }
    let handle = thread.spawn_thread(false, |thread| {
        let saved = thread.save_thread().unwrap();
        thread.restore_thread(saved).is_ok()
    });
    let saved = thread.save_thread().unwrap();
    let ran = handle.unwrap().join().unwrap() == Ok(true);
    thread.restore_thread(saved).unwrap();
    thread.add_pending_call(None, Box::new(|_| Ok(()))).unwrap();
    let called = thread.eval_breaker_poll().unwrap().calls == 1;
    thread.finalize().unwrap();
    thread.initialize().unwrap();
    ran && called && thread.runtime().is_initialized()
}

//= specs/rules/fork.md#fork-2
//= type=test
//# A fork that is allowed MUST lead to a child that runs, with the caller's thread state current
//# and its GIL held.
//= specs/rules/fork.md#fork-4
//= type=test
//# The child MUST have one interpreter, one thread state and one thread, and no lock that a thread
//# of the parent holds.
#[test]
fn a_child_has_one_of_everything_whatever_the_parent_was_at() {
    let w = World::new();
    assert!(in_a_child(&w.thread, is_whole));
    // Interpreters, with pending calls; thread states; other threads, one of which waits for the
    // GIL, one is in an interpreter of its own.
    let (sub, _) = w.isolated();
    w.thread.add_pending_call(Some(sub), Box::new(|_| Ok(()))).unwrap();
    let (shared, _) = w.thread.new_interpreter().unwrap().unwrap();
    w.thread.add_pending_call(Some(shared), Box::new(|_| Ok(()))).unwrap();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.bound();
    let (sender, receiver) = channel();
    let (end, ends) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            let tstate = bound(&other, w.main);
            other.restore_thread(tstate).unwrap();
            other.save_thread().unwrap();
        });
        let runtime = w.runtime.clone();
        scope.spawn(move || {
            let other = runtime.attach().unwrap();
            let (_, tstate) = other.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
            sender.send(()).unwrap();
            ends.recv().unwrap();
            other.end_interpreter(tstate).unwrap();
        });
        receiver.recv().unwrap();
        let waits = || w.runtime.snapshot().tstates.iter().any(|t| t.in_use) && w.gil().drop_request;
        while !waits() {
            thread::yield_now();
        }
        assert!(in_a_child(&w.thread, is_whole));
        // The parent goes on as ever.
        assert_eq!(w.thread.current(), Some(w.t0));
        let saved = w.thread.save_thread().unwrap();
        w.thread.restore_thread(saved).unwrap();
        end.send(()).unwrap();
    });
    assert_eq!((sub.id(), shared.id()), (Some(1), Some(2)));
}

#[test]
fn a_child_forked_while_others_are_at_work_is_whole_every_time() {
    let w = World::new();
    let (end, ends) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::Ordering::Relaxed);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let other = w.runtime.attach().unwrap();
                while !end.load(ends) {
                    let (_, tstate) = other.new_interpreter_from_config(&InterpreterConfig::LEGACY).unwrap();
                    let _ = other.eval_breaker_poll();
                    other.end_interpreter(tstate).unwrap();
                }
            });
        }
        for _ in 0..20 {
            let saved = w.thread.save_thread().unwrap();
            thread::yield_now();
            w.thread.restore_thread(saved).unwrap();
            let whole = in_a_child(&w.thread, is_whole);
            if !whole {
                end.store(true, ends);
            }
            assert!(whole);
        }
        end.store(true, ends);
        w.thread.save_thread().unwrap();
    });
}

#[test]
fn a_thread_that_is_not_the_main_one_is_so_in_its_child() {
    let w = World::new();
    w.thread.save_thread().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            other.gilstate_ensure(w.main).unwrap();
            assert!(!other.is_main_thread());
            assert!(in_a_child(&other, is_whole));
            assert!(!other.is_main_thread());
        });
    });
}

#[test]
fn a_fork_that_fails_changes_nothing() {
    let w = World::new();
    let before = look(&w.runtime, &w.thread);
    let fails = || Err(std::io::ErrorKind::WouldBlock.into());
    // SAFETY: nothing is forked.
    assert!(matches!(unsafe { w.thread.fork_with(fails) }, Err(ForkError::Os(_))));
    assert_eq!(look(&w.runtime, &w.thread), before);
    assert!(works(&w.thread));
}

fn forks(thread: &Thread) -> Result<Forked, ForkError> {
    // SAFETY: nothing is forked.
    unsafe { thread.fork_with(|| Ok(Forked::Parent(1))) }
}

//= specs/rules/fork.md#fork-5
//= type=test
//# A thread MUST have a current thread state when it forks, or replaces the process.
#[test]
fn a_detached_thread_neither_forks_nor_execs() {
    let w = World::new();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Fork5, forks);
    w.refuses(Rule::Fork5, Thread::exec_allowed);
}

//= specs/rules/fork.md#fork-1
//= type=test
//# An interpreter MUST NOT fork unless its configuration allows it.
//= specs/rules/fork.md#fork-3
//= type=test
//# A fork that cannot go on in the child MUST be refused in the parent.
#[test]
fn a_sub_interpreter_does_not_fork_allowed_or_not() {
    let w = World::new();
    w.isolated();
    assert!(matches!(forks(&w.thread), Err(ForkError::Denied(Denied::Fork))));
    w.thread.new_interpreter_from_config(&OPEN).unwrap();
    assert!(matches!(forks(&w.thread), Err(ForkError::Denied(Denied::ForkInSub))));
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    assert!(matches!(forks(&w.thread), Ok(Forked::Parent(1))));
}

//= specs/rules/fork.md#fork-6
//= type=test
//# An interpreter MUST NOT replace the process unless its configuration allows it.
#[test]
fn an_isolated_interpreter_does_not_exec() {
    let w = World::new();
    assert_eq!(w.thread.exec_allowed(), Ok(()));
    w.isolated();
    assert_eq!(w.thread.exec_allowed(), Err(GateError::Denied(Denied::Exec)));
    w.thread.new_interpreter_from_config(&OPEN).unwrap();
    assert_eq!(w.thread.exec_allowed(), Ok(()));
}
