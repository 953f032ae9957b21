//! The model and our implementation in step, and the floors without which green means nothing.

use std::sync::atomic::AtomicBool;

use cloister_diff_tests::lockstep::wide::{WidePlan, wide};
use cloister_diff_tests::lockstep::{Ended, Lockstep};
use cloister_diff_tests::stages::lockstep::{Row, controlled, plain, plan};
use cloister_diff_tests::subjects::{Controlled, Plain};
use cloister_model::Design;
use cloister_specs::{Fault, InterpId, InterpreterConfig, Move, Op, OpKind, Start, ThreadId, TstateId};
use cloister_traced::faults::Seeded;

const KIND_FLOOR: u64 = 30;

fn assert_sound(row: &Row, waits: bool) {
    if let Some((found, path)) = &row.divergence {
        let moves: Vec<_> = found.moves.iter().map(ToString::to_string).collect();
        panic!("{}\n{}\n{}", path.display(), moves.join("\n"), found.difference);
    }
    let t = &row.tally;
    assert!(t.agreed_share() >= 95.0, "{:.1} % agreed", t.agreed_share());
    assert_eq!(t.starved(KIND_FLOOR), [], "each kind of call is accepted in {KIND_FLOOR} % of its uses");
    assert!(t.all_refused() > t.all_accepted() / 50, "some calls are refused: {t:?}");
    assert!(t.observed > t.runs, "whole states are compared: {t:?}");
    if waits {
        assert!(t.waits.iter().all(|n| *n > 100), "threads wait, are woken, time out: {:?}", t.waits);
    }
}

#[test]
fn the_implementation_does_what_the_model_does() {
    let row = controlled(&plan(1, 1500), &AtomicBool::new(false), &mut |_| ()).expect("it is not lost");
    assert!(row.tally.ops > 500_000, "{} moves compared", row.tally.ops);
    assert_sound(&row, true);
}

#[test]
fn the_plain_build_does_what_the_model_does() {
    let row = plain(&plan(1, 60), &AtomicBool::new(false), &mut |_| ()).expect("it is not lost");
    assert!(row.tally.ops > 20_000, "{} moves compared", row.tally.ops);
    assert_sound(&row, false);
}

#[test]
fn heaps_of_many_blocks_and_objects_are_as_in_the_model() {
    let never = AtomicBool::new(false);
    let found =
        wide(&mut Controlled::new(), &WidePlan::new(1, 60), &never, &mut |_| ()).expect("it is not lost");
    assert_eq!(found.unsound(KIND_FLOOR), Vec::<String>::new());
    assert!(found.tally.ops > 100_000, "{found}");
    let found = wide(&mut Plain::new(), &WidePlan::new(7, 4), &never, &mut |_| ()).expect("it is not lost");
    assert_eq!(found.unsound(KIND_FLOOR), Vec::<String>::new());
}

#[test]
fn a_seeded_fault_of_a_heap_is_found_and_made_short() {
    let mut subject = Controlled::with_seeded(Seeded::FreeGoesToSelected);
    let found = wide(&mut subject, &WidePlan::new(1, 60), &AtomicBool::new(false), &mut |_| ());
    let found = found.expect("it is not lost").divergence.expect("a block of another heap is taken");
    // Slots are named in order, so that what fills the lower ones stays.
    assert!(found.moves.len() <= 40, "{:?}", found.moves);
}

#[test]
fn the_same_seed_makes_the_same_runs() {
    let count = || {
        let row = controlled(&plan(42, 20), &AtomicBool::new(false), &mut |_| ()).expect("it is not lost");
        (row.tally.accepted, row.tally.refused, row.tally.waits)
    };
    assert_eq!(count(), count());
}

/// Calls of `T0` in order; new thread states take the slots that are given.
fn calls(ops: &[(Op, Option<u8>)]) -> Vec<Move> {
    let start = |(op, at): &(Op, Option<u8>)| {
        Move::Start(Start { thread: ThreadId(0), op: *op, at: at.map(TstateId), prefer: ThreadId(0) })
    };
    ops.iter().map(start).collect()
}

//= specs/rules/life.md#life-2
//= type=test
//# A failed creation MUST leave the caller as it was: the same thread state current, its GIL
//# held, and nothing of the new interpreter listed.
//= specs/rules/life.md#life-3
//= type=test
//# A failed creation MUST be answered with a status and MUST NOT end the process.
//= specs/rules/life.md#life-4
//= type=test
//# A creation MUST answer with a thread state exactly when its status is no error.
#[test]
fn a_fault_at_every_step_of_every_creation_restores_every_kind_of_caller() {
    let attached = vec![];
    let detached = calls(&[(Op::SaveThread, None)]);
    let slot_elsewhere =
        calls(&[(Op::ThreadStateNew(InterpId(0)), Some(1)), (Op::ThreadStateBind(TstateId(1)), None)]);
    let in_a_sub = calls(&[(
        Op::NewInterpreterFromConfig { config: InterpreterConfig::ISOLATED, fault: None },
        Some(1),
    )]);
    let mut subject = Controlled::new();
    let mut compared = 0;
    for before in [&attached, &detached, &slot_elsewhere, &in_a_sub] {
        for config in InterpreterConfig::all() {
            for fault in Fault::ALL.into_iter().map(Some).chain([None]) {
                let mut moves = before.clone();
                let create = Op::NewInterpreterFromConfig { config, fault };
                moves.extend(calls(&[
                    (create, Some(3)),
                    (Op::SaveThread, None),
                    (Op::ThreadStateSwap(None), None),
                ]));
                let mut lockstep = Lockstep::new(Design::CLOISTER, &mut subject);
                match lockstep.replay(1, &moves).expect("it is not lost") {
                    Ended::Agreed => {
                        compared += lockstep.tally.accepted[OpKind::NewInterpreterFromConfig.index()]
                    }
                    Ended::Poisoned => panic!("{config:?} {fault:?} ended the process"),
                    Ended::Diverged(found) => panic!("{config:?} {fault:?}: {}", found.difference),
                }
            }
        }
    }
    assert!(compared >= 4 * 256 * 5, "{compared} creations compared");
}
