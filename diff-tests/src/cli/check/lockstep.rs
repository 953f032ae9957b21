//! The model beside our implementation, and what free-running threads did.

use super::{Asked, Stage};
use crate::cli::args::ScopeArg;
use crate::cli::lockstep::{ACCEPTED_FLOOR, RowReport, is_sound, table};
use crate::cli::{CliError, Context};
use crate::free_running;
use crate::lockstep::wide::{WidePlan, wide};
use crate::report::Report;
use crate::stages::lockstep as stage;
use crate::subjects::Controlled;

/// Both builds in lockstep, then free-running threads.
pub struct Lockstep;

/// Where the random runs of a check begin: the same runs every time.
pub(super) const SEED: u64 = 1;

/// Runs in the controlled build, in the plain one, of heaps, and of free-running threads.
fn runs(level: ScopeArg) -> (u64, u64, u64, u64) {
    match level {
        ScopeArg::Quick => (1_000, 40, 100, 40),
        ScopeArg::Default => (10_000, 200, 1_000, 300),
        ScopeArg::Deep => (500_000, 4_000, 50_000, 5_000),
    }
}

/// Calls of each thread in a free-running run.
const CALLS: u32 = 30;

impl Stage for Lockstep {
    fn name(&self) -> &'static str {
        "Lockstep: the implementation does what the model does"
    }

    fn run(&self, asked: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        let (controlled, plain, heaps, free) = runs(asked.level);
        let stop = context.progress.flag();
        let mut rows = Vec::new();
        let builds: [(&str, u64, stage::Run); 2] = [
            ("lockstep, implementation", controlled, stage::controlled),
            ("lockstep, plain build", plain, stage::plain),
        ];
        for (name, runs, run) in builds {
            let bar = context.progress.stage(name, Some(runs));
            let row = run(&stage::plan(SEED, runs), &stop, &mut |n| _ = bar.advance(n))?;
            bar.finish(&format!("{} moves compared", row.tally.ops));
            rows.push(row);
        }
        write!(context.out, "{}", table(&rows))?;
        if context.progress.interrupted() {
            return Ok(());
        }
        report.problems.extend(rows.iter().flat_map(unsound));
        report.lockstep.extend(rows.iter().map(RowReport::from));
        self.heaps(heaps, report, context)?;
        self.free_running(free, report, context)
    }
}

impl Lockstep {
    fn heaps(&self, runs: u64, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        let stop = context.progress.flag();
        let bar = context.progress.stage("lockstep, heaps", Some(runs));
        let mut subject = Controlled::new();
        let found = wide(&mut subject, &WidePlan::new(SEED, runs), &stop, &mut |n| _ = bar.advance(n))?;
        bar.finish(&format!("{} moves compared", found.tally.ops));
        writeln!(context.out, "\n{found}")?;
        if !context.progress.interrupted() {
            report.problems.extend(found.unsound(ACCEPTED_FLOOR));
        }
        Ok(())
    }

    fn free_running(
        &self,
        runs: u64,
        report: &mut Report,
        context: &mut Context<'_>,
    ) -> Result<(), CliError> {
        let stop = context.progress.flag();
        let bar = context.progress.stage("free-running threads", Some(runs));
        match free_running::run(runs, CALLS, SEED, &stop) {
            Err(rejection) => {
                bar.finish("rejected");
                report
                    .problems
                    .push(format!("the model has no run like one of free-running threads\n{rejection}"));
            }
            Ok(done) => {
                bar.finish(&format!("{} events accepted", done.events));
                writeln!(
                    context.out,
                    "\nfree-running threads: the model accepts all {} runs ({} events, {} waits, {} requests, \
                     {} forced switches)",
                    done.runs, done.events, done.waits, done.requests, done.switches
                )?;
                if done.waits == 0 || done.requests == 0 || done.switches == 0 {
                    report.problems.push("free-running threads never waited, asked or switched".into());
                }
            }
        }
        Ok(())
    }
}

/// What is wrong with a row, if anything: it diverged, or too little happened.
pub(super) fn unsound(row: &stage::Row) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some((found, path)) = &row.divergence {
        let path = path.display();
        wrong.push(format!(
            "{} diverges; replay it: cloister replay {path}\n{}",
            row.subject, found.difference
        ));
    } else if !is_sound(row) {
        let share = row.tally.agreed_share();
        wrong.push(format!("{}: only {share:.1} % of {} moves agreed", row.subject, row.tally.ops));
    }
    let starved = row.tally.starved(ACCEPTED_FLOOR);
    wrong.extend(starved.iter().map(|kind| {
        format!("{}: {} is accepted in less than {ACCEPTED_FLOOR} % of its uses", row.subject, kind.name())
    }));
    wrong
}
