//! `cloister lockstep`: the model beside our implementation, in both builds, and beside CPython.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::args::{LockstepArgs, areas};
use super::{CliError, Context, Exit, write_json};
use crate::cpython::{self, NOT_FOUND};
use crate::lockstep::Plan;
use crate::stages::{cpython as on_cpython, lockstep as stage};
use crate::table::Table;
use cloister_specs::OpKind;

/// Runs where the command line does not say how many.
const RUNS: u64 = 5_000;
/// CPython is slower: it is told one run in so many.
const CPYTHON_SHARE: u64 = 20;
/// Children that CPython runs in at the same time.
const WORKERS: u64 = 2;
/// No kind of call may be accepted in less than this share of its uses, in percent.
pub const ACCEPTED_FLOOR: u64 = 30;

/// What is written as JSON about one subject.
#[derive(Debug, Serialize)]
pub struct RowReport {
    /// Of which rules.
    pub area: String,
    /// Which subject.
    pub subjects: String,
    /// Runs.
    pub runs: u64,
    /// Compared moves.
    pub ops: u64,
    /// Calls accepted.
    pub accepted: u64,
    /// Calls refused.
    pub refused: u64,
    /// Moves that led to the same.
    pub agreed: u64,
    /// Moves after which nothing means anything.
    pub poisoned: u64,
    /// Moves that led to something else.
    pub diverged: u64,
    /// Compared moves in a second.
    pub ops_per_second: u64,
    /// What could not be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<&'static str>,
}

impl From<&stage::Row> for RowReport {
    fn from(row: &stage::Row) -> Self {
        RowReport {
            area: Vec::from_iter(areas()).join(", "),
            subjects: row.subject.clone(),
            runs: row.tally.runs,
            ops: row.tally.ops,
            accepted: row.tally.all_accepted(),
            refused: row.tally.all_refused(),
            agreed: row.tally.agreed,
            poisoned: row.tally.poisoned,
            diverged: row.tally.diverged,
            ops_per_second: row.tally.rate() as u64,
            not_compared: row.not_compared,
        }
    }
}

/// Runs every subject that is here, and draws a table.
pub fn run(args: LockstepArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let seed = args.seed.unwrap_or_else(somewhere);
    let runs = args.runs.unwrap_or(RUNS);
    writeln!(context.out, "seed {seed}, {runs} runs\n")?;
    let area = args.area.as_deref().unwrap_or_default();
    let rows = rows(seed, runs, area, context)?;
    write!(context.out, "{}{}", table(&rows), notes(&rows))?;
    writeln!(context.out)?;
    write!(context.out, "{}", by_kind(&rows))?;
    for row in &rows {
        if let Some((found, path)) = &row.divergence {
            let path = path.display();
            writeln!(context.out, "\n{} diverges; replay it: cloister replay {path}", row.subject)?;
            for mv in &found.moves {
                writeln!(context.out, "  {mv}")?;
            }
            writeln!(context.out, "{}", found.difference)?;
        }
    }
    if let Some(path) = &args.json {
        let reports: Vec<RowReport> = rows.iter().map(RowReport::from).collect();
        write_json(path, &reports)?;
    }
    Ok(match (context.progress.interrupted(), rows.iter().all(is_sound)) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Ok,
        (false, false) => Exit::Failed,
    })
}

fn rows(seed: u64, runs: u64, area: &str, context: &mut Context<'_>) -> Result<Vec<stage::Row>, CliError> {
    let stop: Arc<AtomicBool> = context.progress.flag();
    let executable = std::env::current_exe().map_err(CliError::Output)?;
    let found = cpython::find(&executable)?.into_iter().find(|f| f.version.is_modelled());
    let mut rows = Vec::new();
    let builds: [(&str, stage::Run); 2] =
        [("lockstep, implementation", stage::controlled), ("lockstep, plain build", stage::plain)];
    for (name, run) in builds {
        let runs = if rows.is_empty() { runs } else { runs.div_ceil(CPYTHON_SHARE) };
        let bar = context.progress.stage(name, Some(runs));
        let row = run(&favouring(stage::plan(seed, runs), area), &stop, &mut |n| _ = bar.advance(n))?;
        bar.finish(&format!("{} moves compared", row.tally.ops));
        rows.push(row);
    }
    match found {
        None => writeln!(context.out, "{NOT_FOUND}")?,
        Some(found) => {
            let runs = runs.div_ceil(CPYTHON_SHARE);
            let bar = context.progress.stage("lockstep, CPython", Some(runs));
            let plan = favouring(on_cpython::plan(seed, runs), area);
            let row = on_cpython::generated_by(WORKERS, &executable, &found, &plan, &stop, &|n| {
                _ = bar.advance(n)
            })?;
            bar.finish(&format!("{} moves compared", row.tally.ops));
            rows.push(row);
        }
    }
    Ok(rows)
}

fn favouring(plan: Plan, area: &str) -> Plan {
    Plan { mix: plan.mix.favouring(area), ..plan }
}

/// Did nothing diverge, and did enough happen to say so?
pub fn is_sound(row: &stage::Row) -> bool {
    row.divergence.is_none() && row.tally.ops > 0 && row.tally.agreed_share() >= 95.0
}

/// The subjects, a row each.
pub fn table(rows: &[stage::Row]) -> String {
    let mut table = Table::new([
        "subject", "runs", "moves", "accepted", "refused", "agreed %", "poisoned", "diverged", "states",
        "moves/s", "share %",
    ]);
    for column in 1..11 {
        table = table.numbers(column);
    }
    for row in rows {
        let t = &row.tally;
        table.row([
            row.subject.clone(),
            t.runs.to_string(),
            t.ops.to_string(),
            t.all_accepted().to_string(),
            t.all_refused().to_string(),
            format!("{:.2}", t.agreed_share()),
            t.poisoned.to_string(),
            t.diverged.to_string(),
            t.observed.to_string(),
            format!("{:.0}", t.rate()),
            t.subject_share.to_string(),
        ]);
    }
    table.to_string()
}

/// What could not be compared, a line each.
pub fn notes(rows: &[stage::Row]) -> String {
    let note =
        |row: &stage::Row| row.not_compared.map(|what| format!("{}: not compared: {what}\n", row.subject));
    rows.iter().filter_map(note).collect()
}

fn by_kind(rows: &[stage::Row]) -> String {
    let mut header = vec!["accepted / used".to_string()];
    header.extend(rows.iter().map(|r| r.subject.clone()));
    let mut table = Table::new(header);
    for column in 1..=rows.len() {
        table = table.numbers(column);
    }
    for kind in OpKind::ALL {
        let mut cells = vec![kind.name().to_string()];
        for row in rows {
            let (yes, no) = (row.tally.accepted[kind.index()], row.tally.refused[kind.index()]);
            cells.push(format!("{yes} / {}", yes + no));
        }
        table.row(cells);
    }
    table.to_string()
}

/// A seed that nobody asked for.
pub fn somewhere() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
}
