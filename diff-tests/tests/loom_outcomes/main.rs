//! Every schedule of small programs with pending calls, ends that wait, and ends from outside,
//! with a bound on the preemptions, under loom. What came of each is judged, and the model must
//! accept what happened. What a test says of itself:
//!
//! - its *preemptions*: how often a thread is stopped at most where it could go on. Two threads
//!   have 2 to 4, three threads have 1 or 2. Where a thread waits or ends, all others are tried;
//! - its *expiries*: every pattern of the first two timed waits, the same for each thread;
//! - what has to happen at least, in how many schedules: without it the test would show nothing.

use cloister_diff_tests::explored::Failure;
use cloister_diff_tests::explored::loomed::{Part, Program, Shared};
use cloister_diff_tests::explored::watched::{Judge, Outcome, Said, Watched, watch};
use cloister_loomed::faults::Seeded;
use cloister_loomed::{CallError, EnsureError, Interp, NotAdded, PendingFailed, Thread};
use cloister_specs::{InterpreterConfig, PendingCall};

mod canaries;
mod outside;

type Calls = fn(&Shared, &Thread);

const NOTHING: Calls = |_, _| ();

/// Which timed waits expire: none, the first, the second, both.
const EXPIRIES: [u64; 4] = [0b00, 0b01, 0b10, 0b11];

fn program(preemptions: usize, expire: u64, seeded: Option<Seeded>, threads: &[(Calls, Calls)]) -> Program {
    let part = |&(before, calls): &(Calls, Calls)| Part { expire, before, calls };
    Program { parts: threads.iter().map(part).collect(), preemptions, seeded }
}

/// Takes threads through all schedules, for each pattern of expiries. There must be so many
/// schedules, and each of these things must happen in so many of them.
fn all(preemptions: usize, threads: &[(Calls, Calls)], judge: Judge, schedules: u64, floor: &[(&str, u64)]) {
    let mut all = Watched::default();
    for expire in EXPIRIES {
        match watch(&program(preemptions, expire, None, threads), judge) {
            Ok(watched) => all.merge(&watched),
            Err(failure) => panic!("with the expiries {expire:#b}: {failure}"),
        }
    }
    assert!(all.schedules >= schedules, "{all:?}");
    for (what, times) in floor {
        assert!(all.times(what) >= *times, "{what}: {all:?}");
    }
}

/// What is wrong in the first schedule in which something is, if this fault is switched on.
fn found(seeded: Seeded, threads: &[(Calls, Calls)], judge: Judge) -> Failure {
    match watch(&program(2, 0b01, Some(seeded), threads), judge) {
        Err(failure) => failure,
        Ok(watched) => panic!("{}: {watched:?}", seeded.name()),
    }
}

/// Says how a call ended that may be cut off; answers whether it did what it is for.
fn said(shared: &Shared, thread: &Thread, result: Result<(), CallError>) -> bool {
    match result {
        Ok(()) => return true,
        Err(CallError::Finalized) => shared.log.say(thread, "is answered finalized", 0),
        Err(CallError::Refused(_)) => shared.log.say(thread, "is refused", 0),
    }
    false
}

fn save(_: &Shared, thread: &Thread) {
    thread.save_thread().unwrap();
}

/// Adds a pending call that says its number.
fn add(shared: &Shared, thread: &Thread, interp: Option<Interp>, number: u32) {
    let log = shared.log.clone();
    let call = move |thread: &Thread| {
        log.say(thread, "runs a call", number);
        Ok(())
    };
    shared.adds(thread, PendingCall::Succeeds);
    match thread.add_pending_call(interp, Box::new(call)) {
        Ok(()) => shared.log.say(thread, "adds a call", number),
        Err(NotAdded::Refused(_)) => shared.log.say(thread, "is not let add", number),
        Err(NotAdded::Full(_)) => shared.log.say(thread, "finds the ring full", number),
    }
}

/// One call. After a refusal a thread may see the same old things again, which the model does not
/// follow; so where calls may be refused there is no second one.
fn add_one<const ME: u32, const MAIN_RING: bool>(shared: &Shared, thread: &Thread) {
    add(shared, thread, (!MAIN_RING).then_some(shared.main), 10 * ME + 1);
}

