//! Faults in the model itself. The tests of the checker switch one on and expect a
//! named rule to catch it; nothing else does. They act on the engine, not on the
//! procedures, so that those stay readable.

use cloister_specs::{Parking, Rule};

use crate::runtime::Runtime;

/// A fault in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The guard forgets this rule.
    DropGuard(Rule),
    /// This label has no effect, but control goes on.
    SkipEffect(&'static str),
    /// No thread that waits like this is ever woken by a signal.
    LoseSignals(Parking),
    /// A call that reaches this label answers `Done` at once.
    AnswerAt(&'static str),
    /// This book is never written.
    Forget(Book),
}

/// Something that is counted or noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Book {
    /// Which blocks there are.
    Blocks,
    /// Which objects there are, and their counts.
    Objects,
    /// The counts of objects alone.
    Refcnts,
    /// `raw_allocated_blocks`.
    RawBlocks,
    /// What ended heaps left.
    Leaks,
    /// What ended lives left.
    LastFinal,
    /// The reference totals of interpreters.
    RefTotals,
    /// Those of ended interpreters.
    RefLeaks,
    /// Those of ended lives.
    RefLastFinal,
    /// What unaware clients counted.
    Legacy,
}

impl Book {
    /// Puts back what stood there before.
    pub(crate) fn restore(self, before: &Runtime, now: &mut Runtime) {
        let (then, totals) = (&before.totals, &mut now.totals);
        match self {
            Book::Blocks => now.blocks = before.blocks,
            Book::Objects => now.objects = before.objects,
            Book::Refcnts => {
                for (object, old) in now.objects.iter_mut().zip(&before.objects) {
                    if object.live && old.live {
                        object.refcnt = old.refcnt;
                    }
                }
            }
            Book::RawBlocks => {
                for (interp, old) in now.interps.iter_mut().zip(&before.interps) {
                    interp.raw_blocks = old.raw_blocks;
                }
            }
            Book::Leaks => totals.leaks = then.leaks,
            Book::LastFinal => totals.last_final = then.last_final,
            Book::RefTotals => {
                for (interp, old) in now.interps.iter_mut().zip(&before.interps) {
                    interp.ref_total = old.ref_total;
                }
            }
            Book::RefLeaks => totals.ref_leaks = then.ref_leaks,
            Book::RefLastFinal => totals.ref_last_final = then.ref_last_final,
            Book::Legacy => totals.legacy = then.legacy,
        }
    }
}
