//! What free-running OS threads do is a run of the model, and what is none is rejected.

use cloister_diff_tests::free_running::{
    Plan, Reason, Recording, Rejection, Report, record, run, run_seeded, validate,
};
use cloister_specs::{CreationError, InterpreterConfig, Rule};
use cloister_traced::faults::Seeded;
use cloister_traced::trace::{Answer, Event};
use cloister_traced::{Runtime, Settings, Tstate};
use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

const RUNS: u64 = 200;
const CALLS: u32 = 30;
const THREADS: u64 = 3;
/// How often runs are made again if too little happened in them: when threads wait is up to
/// the operating system.
const BATCHES: u64 = 10;

static NEVER: AtomicBool = AtomicBool::new(false);

fn enough(report: &Report) -> bool {
    report.waits >= RUNS && report.requests >= RUNS / 2 && report.switches >= RUNS / 2
}

//= specs/rules/gil.md#gil-1
//= type=test
//# A GIL MUST be held by at most one thread, and be locked exactly when it is held.
//= specs/rules/gil.md#gil-8
//= type=test
//# Taking a GIL MUST reset the request that the taker would see.
//= specs/rules/gil.md#gil-9
//= type=test
//# A thread that drops a GIL on request MUST NOT go on before another thread state has taken it,
//# unless it is woken for no reason.
//= specs/rules/gil.md#gil-10
//= type=test
//# A thread in the forced switch MUST have another thread that is about to take that GIL.
//= specs/rules/gil.md#gil-13
//= type=test
//# A poll that sees a request MUST hand the GIL over and come back with the same thread state
//# current.
#[test]
fn what_free_running_threads_do_is_a_run_of_the_model() {
    let mut all = Report::default();
    for batch in 0..BATCHES {
        match run(RUNS, CALLS, batch * RUNS, &NEVER) {
            Ok(report) => all.merge(&report),
            Err(rejection) => panic!("{rejection}"),
        }
        if enough(&all) {
            break;
        }
    }
    assert!(enough(&all), "{all:?}");
    assert_eq!(all.runs % RUNS, 0);
    assert_eq!(all.accepted + all.refused, all.calls);
    assert!(all.calls >= all.runs * THREADS * u64::from(CALLS) / 3, "{all:?}");
    assert!(all.events > 3 * all.calls, "{all:?}");
    assert!(all.refused >= all.runs && all.refused < all.accepted, "{all:?}");
    assert!(all.spurious <= all.switches / 100, "{all:?}");
    assert!(all.reordered <= all.events / 100, "{all:?}");
}

#[test]
fn nothing_is_recorded_once_it_is_to_stop() {
    let report = run(RUNS, CALLS, 0, &AtomicBool::new(true)).unwrap();
    assert_eq!(report, Report::default());
}

/// Faults that the trace shows, and with which no thread waits for ever: where two threads
/// use one thread state, or none is remembered as the last holder, a forced switch may never
/// end, and only a scheduler that is controlled can tell.
const SHOWN: [Seeded; 11] = [
    Seeded::GilValueFirst,
    Seeded::EndLeavesTstate,
    Seeded::BindDisplaces,
    Seeded::SwapLeavesWrong,
    Seeded::SwapAnswersNew,
    Seeded::SwapKeepsGilstate,
    Seeded::ClearIgnoresUse,
    Seeded::DeleteEmptiesCallers,
    Seeded::RequestPerInterpreter,
    Seeded::ForcedSwitchSkipped,
    Seeded::PollStaysCurrent,
];

fn rejected(fault: Seeded) -> Reason {
    match run_seeded(BATCHES * RUNS, CALLS, 0, Some(fault), &NEVER) {
        Err(Rejection::NotAccepted { mismatch, .. }) => mismatch.reason,
        Err(other) => panic!("{other}"),
        Ok(report) => panic!("{}: {report:?}", fault.name()),
    }
}

