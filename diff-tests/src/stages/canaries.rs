//! Faults that the harness has to find, or it would find nothing.

use std::sync::atomic::AtomicBool;

use cloister_model::Design;
use cloister_traced::faults::Seeded;

use super::lockstep::plan;
use crate::lockstep::{Divergence, Ended, Lockstep, shrink};
use crate::subject::SubjectError;
use crate::subjects::Controlled;

/// What became of a canary.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The fault, by name.
    pub name: String,
    /// The shortest run that shows it; `None`: it was not found.
    pub found: Option<Divergence>,
}

/// Runs before a seeded fault counts as not found.
const RUNS: u64 = 1_500;

/// Looks for one seeded fault of the implementation.
pub fn seeded(fault: Seeded, stop: &AtomicBool) -> Result<Canary, SubjectError> {
    let plan = plan(1, RUNS);
    let mut subject = Controlled::with_seeded(fault);
    let ended = Lockstep::new(Design::CLOISTER, &mut subject).run(&plan, stop, |_| ())?;
    let found = match ended {
        Ended::Diverged(found) => Some(shrink(Design::CLOISTER, &mut subject, &plan.mix, *found)?),
        Ended::Agreed | Ended::Poisoned => None,
    };
    Ok(Canary { name: fault.name().to_string(), found })
}

/// Looks for every seeded fault.
pub fn all(stop: &AtomicBool, each: &mut dyn FnMut(u64)) -> Result<Vec<Canary>, SubjectError> {
    Seeded::ALL
        .iter()
        .map(|fault| {
            let canary = seeded(*fault, stop);
            each(1);
            canary
        })
        .collect()
}
