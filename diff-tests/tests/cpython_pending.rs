//! Pending calls on a real CPython. Says "not run" where none is installed.

#[path = "common/on_cpython.rs"]
mod on_cpython;

use cloister_diff_tests::subject::{Event, Subject};
use cloister_specs::Reply;
use on_cpython::{comes_out, found, modelled, seen, start};

/// T1 has t1, and T0 holds the GIL.
const SECOND_THREAD: &str = "T0: ThreadStateNew(0) => t1\nT1: ThreadStateBind(t1) => done\n";
/// T0 is in a sub-interpreter with a GIL of its own.
const SUB: &str = "T0: NewInterpreterFromConfig(isolated) => 1 t1\n";

/// Performs these lines, with one of the beginnings above before them.
fn run(beginning: &str, lines: &[&str]) -> Option<Event> {
    let mut cpython = modelled()?;
    Some(comes_out(&mut cpython, &(beginning.to_string() + &lines.join("\n"))))
}

//= specs/rules/pend.md#pend-1
//= type=test
//# Adding a pending call MUST queue it behind those of its ring, or be answered as full and change nothing.
//= specs/rules/pend.md#pend-4
//= type=test
//# The calls of a ring MUST be run in the order in which they were added, the interpreter's ring before that of the main thread.
#[test]
fn one_poll_runs_the_ring_of_the_interpreter_and_then_that_of_the_main_thread() {
    for found in found() {
        let mut cpython = start(found);
        let lines = [
            "T0: EvalBreakerPoll => done",
            "T0: AddPendingCall(succeeds) => done",
            "T0: AddPendingCall(makes) => done",
            "T0: AddPendingCall(0, blocks) => done",
            "T0: AddPendingCall(0, succeeds) => done",
            "T0: EvalBreakerPoll => ran blocks succeeds succeeds makes",
            "T0: EvalBreakerPoll => done",
        ];
        comes_out(&mut cpython, &lines.join("\n"));
    }
}

//= specs/rules/pend.md#pend-7
//= type=test
//# A pending call that fails MUST end the run, and leave those behind it queued and signalled.
#[test]
fn a_failing_call_ends_the_pass_and_the_rest_is_run_by_the_next_one() {
    for pass in ["EvalBreakerPoll", "MakePendingCalls"] {
        for ring in ["", "0, "] {
            let added =
                ["fails", "succeeds", "makes"].map(|c| format!("T0: AddPendingCall({ring}{c}) => done"));
            let passes = ["fails, failed", "succeeds makes"].map(|ran| format!("T0: {pass} => ran {ran}"));
            run(&(added.join("\n") + "\n"), &passes.each_ref().map(String::as_str));
        }
    }
}

/// PEND-9. The pass takes the signals of both rings back, and its failure sets one of them again.
#[test]
fn a_failing_call_of_the_interpreter_loses_the_signal_of_the_main_ring() {
    let failed = [
        "T0: AddPendingCall(succeeds) => done",
        "T0: AddPendingCall(0, fails) => done",
        "T0: EvalBreakerPoll => ran fails, failed",
    ];
    // The ring that failed is signalled, though it is empty, and whoever runs it runs both.
    run("", &[&failed[..], &["T0: EvalBreakerPoll => ran succeeds"]].concat());
    let between = [
        "T0: SaveThread => t0",
        "T1: RestoreThread(t1) => done",
        "T1: EvalBreakerPoll => done",
        "T1: SaveThread => t1",
        "T0: RestoreThread(t0) => done",
        "T0: EvalBreakerPoll => done",
        "T0: MakePendingCalls => ran succeeds",
    ];
    run(SECOND_THREAD, &[&failed[..], &between].concat());
}

