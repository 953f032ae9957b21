//! Every count that an object can have.

use super::{Asked, Stage};
use crate::cli::{CliError, Context};
use crate::report::Report;
use crate::stages::counts::{Apart, sweep};
use cloister_model::design::Immortality;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

/// All 2^32 counts, half of them in each of two threads.
pub struct Counts;

const HALVES: [RangeInclusive<u32>; 2] = [0..=i32::MAX as u32, 1 << 31..=u32::MAX];

impl Stage for Counts {
    fn name(&self) -> &'static str {
        "Counts: what becomes of each of 2^32 reference counts"
    }

    fn run(&self, asked: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        if !asked.wants(&["REF"]) {
            return Ok(());
        }
        let stop = context.progress.flag();
        let bar = context.progress.stage("counts", Some(1 << 32));
        let looked = AtomicU64::new(0);
        let each = |n| {
            looked.fetch_add(n, Ordering::Relaxed);
            bar.advance(n);
        };
        let half = |counts: &RangeInclusive<u32>| {
            sweep(Immortality::Sticky, counts.clone(), &stop, &mut |n| each(n))
        };
        let found: Vec<Option<Apart>> = std::thread::scope(|threads| {
            let other = threads.spawn(|| half(&HALVES[1]));
            vec![half(&HALVES[0]), other.join().ok().flatten()]
        });
        let looked = looked.load(Ordering::Relaxed);
        bar.finish(&format!("{looked} counts"));
        if context.progress.interrupted() {
            return Ok(());
        }
        writeln!(
            context.out,
            "{looked} counts, through IncRef, DecRef, the same by unaware clients, and SetRefCnt: {}",
            if found.iter().any(Option::is_some) { "they differ" } else { "as the model has them" }
        )?;
        let whole = looked == 1 << 32;
        report.problems.extend(found.iter().flatten().map(ToString::to_string));
        if !whole && found.iter().all(Option::is_none) {
            report.problems.push(format!("only {looked} counts were looked at"));
        }
        report.counts = looked;
        Ok(())
    }
}
