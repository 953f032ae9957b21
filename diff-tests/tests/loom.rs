//! Every schedule of small programs, with a bound on the preemptions, under loom: the model has
//! to accept each. What a test says of itself:
//!
//! - its *preemptions*: how often a thread is stopped at most where it could go on. Two threads
//!   have 1 to 4, three threads have 2. Where a thread waits or ends, all others are tried;
//! - its *expiries*: every pattern of the first two timed waits, the same for each thread;
//! - what has to happen at least, over all schedules: without it the test would show nothing.

use cloister_diff_tests::explored::Failure;
use cloister_diff_tests::explored::loomed::{Explored, Part, Program, Shared, explore};
use cloister_diff_tests::free_running::Reason;
use cloister_loomed::Thread;
use cloister_loomed::faults::Seeded;
use cloister_specs::{InterpreterConfig, Rule};
use loom::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::Arc;

type Calls = fn(&Shared, &Thread);

const NOTHING: Calls = |_, _| ();

/// Which timed waits expire: none, the first, the second, both.
const EXPIRIES: [u64; 4] = [0b00, 0b01, 0b10, 0b11];

/// What has to happen at least.
struct Floor {
    schedules: u64,
    waits: u64,
    requests: u64,
    switches: u64,
    refused: u64,
}

/// Takes threads through all schedules with so many preemptions, for each pattern of expiries.
fn all(preemptions: usize, threads: &[Calls], floor: &Floor) {
    let threads: Vec<(Calls, Calls)> = threads.iter().map(|calls| (NOTHING, *calls)).collect();
    all_after(preemptions, &threads, floor);
}

/// The same, where each thread makes some calls before.
fn all_after(preemptions: usize, threads: &[(Calls, Calls)], floor: &Floor) {
    let mut all = Explored::default();
    for expire in EXPIRIES {
        let parts =
            threads.iter().map(|(before, calls)| Part { expire, before: *before, calls: *calls }).collect();
        match explore(&Program { parts, preemptions, seeded: None }) {
            Ok(explored) => all.merge(&explored),
            Err(failure) => panic!("with the expiries {expire:#b}: {failure}"),
        }
    }
    let happened = &all.happened;

    assert_eq!(happened.runs, all.schedules);
    assert!(all.schedules >= floor.schedules, "{all:?}");
    assert!(happened.waits >= floor.waits, "{all:?}");
    assert!(happened.requests >= floor.requests, "{all:?}");
    assert!(happened.switches >= floor.switches, "{all:?}");
    assert!(happened.refused >= floor.refused, "{all:?}");
    assert_eq!(happened.spurious, 0, "{all:?}");
}

/// The first schedule that the model does not accept if this fault is switched on.
fn found(seeded: Seeded, threads: &[Calls]) -> Failure {
    let parts = threads.iter().map(|calls| Part { expire: 0b01, before: NOTHING, calls: *calls }).collect();
    match explore(&Program { parts, preemptions: 2, seeded: Some(seeded) }) {
        Err(failure) => failure,
        Ok(explored) => panic!("{}: {explored:?}", seeded.name()),
    }
}

/// The thread enters its own thread state in the main interpreter, and leaves it.
fn take<const ME: usize>(shared: &Shared, thread: &Thread) {
    let _ = thread.restore_thread(shared.tstates[ME]);
    let _ = thread.save_thread();
}

fn drop_and_take(_: &Shared, thread: &Thread) {
    if let Ok(tstate) = thread.save_thread() {
        let _ = thread.restore_thread(tstate);
    }
}

fn poll<const TIMES: usize>(_: &Shared, thread: &Thread) {
    for _ in 0..TIMES {
        let _ = thread.eval_breaker_poll();
    }
}

fn clear_and_delete(shared: &Shared, thread: &Thread) {
    let _ = thread.thread_state_clear(shared.tstates[1]);
    let _ = thread.thread_state_delete(shared.tstates[1]);
}

fn create_and_end(config: &InterpreterConfig, shared: &Shared, thread: &Thread) {
    if let Ok((_, tstate)) = thread.new_interpreter_from_config(config) {
        shared.tell(tstate);
        let _ = thread.end_interpreter(tstate);
    }
}

