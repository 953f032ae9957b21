//! The table of designs.

use super::scopes::workers;
use super::{Asked, Stage};
use crate::cli::{CliError, Context};
use crate::designs::crossed::crossed;
use crate::designs::declared::Declared;
use crate::designs::judge::{Judged, judge_all};
use crate::designs::rows::{Row, named, turned};
use crate::designs::show::{capsule, phrase};
use crate::designs::table::text;
use crate::report::{DesignReport, Report};
use cloister_model::check::{Verdict, Watch};

/// Every row of the table.
pub struct Designs;

impl Stage for Designs {
    fn name(&self) -> &'static str {
        "Designs: what becomes of each knob"
    }

    fn run(&self, asked: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        let declared = Declared::of_the_project().map_err(|e| CliError::Usage(e.to_string()))?;
        let wanted = |row: &Row| asked.wants(row.areas());
        let table = judge_with_progress(wanted, context);
        if context.progress.interrupted() {
            return Ok(());
        }
        write!(context.out, "{}", text(&table, &declared))?;
        report.problems.extend(table.iter().filter_map(|judged| declared.contradicts(judged)));
        if asked.area.is_none() {
            report.problems.extend(declared.idle(&table));
        }
        report.designs.extend(table.iter().map(|judged| self::report(judged, &declared)));
        Ok(())
    }
}

/// Judges the rows that are wanted, and tells how far it is.
pub(in crate::cli) fn judge_with_progress(
    wanted: impl Fn(&Row) -> bool,
    context: &Context<'_>,
) -> Vec<Judged> {
    let watch = Watch { stop: context.progress.flag(), progress: None };
    let known = named().iter().chain(&turned()).chain(&crossed()).filter(|row| wanted(row)).count();
    let bar = context.progress.stage("designs", Some(known as u64));
    let table = judge_all(wanted, workers(), &watch, |_| bar.advance(1));
    bar.finish(&format!("{} rows judged", table.len()));
    table
}

/// A row as it is written.
pub fn report(judged: &Judged, declared: &Declared) -> DesignReport {
    let row = &judged.row;
    let run = match &judged.verdict {
        Verdict::Broken(run) => Some(run),
        Verdict::Holds(..) | Verdict::Equivalent(..) | Verdict::Unfinished(_) => None,
    };
    let unique = match &judged.verdict {
        Verdict::Holds(found, _) | Verdict::Equivalent(found, _) => Some(found.unique),
        Verdict::Broken(_) | Verdict::Unfinished(_) => None,
    };
    let expected = declared.of(judged).ok().map(|entry| match declared.contradicts(judged) {
        None => phrase(judged),
        Some(_) => entry.phrase(),
    });
    DesignReport {
        beside: row.beside.map(|(knob, setting)| format!("{}={setting}", knob.name)),
        knob: row.turned.map(|(knob, _)| knob.name.to_string()),
        setting: row.turned.map(|(_, setting)| setting.to_string()),
        base: row.base.to_string(),
        gil: row.gil.to_string(),
        grain: row.grain.to_string(),
        bounds: row.bounds.to_string(),
        verdict: judged.verdict.text().to_string(),
        expected,
        rule: judged.rule().map(|rule| rule.id().to_string()),
        breaks: judged.breaks.iter().map(|rule| rule.id().to_string()).collect(),
        ops: run.map(|run| run.ops),
        labels: run.map(|run| run.moves.len()),
        preemptions: run.map(|run| run.preemptions),
        unique,
        seconds: judged.seconds,
        capsule: capsule(judged),
        cpython: None,
    }
}
