//! GILState, Acquire and Release, the end of a thread, and the legacy creation on a real
//! CPython. Says "not run" where none is installed.

#[path = "common/on_cpython.rs"]
mod on_cpython;

use cloister_diff_tests::subject::{Event, Subject};
use cloister_specs::{InterpId, InterpreterConfig, MAIN, TstateId};
use on_cpython::{comes_out, found, modelled, seen, start};

const T0: Option<TstateId> = Some(TstateId(0));
const T1: Option<TstateId> = Some(TstateId(1));
const T2: Option<TstateId> = Some(TstateId(2));

/// T1 has t1, and T0 has let go of the GIL.
const SECOND_THREAD: &str =
    "T0: ThreadStateNew(0) => t1\nT1: ThreadStateBind(t1) => done\nT0: SaveThread => t0\n";

//= specs/rules/life.md#life-16
//= type=test
//# NewInterpreter MUST create with the legacy configuration.
#[test]
fn the_legacy_creation_shares_the_gil_and_has_every_feature() {
    let Some(mut cpython) = modelled() else { return };
    let created = comes_out(&mut cpython, "T0: NewInterpreter at t2 => 1 t2");
    assert_eq!(seen(&created), (T2, T2));
    let interps = cpython.observe().expect("stopped").interps;
    assert_eq!((interps[1].flags, interps[1].own_gil), (InterpreterConfig::LEGACY.flags(), Some(false)));
    comes_out(
        &mut cpython,
        "T0: NewInterpreter => 1 t1\nT0: EndInterpreter(t1) => done\nT0: ThreadStateSwap(t0) => NULL",
    );
}

#[test]
fn a_legacy_creation_for_which_there_is_no_memory_answers_null() {
    let Some(mut cpython) = modelled() else { return };
    for fault in ["InterpAlloc", "TstateAlloc"] {
        let attached = format!("T0: NewInterpreter(fault={fault}) => NULL");
        assert_eq!(seen(&comes_out(&mut cpython, &attached)), (T0, T0), "{fault}");
        let detached = format!("T0: SaveThread => t0\n{attached}");
        assert_eq!(seen(&comes_out(&mut cpython, &detached)), (None, T0), "{fault}");
        comes_out(&mut cpython, &format!("{attached}\nT0: NewInterpreter => 1 t1"));
    }
}

/// The documentation promises NULL (LIFE-17).
#[test]
fn a_legacy_creation_that_fails_later_ends_the_process() {
    let Some(mut cpython) = modelled() else { return };
    for (fault, said) in [
        ("CoreInit", "_PyUnicode_InitGlobalObjects: failed to create interned dict"),
        ("MainInit", "init_fs_encoding: failed to get the Python codec of the filesystem encoding"),
    ] {
        for before in ["", "T0: SaveThread => t0\n"] {
            let event = comes_out(&mut cpython, &format!("{before}T0: NewInterpreter(fault={fault})"));
            assert_eq!(event, Event::Died(said.into()), "{fault}");
        }
    }
}

//= specs/rules/tls.md#tls-22
//= type=test
//# DeleteCurrent MUST leave the thread without a thread state in either place, current or named, and have dropped its GIL.
#[test]
fn a_thread_that_deletes_its_current_thread_state_has_none_and_no_gil() {
    let Some(mut cpython) = modelled() else { return };
    let run = format!("{SECOND_THREAD}T1: RestoreThread(t1) => done\nT1: ThreadStateDeleteCurrent => done");
    assert_eq!(seen(&comes_out(&mut cpython, &run)), (None, None));
    let left = cpython.observe().expect("stopped");
    assert_eq!((left.tstates.len(), left.gils[0].locked), (1, false));
    let waiter = "T0: ThreadStateNew(0) => t1\nT1: ThreadStateBind(t1) => done\nT1: RestoreThread(t1) => parked gil\n\
                  T0: ThreadStateDeleteCurrent => done\nT1: .. step => done";
    assert_eq!(seen(&comes_out(&mut cpython, waiter)), (T1, T1));
}

//= specs/rules/gil.md#gil-18
//= type=test
//# AcquireThread MUST NOT answer before the caller holds the GIL of the thread state, and MUST make it current.
//= specs/rules/gil.md#gil-20
//= type=test
//# ReleaseThread MUST leave no thread state current, and have dropped its GIL.
#[test]
fn a_thread_acquires_what_another_one_releases() {
    let Some(mut cpython) = modelled() else { return };
    let handover = "T0: ThreadStateNew(0) => t1\nT1: ThreadStateBind(t1) => done\nT1: AcquireThread(t1) => parked gil\n\
                    T0: ReleaseThread(t0) => done\nT1: .. step => done";
    assert_eq!(seen(&comes_out(&mut cpython, handover)), (T1, T1));
    let released = comes_out(&mut cpython, &format!("{handover}\nT1: ReleaseThread(t1) => done"));
    assert_eq!(seen(&released), (None, T1));
    assert!(!cpython.observe().expect("stopped").gils[0].locked);
}

