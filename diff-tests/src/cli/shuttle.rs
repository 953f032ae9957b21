//! `cloister shuttle`: random programs under random schedules, each checked with the model.

use serde::Serialize;

use super::args::ShuttleArgs;
use super::lockstep::somewhere;
use super::{CliError, Context, Exit, write_json};
use crate::explored::shuttled::{Found, Plan, SCHEDULES, Tally, explore};
use crate::table::Table;

/// What is written as JSON.
#[derive(Debug, Serialize)]
pub struct ShuttleReport {
    /// That of the first program.
    pub seed: u64,
    /// Calls by each thread of a program.
    pub calls_each: u32,
    /// Programs.
    pub programs: u64,
    /// Uniform schedules.
    pub uniform: u64,
    /// Schedules of PCT.
    pub pct: u64,
    /// Events in them.
    pub events: u64,
    /// Calls that the model accepted.
    pub accepted: u64,
    /// Calls that it refused.
    pub refused: u64,
    /// Waits for a GIL.
    pub waits: u64,
    /// Requests for a GIL.
    pub requests: u64,
    /// Forced switches.
    pub switches: u64,
    /// Those of the schedules that are over the whole raw face.
    pub whole: u64,
    /// Pending calls that were run in them.
    pub pending_run: u64,
    /// Threads that were started in them.
    pub started: u64,
    /// Interpreters that were ended from outside in them.
    pub outside: u64,
    /// Times that the runtime was finalized in them.
    pub finalized: u64,
    /// Calls that were answered *finalized* in them.
    pub cut_off: u64,
    /// Counts of blocks and references that were compared with what the threads had made.
    pub counted: u64,
    /// Waits for threads in them.
    pub thread_waits: u64,
    /// Waits for calls in them.
    pub call_waits: u64,
    /// What was wrong, if anything.
    pub failure: Option<String>,
}

impl ShuttleReport {
    fn new(plan: &Plan, tally: &Tally, failure: Option<&Found>) -> Self {
        let happened = &tally.happened;
        ShuttleReport {
            seed: plan.seed,
            calls_each: plan.calls,
            programs: tally.programs,
            uniform: tally.uniform,
            pct: tally.pct,
            events: happened.events,
            accepted: happened.accepted,
            refused: happened.refused,
            waits: happened.waits,
            requests: happened.requests,
            switches: happened.switches,
            whole: tally.accounts.runs,
            pending_run: tally.accounts.ran,
            started: tally.accounts.started,
            outside: tally.accounts.outside,
            finalized: tally.accounts.finalized,
            cut_off: tally.accounts.cut_off,
            counted: tally.accounts.counted,
            thread_waits: happened.thread_waits,
            call_waits: happened.call_waits,
            failure: failure.map(ToString::to_string),
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["what", "how many"]).numbers(1);
        let rows = [
            ("programs", self.programs),
            ("uniform schedules", self.uniform),
            ("schedules of PCT", self.pct),
            ("events", self.events),
            ("calls accepted", self.accepted),
            ("calls refused", self.refused),
            ("waits for a GIL", self.waits),
            ("requests", self.requests),
            ("forced switches", self.switches),
            ("schedules over the whole raw face", self.whole),
            ("pending calls run there", self.pending_run),
            ("threads started there", self.started),
            ("ends from outside there", self.outside),
            ("finalizations there", self.finalized),
            ("calls cut off there", self.cut_off),
            ("counts of memory there", self.counted),
            ("waits for threads there", self.thread_waits),
            ("waits for calls there", self.call_waits),
        ];
        for (what, how_many) in rows {
            table.row([what.to_string(), how_many.to_string()]);
        }
        table
    }

    /// Did enough happen to say something?
    const fn is_rich(&self) -> bool {
        self.waits > 0 && self.requests > 0 && self.switches > 0 && self.refused > 0
    }
}

/// Explores, and tells what happened.
pub fn run(args: ShuttleArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let seed = args.seed.unwrap_or_else(somewhere);
    let plan = Plan { calls: args.calls, ..Plan::new(seed, args.schedules) };
    writeln!(context.out, "seed {seed}, {} schedules\n", plan.schedules)?;
    let bar = context.progress.stage("shuttle", Some(plan.schedules));
    let mut tally = Tally::default();
    // Half of them over the whole raw face.
    let engine = Plan { schedules: plan.schedules.div_ceil(2), ..plan };
    let flag = context.progress.flag();
    let mut found = explore(&engine, &mut tally, &flag, &mut |n| _ = bar.advance(n));
    if found.is_ok() {
        let mut rest = Tally::default();
        let whole = Plan { schedules: plan.schedules - engine.schedules, ..plan }.whole();
        found = explore(&whole, &mut rest, &flag, &mut |n| _ = bar.advance(n));
        tally.merge(&rest);
    }
    bar.finish(&format!("{} schedules accepted", tally.schedules()));
    let report = ShuttleReport::new(&plan, &tally, found.as_ref().err().map(|f| &**f));
    write!(context.out, "{}", report.table())?;
    if let Err(found) = &found {
        writeln!(context.out, "\n{found}")?;
        // Half of these are of each kind.
        let all = 4 * SCHEDULES;
        let Found { seed, .. } = **found;
        let calls = plan.calls;
        writeln!(
            context.out,
            "\nonce more: cloister shuttle --seed {seed} --schedules {all} --calls {calls}"
        )?;
    }
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    Ok(match (found.is_ok(), context.progress.interrupted()) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::Interrupted,
        (true, false) if report.is_rich() || plan.schedules < SCHEDULES => Exit::Ok,
        (true, false) => {
            writeln!(context.out, "\ntoo little happened to say anything")?;
            Exit::Failed
        }
    })
}
