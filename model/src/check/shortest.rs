//! The shortest run that leads to what is looked for: fewest calls, then fewest
//! preemptions, then fewest labels. Without symmetry.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

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

/// Searches for the shortest run that breaks `scope.only`, or any rule where that is
/// `None`, and looks at no more than `budget` states. `None`: there is none, or the
/// budget was not enough (then the second is `false`).
pub fn shortest(scope: &Scope, budget: usize) -> (Option<Run>, bool) {
    let (found, whole) = search(scope, budget);
    let run = found.map(|Found { what: rule, moves, cost }| Run {
        rule,
        moves,
        ops: cost.0,
        preemptions: cost.1,
        minimal: whole,
    });
    (run, whole)
}

/// What is searched: states and the moves between them.
pub(super) trait Space {
    /// A state.
    type State: Copy + Eq + Hash;
    /// What is looked for.
    type Sought: Copy;
    /// The state in which every run begins.
    fn start(&self) -> Self::State;
    /// The moves that can be made.
    fn moves(&self, state: &Self::State, out: &mut Vec<Move>);
    /// Where a move leads to, and whether that is what is looked for; `None`: it is no move.
    fn step(&self, state: &Self::State, mv: &Move) -> Option<(Self::State, Option<Self::Sought>)>;
    /// Could this thread go on with its call?
    fn goes_on(&self, state: &Self::State, h: ThreadId) -> bool;
}

impl Space for Scope {
    type State = Runtime;
    type Sought = Rule;

    fn start(&self) -> Runtime {
        self.blur(&Runtime::new(&self.design))
    }

    fn moves(&self, r: &Runtime, out: &mut Vec<Move>) {
        Scope::moves(self, r, out, |_, _| ());
    }

    fn step(&self, r: &Runtime, mv: &Move) -> Option<(Runtime, Option<Rule>)> {
        let mut after = *r;
        let outcome = after.apply(&self.design, self.grain, mv).ok()?;
        if matches!(outcome, Outcome::Refused(_)) {
            return None;
        }
        let step = Step { design: &self.design, before: r, mv, outcome, after: &after };
        let broken = match self.only {
            None => broken_by(&step),
            Some(rule) => breaks(&step, rule).then_some(rule),
        };
        Some((self.blur(&after), broken))
    }

    fn goes_on(&self, r: &Runtime, h: ThreadId) -> bool {
        r.next_move(&self.design, h, h).is_some()
    }
}

/// What was looked for, and the way to it.
pub(super) struct Found<S> {
    pub what: S,
    pub moves: Vec<Move>,
    pub cost: Cost,
}

struct Seen<S> {
    state: S,
    last: Option<ThreadId>,
    from: usize,
    mv: Option<Move>,
}

/// Dijkstra's search. The second is `false` if the budget was used up: what was found by
/// then need not be the shortest.
pub(super) fn search<S: Space>(space: &S, budget: usize) -> (Option<Found<S::Sought>>, bool) {
    let mut seen = vec![Seen { state: space.start(), last: None, from: 0, mv: None }];
    let mut best: HashMap<(S::State, Option<ThreadId>), Cost> = HashMap::new();
    best.insert((seen[0].state, None), (0, 0, 0));
    let mut queue = BinaryHeap::from([Reverse(((0, 0, 0), 0usize))]);
    let mut found: Option<(Cost, usize, S::Sought)> = None;
    let mut moves = Vec::new();
    let mut whole = true;
    while let Some(Reverse((cost, index))) = queue.pop() {
        if found.is_some_and(|(least, ..)| least <= cost) {
            break;
        }
        let (state, last) = (seen[index].state, seen[index].last);
        if best.get(&(state, last)).is_some_and(|c| *c < cost) {
            continue;
        }
        if seen.len() > budget {
            whole = false;
            break;
        }
        moves.clear();
        space.moves(&state, &mut moves);
        for mv in &moves {
            let Some((after, sought)) = space.step(&state, mv) else { continue };
            let h = mv.thread();
            let preempted = last.is_some_and(|l| l != h && space.goes_on(&state, l));
            let starts = matches!(mv, Move::Start(_));
            let next = (cost.0 + u32::from(starts), cost.1 + u32::from(preempted), cost.2 + 1);
            if let Some(what) = sought {
                if found.is_none_or(|(least, ..)| next < least) {
                    seen.push(Seen { state: after, last: Some(h), from: index, mv: Some(*mv) });
                    found = Some((next, seen.len() - 1, what));
                }
                continue;
            }
            let key = (after, Some(h));
            if best.get(&key).is_some_and(|c| *c <= next) {
                continue;
            }
            best.insert(key, next);
            seen.push(Seen { state: after, last: Some(h), from: index, mv: Some(*mv) });
            queue.push(Reverse((next, seen.len() - 1)));
        }
    }
    let found = found.map(|(cost, index, what)| Found { what, moves: trace(&seen, index), cost });
    (found, whole)
}

fn trace<S>(seen: &[Seen<S>], mut index: usize) -> Vec<Move> {
    let mut moves = Vec::new();
    while let Some(mv) = seen[index].mv {
        moves.push(mv);
        index = seen[index].from;
    }
    moves.reverse();
    moves
}
