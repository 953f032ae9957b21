//! Blocks of another size, with what was in them.
//!
//! When a block stays where it is, is CPython's rule: if it is large enough, and more than three
//! quarters of it will be in use. A large block is the system's allocator's affair, and stays
//! large even if a pool has blocks for the new size.

use super::{FreeError, Heap, OutOfMemory, allows, class, poison, pool, table};
use poison::{poison, unpoison};
use pool::Pool;
use std::ptr::NonNull;

/// Why a block has its old size still. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReallocError {
    /// There is no memory for it; the block is as it was.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// It is no block that this heap could free.
    #[error(transparent)]
    Refused(#[from] FreeError),
}

/// Does a block of this size serve a request for so many bytes?
const fn stays(has: usize, size: usize) -> bool {
    size <= has && 4 * size > 3 * has
}

impl Heap {
    /// A block of at least so many bytes, with what was in this one as far as there is room for
    /// it; this one is freed, unless it is the answer. Null is none: this is [`Heap::malloc`] then.
    ///
    /// # Errors
    ///
    /// There is no memory for it, or the block is not this heap's.
    ///
    /// # Safety
    ///
    /// As that of [`Heap::free`]. The other block is used from now on. A large block that was
    /// given a size of 1 to 512 bytes here is not freed with [`Heap::free_sized`].
    pub unsafe fn realloc(&mut self, block: *mut u8, size: usize) -> Result<NonNull<u8>, ReallocError> {
        let Some(old) = NonNull::new(block) else { return Ok(self.malloc(size)?) };
        if !table::holds(block.addr()) {
            return self.realloc_large(old, size);
        }
        let pool = pool::of(block);
        // SAFETY: the table says that the header is mapped; if the pool is this heap's, nobody
        // else has a reference to the rest of it.
        let has = unsafe {
            if Pool::owner(pool) != self.number {
                return Err(FreeError::Foreign.into());
            }
            class::size_of(Pool::body(pool).class())
        };
        if stays(has, size) {
            // SAFETY: it is live, and so large.
            unsafe {
                poison(block, has);
                unpoison(block, size);
            }
            return Ok(old);
        }
        let new = self.malloc(size)?;
        // SAFETY: both have so many bytes, and the new one was nobody's; the rest is as this
        // function's.
        unsafe {
            unpoison(block, has);
            new.copy_from_nonoverlapping(old, size.min(has));
            self.push(pool, block);
        }
        Ok(new)
    }

    fn realloc_large(&mut self, block: NonNull<u8>, size: usize) -> Result<NonNull<u8>, ReallocError> {
        self.large.find(block)?;
        allows(&mut self.failing)?;
        self.large.reallocate(block, size)
    }
}
