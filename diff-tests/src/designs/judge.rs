//! Reaching the verdicts. What is declared is not looked at.

use super::breaches::first_breaches;
use super::crossed::crossed;
use super::rows::{Row, mended, named, turned};
use cloister_model::Design;
use cloister_model::check::{Verdict, Watch, judge};
use cloister_specs::Rule;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// How many states of a row are explored at most: far more than any row has.
const BUDGET: u64 = 4_000_000;

/// A row and what came of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The row.
    pub row: Row,
    /// What the checker says.
    pub verdict: Verdict,
    /// For the named designs: every rule that a run can break first.
    pub breaks: Vec<Rule>,
    /// How long it took.
    pub seconds: f64,
}

impl Judged {
    /// The rule that the verdict is about: the broken one, or the only one that was judged.
    pub fn rule(&self) -> Option<Rule> {
        match &self.verdict {
            Verdict::Broken(run) => Some(run.rule),
            Verdict::Holds(..) | Verdict::Equivalent(..) | Verdict::Unfinished(_) => self.row.only,
        }
    }
}

/// Judges one row.
pub fn judged(row: Row, workers: usize, watch: &Watch) -> Judged {
    let begun = Instant::now();
    let scope = row.scope();
    let base =
        (row.base == "cloister" && row.beside.is_none() && row.turned.is_some()).then_some(&Design::CLOISTER);
    let verdict = judge(&scope, base, workers, BUDGET, watch);
    let breaks = match row.turned {
        None => first_breaches(&scope, || watch.stop.load(Relaxed)).unwrap_or_default(),
        Some(_) => Default::default(),
    };
    Judged { row, verdict, breaks: breaks.into_iter().collect(), seconds: begun.elapsed().as_secs_f64() }
}

/// Judges the rows that `wanted` picks, and tells of each that is over; stops when it
/// answers `false`. Faults are mended in the rows whose rule was found broken before.
pub fn judge_all(
    wanted: impl Fn(&Row) -> bool,
    workers: usize,
    watch: &Watch,
    mut each: impl FnMut(&Judged) -> bool,
) -> Vec<Judged> {
    let mut table = Vec::new();
    let mut all = |rows: Vec<Row>, table: &mut Vec<Judged>| {
        for row in rows.into_iter().filter(|row| wanted(row)) {
            let judged = judged(row, workers, watch);
            let go_on = each(&judged);
            table.push(judged);
            if !go_on {
                return false;
            }
        }
        true
    };
    if all(named(), &mut table) && all(turned(), &mut table) && all(crossed(), &mut table) {
        let rows = mended(&table);
        all(rows, &mut table);
    }
    table
}
