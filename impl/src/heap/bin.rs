//! Bins: what the blocks of a size class come from.
//!
//! A block is taken from the list of the bin; then from what is fresh in the current pool; then
//! the list of the current pool becomes that of the bin; then a partial pool becomes current.

use super::class;
use super::poison::poison;
use super::pool::{self, Block, POOL, Pool};
use std::ptr::{self, NonNull};

/// What the blocks of a class come from.
#[derive(Clone, Copy)]
pub(super) struct Bin {
    /// Free blocks, taken from the list of the current pool.
    pub(super) list: *mut Block,
    /// What was never given out of the current pool.
    fresh: *mut u8,
    end: *mut u8,
    /// The current pool, if there is one.
    pub(super) pool: *mut Pool,
    /// The partial pools, in the order in which they became so.
    first: *mut Pool,
    last: *mut Pool,
}

impl Bin {
    /// Without a pool.
    pub(super) const EMPTY: Self = Bin {
        list: ptr::null_mut(),
        fresh: ptr::null_mut(),
        end: ptr::null_mut(),
        pool: ptr::null_mut(),
        first: ptr::null_mut(),
        last: ptr::null_mut(),
    };

    /// This pool, from which nothing was given out yet, is the current one from now on.
    pub(super) fn open(&mut self, pool: *mut Pool, class: usize) {
        self.pool = pool;
        self.fresh = pool::blocks(pool);
        // SAFETY: the pool is this heap's, and nobody uses it.
        unsafe { poison(self.fresh, POOL) };
        self.end = self.fresh.wrapping_add(pool::capacity(class) as usize * class::size_of(class));
    }

    /// None of the current pool's blocks is in use, and it is this class's no more.
    pub(super) fn shut(&mut self) {
        *self = Bin { first: self.first, last: self.last, ..Bin::EMPTY };
    }

    /// A block that was never given out of the current pool.
    #[inline]
    pub(super) fn next_fresh(&mut self, class: usize) -> Option<NonNull<u8>> {
        let block = self.fresh;
        if block == self.end {
            return None;
        }
        self.fresh = block.wrapping_add(class::size_of(class));
        NonNull::new(block)
    }

    /// A block that was freed: of the current pool, or of a partial one, which takes its place. If
    /// there is none, there is no current pool after this either.
    pub(super) fn refill(&mut self) -> Option<NonNull<u8>> {
        if !self.pool.is_null() {
            // SAFETY: the current pool is this heap's.
            let body = unsafe { Pool::body(self.pool) };
            if let Some(block) = self.take_list(body.take()) {
                return Some(block);
            }
            body.fill();
            self.pool = ptr::null_mut();
        }
        let pool = self.first;
        if pool.is_null() {
            return None;
        }
        self.remove(pool);
        self.pool = pool;
        // SAFETY: the partial pools are this heap's.
        self.take_list(unsafe { Pool::body(pool) }.take())
    }

    /// The first of these blocks; the others are the list from now on.
    fn take_list(&mut self, list: *mut Block) -> Option<NonNull<u8>> {
        let block = NonNull::new(list)?;
        // SAFETY: what is in a list are free blocks of this heap.
        self.list = unsafe { Block::next(block) };
        Some(block.cast())
    }

    /// Does this lie in what was never given out of the current pool?
    pub(super) fn is_fresh(&self, block: *mut u8) -> bool {
        (self.fresh.addr()..self.end.addr()).contains(&block.addr())
    }

    /// How many blocks of the current pool are not in use.
    pub(super) fn idle(&self) -> usize {
        if self.pool.is_null() {
            return 0;
        }
        // SAFETY: the current pool is this heap's.
        let body = unsafe { Pool::body(self.pool) };
        let fresh = (self.end.addr() - self.fresh.addr()) / class::size_of(body.class());
        // SAFETY: what is in the list are free blocks of this heap.
        let next = |block: &NonNull<Block>| NonNull::new(unsafe { Block::next(*block) });
        body.freed() + fresh + std::iter::successors(NonNull::new(self.list), next).count()
    }

    /// A pool has become partial.
    pub(super) fn append(&mut self, pool: *mut Pool) {
        let before = std::mem::replace(&mut self.last, pool);
        // SAFETY: the pools of this class are this heap's; `pool` is none of those in the list.
        unsafe {
            let body = Pool::body(pool);
            (body.prev, body.next) = (before, ptr::null_mut());
            if before.is_null() {
                self.first = pool;
            } else {
                Pool::body(before).next = pool;
            }
        }
    }

    /// A pool is not partial any more.
    pub(super) fn remove(&mut self, pool: *mut Pool) {
        // SAFETY: the pools in the list are this heap's.
        unsafe {
            let (next, prev) = (Pool::body(pool).next, Pool::body(pool).prev);
            if prev.is_null() {
                self.first = next;
            } else {
                Pool::body(prev).next = next;
            }
            if next.is_null() {
                self.last = prev;
            } else {
                Pool::body(next).prev = prev;
            }
        }
    }
}
