//! What the checker says of a design.

use super::explore::{Exploration, Watch, explore};
use super::product::Product;
use super::scope::Scope;
use super::shortest::{Run, shortest};
use crate::design::Design;
use cloister_specs::text::Grain;

/// What the checker says of a design in a scope.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// A rule is broken: the shortest run that does it.
    Broken(Run),
    /// Every rule holds in the whole scope.
    Holds(Exploration),
    /// And nobody can tell it from the base design: so many pairs of states were compared.
    Equivalent(Exploration, u64),
    /// The scope could not be finished.
    Unfinished(Exploration),
}

impl Verdict {
    /// How it is written.
    pub const fn text(&self) -> &'static str {
        match self {
            Verdict::Broken(_) => "broken",
            Verdict::Holds(_) => "holds",
            Verdict::Equivalent(..) => "equivalent",
            Verdict::Unfinished(_) => "unfinished",
        }
    }
}

/// How many states the search for the shortest run may look at.
const SHORTEST_BUDGET: usize = 20_000_000;

/// Judges a design in a scope. With a base design, one that holds is also compared with it.
pub fn judge(scope: &Scope, base: Option<&Design>, workers: usize, budget: u64, watch: &Watch) -> Verdict {
    let exploration = explore(scope, workers, budget, watch);
    if exploration.broke {
        let plain = Scope { symmetry: false, ..scope.clone() };
        let first = shortest(&plain, SHORTEST_BUDGET).0;
        return match first {
            Some(run) => Verdict::Broken(one_rule(plain, run)),
            None => Verdict::Unfinished(exploration),
        };
    }
    if !exploration.complete {
        return Verdict::Unfinished(exploration);
    }
    let Some(base) = base else { return Verdict::Holds(exploration) };
    let atomic = Scope { grain: Grain::Atomic, reuse: false, symmetry: false, ..scope.clone() };
    match (Product { scope: atomic, other: *base }).equal(workers) {
        (true, pairs) => Verdict::Equivalent(exploration, pairs),
        (false, _) => Verdict::Holds(exploration),
    }
}

/// The shortest run again, with its rule as the only property.
fn one_rule(scope: Scope, run: Run) -> Run {
    let alone = Scope { only: Some(run.rule), ..scope };
    shortest(&alone, SHORTEST_BUDGET).0.unwrap_or(run)
}