/// Two calls, one after the other.
fn add_two<const ME: u32, const MAIN_RING: bool>(shared: &Shared, thread: &Thread) {
    let interp = (!MAIN_RING).then_some(shared.main);
    add(shared, thread, interp, 10 * ME + 1);
    add(shared, thread, interp, 10 * ME + 2);
}

fn poll(shared: &Shared, thread: &Thread) {
    match thread.eval_breaker_poll() {
        Ok(ran) if ran.calls > 0 => shared.log.say(thread, "polls and runs calls", ran.calls),
        Ok(_) => (),
        Err(error) => _ = said(shared, thread, Err(error)),
    }
}

fn poll_twice(shared: &Shared, thread: &Thread) {
    poll(shared, thread);
    poll(shared, thread);
}

fn make_calls(shared: &Shared, thread: &Thread) {
    if thread.make_pending_calls().unwrap().calls > 0 {
        shared.log.say(thread, "makes calls", 0);
    }
}

/// The thread enters its own thread state in the main interpreter, polls, and leaves it.
fn enter_and_poll(shared: &Shared, thread: &Thread) {
    thread.restore_thread(shared.tstates[1]).unwrap();
    poll(shared, thread);
}

fn finalize(shared: &Shared, thread: &Thread) {
    thread.finalize().unwrap();
    shared.log.say(thread, "finalizes", 0);
}

fn enter_and_finalize(shared: &Shared, thread: &Thread) {
    thread.restore_thread(shared.tstates[0]).unwrap();
    finalize(shared, thread);
}

fn enter<const ME: usize>(shared: &Shared, thread: &Thread) {
    if said(shared, thread, thread.restore_thread(shared.tstates[ME])) {
        shared.log.say(thread, "enters", 0);
    }
}

fn ensure(shared: &Shared, thread: &Thread) {
    match thread.gilstate_ensure(shared.main) {
        Ok(state) => {
            shared.log.say(thread, "ensures", 0);
            thread.gilstate_release(state).unwrap();
        }
        Err(EnsureError::Finalized) => shared.log.say(thread, "is answered finalized", 0),
        Err(_) => shared.log.say(thread, "is refused", 0),
    }
}

/// Each call that was added was run, or is still in its ring: then it can be run now.
fn calls_are_run_once(outcome: &Outcome<'_>) -> Result<(), String> {
    let (log, first) = (&outcome.shared.log, outcome.first);
    if outcome.runtime().is_initialized() {
        first.restore_thread(outcome.shared.tstates[0]).map_err(|e| e.to_string())?;
        first.make_pending_calls().map_err(|e| e.to_string())?;
        first.save_thread().map_err(|e| e.to_string())?;
    }
    let (mut added, mut ran) = (log.numbers("adds a call"), log.numbers("runs a call"));
    for adder in 1..=2 {
        let own: Vec<u32> = ran.iter().copied().filter(|number| number / 10 == adder).collect();
        if !own.is_sorted() {
            return Err(format!("calls were run in the order {ran:?}"));
        }
    }
    added.sort_unstable();
    ran.sort_unstable();
    if added == ran { Ok(()) } else { Err(format!("the calls {added:?} were added, and {ran:?} run")) }
}

/// The same, and the first thread ran them all.
fn calls_are_run_by_the_main_thread(outcome: &Outcome<'_>) -> Result<(), String> {
    let said = outcome.shared.log.all();
    let main = outcome.first.serial();
    match said.iter().find(|said| said.what == "runs a call" && said.thread != main) {
        Some(said) => Err(format!("another thread {} {}", said.what, said.number)),
        None => calls_are_run_once(outcome),
    }
}

/// Nothing is left of the runtime.
fn all_is_over(outcome: &Outcome<'_>) -> Result<(), String> {
    let held = &outcome.held;
    if !outcome.shared.log.has("finalizes") {
        return Err("nobody has finalized".into());
    }
    if !held.interps.is_empty() || !held.tstates.is_empty() || held.main_ring.calls > 0 {
        return Err(format!("something is left: {held:?}"));
    }
    match held.threads.iter().find(|thread| thread.gilstate.is_some()) {
        Some(thread) => Err(format!("a gilstate slot names something: {thread:?}")),
        None => Ok(()),
    }
}

fn all_is_over_and_calls_are_run(outcome: &Outcome<'_>) -> Result<(), String> {
    all_is_over(outcome)?;
    calls_are_run_by_the_main_thread(outcome)
}

