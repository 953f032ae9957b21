//! The seeded faults, every one of which has to be found.

use super::{Asked, Stage};
use crate::cli::{CliError, Context};
use crate::report::{CanaryReport, Report};
use crate::stages::canaries;
use crate::table::Table;
use cloister_traced::faults::Seeded;

/// Every seeded fault of the implementation.
pub struct Canaries;

impl Stage for Canaries {
    fn name(&self) -> &'static str {
        "Canaries: faults that have to be found"
    }

    fn run(&self, _: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        let stop = context.progress.flag();
        let bar = context.progress.stage("canaries", Some(Seeded::ALL.len() as u64));
        let all = canaries::all(&stop, &mut |n| _ = bar.advance(n))?;
        if context.progress.interrupted() {
            return Ok(());
        }
        let found = all.iter().filter(|canary| canary.found.is_some()).count();
        bar.finish(&format!("{found} of {} found", all.len()));
        let mut table = Table::new(["seeded fault", "breaks", "moves of the shortest run"]).numbers(2);
        for (canary, fault) in all.iter().zip(Seeded::ALL) {
            let moves =
                canary.found.as_ref().map_or("not found".into(), |found| found.moves.len().to_string());
            table.row([canary.name.clone(), fault.breaks().to_string(), moves]);
        }
        write!(context.out, "{table}")?;
        for canary in all {
            if canary.found.is_none() {
                report.problems.push(format!("the seeded fault {} is not found", canary.name));
            }
            report.canaries.push(CanaryReport { found: canary.found.is_some(), name: canary.name });
        }
        Ok(())
    }
}
