//! Pools: 16 KiB of blocks of one size class.
//!
//! What is known of a pool, its *header*, does not lie in it but in the first page of its arena,
//! with those of its neighbours: 64 headers in one page, and each on a cache line of its own.
//!
//! A pool is *current* (its class takes blocks from it), *full*, *partial*, or in nobody's use.
//! Blocks that are freed go onto the list of their pool, which counts them; whoever allocates
//! takes that list whole, so that an allocation counts nothing. The count runs down to where
//! something has to be done: a full pool becomes partial, one without a block in use goes back
//! to its arena.

use super::arena::{self, ARENA};
use super::class;
use super::poison::{poison, unpoison};
use crate::layout::{Layout, layout};
use crate::sync::plain::{AtomicU64, Ordering};
use std::ptr::{self, NonNull};

/// How large a pool is.
pub(super) const POOL: usize = 1 << 14;

/// A free block holds where the next one is.
pub(super) struct Block {
    next: *mut Block,
}

impl Block {
    /// The one behind it in its list.
    ///
    /// # Safety
    ///
    /// It is a free block of the heap that calls.
    #[inline]
    pub(super) unsafe fn next(block: NonNull<Block>) -> *mut Block {
        // SAFETY: as this function's.
        unsafe {
            unpoison(block.as_ptr().cast(), size_of::<Block>());
            let next = block.as_ref().next;
            poison(block.as_ptr().cast(), size_of::<Block>());
            next
        }
    }

    /// Writes into a block which one is behind it.
    ///
    /// # Safety
    ///
    /// It is a block, and nobody else uses it.
    #[inline]
    pub(super) unsafe fn link(block: *mut Block, next: *mut Block) {
        // SAFETY: as this function's.
        unsafe {
            unpoison(block.cast(), size_of::<Block>());
            (*block).next = next;
            poison(block.cast(), size_of::<Block>());
        }
    }

    /// Puts a block of this size before this one; it is free from now on.
    ///
    /// # Safety
    ///
    /// It is a block of the heap that calls, and nobody uses it.
    #[inline]
    pub(super) unsafe fn free(block: *mut Block, size: usize, next: *mut Block) {
        // SAFETY: as this function's.
        unsafe {
            Block::link(block, next);
            poison(block.cast(), size);
        }
    }
}

/// What a pool is in use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Current,
    Full,
    Partial,
}

/// A header.
#[repr(C, align(64))]
pub(super) struct Pool {
    /// The number of the heap; 0 while nobody uses the pool.
    owner: AtomicU64,
    body: Body,
}

/// What only the thread touches that uses the heap.
#[repr(C)]
pub(super) struct Body {
    /// What was freed since the list was last taken.
    pub(super) list: *mut Block,
    /// Blocks to be freed until something has to be done about it.
    pub(super) left: u32,
    class: u32,
    used_as: Use,
    /// Neighbours in the list of the partial pools of the class.
    pub(super) next: *mut Pool,
    pub(super) prev: *mut Pool,
}

/// What lies where in a pool.
pub(super) fn layouts() -> [Layout; 3] {
    [
        layout!("header of a pool", Pool { owner, body }),
        layout!("its body", Body { list, left, class, used_as, next, prev }),
        layout!("free block", Block { next }),
    ]
}

/// More than a pool has blocks.
const NEVER: u32 = u32::MAX;

/// How many blocks a pool of this class has.
#[inline]
pub(super) const fn capacity(class: usize) -> u32 {
    (POOL / class::size_of(class)) as u32
}

/// So many blocks of a full pool have to be freed before it is allocated from again: what is
/// taken up for one block has to be put down soon.
const fn rest(class: usize) -> u32 {
    capacity(class) / 4
}

/// The header of the pool that this address lies in, if it lies in an arena.
#[inline]
pub(super) fn of(block: *mut u8) -> *mut Pool {
    let slot = block.addr() / POOL % (ARENA / POOL);
    block.map_addr(|address| address & !(ARENA - 1)).cast::<Pool>().wrapping_add(slot)
}

impl Pool {
    /// Makes a pool current that nobody used.
    ///
    /// # Safety
    ///
    /// It lies in a mapped arena of the heap that calls.
    pub(super) unsafe fn begin(pool: *mut Pool, owner: u64, class: usize) {
        let (list, next, prev) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let body = Body { list, left: NEVER, class: class as u32, used_as: Use::Current, next, prev };
        // SAFETY: as this function's; of `owner` only the value is changed.
        unsafe {
            (&raw mut (*pool).body).write(body);
            (*pool).owner.store(owner, Ordering::Relaxed);
        }
    }

    /// Nobody uses it any more.
    ///
    /// # Safety
    ///
    /// As above.
    pub(super) unsafe fn end(pool: *mut Pool) {
        // SAFETY: as this function's.
        unsafe { &(*pool).owner }.store(0, Ordering::Relaxed);
    }

    /// The number of the heap that uses the pool of this header; any thread may ask.
    ///
    /// # Safety
    ///
    /// It lies in a mapped arena.
    #[inline]
    pub(super) unsafe fn owner(pool: *const Pool) -> u64 {
        // SAFETY: as this function's; only this field is borrowed, and it is atomic.
        unsafe { &(*pool).owner }.load(Ordering::Relaxed)
    }

    /// The rest of the header.
    ///
    /// # Safety
    ///
    /// It lies in a mapped arena of the heap that calls, and was begun; no other reference to it
    /// is used as long as this one is.
    #[inline]
    pub(super) unsafe fn body<'a>(pool: *mut Pool) -> &'a mut Body {
        // SAFETY: as this function's. Other threads read `owner`, which is not part of it.
        unsafe { &mut (*pool).body }
    }
}

impl Body {
    /// Its size class.
    #[inline]
    pub(super) fn class(&self) -> usize {
        self.class as usize
    }

    /// What it is in use for.
    pub(super) fn used_as(&self) -> Use {
        self.used_as
    }

    /// Makes the pool current, and takes its list.
    pub(super) fn take(&mut self) -> *mut Block {
        self.used_as = Use::Current;
        self.left = NEVER;
        std::mem::replace(&mut self.list, ptr::null_mut())
    }

    /// All its blocks were given out.
    pub(super) fn fill(&mut self) {
        self.used_as = Use::Full;
        self.left = rest(self.class());
    }

    /// Enough blocks of a full pool are free.
    pub(super) fn wake(&mut self) {
        self.used_as = Use::Partial;
        self.left = capacity(self.class()) - rest(self.class());
    }

    /// How many blocks are on its list.
    pub(super) fn freed(&self) -> usize {
        let freed = match self.used_as {
            Use::Current => NEVER - self.left,
            Use::Full => rest(self.class()) - self.left,
            Use::Partial => capacity(self.class()) - self.left,
        };
        freed as usize
    }
}

/// Where the blocks of this pool begin.
pub(super) fn blocks(pool: *mut Pool) -> *mut u8 {
    let arena = arena::of(pool);
    let slot = (pool.addr() - arena.addr()) / size_of::<Pool>();
    arena.cast::<u8>().wrapping_add(slot * POOL)
}
