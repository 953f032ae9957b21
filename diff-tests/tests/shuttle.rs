//! Random programs under random schedules: a sample of what `cloister shuttle` does at length.

use cloister_diff_tests::explored::Failure;
use cloister_diff_tests::explored::shuttled::{Found, Plan, Tally, explore};
use cloister_diff_tests::free_running::Reason;
use cloister_shuttled::faults::Seeded;
use cloister_specs::{OpKind, Rule};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const SCHEDULES: u64 = 2_000;

/// How many are explored to find a fault that only few of them show.
const LONG: u64 = 20 * SCHEDULES;

fn explored(plan: &Plan) -> (Tally, Result<(), Box<Found>>) {
    let mut tally = Tally::default();
    let result = explore(plan, &mut tally, &Arc::default(), &mut |_| ());
    (tally, result)
}

#[test]
fn what_threads_do_in_random_schedules_is_a_run_of_the_model() {
    let (tally, result) = explored(&Plan::new(1, SCHEDULES));
    if let Err(found) = result {
        panic!("{found}");
    }
    let happened = &tally.happened;
    assert_eq!(tally.schedules(), SCHEDULES);
    assert_eq!(happened.runs, SCHEDULES);
    assert!(tally.uniform >= SCHEDULES / 3 && tally.pct >= SCHEDULES / 3, "{tally:?}");
    assert!(tally.programs >= SCHEDULES / 40, "{tally:?}");
    assert!(happened.calls >= 20 * SCHEDULES, "{tally:?}");
    assert!(happened.events >= 3 * happened.calls, "{tally:?}");
    assert!(happened.waits >= SCHEDULES, "{tally:?}");
    assert!(happened.requests >= SCHEDULES, "{tally:?}");
    assert!(happened.switches >= SCHEDULES, "{tally:?}");
    assert!(happened.refused >= SCHEDULES && happened.refused < happened.accepted, "{tally:?}");
    assert_eq!(happened.spurious, 0, "{tally:?}");
    assert!(happened.reordered <= happened.events / 100, "{tally:?}");
}

#[test]
fn the_same_seed_is_the_same_schedules() {
    let plan = Plan::new(7, 200);
    let (one, other) = (explored(&plan), explored(&plan));
    assert_eq!(one, other);
    assert_ne!(one.0.happened, explored(&Plan::new(8, 200)).0.happened);
}

#[test]
fn nothing_is_explored_once_it_is_to_stop() {
    let (mut tally, stop) = (Tally::default(), Arc::new(AtomicBool::new(true)));
    assert_eq!(explore(&Plan::new(1, SCHEDULES), &mut tally, &stop, &mut |_| ()), Ok(()));
    assert_eq!(tally, Tally::default());
    stop.store(false, Relaxed);
    let stopping = Arc::clone(&stop);
    let mut told = 0;
    let mut progress = |schedules| {
        told += schedules;
        stopping.store(told >= 60, Relaxed);
    };
    assert_eq!(explore(&Plan::new(1, SCHEDULES), &mut tally, &stop, &mut progress), Ok(()));
    assert_eq!((tally.schedules(), told), (60, 60));
}

#[test]
fn what_threads_do_with_the_whole_raw_face_is_a_run_of_the_model() {
    let (tally, result) = explored(&Plan::new(1, SCHEDULES).whole());
    if let Err(found) = result {
        panic!("{found}");
    }
    let happened = &tally.happened;
    assert_eq!((tally.schedules(), happened.runs), (SCHEDULES, SCHEDULES));
    assert_eq!(happened.accepted + happened.refused, happened.calls, "{tally:?}");
    assert!(happened.calls >= 20 * SCHEDULES, "{tally:?}");
    assert!(happened.events >= 2 * happened.calls, "{tally:?}");
    for kind in OpKind::ALL {
        let accepted = happened.kinds.of(kind);
        match kind {
            OpKind::Fork | OpKind::Exec => assert_eq!(accepted, 0),
            // The GIL guards what they touch, and the model is not told.
            kind if matches!(kind.area(), "MEM" | "REF") => assert_eq!(accepted, 0),
            kind => assert!(accepted >= SCHEDULES / 50, "{}: {tally:?}", kind.name()),
        }
    }
    assert!(happened.waits >= SCHEDULES, "{tally:?}");
    assert!(happened.requests >= SCHEDULES, "{tally:?}");
    assert!(happened.switches >= SCHEDULES / 2, "{tally:?}");
    assert!(happened.pending_runs >= SCHEDULES / 2, "{tally:?}");
    assert!(happened.pending >= SCHEDULES / 2, "{tally:?}");
    assert!(happened.inside >= SCHEDULES / 4, "{tally:?}");
    assert!(happened.gave_up >= SCHEDULES / 200, "{tally:?}");
    assert!(happened.thread_waits >= SCHEDULES / 500, "{tally:?}");
    assert!(happened.call_waits >= SCHEDULES / 500, "{tally:?}");
    assert!(happened.deleted_beside >= SCHEDULES / 50, "{tally:?}");
    assert!(happened.outside >= SCHEDULES / 50, "{tally:?}");
    assert!(happened.overlooked <= happened.calls / 1_000, "{tally:?}");
    assert!(happened.reordered <= happened.events / 100, "{tally:?}");
}