//= specs/rules/pend.md#pend-2
//= type=test
//# A call in the ring of the main thread MUST be run by the main thread, in the main interpreter.
//= specs/rules/pend.md#pend-4
//= type=test
//# The calls of a ring MUST be run in the order in which they were added, the interpreter's ring
//# before that of the main thread.
//= specs/rules/pend.md#pend-9
//= type=test
//# A ring that has calls MUST be signalled, unless a thread is running it.
#[test]
fn calls_are_added_to_the_main_ring_beside_polls() {
    let threads: [(Calls, Calls); 2] = [(NOTHING, poll_twice), (NOTHING, add_two::<1, true>)];
    all(4, &threads, calls_are_run_by_the_main_thread, 100, &[("polls and runs calls", 20)]);
}

#[test]
fn calls_are_added_to_the_main_ring_beside_make_pending_calls() {
    let threads: [(Calls, Calls); 2] = [(NOTHING, make_calls), (NOTHING, add_two::<1, true>)];
    all(4, &threads, calls_are_run_by_the_main_thread, 50, &[("makes calls", 10)]);
}

#[test]
fn two_threads_add_calls_to_an_interpreter_beside_a_poll() {
    let threads: [(Calls, Calls); 3] =
        [(NOTHING, poll), (NOTHING, add_two::<1, false>), (NOTHING, add_two::<2, false>)];
    all(2, &threads, calls_are_run_once, 80, &[("polls and runs calls", 16)]);
}

//= specs/rules/fin.md#fin-8
//= type=test
//# An end MUST run every pending call that is left in the ring of its interpreter and, by the main
//# thread, in that of the main thread.
#[test]
fn calls_are_added_to_the_main_ring_beside_finalization() {
    let threads: [(Calls, Calls); 3] =
        [(NOTHING, finalize), (NOTHING, add_one::<1, true>), (NOTHING, add_one::<2, true>)];
    let floor = [("runs a call", 40), ("is not let add", 40)];
    all(2, &threads, all_is_over_and_calls_are_run, 100, &floor);
}

#[test]
fn calls_are_added_to_an_interpreter_beside_its_finalization() {
    let threads: [(Calls, Calls); 3] =
        [(NOTHING, finalize), (NOTHING, add_one::<1, false>), (NOTHING, add_one::<2, false>)];
    let floor = [("runs a call", 40), ("is not let add", 40)];
    all(2, &threads, all_is_over_and_calls_are_run, 100, &floor);
}

/// Adds a pending call that says when it begins and ends, and lets go of the GIL in between.
fn add_long<const ME: u32>(shared: &Shared, thread: &Thread) {
    let log = shared.log.clone();
    let call = move |thread: &Thread| {
        log.say(thread, "begins a call", ME);
        let tstate = thread.save_thread().map_err(|_| PendingFailed)?;
        thread.restore_thread(tstate).map_err(|_| PendingFailed)?;
        log.say(thread, "ends a call", ME);
        Ok(())
    };
    shared.adds(thread, PendingCall::Blocks);
    thread.add_pending_call(Some(shared.main), Box::new(call)).unwrap();
}

fn add_long_enter_and_poll(shared: &Shared, thread: &Thread) {
    add_long::<2>(shared, thread);
    enter_and_poll(shared, thread);
}

fn no_call_is_run_inside_another(outcome: &Outcome<'_>) -> Result<(), String> {
    let said = outcome.shared.log.all();
    let mut calls = said.iter().filter(|s| ["begins a call", "ends a call"].contains(&s.what));
    while let Some(begun) = calls.next() {
        let ends = Said { what: "ends a call", ..*begun };
        match calls.next() {
            Some(ended) if *ended == ends => {}
            other => return Err(format!("call {} is followed by {other:?}", begun.number)),
        }
    }
    Ok(())
}

const BUSY: [(Calls, Calls); 2] = [(add_long::<1>, poll_twice), (NOTHING, add_long_enter_and_poll)];

//= specs/rules/pend.md#pend-6
//= type=test
//# The pending calls of an interpreter MUST NOT be run by two at a time, be it two threads or a call
//# inside a call.
#[test]
fn two_threads_poll_and_one_at_a_time_runs_calls() {
    let floor = [("polls and runs calls", 500), ("waits for a GIL", 500)];
    all(2, &BUSY, no_call_is_run_inside_another, 500, &floor);
}

