//! The heap of a home, as it is used: each call is counted.

use super::objects::Objects;
use super::tally::Tally;
use crate::heap::{FreeError, Heap, OutOfMemory, ReallocError};
use std::ptr::NonNull;

/// A heap whose blocks are counted beside it. Nothing else is done with it: it gives out no
/// [`Returns`](crate::heap::Returns), by which blocks could be freed uncounted.
pub(crate) struct Counted<'a> {
    pub(super) heap: &'a mut Heap,
    pub(super) tally: &'a Tally,
    pub(super) objects: &'a mut Objects,
}

impl Counted<'_> {
    /// [`Heap::malloc`]. The block may become an object: there is room to count one more kind then.
    #[inline]
    pub(crate) fn malloc(&mut self, size: usize) -> Result<NonNull<u8>, OutOfMemory> {
        self.tally.change(|| {
            let room = self.objects.reserve_kind();
            counted(if room { self.heap.malloc(size) } else { Err(OutOfMemory) }, 1)
        })
    }

    /// [`Heap::calloc`] of one item.
    #[inline]
    pub(crate) fn calloc(&mut self, size: usize) -> Result<NonNull<u8>, OutOfMemory> {
        self.tally.change(|| counted(self.heap.calloc(1, size), 1))
    }

    /// [`Heap::realloc`].
    ///
    /// # Safety
    ///
    /// As that of it. The block is not null.
    pub(crate) unsafe fn realloc(
        &mut self,
        block: *mut u8,
        size: usize,
    ) -> Result<NonNull<u8>, ReallocError> {
        // SAFETY: as this function's.
        self.tally.change(|| counted(unsafe { self.heap.realloc(block, size) }, 0))
    }

    /// [`Heap::free`].
    ///
    /// # Safety
    ///
    /// As that of it. The block is not null.
    #[inline]
    pub(crate) unsafe fn free(&mut self, block: *mut u8) -> Result<(), FreeError> {
        // SAFETY: as this function's.
        self.tally.change(|| counted(unsafe { self.heap.free(block) }, -1))
    }

    /// [`Heap::free_checked`].
    ///
    /// # Safety
    ///
    /// As that of it. The block is not null.
    pub(crate) unsafe fn free_checked(&mut self, block: *mut u8) -> Result<(), FreeError> {
        // SAFETY: as this function's.
        self.tally.change(|| counted(unsafe { self.heap.free_checked(block) }, -1))
    }
}

/// What a call answers, and how many blocks more live.
#[inline]
fn counted<T, E>(result: Result<T, E>, more: isize) -> (Result<T, E>, isize) {
    let more = if result.is_ok() { more } else { 0 };
    (result, more)
}