//= specs/rules/tls.md#tls-13
//= type=test
//# A thread state MUST NOT be cleared or deleted while a call of another thread still uses it.
#[test]
fn a_runtime_with_a_seeded_fault_is_rejected() {
    for fault in SHOWN {
        let reason = rejected(fault);
        let right = match fault {
            Seeded::ClearIgnoresUse => reason == Reason::Refuses(Rule::Tls13),
            Seeded::ForcedSwitchSkipped => reason == Reason::SwitchSkipped,
            Seeded::GilValueFirst | Seeded::SwapAnswersNew => matches!(reason, Reason::Replies { .. }),
            Seeded::EndLeavesTstate
            | Seeded::BindDisplaces
            | Seeded::SwapKeepsGilstate
            | Seeded::DeleteEmptiesCallers => matches!(reason, Reason::Rest(_)),
            _ => true,
        };
        assert!(right, "{}: {reason}", fault.name());
    }
}

/// Too rare among random calls: the thread state of an interpreter that is being ended is
/// used by that call, and this is what its deletion is refused for, once it is not active.
//= specs/rules/tls.md#tls-13
//= type=test
//# A thread state MUST NOT be cleared or deleted while a call of another thread still uses it.
#[test]
fn the_thread_state_of_an_interpreter_that_is_being_ended_is_in_use() {
    const ROUNDS: u32 = 50_000;
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let (main, ended) = (thread.current(), AtomicBool::new(false));
    let latest = Mutex::new(None);
    thread::scope(|scope| {
        let deleter = scope.spawn(|| {
            let thread = runtime.attach().unwrap();
            let mut refused = BTreeSet::new();
            while !ended.load(Relaxed) {
                let tstate: Option<Tstate> = *latest.lock().unwrap();
                for _ in 0..50 {
                    refused.extend(tstate.map(|t| thread.thread_state_delete(t).unwrap_err().rule));
                }
            }
            refused
        });
        let done = (0..ROUNDS).try_for_each(|round| {
            let (_, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED)?;
            *latest.lock().unwrap() = Some(tstate);
            (0..round % 200).for_each(|_| std::hint::spin_loop());
            thread.end_interpreter(tstate)?;
            thread.thread_state_swap(main)?;
            Ok::<(), Box<dyn Error>>(())
        });
        ended.store(true, Relaxed);
        done.unwrap();
        let refused = deleter.join().unwrap();
        assert!(refused.iter().all(|r| matches!(r, Rule::Gil12 | Rule::Tls12 | Rule::Tls13)), "{refused:?}");
        assert!(!refused.is_empty());
    });
}

/// A recording in which something of every kind happened, but for events that are rare.
fn rich() -> Recording {
    let rich = |recording: &Recording| {
        let count = |wanted: fn(&Event) -> bool| recording.events.iter().filter(|e| wanted(&e.event)).count();
        count(|e| matches!(e, Event::SwitchWaitEnd(_))) >= 2
            && count(|e| matches!(e, Event::Requested(_))) >= 2
            && count(|e| matches!(e, Event::Effect(_))) >= 10
            && count(|e| matches!(e, Event::Returned(Answer::Refused(_)))) >= 3
            && recording.events.len() < 600
    };
    let mut recordings = (0..BATCHES * RUNS).map(|seed| record(&Plan::new(seed)).unwrap());
    let found = recordings.find(rich).unwrap();
    assert_eq!(validate(&found).map(|report| report.runs), Ok(1));
    found
}

/// The next event of the same thread.
fn next_of_thread(recording: &Recording, index: usize) -> Option<usize> {
    let thread = recording.events[index].thread;
    (index + 1..recording.events.len()).find(|k| recording.events[*k].thread == thread)
}

