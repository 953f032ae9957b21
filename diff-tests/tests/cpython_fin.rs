//! Finalizing and initializing again, and the threads that Python starts, on a real
//! CPython. Says "not run" where none is installed.

#[path = "common/on_cpython.rs"]
mod on_cpython;

use cloister_diff_tests::subject::{Event, Subject};
use cloister_specs::{Move, Op, Phase, Reply, Start, StatusBits, ThreadId, TstateId};
use on_cpython::{comes_out, found, modelled, seen, start};

const T0: Option<TstateId> = Some(TstateId(0));
const T1: Option<TstateId> = Some(TstateId(1));
const T2: Option<TstateId> = Some(TstateId(2));

/// T1 has been started and runs as t1, and T0 has let go of the GIL.
const STARTED: &str = "T0: StartThread(daemon) => t1\nT0: SaveThread => t0\nT1: RunThread(t1) => done\n";

//= specs/rules/fin.md#fin-5
//= type=test
//# Initializing MUST make the caller the main thread, with the only thread state of a new main interpreter current and its GIL held.
//= specs/rules/fin.md#fin-6
//= type=test
//# Finalizing MUST leave nothing behind: no interpreter, no thread state, no GIL, no pending call, and nothing that a gilstate slot names.
#[test]
fn the_runtime_ends_and_begins_again_and_again() {
    for found in found() {
        let mut cpython = start(found);
        // What has no memory is fatal on 3.13.
        let fault =
            if found.version.is_modelled() { "T1: NewInterpreter(fault=InterpAlloc) => NULL\n" } else { "" };
        let cycle = |slot| {
            format!(
                "T0: ThreadStateNew(0) at t3\nT0: Finalize => done\nT1: Initialize at t{slot} => done\n{fault}\
                 T1: NewInterpreter at t3 => 1 t3\nT1: EndInterpreter(t3) => done\n\
                 T1: RestoreThread(t{slot}) => done\nT1: Finalize => done\nT0: Initialize at t{slot} => done\n"
            )
        };
        let run: String = [1, 2, 0, 1, 2, 0].map(cycle).concat();
        let last = comes_out(&mut cpython, &run);
        assert_eq!(seen(&last), (T0, T0), "{}", found.version);
        let alive = cpython.observe().expect("stopped");
        assert_eq!((alive.interps.len(), alive.tstates.len(), alive.gils[0].locked), (1, 1, true));
        let ended = comes_out(&mut cpython, &format!("{run}T0: Finalize => done"));
        assert_eq!(seen(&ended), (None, None));
        let dead = cpython.observe().expect("stopped");
        assert_eq!((dead.interps, dead.tstates, dead.gils), (vec![], vec![], vec![]));
    }
}

//= specs/rules/fin.md#fin-4
//= type=test
//# Initializing a runtime that is initialized, and finalizing one that is not, MUST change nothing.
#[test]
fn what_is_done_twice_is_done_once() {
    let Some(mut cpython) = modelled() else { return };
    let again = comes_out(
        &mut cpython,
        "T0: Initialize => done\nT1: Initialize => done\nT0: EvalBreakerPoll => done",
    );
    assert_eq!(seen(&again), (T0, T0));
    comes_out(&mut cpython, "T0: Finalize => done\nT0: Finalize => done\nT1: Finalize => done");
}

//= specs/rules/fin.md#fin-3
//= type=test
//# The runtime MUST NOT be finalized while it has a sub-interpreter.
#[test]
fn finalizing_beside_a_sub_interpreter_is_fatal() {
    let Some(mut cpython) = modelled() else { return };
    let run = "T0: NewInterpreter => 1 t1\nT0: ThreadStateSwap(t0) => t1\nT0: Finalize => died FIN-3";
    comes_out(&mut cpython, run);
}