//= specs/rules/fin.md#fin-11
//= type=test
//# A call that waits for the GIL of an interpreter when that is finalized MUST be answered, with
//# nothing current in its thread.
//= specs/rules/fin.md#fin-12
//= type=test
//# A call that gives up waiting for a GIL MUST take back its request.
#[test]
fn a_thread_restores_beside_finalization() {
    let floor = [("is answered finalized", 100), ("is refused", 500), ("gives up", 100)];
    all(3, &[(NOTHING, finalize), (NOTHING, enter::<1>)], all_is_over, 500, &floor);
}

#[test]
fn a_thread_ensures_beside_finalization() {
    let floor = [("is answered finalized", 100), ("is refused", 10)];
    all(3, &[(NOTHING, finalize), (NOTHING, ensure)], all_is_over, 500, &floor);
}

#[test]
fn a_thread_ensures_with_a_new_thread_state_beside_finalization() {
    let before: Calls = |shared, thread| {
        thread.restore_thread(shared.tstates[1]).unwrap();
        thread.thread_state_delete_current().unwrap();
    };
    let floor = [("is answered finalized", 50), ("ensures", 50), ("is refused", 10)];
    all(2, &[(save, enter_and_finalize), (before, ensure)], all_is_over, 500, &floor);
}

#[test]
fn a_poll_that_handed_the_gil_over_to_whoever_finalizes_is_answered() {
    let before: Calls = |shared, thread| thread.restore_thread(shared.tstates[1]).unwrap();
    let floor = [("is answered finalized", 100), ("asks", 100), ("waits for calls", 100)];
    all(2, &[(save, enter_and_finalize), (before, poll)], all_is_over, 500, &floor);
}

#[test]
fn two_threads_restore_beside_finalization() {
    let floor = [("is answered finalized", 20), ("gives up", 20)];
    let threads = [(NOTHING, finalize as Calls), (NOTHING, enter::<1>), (NOTHING, enter::<2>)];
    all(1, &threads, all_is_over, 1_000, &floor);
}

/// Starts a thread for the second one to be, and leaves.
fn start(shared: &Shared, thread: &Thread) {
    let (tstate, ()) = thread.start_thread(false, |_| Ok::<(), ()>(())).unwrap();
    shared.tell(tstate);
    thread.save_thread().unwrap();
}

fn run(shared: &Shared, thread: &Thread) {
    thread.run_thread(shared.told(0).unwrap()).unwrap();
    thread.save_thread().unwrap();
}

fn enter_and_delete(shared: &Shared, thread: &Thread) {
    let entered = thread.restore_thread(shared.told(0).unwrap());
    if said(shared, thread, entered) && thread.thread_state_delete_current().is_ok() {
        shared.log.say(thread, "deletes", 0);
    }
}

/// The started thread was let do all that it did before the end.
fn threads_are_waited_for(outcome: &Outcome<'_>) -> Result<(), String> {
    let said: Vec<&str> = outcome.shared.log.all().iter().map(|s| s.what).collect();
    all_is_over(outcome)?;
    if said.contains(&"deletes") { Ok(()) } else { Err("nobody has deleted a thread state".into()) }
}

//= specs/rules/fin.md#fin-7
//= type=test
//# An end MUST wait for the threads of the interpreter that are no daemons before anything of it
//# is torn down.
#[test]
fn finalization_waits_for_a_started_thread() {
    let floor = [("waits for threads", 100), ("deletes", 500)];
    all(3, &[(start, enter_and_finalize), (run, enter_and_delete)], threads_are_waited_for, 500, &floor);
}

#[test]
fn the_end_of_an_interpreter_waits_for_a_thread_that_was_started_there() {
    let before: Calls = |shared, thread| {
        thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
        start(shared, thread);
    };
    let end: Calls = |shared, thread| {
        let sub = thread.gilstate().unwrap();
        thread.restore_thread(sub).unwrap();
        thread.end_interpreter(sub).unwrap();
        shared.log.say(thread, "ends an interpreter", 0);
    };
    let judge: Judge = |outcome| match outcome.held.interps.len() {
        1 if outcome.shared.log.has("deletes") => Ok(()),
        interps => Err(format!("{interps} interpreters are left")),
    };
    let floor = [("waits for threads", 100), ("ends an interpreter", 500)];
    all(3, &[(before, end), (run, enter_and_delete)], judge, 500, &floor);
}