//= specs/rules/gil.md#gil-19
//= type=test
//# A thread MUST release the thread state that is current.
#[test]
fn releasing_a_thread_state_that_is_not_current_is_fatal() {
    let Some(mut cpython) = modelled() else { return };
    comes_out(&mut cpython, "T0: ThreadStateNew(0) => t1\nT0: ReleaseThread(t1) => died GIL-19");
    comes_out(&mut cpython, "T0: SaveThread => t0\nT0: ReleaseThread(t0) => died GIL-19");
}

/// GIL-17. The GIL is taken before the look at what is current.
#[test]
fn acquiring_beside_a_current_thread_state_is_fatal_or_waits_for_itself() {
    let Some(mut cpython) = modelled() else { return };
    let fatal =
        comes_out(&mut cpython, "T0: NewInterpreterFromConfig(isolated) => 1 t1\nT0: AcquireThread(t0)");
    assert_eq!(fatal, Event::Died("PyEval_AcquireThread: non-NULL old thread state".into()));
    comes_out(&mut cpython, "T0: NewInterpreter => 1 t1\nT0: AcquireThread(t0) => parked gil");
}

//= specs/rules/gilstate.md#gilstate-1
//= type=test
//# Ensure MUST answer with a thread state current in the calling thread and its GIL held.
//= specs/rules/gilstate.md#gilstate-9
//= type=test
//# The last Release of a thread state that Ensure made MUST delete it, and leave the thread with none.
//= specs/rules/gilstate.md#gilstate-10
//= type=test
//# Any other Release MUST leave the thread as it was before its Ensure.
#[test]
fn a_foreign_thread_ensures_and_releases() {
    let Some(mut cpython) = modelled() else { return };
    let mut run = "T0: SaveThread => t0\n".to_string();
    for (line, after) in [
        ("T1: GilStateEnsure(0) at t2 => UNLOCKED", (T2, T2)),
        ("T1: GilStateEnsure(0) => LOCKED", (T2, T2)),
        ("T1: GilStateRelease(LOCKED) => done", (T2, T2)),
        ("T1: SaveThread => t2", (None, T2)),
        ("T1: GilStateEnsure(0) => UNLOCKED", (T2, T2)),
        ("T1: GilStateRelease(UNLOCKED) => done", (None, T2)),
        ("T1: RestoreThread(t2) => done", (T2, T2)),
        ("T1: GilStateRelease(UNLOCKED) => done", (None, None)),
    ] {
        run += line;
        run += "\n";
        assert_eq!(seen(&comes_out(&mut cpython, &run)), after, "{line}");
    }
    let left = cpython.observe().expect("stopped");
    assert_eq!((left.tstates.len(), left.gils[0].locked), (1, false));
}

#[test]
fn an_ensure_waits_for_the_gil_with_its_thread_state_made() {
    let Some(mut cpython) = modelled() else { return };
    let run = "T1: GilStateEnsure(0) => parked gil\nT0: SaveThread => t0\nT1: .. step => UNLOCKED";
    assert_eq!(seen(&comes_out(&mut cpython, run)), (T1, T1));
    comes_out(&mut cpython, "T1: GilStateEnsure(0) => parked gil");
    assert_eq!(cpython.observe().expect("stopped").tstates.len(), 2);
}

//= specs/rules/gilstate.md#gilstate-2
//= type=test
//# Ensure MUST take up the thread state that the gilstate slot names, and MUST NOT make another one beside it.
#[test]
fn an_ensure_takes_up_what_the_slot_names_and_else_goes_to_the_main_interpreter() {
    let Some(mut cpython) = modelled() else { return };
    let named = "T0: NewInterpreterFromConfig(isolated) => 1 t1\nT0: SaveThread => t1\n";
    let run = format!("{named}T0: GilStateEnsure(0) => UNLOCKED");
    assert_eq!(seen(&comes_out(&mut cpython, &run)), (T1, T1));
    // T1 works for interpreter 1, and comes to be in the main one (GILSTATE-3).
    comes_out(&mut cpython, &format!("{named}T1: GilStateEnsure(1) at t2 => UNLOCKED"));
    let made = cpython.observe().expect("stopped").tstates;
    assert_eq!((made[2].interp, made[1].interp), (MAIN, InterpId(1)));
}