/// CPython tells of a fatal error by way of the gilstate slot, which names freed memory here.
#[test]
fn a_fatal_error_is_what_ended_the_process_whatever_is_read_after_it() {
    let Some(mut cpython) = modelled() else { return };
    let run = "T1: ThreadStateNew(0) at t1 => t1\nT1: ThreadStateBind(t1) => done\n\
               T0: ThreadStateDeleteExcept(t0) => done\nT0: ThreadStateDeleteCurrent => done\n\
               T1: ThreadStateNew(0) at t2 => died TLS-23";
    comes_out(&mut cpython, run);
}

/// `PyGILState_Check` has no slot to look at.
#[test]
fn the_check_says_yes_before_the_runtime_is_initialized() {
    let Some(mut cpython) = modelled() else { return };
    comes_out(
        &mut cpython,
        "T0: Finalize => done\nT0: GilStateCheck => yes\nT0: Initialize => done\nT1: GilStateCheck => no",
    );
}

//= specs/rules/fin.md#fin-15
//= type=test
//# Running a started thread state MUST bind it to the thread, make it current and hold its GIL.
#[test]
fn a_started_thread_runs_calls_and_ends_as_cpython_ends_it() {
    for found in found() {
        let mut cpython = start(found);
        assert_eq!(seen(&comes_out(&mut cpython, STARTED)), (T1, T1), "{}", found.version);
        let run = cpython.observe().expect("stopped");
        assert_eq!((run.tstates[1].thread, run.gils[0].locked), (Some(ThreadId(1)), true));
        let calls = format!(
            "{STARTED}T0: RestoreThread(t0) => parked gil\nT0: .. expire => parked gil\n\
             T1: EvalBreakerPoll => parked switch\nT0: .. step => done\nT1: .. step => parked gil\n\
             T0: SaveThread => t0\nT1: .. step => done\nT1: ThreadStateDeleteCurrent => done"
        );
        assert_eq!(seen(&comes_out(&mut cpython, &calls)), (None, None), "{}", found.version);
        assert_eq!(cpython.observe().expect("stopped").tstates.len(), 1);
        let again = "T0: RestoreThread(t0) => done\nT0: StartThread(daemon) => t1\nT0: SaveThread => t0\n\
                     T1: RunThread(t1) => done";
        assert_eq!(seen(&comes_out(&mut cpython, &format!("{calls}\n{again}"))), (T1, T1));
    }
}

/// A thread that is in the function that Python runs in it does not leave it with a thread
/// state that is not the one it was started with.
#[test]
fn a_started_thread_can_delete_another_thread_state_and_go_on() {
    let Some(mut cpython) = modelled() else { return };
    let run = format!(
        "{STARTED}T1: ThreadStateNew(0) at t2 => t2\nT1: ThreadStateBind(t2) => done\nT1: ThreadStateSwap(t2) => t1\n\
         T1: ThreadStateDeleteCurrent => done\nT1: RestoreThread(t1) => done\nT1: EvalBreakerPoll => done"
    );
    assert_eq!(seen(&comes_out(&mut cpython, &run)), (T1, T1));
    let ended = comes_out(&mut cpython, &format!("{run}\nT1: ThreadStateDeleteCurrent => done"));
    assert_eq!(seen(&ended), (None, None));
}

/// FIN-13 does not hold on 3.12.1.
#[test]
fn a_thread_that_could_not_be_started_leaves_a_cleared_thread_state() {
    let Some(mut cpython) = modelled() else { return };
    comes_out(&mut cpython, "T0: StartThread(daemon, fails) at t2 => denied \"can't start new thread\"");
    let left = cpython.observe().expect("stopped").tstates;
    let cleared = StatusBits::INITIALIZED | StatusBits::FINALIZING | StatusBits::CLEARED;
    assert_eq!(left[1].status, cleared);
    comes_out(&mut cpython, "T0: StartThread(daemon, fails)\nT0: Finalize => done\nT0: Initialize => done");
}

