//! What must hold: over a state, or over a step.
//!
//! Rules about what a caller may do are guards (`ops/guard.rs`); rules whose breach ends
//! the process are in the procedures. The rest is here, each with the situation that
//! makes it interesting: a rule whose probe never fires was not checked.

mod fin;
mod fork;
mod gil;
mod gilstate;
mod id;
mod mem;
mod pend;
mod probes;
mod refs;
mod state;
mod step;
mod threads;

use cloister_specs::{Move, Rule};

use crate::design::Design;
use crate::machine::Outcome;
use crate::runtime::Runtime;

pub use probes::{PROBES, Probe, ProbeKind};

/// Every rule over a state.
pub fn state_rules() -> impl Iterator<Item = &'static StateRule> {
    [state::STATE_RULES, pend::STATE_RULES, fin::STATE_RULES, mem::STATE_RULES, refs::STATE_RULES]
        .into_iter()
        .flatten()
}

/// Every rule over a step.
pub fn step_rules() -> impl Iterator<Item = &'static StepRule> {
    [
        step::STEP_RULES,
        gil::STEP_RULES,
        threads::STEP_RULES,
        gilstate::STEP_RULES,
        pend::STEP_RULES,
        fin::STEP_RULES,
        id::STEP_RULES,
        fork::STEP_RULES,
        mem::STEP_RULES,
        refs::STEP_RULES,
    ]
    .into_iter()
    .flatten()
}

/// A rule over a state.
pub struct StateRule {
    /// Its id.
    pub rule: Rule,
    /// Does it hold?
    pub holds: fn(&Design, &Runtime) -> bool,
}

/// One step: a move that was made.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Under this design.
    pub design: &'a Design,
    /// The state it was made in.
    pub before: &'a Runtime,
    /// The move.
    pub mv: &'a Move,
    /// What it led to.
    pub outcome: Outcome,
    /// The state after it.
    pub after: &'a Runtime,
}

/// A rule over a step.
pub struct StepRule {
    /// Its id.
    pub rule: Rule,
    /// Does it hold?
    pub holds: fn(&Step) -> bool,
}

/// The first rule that this step breaks, or that the state after it breaks.
pub fn broken_by(step: &Step) -> Option<Rule> {
    if let Outcome::Died(rule) = step.outcome {
        return Some(rule);
    }
    let over_step = step_rules().find(|r| !(r.holds)(step)).map(|r| r.rule);
    over_step.or_else(|| broken_in(step.design, step.after))
}

/// The first rule that this state breaks.
pub fn broken_in(d: &Design, r: &Runtime) -> Option<Rule> {
    r.dead.or_else(|| state_rules().find(|rule| !(rule.holds)(d, r)).map(|rule| rule.rule))
}

/// Does this step break this rule?
pub fn breaks(step: &Step, rule: Rule) -> bool {
    step.after.dead == Some(rule)
        || step_rules().any(|r| r.rule == rule && !(r.holds)(step))
        || state_rules().any(|r| r.rule == rule && !(r.holds)(step.design, step.after))
}
