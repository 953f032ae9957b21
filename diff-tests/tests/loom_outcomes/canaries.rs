//! Seeded faults that have to be found.

use super::*;

fn is_wrong(failure: &Failure, why: &str) {
    assert!(matches!(failure, Failure::Wrong(told) if told.contains(why)), "{failure}");
}

#[test]
fn loom_finds_that_calls_are_run_inside_others() {
    let failure = found(Seeded::RunIgnoresBusy, &BUSY, no_call_is_run_inside_another);
    assert!(failure.to_string().contains("are being run already"), "{failure}");
}

#[test]
fn loom_finds_that_an_added_call_is_not_signalled() {
    let threads: [(Calls, Calls); 2] = [(NOTHING, poll), (NOTHING, add_two::<1, true>)];
    is_wrong(&found(Seeded::AddForgetsSignal, &threads, calls_are_run_once), "ring");
}

#[test]
fn loom_finds_that_calls_are_left_when_a_runtime_ends() {
    let threads: [(Calls, Calls); 2] = [(NOTHING, finalize), (NOTHING, add_one::<1, true>)];
    let failure = found(Seeded::EndLeavesCalls, &threads, all_is_over_and_calls_are_run);
    is_wrong(&failure, "were added");
}

#[test]
fn loom_finds_that_a_waiter_hangs() {
    let failure = found(Seeded::WaiterHangs, &[(NOTHING, finalize), (NOTHING, enter::<1>)], all_is_over);
    assert!(matches!(&failure, Failure::Stuck(_)), "{failure}");
}

#[test]
fn loom_finds_that_an_end_does_not_wait_for_threads() {
    let threads: [(Calls, Calls); 2] = [(start, enter_and_finalize), (run, enter_and_delete)];
    let failure = found(Seeded::EndSkipsThreads, &threads, threads_are_waited_for);
    is_wrong(&failure, "nobody has deleted");
}
