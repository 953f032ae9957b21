//! Exploring `cloister`.

use super::{Asked, Stage};
use crate::cli::{CliError, Context};
use crate::report::{Report, ScopeReport};
use crate::scopes::{Named, contradiction, list, recorded};
use crate::table::Table;
use cloister_model::check::{Exploration, Watch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::available_parallelism;
use std::time::Duration;

/// Every scope of the level.
pub struct Scopes;

/// How many workers explore.
pub(super) fn workers() -> usize {
    available_parallelism().map_or(1, usize::from)
}

impl Stage for Scopes {
    fn name(&self) -> &'static str {
        "Scopes: every rule in every state"
    }

    fn run(&self, asked: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        let recorded = recorded().map_err(CliError::Usage)?;
        let mut table =
            Table::new(["scope", "states", "steps", "complete", "verdict", "chance of a collision"]);
        for column in 1..3 {
            table = table.numbers(column);
        }
        for named in list(asked.level).into_iter().filter(|named| asked.wants(named.areas)) {
            let found = explore(&named, context);
            if context.progress.interrupted() {
                break;
            }
            let row = one(&named, &found);
            let chance = format!("{:.0e}", row.collision);
            let complete = if row.complete { "yes" } else { "no" };
            let (states, steps) = (row.unique.to_string(), row.generated.to_string());
            table.row([row.name.as_str(), &states, &steps, complete, row.verdict, &chance]);
            report.tally.merge(&found.tally);
            report.problems.extend(contradiction(&named, &found, &recorded));
            report.scopes.push(row);
        }
        write!(context.out, "{table}")?;
        Ok(())
    }
}

fn explore(named: &Named, context: &Context<'_>) -> Exploration {
    let seen = Arc::new(AtomicU64::new(0));
    let told = seen.clone();
    let watch = Watch {
        stop: context.progress.flag(),
        progress: Some(Arc::new(move |unique, _| told.store(unique, Relaxed))),
    };
    let bar = context.progress.stage(named.scope.name.clone(), None);
    let found = std::thread::scope(|threads| {
        let work = threads.spawn(|| named.explore(workers(), &watch));
        while !work.is_finished() {
            bar.reached(seen.load(Relaxed));
            std::thread::sleep(Duration::from_millis(20));
        }
        work.join()
    });
    let found = found.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    bar.finish(&format!("{} states", found.unique));
    found
}

fn one(named: &Named, found: &Exploration) -> ScopeReport {
    let scope = &named.scope;
    ScopeReport {
        area: named.areas.join(", "),
        name: scope.name.clone(),
        design: scope.design.to_string(),
        grain: scope.grain.to_string(),
        bounds: scope.bounds.to_string(),
        unique: found.unique,
        generated: found.generated,
        complete: found.complete,
        seconds: found.time.as_secs_f64(),
        collision: found.collision_chance(),
        verdict: match (found.broke, found.complete) {
            (true, _) => "broken",
            (false, true) => "holds",
            (false, false) => "unfinished",
        },
        without: named.without,
    }
}
