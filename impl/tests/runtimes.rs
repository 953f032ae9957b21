//! Several runtimes in one process.

use cloister::{AttachError, Runtime, Settings};
use cloister_specs::{InterpreterConfig, Rule};
use std::thread;

#[test]
fn a_thread_is_attached_to_one_runtime_at_most() {
    let (first, thread) = Runtime::start(Settings::default()).unwrap();
    assert_eq!(Runtime::start(Settings::default()).err(), Some(AttachError::AlreadyAttached));
    assert_eq!(first.attach().err(), Some(AttachError::AlreadyAttached));
    drop(thread);
    let (second, thread) = Runtime::start(Settings::default()).unwrap();
    drop(thread);
    let back = first.attach().unwrap();
    assert_eq!(second.attach().err(), Some(AttachError::AlreadyAttached));
    assert_eq!(back.current(), None);
}

#[test]
fn what_belongs_to_another_runtime_is_refused() {
    let (first, thread) = Runtime::start(Settings::default()).unwrap();
    let (foreign_interp, foreign) = (first.main().unwrap(), thread.current().unwrap());
    let unbound = thread.thread_state_new(foreign_interp).unwrap().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (_second, other) = Runtime::start(Settings::default()).unwrap();
            let refused = |result: Result<(), cloister_specs::Refusal>| result.unwrap_err().rule;
            assert_eq!(other.thread_state_new(foreign_interp).unwrap_err().rule, Rule::Gil12);
            assert_eq!(refused(other.thread_state_bind(unbound)), Rule::Gil12);
            assert_eq!(refused(other.thread_state_clear(foreign)), Rule::Gil12);
            assert_eq!(refused(other.thread_state_delete(foreign)), Rule::Gil12);
            assert_eq!(other.end_interpreter(foreign), Err(Rule::Gil12.into()));
            assert_eq!(other.thread_state_swap(Some(foreign)), Err(Rule::Gil12.into()));
            other.save_thread().unwrap();
            assert_eq!(other.restore_thread(foreign), Err(Rule::Gil12.into()));
        });
    });
}

#[test]
fn handles_of_a_runtime_that_has_ended_are_refused_by_the_next() {
    let (first, thread) = Runtime::start(Settings::default()).unwrap();
    let (interp, tstate) = (first.main().unwrap(), thread.current().unwrap());
    drop(thread);
    drop(first);
    assert_eq!(interp.id(), None);
    let (_second, thread) = Runtime::start(Settings::default()).unwrap();
    assert_eq!(thread.thread_state_new(interp).unwrap_err().rule, Rule::Gil12);
    assert_eq!(thread.thread_state_bind(tstate).unwrap_err().rule, Rule::Gil12);
}

#[test]
fn runtimes_do_not_disturb_each_other() {
    let ids = thread::scope(|scope| {
        let life = || {
            let (_runtime, thread) = Runtime::start(Settings::default()).unwrap();
            let t0 = thread.current();
            let mut last = 0;
            for _ in 0..200 {
                let config = InterpreterConfig::LEGACY;
                let (interp, t1) = thread.new_interpreter_from_config(&config).unwrap();
                last = interp.id().unwrap();
                thread.end_interpreter(t1).unwrap();
                thread.thread_state_swap(t0).unwrap();
            }
            last
        };
        [scope.spawn(life), scope.spawn(life), scope.spawn(life)].map(|h| h.join().unwrap())
    });
    assert_eq!(ids, [200; 3]);
}
