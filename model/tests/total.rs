//! The model never panics, whatever the design and the schedule, and refusals change nothing.

mod common;

use arbitrary::{Arbitrary, Unstructured};
use cloister_model::Outcome;
use cloister_specs::{Move, Op, Start, ThreadId, TstateId};
use common::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn random_schedules_run_under_random_designs(d in any_design(), grain in any_grain(), picks in choices(120)) {
        let (states, moves) = random_run(&widest(d, grain), &picks);
        prop_assert_eq!(states.len(), moves.len() + 1);
        prop_assert!(!moves.is_empty());
    }

    #[test]
    fn a_refused_or_impossible_move_leaves_the_state_untouched(
        d in any_design(),
        grain in any_grain(),
        picks in choices(40),
        thread in 0u8..5,
        bytes in proptest::collection::vec(any::<u8>(), 32),
        at in proptest::option::of(0u8..6),
    ) {
        let (states, _) = random_run(&widest(d, grain), &picks);
        let op = Op::arbitrary(&mut Unstructured::new(&bytes)).expect("enough bytes");
        let before = states[states.len() - 1];
        let mut after = before;
        let start = Start { thread: ThreadId(thread), op, at: at.map(TstateId), prefer: ThreadId(0) };
        match after.apply(&d, grain, &Move::Start(start)) {
            Ok(Outcome::Refused(_)) | Err(_) => prop_assert_eq!(before, after),
            Ok(_) => {}
        }
    }
}
