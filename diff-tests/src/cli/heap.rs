//! `cloister heap`: what a heap looks like after some work, and what it says is left.

use super::args::HeapArgs;
use super::{CliError, Context, Exit};
use crate::heap::{self, HeapError, Layouts, Plan};
use serde::Serialize;
use std::fmt::Display;

/// Does the work and draws the heap. Fails if the heap is not what it has to be.
pub fn run(args: HeapArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    if args.layout {
        tell(&Layouts::here(), args.json, context)?;
        return Ok(Exit::Ok);
    }
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
    tell(&report, args.json, context)?;
    Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// To people, or to machines.
fn tell(what: &(impl Display + Serialize), json: bool, context: &mut Context<'_>) -> Result<(), CliError> {
    if json {
        let told = serde_json::to_string_pretty(what).map_err(std::io::Error::from)?;
        writeln!(context.out, "{told}")?;
    } else {
        write!(context.out, "{what}")?;
    }
    Ok(())
}
