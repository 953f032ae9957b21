//! Which blocks are live, exactly.
//!
//! [`Heap::free`] believes its caller that a block of the heap is live. Who cannot know asks
//! here, and pays for it: the lists of free blocks are walked, of which there may be a thousand
//! in a pool. Nothing is read that is not this heap's, so any address may be asked about.

use super::pool::{self, Block, POOL, Pool, Use};
use super::{FreeError, Heap, class, table};
use std::iter::successors;
use std::ptr::NonNull;

impl Heap {
    /// Is this the address of a live block of this heap?
    pub fn holds(&self, block: *mut u8) -> bool {
        let is_block = match table::owner(block.addr()) {
            0 => NonNull::new(block).is_some_and(|block| self.large.find(block).is_ok()),
            owner => owner == self.number && self.is_live(block),
        };
        is_block && !self.returned().any(|returned| returned.addr().get() == block.addr())
    }

    /// Frees a block if it is live; null is none, and freed already.
    ///
    /// # Errors
    ///
    /// It is [another heap's](FreeError::Foreign), live or not. It is [not live](FreeError::Dead).
    /// It is [none](FreeError::Unknown), which is what becomes of a large block that was freed,
    /// and of any other when its arena has gone back to the system.
    ///
    /// # Safety
    ///
    /// Nobody uses the block any more.
    pub unsafe fn free_checked(&mut self, block: *mut u8) -> Result<(), FreeError> {
        self.collect();
        match table::owner(block.addr()) {
            0 => self.free_large(block, None),
            owner if owner != self.number => Err(FreeError::Foreign),
            _ if !self.is_live(block) => Err(FreeError::Dead),
            _ => {
                // SAFETY: it is a live block of a pool of this heap.
                unsafe { self.push(pool::of(block), block) };
                Ok(())
            }
        }
    }

    /// Is this block live, which lies in an arena of this heap?
    fn is_live(&self, block: *mut u8) -> bool {
        let pool = pool::of(block);
        // SAFETY: the arena is this heap's, and stays mapped until it is changed. A pool with an
        // owner was begun; that of the headers has none.
        let body = unsafe {
            if Pool::owner(pool) != self.number {
                return false;
            }
            &*Pool::body(pool)
        };
        let (size, offset) = (class::size_of(body.class()), block.addr() % POOL);
        let is_block = offset.is_multiple_of(size) && offset / size < pool::capacity(body.class()) as usize;
        let bin = &self.bins[body.class()];
        let current = body.used_as() == Use::Current;
        is_block
            && !(current && (bin.is_fresh(block) || in_list(bin.list, block)))
            && !in_list(body.list, block)
    }
}

/// Is this block one of these, which are free?
fn in_list(first: *mut Block, block: *mut u8) -> bool {
    // SAFETY: what is in a list are free blocks, of a heap that does not change now.
    let next = |block: &NonNull<Block>| NonNull::new(unsafe { Block::next(*block) });
    successors(NonNull::new(first), next).any(|free| free.addr().get() == block.addr())
}
