//! `cloister heap`: what a heap looks like after some work, and what it says is left.

use super::args::HeapArgs;
use super::{CliError, Context, Exit};
use crate::heap::{self, HeapError, Plan};

/// Does the work and draws the heap. Fails if the heap is not what it has to be.
pub fn run(args: HeapArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let plan = Plan { seed: args.seed.unwrap_or_else(|| fastrand::u64(..)), ops: args.ops, keep: args.keep };
    let report = match heap::run(&plan, &mut || !context.progress.interrupted()) {
        Ok(report) => report,
        Err(HeapError::Interrupted) => return Ok(Exit::Interrupted),
        Err(error @ HeapError::OutOfMemory(_)) => return Err(CliError::Usage(error.to_string())),
        Err(error) => {
            writeln!(context.out, "seed {}: {error}", plan.seed)?;
            return Ok(Exit::Failed);
        }
    };
    if args.json {
        let told = serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?;
        writeln!(context.out, "{told}")?;
    } else {
        write!(context.out, "{report}")?;
    }
    Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Failed })
}
