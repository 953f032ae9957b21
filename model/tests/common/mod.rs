//! Random designs and random schedules.

use cloister_model::check::{Bounds, Scope};
use cloister_model::{Design, Grain, Runtime, admissible};
use cloister_specs::{Move, OpKind};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The same cases every time.
pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x0c10_1573),
        failure_persistence: None,
        ..Default::default()
    }
}

/// Any design that means something.
pub fn any_design() -> impl Strategy<Value = Design> {
    proptest::collection::vec(any::<prop::sample::Index>(), Design::KNOBS.len())
        .prop_map(|picks| {
            let mut d = Design::CLOISTER;
            for (knob, pick) in Design::KNOBS.iter().zip(picks) {
                assert!((knob.set)(&mut d, knob.settings[pick.index(knob.settings.len())]));
            }
            d
        })
        .prop_filter("the combination means something", admissible)
}

/// Any grain.
pub fn any_grain() -> impl Strategy<Value = Grain> {
    prop::sample::select(&Grain::ALL[..])
}

/// Choices to be made one after the other.
pub fn choices(len: usize) -> impl Strategy<Value = Vec<prop::sample::Index>> {
    proptest::collection::vec(any::<prop::sample::Index>(), len)
}

/// The largest scope there is: every call.
pub fn widest(d: Design, grain: Grain) -> Scope {
    Scope::whole("widest", d, grain, Bounds::new(3, 3, 4)).with_ops(&OpKind::ALL)
}

/// The states of a random run, the first included, and the moves between them.
pub fn random_run(scope: &Scope, choices: &[prop::sample::Index]) -> (Vec<Runtime>, Vec<Move>) {
    let mut states = vec![Runtime::new(&scope.design)];
    let mut made = Vec::new();
    let mut moves = Vec::new();
    for choice in choices {
        let mut r = states[states.len() - 1];
        moves.clear();
        scope.moves(&r, &mut moves, |_, _| ());
        if moves.is_empty() {
            break;
        }
        let mv = moves[choice.index(moves.len())];
        r.apply(&scope.design, scope.grain, &mv).expect("an enabled move can be made");
        states.push(r);
        made.push(mv);
    }
    (states, made)
}
