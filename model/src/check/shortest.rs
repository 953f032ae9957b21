//! The shortest run that breaks a rule: fewest calls, then fewest preemptions, then
//! fewest labels. Without symmetry, one property at a time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use cloister_specs::{Move, Rule, ThreadId};

use super::scope::Scope;
use crate::machine::Outcome;
use crate::rules::{Step, breaks, broken_by};
use crate::runtime::Runtime;

/// Calls, preemptions, labels.
type Cost = (u32, u32, u32);

/// A run that breaks a rule.
#[derive(Clone, Debug)]
pub struct Run {
    /// The rule that its last move breaks.
    pub rule: Rule,
    /// The moves.
    pub moves: Vec<Move>,
    /// How many of them begin a call.
    pub ops: u32,
    /// How often a thread that could go on was left.
    pub preemptions: u32,
    /// No run of the scope is shorter: the search was not cut short.
    pub minimal: bool,
}

struct Seen {
    state: Runtime,
    last: Option<ThreadId>,
    from: usize,
    mv: Option<Move>,
}

/// Searches for the shortest run that breaks `scope.only`, or any rule where that is
/// `None`, and looks at no more than `budget` states. `None`: there is none, or the
/// budget was not enough (then the second is `false`).
pub fn shortest(scope: &Scope, budget: usize) -> (Option<Run>, bool) {
    let mut seen = vec![Seen { state: Runtime::new(&scope.design), last: None, from: 0, mv: None }];
    let mut best: HashMap<(Runtime, Option<ThreadId>), Cost> = HashMap::new();
    best.insert((seen[0].state, None), (0, 0, 0));
    let mut queue = BinaryHeap::from([Reverse(((0, 0, 0), 0usize, None::<Rule>))]);
    let mut moves = Vec::new();
    while let Some(Reverse((cost, index, broke))) = queue.pop() {
        if let Some(rule) = broke {
            return (Some(trace(&seen, index, rule, cost)), true);
        }
        let (state, last) = (seen[index].state, seen[index].last);
        if best.get(&(state, last)).is_some_and(|c| *c < cost) {
            continue;
        }
        if seen.len() > budget {
            return (None, false);
        }
        moves.clear();
        scope.moves(&state, &mut moves, |_, _| ());
        for mv in &moves {
            let mut after = state;
            let Ok(outcome) = after.apply(&scope.design, scope.grain, mv) else { continue };
            if matches!(outcome, Outcome::Refused(_)) {
                continue;
            }
            let step = Step { design: &scope.design, before: &state, mv, outcome, after: &after };
            let rule = match scope.only {
                None => broken_by(&step),
                Some(rule) => breaks(&step, rule).then_some(rule),
            };
            let h = mv.thread();
            let preempted = last.is_some_and(|l| l != h && state.next_move(&scope.design, l, l).is_some());
            let starts = matches!(mv, Move::Start(_));
            let next = (cost.0 + u32::from(starts), cost.1 + u32::from(preempted), cost.2 + 1);
            let key = (after, Some(h));
            if rule.is_none() && best.get(&key).is_some_and(|c| *c <= next) {
                continue;
            }
            if rule.is_none() {
                best.insert(key, next);
            }
            seen.push(Seen { state: after, last: Some(h), from: index, mv: Some(*mv) });
            queue.push(Reverse((next, seen.len() - 1, rule)));
        }
    }
    (None, true)
}

fn trace(seen: &[Seen], mut index: usize, rule: Rule, cost: Cost) -> Run {
    let mut moves = Vec::new();
    while let Some(mv) = seen[index].mv {
        moves.push(mv);
        index = seen[index].from;
    }
    moves.reverse();
    Run { rule, moves, ops: cost.0, preemptions: cost.1, minimal: true }
}
