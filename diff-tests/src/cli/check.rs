//! `cloister check`: is everything as it is declared?
//!
//! It runs one *stage* after the other. A stage does its work, draws a table, fills its
//! part of the [`Report`] and adds a sentence to its problems for each thing that is not
//! as it is declared. To add one, implement [`Stage`] and list it in [`stages`].

mod canaries;
mod counts;
mod cpython;
mod designs;
mod lockstep;
mod rules;
mod scopes;

pub(super) use designs::judge_with_progress;
pub use designs::report as design_report;

use super::args::{CheckArgs, ScopeArg};
use super::{CliError, Context, Exit, write_json};
use crate::report::{Report, VERSION};
use clap::ValueEnum;
use std::time::Instant;

/// What a check was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How much to explore.
    pub level: ScopeArg,
    /// Only the rules of this area; `None`: all.
    pub area: Option<String>,
}

impl Asked {
    /// Is something that belongs to these areas wanted?
    pub fn wants(&self, areas: &[&str]) -> bool {
        self.area.as_deref().is_none_or(|area| areas.contains(&area))
    }
}

/// A part of a check.
pub trait Stage {
    /// Its heading.
    fn name(&self) -> &'static str;

    /// Looks whether it could begin, before any stage does its work.
    ///
    /// # Errors
    /// It could not, and the caller has to mend it.
    fn prepare(&self) -> Result<(), CliError> {
        Ok(())
    }

    /// Does its work, as far as it is not interrupted.
    ///
    /// # Errors
    /// It could not even begin; what it finds wrong belongs into `report.problems`.
    fn run(&self, asked: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError>;
}

/// The stages, in the order in which they run.
pub fn stages() -> Vec<Box<dyn Stage>> {
    vec![
        Box::new(scopes::Scopes),
        Box::new(designs::Designs),
        Box::new(rules::Rules),
        Box::new(lockstep::Lockstep),
        Box::new(counts::Counts),
        Box::new(canaries::Canaries),
        Box::new(cpython::Cpython),
    ]
}

/// Runs every stage. Fails if anything is not as it is declared.
pub fn run(args: CheckArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    run_stages(&stages(), args, context)
}

/// Runs these stages.
pub fn run_stages(
    stages: &[Box<dyn Stage>],
    args: CheckArgs,
    context: &mut Context<'_>,
) -> Result<Exit, CliError> {
    let begun = Instant::now();
    let asked = Asked { level: args.scope, area: args.area };
    let level = asked.level.to_possible_value().map(|value| value.get_name().to_string());
    let mut report = Report {
        version: VERSION,
        scope: level.unwrap_or_default(),
        area: asked.area.clone(),
        ..Report::default()
    };
    stages.iter().try_for_each(|stage| stage.prepare())?;
    for stage in stages {
        if context.progress.interrupted() {
            break;
        }
        writeln!(context.out, "{}\n", stage.name())?;
        stage.run(&asked, &mut report, context)?;
        writeln!(context.out)?;
        context.out.flush()?;
    }
    report.seconds = begun.elapsed().as_secs_f64();
    report.interrupted = context.progress.interrupted();
    report.as_declared = report.problems.is_empty() && !report.interrupted;
    for problem in &report.problems {
        writeln!(context.out, "NOT AS DECLARED  {problem}")?;
    }
    writeln!(context.out, "{}", verdict(&report))?;
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    Ok(match (report.interrupted, report.as_declared) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Ok,
        (false, false) => Exit::Failed,
    })
}

/// The last line.
fn verdict(report: &Report) -> String {
    let took = format!("{:.0} s", report.seconds);
    match (report.interrupted, report.problems.len()) {
        (true, _) => format!("Interrupted after {took}: nothing can be said."),
        (false, 0) => format!("Everything is as declared ({}, {took}).", report.scope),
        (false, 1) => format!("One thing is not as declared ({}, {took}).", report.scope),
        (false, many) => format!("{many} things are not as declared ({}, {took}).", report.scope),
    }
}
