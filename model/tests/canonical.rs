//! States that differ in names alone have one representative, and a run can be replayed
//! under its original names.

mod common;

use cloister_model::check::{Bounds, Renaming, Scope, explore, rename};
use cloister_model::{Design, Grain, Runtime};
use common::*;
use proptest::prelude::*;

fn any_renaming() -> impl Strategy<Value = Renaming> {
    (Just([1u8, 2]).prop_shuffle(), Just([0u8, 1, 2, 3]).prop_shuffle(), Just([0u8, 1, 2]).prop_shuffle())
        .prop_map(|(i, tstates, threads)| Renaming { interps: [0, i[0], i[1]], tstates, threads })
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn renamed_states_have_the_same_representative(
        d in any_design(), grain in any_grain(), picks in choices(60), names in any_renaming(),
    ) {
        let scope = widest(d, grain);
        let (states, _) = random_run(&scope, &picks);
        for state in states {
            let (one, _) = scope.canonical(&state);
            let (two, _) = scope.canonical(&rename(&state, &names));
            prop_assert_eq!(one, two);
        }
    }

    #[test]
    fn the_renaming_leads_to_the_representative_and_back(d in any_design(), grain in any_grain(), picks in choices(60)) {
        let scope = widest(d, grain);
        let (states, _) = random_run(&scope, &picks);
        for state in states {
            let (least, names) = scope.canonical(&state);
            prop_assert_eq!(scope.settle(&rename(&state, &names)), least);
            prop_assert_eq!(scope.settle(&rename(&least, &names.inverse())), scope.settle(&state));
        }
    }

    #[test]
    fn moves_of_the_representative_replay_under_the_original_names(grain in any_grain(), picks in choices(60)) {
        let scope = widest(Design::CLOISTER, grain);
        let mut original = Runtime::new(&scope.design);
        let mut moves = Vec::new();
        for pick in &picks {
            let (least, names) = scope.canonical(&original);
            moves.clear();
            scope.moves(&least, &mut moves, |_, _| ());
            if moves.is_empty() {
                break;
            }
            let mv = moves[pick.index(moves.len())];
            let mut there = least;
            there.apply(&scope.design, grain, &mv).expect("enabled");
            let back = names.inverse().rename_move(&mv);
            original.apply(&scope.design, grain, &back).expect("enabled under its original name");
            prop_assert_eq!(scope.canonical(&original).0, scope.canonical(&there).0, "{:?} {:#?}", mv, least);
        }
    }
}

#[test]
fn symmetry_makes_the_space_smaller_and_keeps_the_verdict() {
    let scope = Scope::whole("2/3/3", Design::CLOISTER, Grain::Atomic, Bounds::new(2, 3, 3));
    let with = explore(&scope, 2, u64::MAX, &Default::default());
    let without = explore(&Scope { symmetry: false, ..scope }, 2, u64::MAX, &Default::default());
    assert!(with.complete && without.complete);
    assert!(with.unique < without.unique, "{} < {}", with.unique, without.unique);
    assert_eq!(with.tally.unprobed(), without.tally.unprobed());
}

#[test]
fn symmetry_never_grows_a_count() {
    for bounds in [Bounds::new(1, 1, 1), Bounds::new(1, 2, 2), Bounds::new(2, 1, 2), Bounds::new(2, 2, 2)] {
        let scope = Scope::whole("small", Design::CPYTHON_3_12_1, Grain::Atomic, bounds);
        let scope = Scope { only: Some(cloister_specs::Rule::Tls19), ..scope };
        let with = explore(&scope, 1, u64::MAX, &Default::default());
        let without = explore(&Scope { symmetry: false, ..scope }, 1, u64::MAX, &Default::default());
        assert!(with.unique <= without.unique, "{bounds}: {} <= {}", with.unique, without.unique);
    }
}
