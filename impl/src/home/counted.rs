//! The heap of a home, as it is used: its blocks are counted beside it.

use super::given::Given;
use super::kinds::Kinds;
use super::tally::Tally;
use crate::heap::{FreeError, Heap, OutOfMemory};
use std::ptr::NonNull;

/// A heap, and what is known beside it of its blocks. It gives out no
/// [`Returns`](crate::heap::Returns), by which blocks could be freed uncounted.
pub(crate) struct Counted<'a> {
    pub(super) heap: &'a mut Heap,
    pub(super) tally: &'a Tally,
    pub(super) kinds: &'a mut Kinds,
    pub(super) given: &'a mut Given,
}

impl Counted<'_> {
    /// [`Heap::malloc`], of a block that becomes an object: there is room to count one more kind
    /// after this.
    #[inline]
    pub(crate) fn malloc(&mut self, size: usize) -> Result<NonNull<u8>, OutOfMemory> {
        self.tally.change(|| {
            let block = if self.kinds.reserve() { self.heap.malloc(size) } else { Err(OutOfMemory) };
            (block, isize::from(block.is_ok()))
        })
    }

    /// [`Heap::free`], of such a block.
    ///
    /// # Safety
    ///
    /// As that of it. The block is not null.
    #[inline]
    pub(crate) unsafe fn free(&mut self, block: *mut u8) -> Result<(), FreeError> {
        self.tally.change(|| {
            // SAFETY: as this function's.
            let freed = unsafe { self.heap.free(block) };
            (freed, -isize::from(freed.is_ok()))
        })
    }
}
