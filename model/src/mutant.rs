//! Faults in the model itself. The tests of the checker switch one on and expect a
//! named rule to catch it; nothing else does. They act on the engine, not on the
//! procedures, so that those stay readable.

use cloister_specs::{MAIN, Move, Op, Parking, Rule, Start};

use crate::runtime::{Class, Runtime};

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
    /// This is noted wrongly.
    Slip(Slip),
}

impl Mutant {
    /// Does what it does after a move.
    pub(crate) fn note(self, mv: &Move, before: &Runtime, now: &mut Runtime) {
        match self {
            Mutant::Forget(book) => book.restore(before, now),
            Mutant::Slip(slip) => slip.note(mv, before, now),
            Mutant::DropGuard(_) | Mutant::SkipEffect(_) | Mutant::LoseSignals(_) | Mutant::AnswerAt(_) => {}
        }
    }
}

/// Something that is noted wrongly of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slip {
    /// Every block that a heap gives is the main interpreter's.
    Owner,
    /// A block that is reallocated moves to another class, whatever it is to hold.
    Class,
}

impl Slip {
    fn note(self, mv: &Move, before: &Runtime, now: &mut Runtime) {
        match (self, mv) {
            (Slip::Owner, _) => {
                for (block, old) in now.blocks.iter_mut().zip(&before.blocks) {
                    if block.live && !old.live && block.owner.is_some() {
                        block.owner = Some(MAIN);
                    }
                }
            }
            (Slip::Class, Move::Start(Start { op: Op::Realloc { block, .. }, .. })) => {
                let class = &mut now.blocks[block.index()].class;
                *class = match *class {
                    Class::Small(n) => Class::Small(n % 32 + 1),
                    Class::Large => Class::Large,
                };
            }
            (Slip::Class, _) => {}
        }
    }
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
    fn restore(self, before: &Runtime, now: &mut Runtime) {
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