//= specs/rules/gil.md#gil-1
//= type=test
//# A GIL MUST be held by at most one thread, and be locked exactly when it is held.
//= specs/rules/gil.md#gil-11
//= type=test
//# A thread that waits for a GIL MUST be able to go on: the GIL is free, or its holder is inside
//# a call that can go on, or outside one.
#[test]
fn two_threads_hand_a_gil_over_by_dropping_and_taking_it() {
    let floor = Floor { schedules: 10_000, waits: 10_000, requests: 10_000, switches: 5_000, refused: 0 };
    all(4, &[drop_and_take, take::<1>], &floor);
}

//= specs/rules/gil.md#gil-7
//= type=test
//# Once a waiter has asked, the holder of that GIL MUST see the request.
//= specs/rules/gil.md#gil-9
//= type=test
//# A thread that drops a GIL on request MUST NOT go on before another thread state has taken it,
//# unless it is woken for no reason.
//= specs/rules/gil.md#gil-13
//= type=test
//# A poll that sees a request MUST hand the GIL over and come back with the same thread state
//# current.
#[test]
fn a_holder_that_is_asked_hands_the_gil_over_and_sleeps_until_it_is_taken() {
    let floor = Floor { schedules: 10_000, waits: 15_000, requests: 20_000, switches: 10_000, refused: 0 };
    all(4, &[poll::<1>, take::<1>], &floor);
}

#[test]
fn a_holder_that_polls_twice_is_asked_twice() {
    let floor = Floor { schedules: 4_000, waits: 5_000, requests: 8_000, switches: 4_000, refused: 0 };
    all(3, &[poll::<2>, take::<1>], &floor);
}

//= specs/rules/tls.md#tls-13
//= type=test
//# A thread state MUST NOT be cleared or deleted while a call of another thread still uses it.
//= specs/rules/gil.md#gil-12
//= type=test
//# A thread MUST NOT touch an interpreter, a GIL or a thread state after it has been freed.
#[test]
fn a_thread_state_is_cleared_and_deleted_beside_the_call_that_waits_with_it() {
    let floor = Floor { schedules: 2_000, waits: 1_500, requests: 1_500, switches: 1_000, refused: 4_000 };
    all(4, &[clear_and_delete, take::<1>], &floor);
}

#[test]
fn a_slot_is_used_again_while_its_old_name_is_being_looked_at() {
    let create: Calls = |shared, thread| {
        clear_and_delete(shared, thread);
        create_and_end(&InterpreterConfig::LEGACY, shared, thread);
    };
    let floor = Floor { schedules: 2_000, waits: 5, requests: 2, switches: 2, refused: 4_000 };
    all(1, &[create, take::<1>], &floor);
}

#[test]
fn a_slot_is_used_again_behind_the_gil_that_the_caller_holds() {
    let before: Calls = |shared, thread| {
        if let Ok((interp, tstate)) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED) {
            shared.tell(tstate);
            thread.thread_state_new(interp).unwrap().into_iter().for_each(|other| shared.tell(other));
            let _ = thread.thread_state_swap(Some(shared.tstates[0]));
        }
    };
    let swap: Calls = |shared, thread| {
        let _ = thread.thread_state_swap(shared.told(0));
    };
    let enter: Calls = |shared, thread| {
        let other = shared.told(1).unwrap();
        thread.thread_state_bind(other).unwrap();
        thread.restore_thread(other).unwrap();
    };
    let use_again: Calls = |shared, thread| {
        let tstate = shared.told(0).unwrap();
        let _ = thread.thread_state_clear(tstate);
        if thread.thread_state_delete(tstate).is_ok() {
            let _ = thread.thread_state_new(shared.main);
        }
    };
    let floor = Floor { schedules: 100, waits: 0, requests: 0, switches: 0, refused: 100 };
    all_after(3, &[(before, swap), (enter, use_again)], &floor);
}

//= specs/rules/life.md#life-12
//= type=test
//# An ended interpreter MUST leave nothing behind: it, its thread state and its own GIL are gone,
//# and the caller has no current thread state.
#[test]
fn an_interpreter_that_shares_the_gil_is_created_and_ended_beside_a_waiter() {
    let create: Calls = |shared, thread| create_and_end(&InterpreterConfig::LEGACY, shared, thread);
    let floor = Floor { schedules: 4_000, waits: 4_000, requests: 2_000, switches: 1_000, refused: 0 };
    all(3, &[create, take::<1>], &floor);
}

