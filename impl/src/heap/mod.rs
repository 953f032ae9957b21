//! The memory of an interpreter: blocks, in pools, in arenas.
//!
//! A [`Heap`] belongs to one interpreter, and is used by whoever holds that interpreter's GIL: it
//! can go from thread to thread, but is used by one at a time.
//!
//! A *block* is what [`Heap::malloc`] answers with. Blocks of up to 512 bytes are of one of 32
//! *size classes*, and lie in a *pool*, which holds blocks of one class only. Pools lie in an
//! *arena*, which comes from the operating system and goes back to it when no pool of it is in
//! use. These are the sizes of CPython's obmalloc: 16 bytes from class to class, pools of 16 KiB,
//! arenas of 1 MiB. A request for more, or for nothing, gets a *large block* of the system's
//! allocator, which the heap counts.
//!
//! The header of a pool names the heap that owns it, and is found from the address of a block. So
//! a heap tells a block that is not its own, and refuses to free it ([`FreeError`]). What
//! CPython does depends on which interpreter is current, and a block of another one ruins both.
//!
//! ```
//! use cloister::heap::{FreeError, Heap};
//!
//! let (mut one, mut other) = (Heap::new(), Heap::new());
//! let block = one.malloc(48)?;
//! // SAFETY: the block is live.
//! unsafe {
//!     assert_eq!(other.free(block.as_ptr()), Err(FreeError::Foreign));
//!     assert_eq!(one.free(block.as_ptr()), Ok(()));
//! }
//! assert!(one.close().is_empty());
//! # Ok::<(), cloister::heap::OutOfMemory>(())
//! ```
//!
//! | module | what is in it |
//! | --- | --- |
//! | `class` | size classes |
//! | `pool` | headers of pools, and what is in use of them |
//! | `bin` | what the blocks of a class come from |
//! | `arena` | arenas, and which pool is taken next |
//! | `kept` | how many of them are kept |
//! | `memory` | where they come from |
//! | `table` | which addresses are those of arenas |
//! | `large` | large blocks |
//! | `live` | which blocks are live, exactly |
//! | `resize` | blocks of another size |
//! | `returns` | blocks that come back from elsewhere |
//! | `poison` | what AddressSanitizer knows of it |
//! | `map` | what lies where |
//! | `stats` | what a heap has, and what is left of it |

mod arena;
mod bin;
mod class;
mod kept;
mod large;
mod live;
mod map;
mod memory;
mod poison;
mod pool;
mod resize;
mod returns;
mod stats;
mod table;

pub(crate) use arena::give_back as give_back_arenas;
pub use arena::{ARENA, POOLS};
pub use class::{ALIGNMENT, CLASSES, LARGEST};
pub use kept::KEPT;
pub(crate) use large::Spread;
pub use map::{ArenaMap, PoolMap};
pub use resize::ReallocError;
pub use returns::{ReturnError, Returns};
pub use stats::{ClassStats, Leaks, Stats};

use crate::layout::Layout;
use crate::sync::plain::{AtomicU64, Ordering};
use arena::Arenas;
use bin::Bin;
use large::Large;
use pool::{Block, Pool, Use};
use returns::Inbox;
use std::ptr::NonNull;
use std::sync::Arc;

/// What lies where in an arena, and in a pool.
pub(crate) fn layouts() -> impl Iterator<Item = Layout> {
    std::iter::once(arena::Arena::layout()).chain(pool::layouts())
}

/// There is no memory for it. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for the block")]
pub struct OutOfMemory;

/// Why a block was not freed. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreeError {
    /// It lies in an arena, but not in a pool that this heap uses.
    #[error("the block belongs to another heap, or to none")]
    Foreign,
    /// It lies in no arena, and is no large block of this heap.
    #[error("the block is none of this heap")]
    Unknown,
    /// It lies in an arena of this heap, but no block is live there: it was freed already, or was
    /// never given out.
    #[error("the block is not live")]
    Dead,
    /// It is this heap's, but was not asked for with this size.
    #[error("the block is of another size")]
    Size,
}

