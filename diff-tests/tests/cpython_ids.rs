//! Ids, references to them, and ends from outside, on a real CPython. Says "not run" where
//! none is installed.

#[path = "common/on_cpython.rs"]
mod on_cpython;

use cloister_diff_tests::subject::{Event, Subject};
use cloister_specs::TstateId;
use on_cpython::{comes_out, found, modelled, seen, start};

const T0: Option<TstateId> = Some(TstateId(0));
const T1: Option<TstateId> = Some(TstateId(1));

/// T0 has made an interpreter with thread state t1, and is in the main one again.
const BESIDE: &str = "T0: NewInterpreterFromConfig(isolated) => 1 t1\nT0: ThreadStateSwap(t0) => t1\n";

//= specs/rules/id.md#id-3
//= type=test
//# A look-up MUST find the interpreter that has the id, if there is one, and no other.
//= specs/rules/id.md#id-1
//= type=test
//# The id of a new interpreter MUST be greater than every id that its runtime has given.
#[test]
fn an_id_finds_its_interpreter_and_is_not_given_again() {
    for found in found() {
        let mut cpython = start(found);
        let run = format!(
            "{BESIDE}T0: InterpreterLookUpId(0) => interpreter 0\nT0: InterpreterLookUpId(1) => interpreter 1\n\
             T0: InterpreterLookUpId(2) => denied \"unrecognized interpreter ID\"\n\
             T0: ThreadStateSwap(t1) => t0\nT0: EndInterpreter(t1) => done\nT0: NewInterpreter => 1 t1\n\
             T0: InterpreterLookUpId(1) => denied \"unrecognized interpreter ID\"\n\
             T1: InterpreterLookUpId(2) => interpreter 1"
        );
        comes_out(&mut cpython, &run);
    }
}

/// ID-2 does not hold on 3.12.1.
#[test]
fn a_creation_without_memory_uses_up_an_id() {
    let Some(mut cpython) = modelled() else { return };
    let run = "T0: NewInterpreterFromConfig(isolated, fault=InterpAlloc) => ok NULL\n\
               T0: NewInterpreterFromConfig(isolated, fault=TstateAlloc) => ok NULL\n\
               T0: NewInterpreter => 1 t1\nT0: InterpreterLookUpId(3) => interpreter 1";
    comes_out(&mut cpython, run);
}

//= specs/rules/id.md#id-5
//= type=test
//# An interpreter that requires references MUST be ended when the last one is given back, and only then.
//= specs/rules/id.md#id-7
//= type=test
//# A thread that ends an interpreter from outside MUST be as it was afterwards.
#[test]
fn the_last_reference_ends_an_interpreter_that_requires_them() {
    let Some(mut cpython) = modelled() else { return };
    let held = format!(
        "{BESIDE}T0: InterpreterIdIncref(1) => done\nT0: InterpreterIdIncref(1) => done\n\
         T0: InterpreterIdDecref(1) => done\nT0: InterpreterIdDecref(1) => done\n\
         T0: InterpreterIdIncref(1) => done\nT0: InterpreterRequireIdRef(1, yes) => done\n"
    );
    comes_out(&mut cpython, &held);
    assert_eq!(cpython.observe().expect("stopped").interps.len(), 2);
    for (before, current) in [("", T0), ("T0: SaveThread => t0\n", None)] {
        let ended = comes_out(&mut cpython, &format!("{held}{before}T0: InterpreterIdDecref(1) => done"));
        assert_eq!(seen(&ended).0, current);
        assert_eq!(cpython.observe().expect("stopped").interps.len(), 1);
    }
}

/// 3.13 goes in through a thread state of its own, so that any that is left is one too many.
#[test]
fn later_releases_end_only_what_has_no_thread_state() {
    for found in found().iter().filter(|f| f.version.minor > 12) {
        let held = format!(
            "{BESIDE}T0: InterpreterIdIncref(1) => done\nT0: InterpreterRequireIdRef(1, yes) => done\n\
             T0: InterpreterIdDecref(1)"
        );
        let event = comes_out(&mut start(found), &held);
        assert_eq!(event, Event::Died("Py_EndInterpreter: not the last thread".into()), "{}", found.version);
    }
}