#[test]
fn an_interpreter_with_its_own_gil_is_created_and_ended_beside_a_waiter() {
    let create: Calls = |shared, thread| create_and_end(&InterpreterConfig::ISOLATED, shared, thread);
    let floor = Floor { schedules: 1_000, waits: 1_000, requests: 1_000, switches: 500, refused: 0 };
    all(4, &[create, take::<1>], &floor);
}

#[test]
fn the_thread_state_of_an_interpreter_that_is_being_ended_is_deleted_by_nobody_else() {
    let create: Calls = |shared, thread| create_and_end(&InterpreterConfig::ISOLATED, shared, thread);
    let delete: Calls = |shared, thread| {
        if let Some(tstate) = shared.told(0) {
            let refused = thread.thread_state_delete(tstate).map_err(|refusal| refusal.rule);
            assert!(matches!(refused, Err(Rule::Tls12 | Rule::Tls13 | Rule::Gil12)), "{refused:?}");
        }
    };
    let floor = Floor { schedules: 100, waits: 0, requests: 0, switches: 0, refused: 100 };
    all(4, &[create, delete], &floor);
}

//= specs/rules/gil.md#gil-3
//= type=test
//# Outside a call, a thread MUST NOT hold a GIL other than that of its current thread state.
#[test]
fn a_thread_swaps_between_two_gils_beside_a_waiter() {
    let swap: Calls = |shared, thread| {
        if let Ok((_, tstate)) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED) {
            let _ = thread.thread_state_swap(Some(shared.tstates[0]));
            let _ = thread.thread_state_swap(Some(tstate));
        }
    };
    let floor = Floor { schedules: 2_000, waits: 2_000, requests: 2_000, switches: 1_000, refused: 0 };
    all(3, &[swap, take::<1>], &floor);
}

#[test]
fn two_threads_wait_for_a_holder_that_polls() {
    let floor = Floor { schedules: 4_000, waits: 5_000, requests: 5_000, switches: 3_000, refused: 0 };
    all(2, &[poll::<1>, take::<1>, take::<2>], &floor);
}

#[test]
fn a_thread_state_is_cleared_beside_two_waiters() {
    let floor = Floor { schedules: 1_000, waits: 1_000, requests: 500, switches: 100, refused: 1_000 };
    all(2, &[clear_and_delete, take::<1>, take::<2>], &floor);
}

#[test]
fn loom_finds_that_a_drop_wakes_nobody() {
    let failure = found(Seeded::DropLosesSignal, &[poll::<1>, take::<1>]);
    assert!(matches!(&failure, Failure::Stuck(why) if why.contains("deadlock")), "{failure}");
}

#[test]
fn loom_finds_that_a_forced_switch_is_skipped() {
    let failure = found(Seeded::ForcedSwitchSkipped, &[poll::<1>, take::<1>]);
    assert_eq!(reason(failure), Reason::SwitchSkipped);
}

#[test]
fn loom_finds_that_a_thread_state_in_use_is_cleared() {
    let failure = found(Seeded::ClearIgnoresUse, &[clear_and_delete, take::<1>]);
    assert_eq!(reason(failure), Reason::Refuses(Rule::Tls13));
}

#[test]
fn loom_finds_that_a_request_is_left_with_the_wrong_interpreter() {
    let create: Calls = |shared, thread| create_and_end(&InterpreterConfig::LEGACY, shared, thread);
    let failure = found(Seeded::RequestPerInterpreter, &[create, take::<1>]);
    assert_eq!(reason(failure), Reason::SwitchSkipped);
}

fn reason(failure: Failure) -> Reason {
    match failure {
        Failure::NotAccepted(mismatch) => mismatch.reason,
        other => panic!("{other}"),
    }
}

/// Why the build for loom writes by exchanges where others write by stores, next to a
/// `compare_exchange`. Should this ever fail, it need not any more.
#[test]
fn loom_lets_a_store_get_between_what_an_exchange_reads_and_what_it_writes() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    loom::model(move || {
        let place = Arc::new(AtomicU8::new(1));
        let other = Arc::clone(&place);
        let thread = loom::thread::spawn(move || other.store(2, Relaxed));
        let exchanged = place.compare_exchange(1, 0, Relaxed, Relaxed).is_ok();
        thread.join().unwrap();
        into.lock().unwrap().push((exchanged, place.load(Relaxed)));
    });
    // The store comes after the 1, and so after the 0 that follows on it: 2 is what must be left.
    assert!(seen.lock().unwrap().contains(&(true, 0)));
}