//= specs/rules/fin.md#fin-9
//= type=test
//# A thread MUST NOT be started in an interpreter whose end has begun.
#[test]
fn an_end_that_has_begun_lets_threads_go_on_but_not_begin() {
    let Some(mut cpython) = modelled() else { return };
    let begun = format!(
        "{STARTED}T1: AddPendingCall(0, blocks) => done\nT0: RestoreThread(t0) => parked gil\nT1: SaveThread => t1\n\
         T0: .. step => done\nT1: RestoreThread(t1) => parked gil\nT1: .. expire => parked gil\n\
         T0: Finalize => parked switch\nT1: .. step => done\n"
    );
    comes_out(&mut cpython, &begun);
    assert_eq!(cpython.observe().expect("stopped").interps[0].phase, Some(Phase::Ending));
    let refused = "T1: StartThread(daemon) => denied \"can't create new thread at interpreter shutdown\"\n";
    let ended = format!("{begun}{refused}T1: ThreadStateDeleteCurrent => done\nT0: .. step => done");
    assert_eq!(seen(&comes_out(&mut cpython, &ended)), (None, None));
}

//= specs/rules/fin.md#fin-7
//= type=test
//# An end MUST wait for the threads of the interpreter that are no daemons before anything of it is torn down.
//= specs/rules/fin.md#fin-18
//= type=test
//# While an end waits for threads, thread states of its interpreter MAY be made current as before.
#[test]
fn an_end_waits_for_a_thread_that_is_no_daemon() {
    let Some(mut cpython) = modelled() else { return };
    for (begin, end) in [("", "Finalize"), ("T0: NewInterpreter at t3 => 1 t3\n", "EndInterpreter(t3)")] {
        let current = if begin.is_empty() { "t0" } else { "t3" };
        let waits = format!(
            "{begin}T0: StartThread at t1 => t1\nT0: SaveThread => {current}\nT1: RunThread(t1) => done\n\
             T1: SaveThread => t1\nT0: RestoreThread({current}) => done\nT0: {end} => parked threads\n\
             T1: RestoreThread(t1) => done\nT1: EvalBreakerPoll => done\n"
        );
        comes_out(&mut cpython, &waits);
        let seen_there = cpython.observe().expect("stopped");
        assert_eq!(seen_there.interps.last().expect("there is one").phase, Some(Phase::Ending));
        let ended = comes_out(
            &mut cpython,
            &format!("{waits}T1: ThreadStateDeleteCurrent => done\nT0: .. step => done"),
        );
        assert_eq!(seen(&ended).0, None, "{end}");
    }
}

/// FIN-11. The thread state is part of the main interpreter, and can be looked at after it.
#[test]
fn a_thread_that_comes_back_after_the_end_exits() {
    let Some(mut cpython) = modelled() else { return };
    let run = "T0: ThreadStateNew(0) => t1\nT0: ThreadStateBind(t1) => done\nT0: ThreadStateSwap(t1) => t0\n\
               T0: Finalize => done\nT1: RestoreThread(t0) => exited";
    let exited = comes_out(&mut cpython, run);
    assert!(matches!(exited, Event::Replied { reply: Reply::Exited, .. }), "{exited:?}");
    let more = Start { thread: ThreadId(1), op: Op::GilStateCheck, at: None, prefer: ThreadId(0) };
    assert!(cpython.apply(&Move::Start(more)).is_err(), "its OS thread has ended");
    assert_eq!(cpython.observe().expect("stopped").tstates, []);
}

/// FIN-17: without a look at who uses them, and the slots of other threads go on naming them.
#[test]
fn delete_except_leaves_one_and_what_names_the_others() {
    let Some(mut cpython) = modelled() else { return };
    let run = "T0: ThreadStateNew(0) at t2 => t2\nT1: ThreadStateBind(t2) => done\nT0: ThreadStateDeleteExcept(t0) => done";
    assert_eq!(seen(&comes_out(&mut cpython, run)), (T0, T0));
    let left = cpython.observe().expect("stopped");
    assert_eq!((left.tstates.len(), left.threads[1].gilstate), (1, T2));
}
