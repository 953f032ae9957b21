//! What the checker says of a design.

use super::explore::{Exploration, Watch, explore};
use super::product::Product;
use super::scope::Scope;
use super::shortest::{Run, shortest};
use crate::design::Design;
use cloister_specs::Move;
use cloister_specs::text::Grain;

/// What the checker says of a design in a scope.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// A rule is broken: the shortest run that does it.
    Broken(Run),
    /// Every rule holds in the whole scope. With the shortest run after which it can be
    /// told from the base design, if they were compared and such a run is short enough.
    Holds(Exploration, Option<Vec<Move>>),
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
            Verdict::Holds(..) => "holds",
            Verdict::Equivalent(..) => "equivalent",
            Verdict::Unfinished(_) => "unfinished",
        }
    }
}

/// How many states the search for the shortest run may look at: two gigabytes of them.
const SHORTEST_BUDGET: usize = 4_000_000;

/// Judges a design in a scope. With a base design, one that holds is also compared with
/// it, if the grain is the atomic one: in a finer one, designs are not in step.
pub fn judge(scope: &Scope, base: Option<&Design>, workers: usize, budget: u64, watch: &Watch) -> Verdict {
    let exploration = explore(scope, workers, budget, watch);
    if exploration.broke {
        let plain = Scope { symmetry: false, ..scope.clone() };
        return match shortest(&plain, SHORTEST_BUDGET).0 {
            Some(run) => Verdict::Broken(run),
            None => Verdict::Unfinished(exploration),
        };
    }
    if !exploration.complete {
        return Verdict::Unfinished(exploration);
    }
    let Some(base) = base.filter(|_| scope.grain == Grain::Atomic) else {
        return Verdict::Holds(exploration, None);
    };
    let product = Product { scope: Scope { symmetry: false, ..scope.clone() }, other: *base };
    match product.clone().equal(workers) {
        (true, pairs) => Verdict::Equivalent(exploration, pairs),
        (false, _) => Verdict::Holds(exploration, product.apart(SHORTEST_BUDGET)),
    }
}
