//! Every rule that a run can break first: what a design breaks of itself, not what comes of
//! going on after something was broken.

use cloister_model::Runtime;
use cloister_model::check::Scope;
use cloister_model::rules::{Step, breaks, broken_by};
use cloister_specs::{Move, Op, Rule, Start};
use std::collections::{BTreeSet, HashSet};

/// The rules that some run of this scope breaks, having broken none before. `None` if
/// `stop` said so.
pub fn first_breaches(scope: &Scope, stop: impl Fn() -> bool) -> Option<BTreeSet<Rule>> {
    let start = scope.canonical(&Runtime::new(&scope.design)).0;
    let (mut seen, mut todo) = (HashSet::from([start]), vec![start]);
    let (mut broken, mut moves) = (BTreeSet::new(), Vec::new());
    while let Some(before) = todo.pop() {
        if stop() {
            return None;
        }
        moves.clear();
        scope.moves(&before, &mut moves, |_, _| ());
        for mv in &moves {
            let mut after = before;
            let Ok(outcome) = after.apply(&scope.design, scope.grain, mv) else { continue };
            if in_use(&before, mv) {
                broken.insert(Rule::Tls13);
                continue;
            }
            let step = Step { design: &scope.design, before: &before, mv, outcome, after: &after };
            if let Some(first) = broken_by(&step) {
                let also = Rule::ALL.into_iter().filter(|rule| after.dead.is_none() && breaks(&step, *rule));
                broken.extend(std::iter::once(first).chain(also));
                continue;
            }
            let next = scope.canonical(&after).0;
            if seen.insert(next) {
                todo.push(next);
            }
        }
    }
    Some(broken)
}

/// Is a thread state cleared or deleted that a call of another thread uses? Where nobody
/// looks, no rule is found broken then, but whatever comes after it is broken by it.
fn in_use(before: &Runtime, mv: &Move) -> bool {
    match mv {
        Move::Start(Start { thread, op: Op::ThreadStateClear(t) | Op::ThreadStateDelete(t), .. }) => {
            before.in_use_by_another(*thread, *t)
        }
        _ => false,
    }
}
