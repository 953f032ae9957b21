//! Fusing labels that nobody can see changes no verdict, and loses no state between calls.

use std::collections::HashSet;

use cloister_model::check::{Bounds, Scope, explore};
use cloister_model::{Design, Grain, Runtime};
use cloister_specs::OpKind;

/// Every state of a scope in which all threads are outside any call.
fn idle_states(scope: &Scope) -> HashSet<Runtime> {
    let start = scope.canonical(&Runtime::new(&scope.design)).0;
    let (mut seen, mut todo, mut moves) = (HashSet::from([start]), vec![start], Vec::new());
    while let Some(r) = todo.pop() {
        moves.clear();
        scope.moves(&r, &mut moves, |_, _| ());
        for mv in &moves {
            let mut next = r;
            next.apply(&scope.design, scope.grain, mv).expect("enabled");
            let next = scope.canonical(&next).0;
            if seen.insert(next) {
                todo.push(next);
            }
        }
    }
    seen.retain(|r| r.threads.iter().all(|x| x.idle()));
    seen
}

#[test]
fn merged_and_fine_reach_the_same_states_between_calls() {
    let hand_over = [
        OpKind::ThreadStateNew,
        OpKind::ThreadStateBind,
        OpKind::SaveThread,
        OpKind::RestoreThread,
        OpKind::EvalBreakerPoll,
    ];
    let create = [OpKind::NewInterpreterFromConfig, OpKind::EndInterpreter, OpKind::ThreadStateSwap];
    for ops in [&hand_over[..], &create[..]] {
        let fine = Scope::whole("2/2/2", Design::CLOISTER, Grain::Fine, Bounds::new(2, 2, 2)).with_ops(ops);
        let merged = Scope { grain: Grain::Merged, ..fine.clone() };
        let (a, b) = (idle_states(&fine), idle_states(&merged));
        assert!(a.len() > 3, "{} states between calls", a.len());
        assert_eq!(a, b);
    }
}

#[test]
fn a_coarser_grain_has_fewer_states() {
    let ops = [OpKind::SaveThread, OpKind::RestoreThread, OpKind::ThreadStateNew, OpKind::ThreadStateBind];
    let count = |grain| {
        let scope = Scope::whole("2/1/2", Design::CLOISTER, grain, Bounds::new(2, 1, 2)).with_ops(&ops);
        let found = explore(&scope, 1, u64::MAX, &Default::default());
        assert!(found.complete);
        found.unique
    };
    let (atomic, merged, fine) = (count(Grain::Atomic), count(Grain::Merged), count(Grain::Fine));
    assert!(atomic < merged && merged < fine, "{atomic} < {merged} < {fine}");
}

#[test]
fn a_use_after_unlock_shows_when_labels_interleave() {
    let mut design = Design::CLOISTER;
    design.tstate_in_use = cloister_model::design::TstateInUse::Unguarded;
    let ops = [
        OpKind::ThreadStateNew,
        OpKind::ThreadStateBind,
        OpKind::ThreadStateClear,
        OpKind::ThreadStateDelete,
        OpKind::SaveThread,
        OpKind::ThreadStateSwap,
    ];
    let verdict = |grain| {
        let scope = Scope::whole("in use", design, grain, Bounds::new(2, 1, 2)).with_ops(&ops);
        let scope = Scope { only: Some(cloister_specs::Rule::Gil12), spurious: false, ..scope };
        explore(&scope, 1, u64::MAX, &Default::default()).broke
    };
    assert!(verdict(Grain::Merged));
}
