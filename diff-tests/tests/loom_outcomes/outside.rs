//! Ends from outside.

use super::{Calls, NOTHING, all, found, save};
use cloister_diff_tests::explored::Failure;
use cloister_diff_tests::explored::loomed::Shared;
use cloister_diff_tests::explored::watched::{Judge, Outcome};
use cloister_loomed::faults::Seeded;
use cloister_loomed::{CallError, GateError, Thread};
use cloister_specs::{InterpreterConfig, Rule};

/// The id of the sub-interpreter that a program makes.
const SUB: i64 = 1;

/// Makes an interpreter that ends with the last reference to its id, takes one, and comes back.
fn make_sub(shared: &Shared, thread: &Thread) {
    let (sub, _) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    thread.thread_state_swap(Some(shared.tstates[0])).unwrap();
    thread.interpreter_require_idref(sub, true).unwrap();
    thread.interpreter_id_incref(sub).unwrap();
}

fn give_back(shared: &Shared, thread: &Thread) {
    let sub = thread.interpreter_look_up_id(SUB).unwrap();
    match thread.interpreter_id_decref(sub) {
        Ok(()) => shared.log.say(thread, "ends it from outside", 0),
        Err(CallError::Refused(refusal)) if refusal.rule == Rule::Life10 => {
            shared.log.say(thread, "may not end it", 0);
        }
        Err(error) => shared.log.say(thread, "is answered something else", error.to_string().len() as u32),
    }
}

fn destroy(shared: &Shared, thread: &Thread) {
    let sub = thread.interpreter_look_up_id(SUB).unwrap();
    match thread.destroy_interpreter(sub) {
        Ok(()) => shared.log.say(thread, "ends it from outside", 0),
        Err(GateError::Refused(refusal)) if refusal.rule == Rule::Life10 => {
            shared.log.say(thread, "may not end it", 0);
        }
        Err(error) => shared.log.say(thread, "is answered something else", error.to_string().len() as u32),
    }
}

/// Makes a thread state in it, enters, and deletes it again.
fn visit(shared: &Shared, thread: &Thread) {
    let Ok(sub) = thread.interpreter_look_up_id(SUB) else {
        return shared.log.say(thread, "finds nothing", 0);
    };
    let Ok(made) = thread.thread_state_new(sub) else {
        return shared.log.say(thread, "may not create", 0);
    };
    let tstate = made.unwrap();
    let visited = thread.thread_state_bind(tstate).is_ok()
        && thread.restore_thread(tstate).is_ok()
        && thread.thread_state_delete_current().is_ok();
    shared.log.say(thread, if visited { "visits it" } else { "is cut short" }, 0);
}

/// It ended, or it is as it was.
fn ended_or_not(outcome: &Outcome<'_>) -> Result<(), String> {
    let (log, held) = (&outcome.shared.log, &outcome.held);
    let listed = |serial| held.interps.iter().any(|i| i.interp.serial() == serial);
    if let Some(tstate) = held.tstates.iter().find(|t| !listed(t.interp)) {
        return Err(format!("{:?} belongs to nothing", tstate.tstate));
    }
    if log.has("is cut short") {
        return Err("a thread state was made in an interpreter that is about to end".into());
    }
    let sub = held.interps.iter().find(|interp| interp.id == SUB);
    match (sub, log.has("ends it from outside"), log.has("may not end it")) {
        (None, true, false) => Ok(()),
        (Some(sub), false, true) if sub.id_refs == 1 => {
            let tstates = held.tstates.iter().filter(|t| t.interp == sub.interp.serial()).count();
            if tstates == 1 { Ok(()) } else { Err(format!("it has {tstates} thread states")) }
        }
        (sub, ..) => Err(format!("it is {sub:?}")),
    }
}

const OUTSIDE: [(Calls, Calls); 2] = [(make_sub, destroy), (NOTHING, visit)];

//= specs/rules/id.md#id-5
//= type=test
//# An interpreter that requires references MUST be ended when the last one is given back, and only
//# then.
#[test]
fn an_interpreter_is_ended_by_its_last_reference_beside_a_visitor() {
    let floor = [
        ("ends it from outside", 100),
        ("may not end it", 20),
        ("visits it", 50),
        ("may not create", 50),
        ("finds nothing", 20),
    ];
    all(4, &[(make_sub, give_back), (NOTHING, visit)], ended_or_not, 190, &floor);
}

//= specs/rules/id.md#id-10
//= type=test
//# Between the test whether an interpreter can be destroyed and the beginning of its end, nothing
//# MUST be able to change the answer.
#[test]
fn an_interpreter_is_destroyed_beside_a_visitor() {
    let floor = [("ends it from outside", 100), ("may not end it", 20), ("visits it", 50)];
    all(4, &OUTSIDE, ended_or_not, 190, &floor);
}

/// The second thread ends an interpreter from the main one, and comes back, or cannot.
fn destroy_and_come_back(shared: &Shared, thread: &Thread) {
    let sub = thread.interpreter_look_up_id(SUB).unwrap();
    let result = thread.destroy_interpreter(sub);
    match (result, thread.current()) {
        (Ok(()), Some(current)) if current == shared.tstates[1] => {
            shared.log.say(thread, "comes back", 0);
            thread.save_thread().unwrap();
        }
        (Err(GateError::Finalized), None) => shared.log.say(thread, "is answered finalized", 0),
        (result, current) => panic!("{result:?} with {current:?} current"),
    }
}

fn finalize_if_it_has_ended(shared: &Shared, thread: &Thread) {
    thread.restore_thread(shared.tstates[0]).unwrap();
    match thread.finalize() {
        Ok(()) => shared.log.say(thread, "finalizes", 0),
        Err(_) => drop(thread.save_thread()),
    }
}

//= specs/rules/id.md#id-7
//= type=test
//# A thread that ends an interpreter from outside MUST be as it was afterwards.
//= specs/rules/fin.md#fin-11
//= type=test
//# A call that waits for the GIL of an interpreter when that is finalized MUST be answered, with
//# nothing current in its thread.
#[test]
fn who_ends_an_interpreter_from_outside_beside_finalization_comes_back_or_is_told() {
    let before: Calls = |shared, thread| {
        thread.restore_thread(shared.tstates[1]).unwrap();
        thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
        thread.thread_state_swap(Some(shared.tstates[1])).unwrap();
    };
    let judge: Judge = |outcome| match (outcome.runtime().is_initialized(), &outcome.shared.log) {
        (false, log) if !log.has("finalizes") => Err("nobody has finalized".into()),
        (true, log) if log.has("is answered finalized") => Err("nobody has finalized".into()),
        _ => Ok(()),
    };
    let floor = [("is answered finalized", 50), ("comes back", 100), ("finalizes", 100)];
    all(2, &[(save, finalize_if_it_has_ended), (before, destroy_and_come_back)], judge, 200, &floor);
}

#[test]
fn loom_finds_that_an_interpreter_is_destroyed_in_two_steps() {
    let failure = found(Seeded::DestroyInTwoSteps, &OUTSIDE, ended_or_not);
    assert!(matches!(&failure, Failure::Wrong(_) | Failure::NotAccepted(_)), "{failure}");
}
