//! How many blocks of a heap live, and whether a call is changing it just now.
//!
//! A process may be forked while another thread is inside a heap. The child then finds the lists of
//! that heap half written, and can follow none of them; but it has to count the blocks (MEM-12). So
//! whoever changes a heap says so first, here, and says afterwards how many blocks there are, in one
//! word: with one store the change is over and counted.
//!
//! That word can be trusted in the child because a child gets a prefix of what each thread of
//! its parent has written. While the address space is copied, a thread that writes to a page that
//! was copied already has to wait until all of it is; the fences here keep the processor and the
//! compiler from letting a later write of the thread overtake an earlier one. So a word that
//! says *at rest* comes with all writes of the calls before it, and with none of the next one.

use crate::sync::plain::{AtomicUsize, Ordering, fence};

/// Twice the number of blocks, and [`CHANGING`].
#[derive(Debug, Default)]
pub(super) struct Tally(AtomicUsize);

const CHANGING: usize = 1;
const ONE: usize = 2;

impl Tally {
    /// Does this, which changes the heap, and answers as well with how many blocks more live then.
    #[inline]
    pub(super) fn change<R>(&self, work: impl FnOnce() -> (R, isize)) -> R {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before | CHANGING, Ordering::Relaxed);
        fence(Ordering::Release);
        let (result, more) = work();
        self.0.store(before.wrapping_add_signed(more * ONE as isize), Ordering::Release);
        result
    }

    /// Was a thread at work with the heap when it went out of this process?
    pub(super) fn is_changing(&self) -> bool {
        self.0.load(Ordering::Acquire) & CHANGING != 0
    }

    /// How many blocks live; of a call that is under way, neither what it takes nor what it frees.
    #[inline]
    pub(super) fn blocks(&self) -> usize {
        self.0.load(Ordering::Acquire) / ONE
    }

    /// As if a thread were gone in the middle of a change.
    #[cfg(test)]
    pub(super) fn interrupt(&self) {
        self.0.fetch_or(CHANGING, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_it_is_over() {
        let tally = Tally::default();
        for (more, then) in [(1, 1), (1, 2), (-1, 1), (0, 1), (-1, 0)] {
            let before = tally.blocks();
            let seen = tally.change(|| ((tally.blocks(), tally.is_changing()), more));
            assert_eq!(seen, (before, true));
            assert_eq!((tally.blocks(), tally.is_changing()), (then, false));
        }
    }
}
