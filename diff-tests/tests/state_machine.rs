//! The model as the reference of a proptest state machine, the implementation under test:
//! transitions come from the model's guards, and failing sequences are shrunk by proptest.

use cloister_diff_tests::lockstep::{same_event, same_observation};
use cloister_diff_tests::subject::Subject;
use cloister_diff_tests::subjects::{Controlled, Model};
use cloister_model::check::{Bounds, Scope};
use cloister_model::{Design, Grain, Runtime};
use cloister_specs::Move;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

const THREADS: u8 = 3;

fn scope() -> Scope {
    let scope = Scope::whole("state machine", Design::CLOISTER, Grain::Atomic, Bounds::new(THREADS, 3, 4));
    Scope { symmetry: false, reuse: false, ..scope }
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Runtime;
    type Transition = Move;

    fn init_state() -> BoxedStrategy<Runtime> {
        Just(Runtime::new(&Design::CLOISTER)).boxed()
    }

    fn transitions(state: &Runtime) -> BoxedStrategy<Move> {
        let mut moves = Vec::new();
        scope().moves(state, &mut moves, |_, _| ());
        prop::sample::select(moves).boxed()
    }

    fn apply(mut state: Runtime, mv: &Move) -> Runtime {
        let _ = state.apply(&Design::CLOISTER, Grain::Atomic, mv);
        state
    }

    fn preconditions(state: &Runtime, mv: &Move) -> bool {
        let mut ahead = *state;
        ahead.apply(&Design::CLOISTER, Grain::Atomic, mv).is_ok()
    }
}

struct Implementation;

struct Both {
    model: Model,
    implementation: Controlled,
}

impl StateMachineTest for Implementation {
    type SystemUnderTest = Both;
    type Reference = Reference;

    fn init_test(_: &Runtime) -> Both {
        let mut both =
            Both { model: Model::new(Design::CLOISTER, Grain::Atomic), implementation: Controlled::new() };
        both.model.reset(THREADS).expect("the model begins");
        both.implementation.reset(THREADS).expect("the implementation begins");
        both
    }

    fn apply(mut both: Both, _: &Runtime, mv: Move) -> Both {
        let expected = both.model.apply(&mv).expect("the reference made this move");
        let got = both.implementation.apply(&mv).expect("it is not lost");
        if let Err(difference) = same_event(&expected, &got) {
            panic!("{mv}: {difference}");
        }
        both
    }

    fn check_invariants(_: &Both, state: &Runtime) {
        assert_eq!(cloister_model::rules::broken_in(&Design::CLOISTER, state), None);
    }

    fn teardown(mut both: Both, _: Runtime) {
        let expected = both.model.observe().expect("the model shows itself");
        let got = both.implementation.observe().expect("the implementation shows itself");
        if let Err(difference) = same_observation(&expected, &got, both.implementation.shows()) {
            panic!("at the end: {difference}");
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        rng_seed: RngSeed::Fixed(0x5e1f),
        failure_persistence: None,
        .. ProptestConfig::default()
    })]

    #[test]
    fn the_implementation_follows_the_reference(sequential 1..80 => Implementation);
}
