//! Our implementation beside the model, in both builds.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use cloister_model::{Design, Grain};
use cloister_specs::text::Line;

use crate::capsule::Capsule;
use crate::lockstep::{Divergence, Ended, Lockstep, Mix, Plan, Tally, shrink};
use crate::subject::{Subject, SubjectError};
use crate::subjects::{Controlled, Plain};

/// What came of the lockstep with one subject.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which subject.
    pub subject: String,
    /// What was done.
    pub tally: Tally,
    /// Where they part, and the capsule it was saved in.
    pub divergence: Option<(Divergence, PathBuf)>,
    /// What this subject cannot be asked.
    pub not_compared: Option<&'static str>,
}

/// A function that runs a plan on one subject; it is told how many runs are done.
pub type Run = fn(&Plan, &AtomicBool, &mut dyn FnMut(u64)) -> Result<Row, SubjectError>;

/// Moves in a run.
const LENGTH: u32 = 400;
/// Whole states are compared after every so many moves.
const OBSERVE_EVERY: u32 = 50;

/// A plan for our implementation: three threads, every call, every setting, every fault.
pub fn plan(seed: u64, runs: u64) -> Plan {
    Plan { mix: Mix::whole(3), seed, runs, length: LENGTH, observe_every: OBSERVE_EVERY }
}

/// Runs the plan in the controlled build.
pub fn controlled(plan: &Plan, stop: &AtomicBool, each: &mut dyn FnMut(u64)) -> Result<Row, SubjectError> {
    one(plan, &mut Controlled::new(), stop, each)
}

/// Runs the plan in the plain build, without the calls that would wait.
pub fn plain(plan: &Plan, stop: &AtomicBool, each: &mut dyn FnMut(u64)) -> Result<Row, SubjectError> {
    let mut plan = plan.clone();
    plan.mix.no_waits = true;
    plan.mix.faults.retain(|_| false);
    plan.mix.faulty = 0;
    one(&plan, &mut Plain::new(), stop, each)
}

fn one(
    plan: &Plan,
    subject: &mut dyn Subject,
    stop: &AtomicBool,
    each: &mut dyn FnMut(u64),
) -> Result<Row, SubjectError> {
    let name = subject.name().to_string();
    let mut lockstep = Lockstep::new(Design::CLOISTER, subject);
    let ended = lockstep.run(plan, stop, each)?;
    let tally = lockstep.tally;
    let divergence = match ended {
        Ended::Agreed | Ended::Poisoned => None,
        Ended::Diverged(found) => {
            let short = shrink(Design::CLOISTER, subject, &plan.mix, *found)?;
            let path = save(&short, Design::CLOISTER, plan.mix.threads, &name)?;
            Some((short, path))
        }
    };
    Ok(Row { subject: name, tally, divergence, not_compared: None })
}

/// Saves a run that diverged, and says where.
pub fn save(found: &Divergence, design: Design, threads: u8, subject: &str) -> Result<PathBuf, SubjectError> {
    let lines = found.moves.iter().map(|mv| Line { mv: *mv, expect: None }).collect();
    let name = format!("diverged-{}-{}", subject.replace(' ', "-"), found.seed);
    let mut capsule = Capsule::new(name.clone(), design.to_string(), Grain::Atomic, threads, lines);
    capsule.found_by = Some(format!("lockstep, seed {}: {}", found.seed, found.difference));
    let path = PathBuf::from(format!("{name}.json"));
    let lost = |e: crate::capsule::CapsuleError| SubjectError { subject: "lockstep", reason: e.to_string() };
    capsule.write(&path).map_err(lost)?;
    Ok(path)
}
