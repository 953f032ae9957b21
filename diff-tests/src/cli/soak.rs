//! `cloister soak`: threads that create, use and end interpreters, for as long as one likes.

use super::args::SoakArgs;
use super::lockstep::somewhere;
use super::{CliError, Context, Exit, write_json};
use crate::soak::{self, Count, Loss, Memory, Outcome, Plan, TOLERANCE_KIB, WARM_UP};
use crate::table::Table;
use cloister::PoolSize;
use cloister_specs::GilKind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// How long it lasts where the command line does not say.
const SECONDS: u64 = 60;

/// What is written as JSON.
#[derive(Debug, Serialize)]
pub struct SoakReport {
    /// Where the random steps began.
    pub seed: u64,
    /// OS threads.
    pub threads: usize,
    /// How long it took.
    pub seconds: f64,
    /// Rounds, each with a checkpoint.
    pub rounds: u64,
    /// What the threads did, in interpreters with a GIL of their own and with the shared one.
    pub counts: BTreeMap<&'static str, Kinds>,
    /// Calls that were refused since their thread did not know better, by rule.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Wrong calls that were made on purpose, and refused.
    pub wrong: u64,
    /// Threads that left the runtime and came back.
    pub reattached: u64,
    /// The slot pools.
    pub pools: Vec<PoolReport>,
    /// Resident memory, in KiB; none: this system does not tell.
    pub memory: Option<Memory>,
    /// What was lost.
    pub losses: Vec<String>,
}

/// A count for either kind of interpreter.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Kinds {
    /// With a GIL of their own.
    pub own: u64,
    /// With the shared one.
    pub shared: u64,
}

/// A slot pool.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PoolReport {
    /// Of what.
    pub pool: &'static str,
    /// Slots when it was full.
    pub full: usize,
    /// Slots now.
    pub made: usize,
    /// Those that hold something now.
    pub used: usize,
}

/// Soaks, and draws what came of it.
pub fn run(args: SoakArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let plan =
        Plan { forget: args.forget, ..Plan::new(args.seed.unwrap_or_else(somewhere), args.threads.into()) };
    writeln!(context.out, "seed {}, {} threads\n", plan.seed, plan.threads)?;
    context.out.flush()?;
    let begun = Instant::now();
    let limit = match args.rounds {
        Some(rounds) => Limit::Rounds(rounds),
        None => Limit::Seconds(args.seconds.unwrap_or(SECONDS)),
    };
    let stage = context.progress.stage(limit.name(), Some(limit.steps()));
    let outcome = soak::run(&plan, &mut |outcome| {
        let reached = match limit {
            Limit::Seconds(_) => begun.elapsed().as_secs(),
            Limit::Rounds(_) => outcome.rounds,
        };
        stage.reached(reached.min(limit.steps())) && reached < limit.steps()
    });
    let outcome = outcome.map_err(|error| CliError::Usage(error.to_string()))?;
    stage.finish(&match outcome.losses.len() {
        0 => format!("{} checkpoints, nothing is lost", outcome.rounds),
        lost => format!("{} checkpoints, {lost} losses", outcome.rounds),
    });
    let report = report(&plan, begun.elapsed().as_secs_f64(), &outcome);
    write!(context.out, "{}", told(&report))?;
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    Ok(match (outcome.losses.is_empty(), context.progress.interrupted()) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::Interrupted,
        (true, false) => Exit::Ok,
    })
}

/// When it is over.
#[derive(Clone, Copy)]
enum Limit {
    Seconds(u64),
    Rounds(u64),
}

impl Limit {
    const fn steps(self) -> u64 {
        match self {
            Limit::Seconds(steps) | Limit::Rounds(steps) => steps,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Limit::Seconds(_) => "seconds soaked",
            Limit::Rounds(_) => "rounds soaked",
        }
    }
}

fn report(plan: &Plan, seconds: f64, outcome: &Outcome) -> SoakReport {
    let Outcome { rounds, tally, full, pools, memory, losses } = outcome;
    let kinds =
        |count| Kinds { own: tally.of(count, GilKind::Own), shared: tally.of(count, GilKind::Shared) };
    let pool = |pool, full: PoolSize, now: PoolSize| PoolReport {
        pool,
        full: full.made,
        made: now.made,
        used: now.used,
    };
    SoakReport {
        seed: plan.seed,
        threads: plan.threads,
        seconds,
        rounds: *rounds,
        counts: Count::ALL.iter().map(|count| (count.name().trim_start(), kinds(*count))).collect(),
        refusals: tally.refusals_by_rule().map(|(rule, times)| (rule.id(), times)).collect(),
        wrong: tally.wrong,
        reattached: tally.reattached,
        pools: vec![
            pool("interpreters", full.interps, pools.interps),
            pool("thread states", full.tstates, pools.tstates),
            pool("threads", full.threads, pools.threads),
        ],
        memory: *memory,
        losses: losses.iter().map(Loss::told).collect(),
    }
}

/// The report as people read it.
pub fn told(report: &SoakReport) -> String {
    let mut told = counts(report).to_string();
    let mut pools = Table::new(["slots", "when full", "at the end", "in use"]);
    pools = pools.numbers(1).numbers(2).numbers(3);
    for PoolReport { pool, full, made, used } in &report.pools {
        pools.row([pool.to_string(), full.to_string(), made.to_string(), used.to_string()]);
    }
    told += &format!("\n{pools}\n");
    told += &match report.memory {
        None => "resident memory is not looked at: only Linux tells it\n".to_string(),
        Some(_) if report.rounds <= WARM_UP + 1 => {
            "resident memory is not looked at: the soak ended before it was warm\n".to_string()
        }
        Some(Memory { warm, peak, last }) => format!(
            "resident memory: {warm} KiB when warm, {peak} at most, {last} at the end; {TOLERANCE_KIB} more would do\n"
        ),
    };
    if !report.losses.is_empty() {
        told += "\nlost:\n";
        report.losses.iter().for_each(|loss| told += &format!("  {loss}\n"));
    }
    told
}

fn counts(report: &SoakReport) -> Table {
    let mut table = Table::new(["", "own GIL", "shared GIL", "all"]).numbers(1).numbers(2).numbers(3);
    for count in Count::ALL {
        let Some(Kinds { own, shared }) = report.counts.get(count.name().trim_start()) else { continue };
        table.row([
            count.name().to_string(),
            own.to_string(),
            shared.to_string(),
            (own + shared).to_string(),
        ]);
    }
    let mut of_all = |what: &str, times: u64| {
        table.row([what.to_string(), String::new(), String::new(), times.to_string()]);
    };
    of_all("refusals, another thread was first", report.refusals.values().sum());
    for (rule, times) in &report.refusals {
        of_all(&format!("  by {rule}"), *times);
    }
    of_all("refusals, wrong on purpose", report.wrong);
    of_all("threads that left and came back", report.reattached);
    of_all("checkpoints", report.rounds);
    table
}
