//! Two designs in step: equal, if nobody can tell them apart.

use cloister_specs::{Move, ThreadId};
use stateright::{Checker, Model, Property};

use super::scope::Scope;
use super::shortest::{Space, search};
use crate::design::Design;
use crate::machine::Outcome;
use crate::runtime::Runtime;

/// A scope under two designs at once. Its grain has to be the atomic one: in a finer one,
/// designs with different labels are no longer in step.
#[derive(Clone)]
pub struct Product {
    /// The scope, under the first design.
    pub scope: Scope,
    /// The second design.
    pub other: Design,
}

/// A pair of states, and whether they can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    one: Runtime,
    two: Runtime,
    apart: bool,
}

/// Do callers see the same? Replies are compared by the caller; `last_holder` and the
/// ghosts cannot be seen.
pub fn same_view(d: &Design, r: &Runtime, e: &Design, s: &Runtime) -> bool {
    Runtime::thread_ids().all(|h| r.thread_view(d, h) == s.thread_view(e, h))
        && r.tstates == s.tstates
        && Runtime::interp_ids().all(|i| {
            let (a, b) = (r.interp(i), s.interp(i));
            let (g, k) = (&r.gils[i.index()], &s.gils[i.index()]);
            a.phase == b.phase
                && a.flags() == b.flags()
                && a.gil == b.gil
                && a.id == b.id
                && a.pending.calls == b.pending.calls
                && (g.created, g.locked) == (k.created, k.locked)
                && r.request_seen_in(d, i) == s.request_seen_in(e, i)
        })
}

impl Product {
    /// Are the designs equal in this scope? With the number of pairs looked at.
    pub fn equal(self, workers: usize) -> (bool, u64) {
        let checker = self.checker().threads(workers).spawn_bfs().join();
        (checker.discoveries().is_empty(), checker.unique_state_count() as u64)
    }

    /// The shortest run after which the designs can be told apart, if there is one that is
    /// found without looking at more than `budget` pairs.
    pub fn apart(&self, budget: usize) -> Option<Vec<Move>> {
        if self.start().apart {
            return Some(Vec::new());
        }
        search(self, budget).0.map(|found| found.moves)
    }

    fn pair(&self, one: Runtime, two: Runtime) -> Pair {
        Pair { one, two, apart: !same_view(&self.scope.design, &one, &self.other, &two) }
    }

    fn enabled(&self, pair: &Pair, out: &mut Vec<Move>) {
        if pair.apart {
            return;
        }
        self.scope.moves(&pair.one, out, |_, _| ());
        let mut theirs = Vec::new();
        let other = Scope { design: self.other, ..self.scope.clone() };
        other.moves(&pair.two, &mut theirs, |_, _| ());
        out.extend(theirs.into_iter().filter(|mv| !out.contains(mv)).collect::<Vec<_>>());
    }

    fn after(&self, pair: &Pair, mv: &Move) -> Pair {
        let Pair { mut one, mut two, .. } = *pair;
        let a = one.apply(&self.scope.design, self.scope.grain, mv);
        let b = two.apply(&self.other, self.scope.grain, mv);
        let refused = |o: &Result<Outcome, _>| matches!(o, Ok(Outcome::Refused(_)));
        let mut pair = self.pair(self.scope.blur(&one), self.scope.blur(&two));
        pair.apart |= a != b || refused(&a);
        pair
    }
}

impl Model for Product {
    type State = Pair;
    type Action = Move;

    fn init_states(&self) -> Vec<Pair> {
        vec![self.start()]
    }

    fn actions(&self, pair: &Pair, out: &mut Vec<Move>) {
        self.enabled(pair, out);
    }

    fn next_state(&self, pair: &Pair, mv: Move) -> Option<Pair> {
        Some(self.after(pair, &mv))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("nobody can tell them apart", |_, pair: &Pair| !pair.apart)]
    }
}

impl Space for Product {
    type State = Pair;
    type Sought = ();

    fn start(&self) -> Pair {
        let new = |d: &Design| self.scope.blur(&Runtime::new(d));
        self.pair(new(&self.scope.design), new(&self.other))
    }

    fn moves(&self, pair: &Pair, out: &mut Vec<Move>) {
        self.enabled(pair, out);
    }

    fn step(&self, pair: &Pair, mv: &Move) -> Option<(Pair, Option<()>)> {
        let after = self.after(pair, mv);
        Some((after, after.apart.then_some(())))
    }

    fn goes_on(&self, pair: &Pair, h: ThreadId) -> bool {
        pair.one.next_move(&self.scope.design, h, h).is_some()
    }
}