/// PEND-5. What the breaker says is computed by the thread that adds, for itself.
#[test]
fn the_main_thread_does_not_see_what_a_thread_without_its_gil_adds() {
    let unseen = ["T1: AddPendingCall(succeeds) => done", "T0: EvalBreakerPoll => done"];
    run("", &[&unseen[..], &["T0: MakePendingCalls => ran succeeds"]].concat());
    let again =
        ["T0: SaveThread => t0", "T0: RestoreThread(t0) => done", "T0: EvalBreakerPoll => ran succeeds"];
    run("", &[&unseen[..], &again].concat());
    // It even takes back what the main thread was told.
    let both = "T0: EvalBreakerPoll => ran makes succeeds";
    run("", &[&["T0: AddPendingCall(makes) => done"], &unseen[..], &again[..2], &[both]].concat());
    // The ring of an interpreter is seen by all of its threads.
    run("", &["T1: AddPendingCall(0, succeeds) => done", "T0: EvalBreakerPoll => ran succeeds"]);
}

#[test]
fn the_main_thread_sees_what_an_attached_thread_adds_when_it_is_back() {
    let lines = [
        "T0: SaveThread => t0",
        "T1: RestoreThread(t1) => done",
        "T1: AddPendingCall(succeeds) => done",
        "T1: AddPendingCall(0, makes) => done",
        "T1: EvalBreakerPoll => ran makes",
        "T1: SaveThread => t1",
        "T0: RestoreThread(t0) => done",
        "T0: EvalBreakerPoll => ran succeeds",
    ];
    run(SECOND_THREAD, &lines);
}

//= specs/rules/pend.md#pend-8
//= type=test
//# MakePendingCalls MUST NOT run anything but in the main thread and the main interpreter.
#[test]
fn making_pending_calls_elsewhere_runs_nothing() {
    let thread = [
        "T0: AddPendingCall(succeeds) => done",
        "T0: AddPendingCall(0, makes) => done",
        "T0: SaveThread => t0",
        "T1: RestoreThread(t1) => done",
        "T1: MakePendingCalls => ran nothing",
        "T1: EvalBreakerPoll => ran makes",
    ];
    run(SECOND_THREAD, &thread);
    let interp = [
        "T0: AddPendingCall(succeeds) => done",
        "T0: AddPendingCall(1, makes) => done",
        "T0: MakePendingCalls => ran nothing",
        "T0: EvalBreakerPoll => ran makes",
        "T0: ThreadStateSwap(t0) => t1",
        "T0: MakePendingCalls => ran succeeds",
    ];
    run(SUB, &interp);
}

//= specs/rules/pend.md#pend-2
//= type=test
//# A call in the ring of the main thread MUST be run by the main thread, in the main interpreter.
//= specs/rules/pend.md#pend-3
//= type=test
//# A call in the ring of an interpreter MUST be run in that interpreter, by a thread that holds its GIL.
#[test]
fn each_ring_is_run_where_it_belongs() {
    let lines = [
        "T0: AddPendingCall(succeeds) => done",
        "T0: AddPendingCall(0, makes) => done",
        "T0: AddPendingCall(1, adds) => done",
        "T0: EvalBreakerPoll => ran adds succeeds",
        "T0: ThreadStateSwap(t0) => t1",
        "T0: EvalBreakerPoll => ran makes succeeds",
    ];
    run(SUB, &lines);
}

//= specs/rules/pend.md#pend-6
//= type=test
//# The pending calls of an interpreter MUST NOT be run by two at a time, be it two threads or a call inside a call.
#[test]
fn a_call_that_blocks_keeps_others_from_the_rings() {
    let lines = [
        "T0: AddPendingCall(0, blocks) => done",
        "T0: AddPendingCall(0, succeeds) => done",
        "T0: AddPendingCall(makes) => done",
        "T1: RestoreThread(t1) => parked gil",
        "T1: .. expire => parked gil",
        // Inside the call; the request is served by the call that gives up the GIL.
        "T0: EvalBreakerPoll => parked switch",
        "T1: .. step => done",
        "T1: EvalBreakerPoll => done",
        "T1: AddPendingCall(0, adds) => done",
        "T1: EvalBreakerPoll => done",
        "T0: .. step => parked gil",
        "T1: SaveThread => t1",
        "T0: .. step => ran blocks succeeds adds succeeds makes",
        "T0: EvalBreakerPoll => done",
    ];
    run(SECOND_THREAD, &lines);
}

