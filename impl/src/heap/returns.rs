//! Blocks that come back from elsewhere.
//!
//! Only its owner uses a heap. Another thread that has a block of it *returns* the block: it is put
//! into the *inbox* of the heap, and freed when the owner next looks there. The inbox is a list
//! with the blocks themselves as its nodes, so to return one needs no memory, and no lock: the
//! new first one is exchanged for the old. The owner takes the whole list at once.
//!
//! To write the link into a block, its memory has to be there, and the end of the heap takes that
//! away. So whoever returns a block passes a *gate*, which counts who is inside; the end shuts the
//! gate, and waits for those who are, a few instructions each. Who comes later is refused before it
//! touches anything.

use super::pool::{self, Block};
use super::{FreeError, Heap, table};
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
#[cfg(any(feature = "loom", feature = "shuttle"))]
use crate::sync::backend::thread::yield_now;
use std::iter::successors;
use std::ptr::{self, NonNull};
use std::sync::Arc;
#[cfg(not(any(feature = "loom", feature = "shuttle")))]
use std::thread::yield_now;

/// Why a block was not returned. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReturnError {
    /// The heap has ended, and its blocks with it.
    #[error("the heap of the block has ended")]
    Ended,
    /// It is no block of this heap.
    #[error(transparent)]
    Refused(#[from] FreeError),
}

/// Frees blocks of a heap that somebody else uses. Any thread may have one, and keep it when the
/// heap has ended.
#[derive(Clone, Debug)]
pub struct Returns(Arc<Inbox>);

/// The gate is shut.
const SHUT: usize = 1;
/// One who is inside.
const ONE: usize = 2;

#[derive(Debug)]
pub(super) struct Inbox {
    /// The number of the heap.
    heap: u64,
    first: AtomicPtr<Block>,
    /// [`ONE`] for each who is inside, and [`SHUT`].
    gate: AtomicUsize,
}

impl Inbox {
    fn new(heap: u64) -> Self {
        Inbox { heap, first: AtomicPtr::new(ptr::null_mut()), gate: AtomicUsize::default() }
    }

    /// Does this if the gate is open, and keeps the end of the heap off meanwhile.
    fn inside(&self, work: impl FnOnce() -> Result<(), ReturnError>) -> Result<(), ReturnError> {
        let open = self.gate.fetch_add(ONE, Ordering::Acquire) & SHUT == 0;
        let result = if open { work() } else { Err(ReturnError::Ended) };
        self.gate.fetch_sub(ONE, Ordering::Release);
        result
    }

    /// Puts a block in.
    ///
    /// # Safety
    ///
    /// It is a block of this heap, live, and not used any more; the caller is inside.
    unsafe fn put(&self, block: *mut Block) {
        // An inbox is empty most often, so that is tried before it is looked.
        let mut first = ptr::null_mut();
        loop {
            // SAFETY: as this function's.
            unsafe { Block::link(block, first) };
            match self.first.compare_exchange_weak(first, block, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => first = other,
            }
        }
    }

    /// Lets nobody in any more, and waits until nobody is inside.
    fn shut(&self) {
        self.gate.fetch_or(SHUT, Ordering::AcqRel);
        while self.gate.load(Ordering::Acquire) != SHUT {
            yield_now();
        }
    }

    /// Nobody is inside any more: their threads are not in this process.
    fn forked(&self) {
        self.gate.fetch_and(SHUT, Ordering::AcqRel);
    }
}

impl Returns {
    /// Has the heap free this block when its owner next looks; null is none, and freed already.
    ///
    /// # Errors
    ///
    /// The heap has ended, or the block lies in an arena of another heap.
    ///
    /// # Safety
    ///
    /// It is a live block of this heap, or lies in an arena, and nobody uses it any more. What the
    /// heap does not have any more may be named if it has ended.
    pub unsafe fn free(&self, block: *mut u8) -> Result<(), ReturnError> {
        if block.is_null() {
            return Ok(());
        }
        self.0.inside(|| {
            if ![0, self.0.heap].contains(&table::owner(block.addr())) {
                return Err(FreeError::Foreign.into());
            }
            // SAFETY: as this function's; a large block has room for a link, too.
            unsafe { self.0.put(block.cast()) };
            Ok(())
        })
    }
}

impl Heap {
    /// What others can return blocks of this heap by.
    pub fn returns(&mut self) -> Returns {
        let number = self.number;
        Returns(Arc::clone(self.inbox.get_or_insert_with(|| Arc::new(Inbox::new(number)))))
    }

    /// Frees what was returned, and says how many blocks that were. It is done as well when the
    /// heap needs a pool, is trimmed or ends; what counts blocks does not count these.
    pub fn collect(&mut self) -> usize {
        let Some(inbox) = &self.inbox else { return 0 };
        if inbox.first.load(Ordering::Relaxed).is_null() {
            return 0;
        }
        let (mut next, mut count) = (inbox.first.swap(ptr::null_mut(), Ordering::Acquire), 0);
        while let Some(block) = NonNull::new(next) {
            let at: *mut u8 = next.cast();
            // SAFETY: what is in the inbox are blocks of this heap, which nobody uses.
            unsafe {
                next = Block::next(block);
                if table::holds(at.addr()) {
                    self.push(pool::of(at), at);
                } else {
                    // It was a live one, or the caller broke its word, and nothing is done.
                    _ = self.free_large(at, None);
                }
            }
            count += 1;
        }
        count
    }

    /// Tells a heap in the child of a fork that the threads are gone that were returning blocks
    /// to it: its end would wait for them.
    pub fn forked(&mut self) {
        self.inbox.iter().for_each(|inbox| inbox.forked());
    }

    /// What was returned, and not freed yet.
    pub(super) fn returned(&self) -> impl Iterator<Item = NonNull<Block>> {
        let first = self.inbox.as_ref().map_or(ptr::null_mut(), |inbox| inbox.first.load(Ordering::Acquire));
        // SAFETY: what is in the inbox are blocks of this heap, and only `&mut self` takes them out.
        successors(NonNull::new(first), |block| NonNull::new(unsafe { Block::next(*block) }))
    }

    /// Nothing is returned any more.
    pub(super) fn shut(&self) {
        self.inbox.iter().for_each(|inbox| inbox.shut());
    }
}

#[cfg(all(test, not(any(feature = "loom", feature = "shuttle"))))]
mod tests {
    use super::*;

    #[test]
    fn the_end_waits_for_who_is_inside() {
        let inbox = Arc::new(Inbox::new(7));
        inbox.gate.fetch_add(ONE, Ordering::Acquire);
        let shutting = std::thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || inbox.shut()
        });
        while inbox.gate.load(Ordering::Relaxed) & SHUT == 0 {
            yield_now();
        }
        assert_eq!(inbox.inside(|| Ok(())), Err(ReturnError::Ended));
        assert!(!shutting.is_finished());
        inbox.gate.fetch_sub(ONE, Ordering::Release);
        shutting.join().unwrap();
    }

    #[test]
    fn in_the_child_of_a_fork_it_waits_for_nobody() {
        let inbox = Inbox::new(7);
        inbox.gate.fetch_add(3 * ONE, Ordering::Acquire);
        inbox.forked();
        assert_eq!(inbox.inside(|| Ok(())), Ok(()));
        inbox.shut();
        inbox.forked();
        assert_eq!(inbox.inside(|| Ok(())), Err(ReturnError::Ended));
    }
}