#[test]
fn an_ensure_without_memory_is_fatal_if_it_needs_some() {
    let Some(mut cpython) = modelled() else { return };
    comes_out(&mut cpython, "T0: SaveThread => t0\nT1: GilStateEnsure(0, fails) => died GILSTATE-4");
    comes_out(&mut cpython, "T0: GilStateEnsure(0, fails) => LOCKED\nT1: GilStateEnsure(0) => parked gil");
}

//= specs/rules/gilstate.md#gilstate-7
//= type=test
//# A thread whose gilstate slot is empty MUST NOT release.
//= specs/rules/gilstate.md#gilstate-8
//= type=test
//# The thread state that the gilstate slot names MUST be current when it is released.
#[test]
fn releases_that_are_fatal() {
    let Some(mut cpython) = modelled() else { return };
    comes_out(&mut cpython, "T1: GilStateRelease(UNLOCKED) => died GILSTATE-7");
    comes_out(&mut cpython, "T0: SaveThread => t0\nT0: GilStateRelease(UNLOCKED) => died GILSTATE-8");
    comes_out(
        &mut cpython,
        "T0: ThreadStateSwap(NULL) => t0\nT0: GilStateRelease(LOCKED) => died GILSTATE-8",
    );
}

/// GILSTATE-5: a release build looks at the count alone.
#[test]
fn a_release_too_many_deletes_a_thread_state_that_ensure_did_not_make() {
    let Some(mut cpython) = modelled() else { return };
    let run = format!("{SECOND_THREAD}T1: RestoreThread(t1) => done\nT1: GilStateRelease(UNLOCKED) => done");
    assert_eq!(seen(&comes_out(&mut cpython, &run)), (None, None));
    assert_eq!(cpython.observe().expect("stopped").tstates.len(), 1);
}

/// GILSTATE-6: the count goes down, and the GIL that the thread did not have stays with it.
#[test]
fn a_release_with_the_wrong_state_keeps_or_loses_the_gil() {
    let Some(mut cpython) = modelled() else { return };
    let kept = "T0: SaveThread => t0\nT0: GilStateEnsure(0) => UNLOCKED\nT0: GilStateRelease(LOCKED) => done";
    assert_eq!(seen(&comes_out(&mut cpython, kept)), (T0, T0));
    let lost = "T0: GilStateEnsure(0) => LOCKED\nT0: GilStateRelease(UNLOCKED) => done";
    assert_eq!(seen(&comes_out(&mut cpython, lost)), (None, T0));
}

/// GILSTATE-11 does not hold on 3.12.1 once there was a sub-interpreter.
#[test]
fn the_check_says_yes_to_everybody_after_the_first_sub_interpreter() {
    let Some(mut cpython) = modelled() else { return };
    comes_out(
        &mut cpython,
        "T0: GilStateCheck => yes\nT0: SaveThread => t0\nT0: GilStateCheck => no\nT1: GilStateCheck => no",
    );
    comes_out(
        &mut cpython,
        "T0: NewInterpreter => 1 t1\nT0: EndInterpreter(t1) => done\nT0: GilStateCheck => yes\nT1: GilStateCheck => yes",
    );
}

/// The first thread state lies in its interpreter, and is used again when no other one is
/// listed; 3.12.1 does not make it new when it is deleted.
#[test]
fn an_interpreter_that_has_lost_its_last_thread_state_never_gets_another_on_3_12_1() {
    for found in found() {
        let mut cpython = start(found);
        for last in ["T1: ThreadStateNew(0)", "T1: GilStateEnsure(0)"] {
            let event = comes_out(&mut cpython, &format!("T0: ThreadStateDeleteCurrent => done\n{last}"));
            if found.version.is_modelled() {
                assert_eq!(event, Event::Died("init_threadstate: thread state already initialized".into()));
            } else if found.version.minor > 12 {
                assert!(matches!(event, Event::Replied { .. }), "{}: {event:?}", found.version);
            }
        }
    }
}

#[test]
fn every_version_ensures_releases_and_creates() {
    for found in found() {
        let mut cpython = start(found);
        let run = "T0: NewInterpreter => 1 t1\nT0: ReleaseThread(t1) => done\nT1: GilStateEnsure(0) => UNLOCKED\n\
                   T1: GilStateCheck => yes\nT1: GilStateRelease(UNLOCKED) => done\nT0: AcquireThread(t0) => done\n\
                   T0: ThreadStateDeleteCurrent => done";
        assert_eq!(seen(&comes_out(&mut cpython, run)), (None, None), "{}", found.version);
    }
}