//= specs/rules/id.md#id-11
//= type=test
//# An interpreter MUST NOT be run by two at a time.
#[test]
fn an_interpreter_is_run_by_one_at_a_time() {
    for found in found() {
        let mut cpython = start(found);
        let run = "T0: SetRunningMain => done\nT0: SetRunningMain => denied \"interpreter already running\"\n\
                   T0: SetNotRunningMain => done\nT0: SetRunningMain => done";
        comes_out(&mut cpython, run);
    }
}

/// It is the address of the thread state that says it, and nothing takes it back. The model
/// takes it back with the thread state.
#[test]
fn an_interpreter_stays_run_by_a_thread_state_that_is_gone() {
    let Some(mut cpython) = modelled() else { return };
    let run = "T0: SetRunningMain => done\nT0: StartThread(daemon) => t1\nT0: ThreadStateDeleteCurrent => done\n\
               T1: RunThread(t1) => done\nT1: SetRunningMain => denied \"interpreter already running\"";
    comes_out(&mut cpython, run);
}

//= specs/rules/id.md#id-8
//= type=test
//# An interpreter MUST NOT be destroyed from within.
//= specs/rules/id.md#id-9
//= type=test
//# An interpreter MUST NOT be destroyed while code runs in it.
#[test]
fn an_interpreter_is_destroyed_by_another_one_when_nothing_runs_in_it() {
    let Some(mut cpython) = modelled() else { return };
    let within = "T0: NewInterpreter => 1 t1\nT0: DestroyInterpreter(1) => denied \"cannot destroy the current interpreter\"";
    assert_eq!(seen(&comes_out(&mut cpython, within)), (T1, T1));
    let runs = "T0: NewInterpreter => 1 t1\nT0: SetRunningMain => done\nT0: ThreadStateSwap(t0) => t1\n\
                T0: DestroyInterpreter(1) => denied \"interpreter running\"";
    assert_eq!(seen(&comes_out(&mut cpython, runs)), (T0, T0));
    let destroyed = comes_out(&mut cpython, &format!("{BESIDE}T0: DestroyInterpreter(1) => done"));
    assert_eq!(seen(&destroyed).0, T0);
    assert_eq!(cpython.observe().expect("stopped").interps.len(), 1);
}

/// ID-6: the thread state belongs to another thread, and nobody looks. Of several, `destroy`
/// goes in through the oldest, a reference through the youngest.
#[test]
fn an_end_from_outside_goes_in_through_a_thread_state_of_another_thread() {
    let Some(mut cpython) = modelled() else { return };
    let two = "T1: NewInterpreterFromConfig(isolated) => 1 t1\nT0: ThreadStateNew(1) at t2 => t2\n";
    for (ends, through) in [
        ("T0: DestroyInterpreter(1) => parked gil", TstateId(1)),
        (
            "T0: InterpreterIdIncref(1) => done\nT0: InterpreterRequireIdRef(1, yes) => done\n\
             T0: InterpreterIdDecref(1) => parked gil",
            TstateId(2),
        ),
    ] {
        comes_out(&mut cpython, &format!("{two}{ends}"));
        assert_eq!(cpython.observe().expect("stopped").threads[0].current, Some(through), "{ends}");
    }
    let gone = "T1: NewInterpreterFromConfig(isolated) => 1 t1\nT0: DestroyInterpreter(1) => parked gil\n\
                T1: SaveThread => t1\nT0: .. step => done\nT1: RestoreThread(t1)";
    let Event::Died(how) = comes_out(&mut cpython, gone) else { panic!("its thread state is gone") };
    assert!(how.contains("freed memory: t1"), "{how}");
}

/// A thread that runs Python code has a frame, and an end through its thread state is fatal.
#[test]
fn an_end_through_a_thread_state_that_polls_is_fatal() {
    let Some(mut cpython) = modelled() else { return };
    let run = "T1: NewInterpreterFromConfig(isolated) => 1 t1\nT0: DestroyInterpreter(1) => parked gil\n\
               T0: .. expire => parked gil\nT1: EvalBreakerPoll => parked switch\nT0: .. step";
    assert_eq!(
        comes_out(&mut cpython, run),
        Event::Died("Py_EndInterpreter: thread still has a frame".into())
    );
}