#[test]
fn a_recording_that_lacks_an_event_is_rejected() {
    let whole = rich();
    for index in 0..whole.events.len() {
        let next = next_of_thread(&whole, index).map(|k| whole.events[k].event);
        let needed = match whole.events[index].event {
            // Another request may be enough, and so may waiting for nothing.
            Event::Requested(_) => false,
            Event::WaitBegin(_) => matches!(next, Some(Event::Requested(_))),
            _ => true,
        };
        let mut cut = whole.clone();
        let event = cut.events.remove(index);
        assert!(!needed || validate(&cut).is_err(), "without event {index}: {event:?}");
    }
}

#[test]
fn a_recording_with_two_events_of_a_thread_swapped_is_rejected() {
    let whole = rich();
    let pairs = (0..whole.events.len()).filter_map(|one| Some((one, next_of_thread(&whole, one)?)));
    for (one, two) in pairs.filter(|(one, two)| whole.events[*one].event != whole.events[*two].event) {
        let mut mixed = whole.clone();
        mixed.events[one].event = whole.events[two].event;
        mixed.events[two].event = whole.events[one].event;
        assert!(validate(&mixed).is_err(), "{one}: {:?} and {two}", whole.events[one]);
    }
}

#[test]
fn a_recording_in_which_a_gil_is_taken_before_it_is_dropped_is_rejected() {
    let whole = rich();
    let mut tried = 0;
    for (taken, stamped) in whole.events.iter().enumerate() {
        let Event::Took(gil) = stamped.event else { continue };
        let dropping = |e: &Event| matches!(e, Event::Dropping(other) if other.creator == gil.creator);
        let Some(dropped) = whole.events[..taken].iter().rposition(|e| dropping(&e.event)) else { continue };
        let own = |k: usize| whole.events[k].thread == stamped.thread;
        if (dropped..taken).any(own) {
            continue;
        }
        let mut early = whole.clone();
        let took = early.events.remove(taken);
        early.events.insert(dropped, took);
        let reason = validate(&early).map_err(|mismatch| mismatch.reason);
        assert!(matches!(reason, Err(Reason::Held(_))), "{taken}: {reason:?}");
        tried += 1;
    }
    assert!(tried > 0);
}

#[test]
fn a_recording_with_another_answer_is_rejected() {
    let whole = rich();
    for index in 0..whole.events.len() {
        let Event::Returned(answer) = whole.events[index].event else { continue };
        let other = match answer {
            Answer::Done | Answer::Created(..) | Answer::Ran(_) => Answer::Tstate(None),
            Answer::Tstate(_) | Answer::NotEnsured | Answer::Full => Answer::Done,
            Answer::Ensured(_) => Answer::NotEnsured,
            Answer::Is(yes) => Answer::Is(!yes),
            Answer::Failed(CreationError::CoreInit) => Answer::Failed(CreationError::MainInit),
            Answer::Failed(_) => Answer::Failed(CreationError::CoreInit),
            // No guard names it.
            Answer::Refused(_) => Answer::Refused(Rule::Life7),
        };
        let mut changed = whole.clone();
        changed.events[index].event = Event::Returned(other);
        assert!(validate(&changed).is_err(), "event {index}: {other:?} instead of {answer:?}");
    }
}

#[test]
fn a_recording_that_ends_in_another_state_is_rejected() {
    let mut moved = rich();
    moved.rest.current[0] = match moved.rest.current[0] {
        Some(_) => None,
        None => Some(moved.first),
    };
    let mismatch = validate(&moved).unwrap_err();
    assert!(matches!(mismatch.reason, Reason::Rest(_)), "{mismatch}");
    assert_eq!(mismatch.index, moved.events.len());
}

#[test]
fn a_rejection_says_where_and_why_and_draws_what_came_before() {
    let mut cut = rich();
    let took = cut.events.iter().rposition(|e| matches!(e.event, Event::Took(_))).unwrap();
    cut.events.remove(took);
    let mismatch = validate(&cut).unwrap_err();
    let told = Rejection::NotAccepted { seed: 7, mismatch }.to_string();
    for part in ["seed 7", "at event ", "because ", "instead, in the model: ", "T0 ", "| T1", "| T2"] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
}
