//! Ensures and releases that are refused.

mod common;

use cloister::Interp;
use cloister_specs::{GilState, Phase, Rule};
use common::{World, in_a_fresh_thread, refuses_in};
use std::thread;

use GilState::{Locked, Unlocked};

//= specs/rules/gilstate.md#gilstate-12
//= type=test
//# A thread MUST NOT ensure for one interpreter while its gilstate slot names a thread state of
//# another.
#[test]
fn a_caller_that_works_for_another_interpreter_is_refused() {
    let w = World::new();
    let (sub, t1) = w.isolated();
    w.refuses(Rule::Gilstate12, |t| t.gilstate_ensure(w.main));
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Gilstate12, |t| t.gilstate_ensure(w.main));
    w.thread.restore_thread(t1).unwrap();
    w.thread.thread_state_swap(Some(w.t0)).unwrap();
    w.refuses(Rule::Gilstate12, |t| t.gilstate_ensure(sub));
}

#[test]
fn an_interpreter_that_is_gone_is_not_ensured() {
    let w = World::new();
    let (sub, t1) = w.isolated();
    w.thread.end_interpreter(t1).unwrap();
    assert_eq!(w.thread.gilstate(), None);
    w.refuses(Rule::Gil12, |t| t.gilstate_ensure(sub));
    w.refuses(Rule::Gil12, |t| t.gilstate_ensure(Interp::null()));
    w.thread.restore_thread(w.t0).unwrap();
    w.refuses(Rule::Gil12, |t| t.gilstate_ensure(sub));
}

#[test]
fn a_thread_state_that_was_cleared_is_not_taken_up() {
    let w = World::new();
    let other = w.bound();
    w.thread.save_thread().unwrap();
    in_a_fresh_thread(&w, |thread| {
        thread.gilstate_ensure(w.main).unwrap();
        thread.thread_state_clear(w.t0).unwrap();
        thread.gilstate_release(Unlocked).unwrap();
    });
    w.refuses(Rule::Tls6, |t| t.gilstate_ensure(w.main));
    w.thread.restore_thread(other).unwrap();
}

#[test]
fn an_interpreter_that_is_being_created_is_not_ensured() {
    let w = World::new();
    thread::scope(|scope| {
        let creator = scope.spawn(|| {
            // It waits for the main GIL, in the middle of the creation.
            let thread = w.runtime.attach().unwrap();
            thread.new_interpreter().unwrap();
        });
        let interp = loop {
            let snapshot = w.runtime.snapshot();
            match snapshot.interps.iter().find(|i| i.phase == Phase::Creating) {
                Some(info) if w.gil().drop_request => break info.interp,
                _ => thread::yield_now(),
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                let fresh = w.runtime.attach().unwrap();
                refuses_in(&w.runtime, &fresh, Rule::Life13, |t| t.gilstate_ensure(interp));
            });
        });
        w.thread.save_thread().unwrap();
        creator.join().unwrap();
    });
}

//= specs/rules/gilstate.md#gilstate-5
//= type=test
//# A Release MUST match an Ensure of the same thread that has not been released.
#[test]
fn a_thread_state_that_nobody_ensured_is_not_released() {
    let w = World::new();
    for state in [Locked, Unlocked] {
        w.refuses(Rule::Gilstate5, |t| t.gilstate_release(state));
    }
    w.thread.gilstate_ensure(w.main).unwrap();
    w.thread.gilstate_release(Locked).unwrap();
    w.refuses(Rule::Gilstate5, |t| t.gilstate_release(Locked));
}

//= specs/rules/gilstate.md#gilstate-6
//= type=test
//# A Release MUST be given what its Ensure answered.
#[test]
fn a_release_that_is_given_something_else_is_refused() {
    let w = World::new();
    w.thread.gilstate_ensure(w.main).unwrap();
    w.refuses(Rule::Gilstate6, |t| t.gilstate_release(Unlocked));
    w.thread.gilstate_release(Locked).unwrap();
    w.thread.save_thread().unwrap();
    w.thread.gilstate_ensure(w.main).unwrap();
    w.refuses(Rule::Gilstate6, |t| t.gilstate_release(Locked));
    w.thread.gilstate_release(Unlocked).unwrap();
}

//= specs/rules/gilstate.md#gilstate-7
//= type=test
//# A thread whose gilstate slot is empty MUST NOT release.
#[test]
fn a_thread_without_a_thread_state_has_nothing_to_release() {
    let w = World::new();
    in_a_fresh_thread(&w, |thread| {
        refuses_in(thread.runtime(), thread, Rule::Gilstate7, |t| t.gilstate_release(Unlocked));
        thread.gilstate_ensure(w.main).unwrap();
        thread.gilstate_release(Unlocked).unwrap();
        refuses_in(thread.runtime(), thread, Rule::Gilstate7, |t| t.gilstate_release(Unlocked));
    });
}

//= specs/rules/gilstate.md#gilstate-8
//= type=test
//# The thread state that the gilstate slot names MUST be current when it is released.
#[test]
fn a_thread_state_that_is_not_current_is_not_released() {
    let w = World::new();
    w.thread.gilstate_ensure(w.main).unwrap();
    w.thread.save_thread().unwrap();
    w.refuses(Rule::Gilstate8, |t| t.gilstate_release(Locked));
    w.thread.restore_thread(w.t0).unwrap();
    w.thread.gilstate_release(Locked).unwrap();
}
