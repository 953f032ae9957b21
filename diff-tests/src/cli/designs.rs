//! `cloister designs`: the table of knobs, or what becomes of one design.

use super::args::DesignsArgs;
use super::check::{design_report, judge_with_progress};
use super::rules::by_id;
use super::{CliError, Context, Exit, write_json};
use crate::designs::GilMode;
use crate::designs::declared::Declared;
use crate::designs::rows::{apart, showing};
use crate::designs::table::{readme, text};
use crate::model_run::draw_run;
use cloister_model::check::{Scope, Verdict, Watch, judge};
use cloister_model::{Design, DesignError, Grain};
use cloister_specs::InterpreterConfig;
use std::thread::available_parallelism;

/// How many states are explored at most: a few gigabytes of them.
const BUDGET: u64 = 30_000_000;

/// Judges what was asked for. Fails if a rule is broken, or the table is not as declared.
pub fn run(args: DesignsArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    if args.words.is_empty() { table(&args, context) } else { one(&args, context) }
}

fn table(args: &DesignsArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let declared = Declared::of_the_project().map_err(|e| CliError::Usage(e.to_string()))?;
    let table = judge_with_progress(|_| true, context);
    if context.progress.interrupted() {
        return Ok(Exit::Interrupted);
    }
    if args.markdown {
        write!(context.out, "{}", readme(&table, &declared))?;
    } else {
        write!(context.out, "{}", text(&table, &declared))?;
    }
    let mut problems: Vec<_> = table.iter().filter_map(|judged| declared.contradicts(judged)).collect();
    problems.extend(declared.idle(&table));
    for problem in &problems {
        writeln!(context.out, "NOT AS DECLARED  {problem}")?;
    }
    if let Some(path) = &args.json {
        let reports: Vec<_> = table.iter().map(|judged| design_report(judged, &declared)).collect();
        write_json(path, &reports)?;
    }
    Ok(if problems.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// The design that these words name.
pub(super) fn parse(words: &[String]) -> Result<Design, CliError> {
    words.join(" ").parse().map_err(|error: DesignError| CliError::Usage(error.to_string()))
}

/// The settings that interpreters are created with.
pub(super) fn configs(gil: Option<GilMode>) -> Vec<InterpreterConfig> {
    let modes = gil.map_or(GilMode::ALL.to_vec(), |gil| vec![gil]);
    modes.into_iter().flat_map(GilMode::configs).collect()
}

fn one(args: &DesignsArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let design = parse(&args.words)?;
    let whole = Scope::whole("asked for", design, args.grain, args.bounds);
    let knobs = apart(&design, &Design::CLOISTER);
    let only = args.only.as_deref().map(by_id).transpose()?;
    let scope = Scope { only, ..showing(Scope { configs: configs(args.gil), ..whole }, &knobs) };
    // Runs that go on after they broke a rule have nothing to be compared with.
    let base = if only.is_none() { Some(&Design::CLOISTER) } else { None };
    let watch = Watch { stop: context.progress.flag(), progress: None };
    let bar = context.progress.stage(design.to_string(), None);
    let workers = available_parallelism().map_or(1, usize::from);
    let verdict = judge(&scope, base, workers, BUDGET, &watch);
    bar.finish(verdict.text());
    if context.progress.interrupted() {
        return Ok(Exit::Interrupted);
    }
    tell(&scope, &verdict, context)?;
    if let Some(path) = &args.json {
        write_json(path, &as_json(&scope, &verdict))?;
    }
    Ok(match verdict {
        Verdict::Holds(..) | Verdict::Equivalent(..) => Exit::Ok,
        Verdict::Broken(_) | Verdict::Unfinished(_) => Exit::Failed,
    })
}

fn tell(scope: &Scope, verdict: &Verdict, context: &mut Context<'_>) -> Result<(), CliError> {
    let (out, design) = (&mut context.out, &scope.design);
    let usage = |error: cloister_model::BadMove| CliError::Usage(error.to_string());
    writeln!(out, "{design}, {}, {}\n", scope.bounds, scope.grain)?;
    let judged = scope.only.map_or("Every rule holds".into(), |rule| format!("{rule} holds"));
    match verdict {
        Verdict::Broken(run) => {
            let drawn = draw_run(design, scope.grain, &run.moves, Some(run.rule)).map_err(usage)?;
            let least =
                if run.minimal { "no run of this scope is shorter" } else { "a shorter run may exist" };
            write!(out, "{drawn}\n{}: {least}.\n", run.rule.id())?;
        }
        Verdict::Holds(found, apart) => {
            writeln!(out, "{judged} in all {} states.", found.unique)?;
            if let Some(moves) = apart {
                let drawn = draw_run(design, Grain::Atomic, moves, None).map_err(usage)?;
                write!(out, "After this run it can be told from cloister:\n\n{drawn}")?;
            }
        }
        Verdict::Equivalent(found, pairs) => {
            writeln!(out, "{judged} in all {} states.", found.unique)?;
            writeln!(out, "Nobody can tell it from cloister: {pairs} pairs of states look the same.")?;
        }
        Verdict::Unfinished(found) => {
            writeln!(out, "Unfinished after {} states: take smaller --bounds.", found.unique)?;
        }
    }
    Ok(())
}

fn as_json(scope: &Scope, verdict: &Verdict) -> serde_json::Value {
    let run = match verdict {
        Verdict::Broken(run) => Some(run),
        Verdict::Holds(..) | Verdict::Equivalent(..) | Verdict::Unfinished(_) => None,
    };
    serde_json::json!({
        "design": scope.design.to_string(),
        "bounds": scope.bounds.to_string(),
        "grain": scope.grain.to_string(),
        "verdict": verdict.text(),
        "rule": run.map(|run| run.rule).or(scope.only).map(|rule| rule.id()),
        "ops": run.map(|run| run.ops),
        "preemptions": run.map(|run| run.preemptions),
        "labels": run.map(|run| run.moves.len()),
        "run": run.map(|run| run.moves.iter().map(ToString::to_string).collect::<Vec<_>>()),
    })
}