#[test]
fn what_threads_leave_of_the_whole_raw_face_is_accounted_for() {
    let (tally, result) = explored(&Plan::new(1, SCHEDULES).whole());
    assert_eq!(result, Ok(()));
    let accounts = &tally.accounts;
    assert_eq!(accounts.runs, SCHEDULES);
    assert_eq!(accounts.ran, tally.happened.pending);
    assert!(accounts.done >= 10 * SCHEDULES, "{tally:?}");
    assert!(accounts.refused >= SCHEDULES, "{tally:?}");
    assert!(accounts.ensured >= SCHEDULES / 2, "{tally:?}");
    assert!(accounts.added >= SCHEDULES, "{tally:?}");
    assert!(accounts.started >= SCHEDULES / 10, "{tally:?}");
    assert!(accounts.finalized >= SCHEDULES / 20, "{tally:?}");
    assert!(accounts.outside >= SCHEDULES / 50, "{tally:?}");
    assert!(accounts.cut_off >= SCHEDULES / 200, "{tally:?}");
    assert!(accounts.counted >= SCHEDULES / 2, "{tally:?}");
}

/// Those that these programs cannot show: no thread fails to start, no process forks, no count comes
/// near an end of the immortal half, only all references are counted, and nobody sees a request that
/// was left with the GIL of a runtime that is finalized.
const NEVER: [Seeded; 6] = [
    Seeded::FailedStartLeavesTstate,
    Seeded::GiveUpKeepsRequest,
    Seeded::ForkKeepsInterps,
    Seeded::ExecAnywhere,
    Seeded::OverflowNotSticky,
    Seeded::TotalToMain,
];

#[test]
fn shuttle_finds_faults_beyond_the_engine() {
    let mut missed = Vec::new();
    let shown = |fault: &&Seeded| !NEVER.contains(fault);
    let beyond = Seeded::ALL.iter().filter(|fault| !of_the_engine(fault)).filter(shown);
    for fault in beyond.copied() {
        let plan = Plan { seeded: Some(fault), ..Plan::new(1, LONG).whole() };
        match explored(&plan) {
            (_, Err(found)) => {
                let right = match fault {
                    Seeded::DeleteCurrentKeepsGil | Seeded::WaiterHangs => {
                        matches!(found.failure, Failure::Stuck(_))
                    }
                    // The model does not look at what nobody polls for.
                    Seeded::AddForgetsSignal | Seeded::FailureLosesSignal => {
                        matches!(found.failure, Failure::Wrong(_))
                    }
                    Seeded::CountsBesideOthers => {
                        matches!(&found.failure, Failure::Stuck(why) if why.contains("MEM-1"))
                    }
                    // The books of the threads tell what the model is not told.
                    fault if matches!(fault.breaks().area(), "MEM" | "REF") => {
                        matches!(found.failure, Failure::Wrong(_))
                    }
                    _ => reason(&found.failure).is_some(),
                };
                assert!(right, "{}: {found}", fault.name());
            }
            (_, Ok(())) => missed.push(fault.name()),
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

/// Is it a fault of a call that the validated programs make?
fn of_the_engine(fault: &&Seeded) -> bool {
    (**fault as u8) <= Seeded::PollStaysCurrent as u8
}

#[test]
fn shuttle_finds_every_seeded_fault_of_the_engine() {
    for fault in Seeded::ALL.iter().filter(of_the_engine).copied() {
        let (tally, result) = explored(&Plan { seeded: Some(fault), ..Plan::new(1, SCHEDULES) });
        let Err(found) = result else { panic!("{}: {tally:?}", fault.name()) };
        let right = match (fault, &found.failure) {
            (Seeded::DropLosesSignal, Failure::Stuck(why)) => why.contains("deadlock"),
            (Seeded::ForcedSwitchSkipped | Seeded::RequestPerInterpreter, failure) => {
                reason(failure) == Some(&Reason::SwitchSkipped)
            }
            (Seeded::ClearIgnoresUse, failure) => reason(failure) == Some(&Reason::Refuses(Rule::Tls13)),
            (Seeded::BindRebinds, failure) => reason(failure) == Some(&Reason::Refuses(Rule::Tls3)),
            // Or by a guard behind the one that is left out.
            (Seeded::SwapIgnoresThread, failure) => matches!(
                reason(failure),
                Some(Reason::Refuses(Rule::Tls4) | Reason::NotRefused { model: Some(Rule::Tls4), .. })
            ),
            (Seeded::GilValueFirst | Seeded::SwapAnswersNew, failure) => {
                matches!(reason(failure), Some(Reason::Replies { .. }))
            }
            (_, failure) => !matches!(failure, Failure::NotSetUp(_)),
        };
        assert!(right, "{}: {found}", fault.name());
    }
}

#[test]
fn a_fault_is_found_again_from_the_seed_that_is_told() {
    let plan = Plan { seeded: Some(Seeded::FailedCreationKeepsSlot), ..Plan::new(1, SCHEDULES) };
    let (_, found) = explored(&plan);
    let found = found.unwrap_err();
    assert!(found.seed > plan.seed, "{found}");
    let (tally, again) = explored(&Plan { seed: found.seed, ..plan });
    assert_eq!(again, Err(found));
    assert_eq!(tally.programs, 1);
}

fn reason(failure: &Failure) -> Option<&Reason> {
    match failure {
        Failure::NotAccepted(mismatch) => Some(&mismatch.reason),
        Failure::Stuck(_) | Failure::Wrong(_) | Failure::NotSetUp(_) => None,
    }
}