#[test]
fn a_busy_interpreter_keeps_the_main_thread_from_the_main_ring() {
    let lines = [
        "T0: AddPendingCall(makes) => done",
        "T0: AddPendingCall(0, blocks) => done",
        "T0: SaveThread => t0",
        "T1: RestoreThread(t1) => done",
        "T0: RestoreThread(t0) => parked gil",
        "T0: .. expire => parked gil",
        "T1: EvalBreakerPoll => parked switch",
        "T0: .. step => done",
        "T0: EvalBreakerPoll => done",
        "T0: MakePendingCalls => ran nothing",
        "T1: .. step => parked gil",
        "T0: SaveThread => t0",
        "T1: .. step => ran blocks",
        "T1: SaveThread => t1",
        "T0: RestoreThread(t0) => done",
        "T0: EvalBreakerPoll => ran makes",
    ];
    run(SECOND_THREAD, &lines);
}

#[test]
fn a_poll_runs_calls_before_it_serves_a_request_and_a_failing_call_puts_it_off() {
    let asked = ["T1: RestoreThread(t1) => parked gil", "T1: .. expire => parked gil"];
    let served = [
        "T0: AddPendingCall(succeeds) => done",
        "T0: EvalBreakerPoll => parked switch",
        "T1: .. step => done",
        "T1: SaveThread => t1",
        "T0: .. step => ran succeeds",
    ];
    run(SECOND_THREAD, &[&asked[..], &served].concat());
    let put_off = [
        "T0: AddPendingCall(fails) => done",
        "T0: EvalBreakerPoll => ran fails, failed",
        "T0: EvalBreakerPoll => parked switch",
    ];
    run(SECOND_THREAD, &[&asked[..], &put_off].concat());
}

#[test]
fn a_call_that_adds_to_its_own_ring_is_followed_in_the_same_pass() {
    for ring in ["", "0, "] {
        let add = format!("T0: AddPendingCall({ring}adds) => done");
        let lines = ["T0: EvalBreakerPoll => ran adds adds succeeds succeeds", "T0: EvalBreakerPoll => done"];
        run("", &[&[add.as_str(), &add], &lines[..]].concat());
    }
}

/// The call gives up the GIL, and the last other thread uses that to leave: only if calls
/// are run first can the end succeed.
#[test]
fn the_end_of_an_interpreter_runs_its_calls_before_it_looks_for_other_threads() {
    let lines = [
        "T0: ThreadStateNew(1) => t2",
        "T1: ThreadStateBind(t2) => done",
        "T0: AddPendingCall(1, blocks) => done",
        "T0: AddPendingCall(1, fails) => done",
        "T0: AddPendingCall(1, succeeds) => done",
        "T1: RestoreThread(t2) => parked gil",
        "T1: .. expire => parked gil",
        "T0: EndInterpreter(t1) => parked switch",
        "T1: .. step => done",
        "T1: ThreadStateDeleteCurrent => done",
        "T0: .. step => done",
    ];
    if let Some(ended) = run(SUB, &lines) {
        assert_eq!(seen(&ended), (None, None));
    }
}

#[test]
fn a_ring_of_3_12_holds_31_calls() {
    let Some(mut cpython) = modelled() else { return };
    for ring in ["", "0, "] {
        let filled = format!("T0: AddPendingCall({ring}succeeds) => done\n").repeat(31);
        let full = format!("{filled}T0: AddPendingCall({ring}succeeds) => full\n");
        comes_out(&mut cpython, &full);
        let Event::Replied { reply: Reply::Ran { calls, failed: false }, .. } =
            comes_out(&mut cpython, &format!("{full}T0: MakePendingCalls"))
        else {
            panic!("the calls were not run")
        };
        assert_eq!(calls.len(), cloister_specs::Calls::TOLD);
        comes_out(&mut cpython, &format!("{full}T0: EvalBreakerPoll\nT0: MakePendingCalls => ran nothing"));
    }
    assert!(cpython.observe().is_ok());
}

/// PEND-10: the release build reads through the NULL.
#[test]
fn making_pending_calls_without_a_thread_state_is_a_crash() {
    let Some(died) = run("", &["T0: SaveThread => t0", "T0: MakePendingCalls"]) else { return };
    assert_eq!(died, Event::Died("SIGSEGV".into()));
}