/// The memory of an interpreter.
pub struct Heap {
    /// Its number: no other heap of the process ever has it.
    number: u64,
    bins: [Bin; CLASSES],
    arenas: Arenas,
    large: Large,
    /// Where others put blocks of it, if it was asked for.
    inbox: Option<Arc<Inbox>>,
    /// 0, or which of the next requests to the system fails.
    failing: u64,
}

// SAFETY: what its pointers lead to is this heap's alone, but for the owners of its pools, which
// are atomic.
unsafe impl Send for Heap {}

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl Heap {
    /// One without an arena.
    pub fn new() -> Self {
        Heap {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            bins: [Bin::EMPTY; CLASSES],
            arenas: Arenas::new(),
            large: Large::default(),
            inbox: None,
            failing: 0,
        }
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// A block of at least so many bytes, aligned to 16, with anything in it.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    #[inline]
    pub fn malloc(&mut self, size: usize) -> Result<NonNull<u8>, OutOfMemory> {
        let Some(class) = class::of(size) else { return self.malloc_large(size) };
        let block = self.take(class)?;
        // SAFETY: it is a block of this heap, and so large.
        unsafe { poison::unpoison(block.as_ptr(), size) };
        Ok(block)
    }

    /// A block of this class.
    #[inline]
    fn take(&mut self, class: usize) -> Result<NonNull<u8>, OutOfMemory> {
        let bin = &mut self.bins[class];
        let Some(block) = NonNull::new(bin.list) else {
            return bin.next_fresh(class).map_or_else(|| self.malloc_more(class), Ok);
        };
        // SAFETY: what is in the list are free blocks of this heap.
        bin.list = unsafe { Block::next(block) };
        Ok(block.cast())
    }

    /// A block of zeros, for so many items of that size.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn calloc(&mut self, items: usize, size: usize) -> Result<NonNull<u8>, OutOfMemory> {
        let size = items.checked_mul(size).ok_or(OutOfMemory)?;
        let block = self.malloc(size)?;
        // SAFETY: the block has so many bytes.
        unsafe { block.write_bytes(0, size) };
        Ok(block)
    }

    /// Frees a block; null is none, and freed already.
    ///
    /// # Errors
    ///
    /// The block is not this heap's. That of a heap that has ended is none of any heap, unless
    /// another block lies there by now.
    ///
    /// # Safety
    ///
    /// What this heap answered with and has been freed since is not freed again, and whoever
    /// freed a block does not use it any more. A pool block of another heap is live.
    #[inline]
    pub unsafe fn free(&mut self, block: *mut u8) -> Result<(), FreeError> {
        if !table::holds(block.addr()) {
            return self.free_large(block, None);
        }
        let pool = pool::of(block);
        // SAFETY: the table says that the header is mapped; the rest is as this function's.
        unsafe {
            if Pool::owner(pool) != self.number {
                return Err(FreeError::Foreign);
            }
            self.push(pool, block);
        }
        Ok(())
    }

    /// Frees a block that was asked for with this size; null is none, and freed already.
    ///
    /// # Errors
    ///
    /// The block is not this heap's, or of another size.
    ///
    /// # Safety
    ///
    /// As that of [`free`](Self::free). A block that was asked for with 1 to 512 bytes is one of
    /// a heap that has not ended, and a block with such a size that was not, is not freed so: a
    /// large one that [`realloc`](Self::realloc) made smaller, above all.
    #[inline]
    pub unsafe fn free_sized(&mut self, block: *mut u8, size: usize) -> Result<(), FreeError> {
        let Some(class) = class::of(size) else { return self.free_large(block, Some(size)) };
        if block.is_null() {
            return Ok(());
        }
        let pool = pool::of(block);
        // SAFETY: a block of this size lies in a mapped arena; the rest is as this function's.
        unsafe {
            if Pool::owner(pool) != self.number {
                return Err(FreeError::Foreign);
            }
            if Pool::body(pool).class() != class {
                return Err(FreeError::Size);
            }
            self.push(pool, block);
        }
        Ok(())
    }

    /// Lets so many arenas without a pool in use stay mapped from now on; what is beyond goes back
    /// to the system at once. Unless this is called, as many stay as were needed again after they
    /// had gone back, [`KEPT`] at most. A page that comes from the system costs more than all the
    /// blocks that it is used for.
    pub fn keep(&mut self, arenas: usize) {
        self.arenas.keep(arenas);
    }

    /// Gives back to the system what nobody uses: current pools of which no block is in use,
    /// arenas without a pool in use, and that which the last heap to end has left for the next.
    pub fn trim(&mut self) {
        self.collect();
        for class in 0..CLASSES {
            let pool = self.bins[class].pool;
            // SAFETY: a current pool is this heap's.
            if !pool.is_null() && self.bins[class].idle() == pool::capacity(class) as usize {
                self.bins[class].shut();
                self.arenas.give(pool);
            }
        }
        self.arenas.trim();
    }

    /// Makes the `nth` request to the system from now on fail, counted from 1; with 0, none. An
    /// arena is one, a large block, and a part of the table of arenas.
    pub fn fail_request(&mut self, nth: u64) {
        self.failing = nth;
    }

    /// Puts a block onto the list of its pool.
    ///
    /// # Safety
    ///
    /// It lies in this pool, which is this heap's, and nobody uses it any more.
    #[inline]
    unsafe fn push(&mut self, pool: *mut Pool, block: *mut u8) {
        // SAFETY: as this function's.
        unsafe {
            let body = Pool::body(pool);
            let block: *mut Block = block.cast();
            Block::free(block, class::size_of(body.class()), body.list);
            body.list = block;
            body.left -= 1;
            if body.left == 0 {
                self.settle(pool);
            }
        }
    }

    /// So many blocks of this pool are free that something has to be done about it.
    ///
    /// # Safety
    ///
    /// It is this heap's, and not current.
    #[cold]
    #[inline(never)]
    unsafe fn settle(&mut self, pool: *mut Pool) {
        // SAFETY: as this function's.
        let body = unsafe { Pool::body(pool) };
        let bin = &mut self.bins[body.class()];
        if body.used_as() == Use::Full {
            body.wake();
            bin.append(pool);
        } else {
            bin.remove(pool);
            self.arenas.give(pool);
        }
    }

    /// The list of this class is empty, and nothing is fresh.
    #[cold]
    #[inline(never)]
    fn malloc_more(&mut self, class: usize) -> Result<NonNull<u8>, OutOfMemory> {
        self.collect();
        let bin = &mut self.bins[class];
        if let Some(block) = bin.refill() {
            return Ok(block);
        }
        let failing = &mut self.failing;
        let pool = self.arenas.take(self.number, || allows(failing))?;
        // SAFETY: it is this heap's, and nobody uses it.
        unsafe { Pool::begin(pool, self.number, class) };
        let bin = &mut self.bins[class];
        bin.open(pool, class);
        bin.next_fresh(class).ok_or(OutOfMemory)
    }

    #[cold]
    #[inline(never)]
    fn malloc_large(&mut self, size: usize) -> Result<NonNull<u8>, OutOfMemory> {
        allows(&mut self.failing)?;
        self.large.allocate(size)
    }

    #[cold]
    #[inline(never)]
    fn free_large(&mut self, block: *mut u8, size: Option<usize>) -> Result<(), FreeError> {
        NonNull::new(block).map_or(Ok(()), |block| self.large.free(block, size))
    }
}

/// Memory is about to be requested from the system.
fn allows(failing: &mut u64) -> Result<(), OutOfMemory> {
    let fails = *failing == 1;
    *failing = failing.saturating_sub(1);
    if fails { Err(OutOfMemory) } else { Ok(()) }
}

impl Drop for Heap {
    fn drop(&mut self) {
        self.shut();
        // SAFETY: the heap is gone with this; whoever still has a block cannot use it any more
        // (`Heap::close`).
        unsafe { self.arenas.clear() };
        self.large.clear();
    }
}
