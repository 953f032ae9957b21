//! Arenas: 1 MiB from the operating system, aligned to its size, for 63 pools.
//!
//! The first page holds the headers: that of the arena, and those of its pools.
//!
//! The arenas of a heap are kept by how many of their pools are free. A pool is taken from the
//! one with the fewest, so that the others have a chance to become free and to be given back.

use super::kept::Kept;
use super::pool::{Body, POOL, Pool};
use super::{OutOfMemory, memory, table};
use crate::layout::{Layout, layout};
use crate::sync::plain::AtomicU64;
use std::ptr;

/// How large an arena is, and how it is aligned.
pub const ARENA: usize = 1 << 20;

/// How many pools there are in an arena.
pub const POOLS: usize = ARENA / POOL - 1;

/// A bit for every pool; bit 0 stands for the headers.
const ALL: u64 = !1;

/// The header. It lies where that of the pool of the headers would.
#[repr(C, align(64))]
pub(super) struct Arena {
    /// 0: a pointer to a header belongs to no heap.
    nobody: AtomicU64,
    /// Which pools are free.
    free: u64,
    next: *mut Arena,
    prev: *mut Arena,
    /// Which one of its heap it is, counted from 1.
    number: u64,
}

impl Arena {
    pub(super) fn layout() -> Layout {
        layout!("header of an arena", Arena { nobody, free, next, prev, number })
    }
}

const _: () = assert!(size_of::<Arena>() == size_of::<Pool>() && POOL >= 64 * size_of::<Pool>());

/// The arena that this lies in, a header or a block.
#[inline]
pub(super) fn of<T>(inside: *mut T) -> *mut Arena {
    inside.map_addr(|address| address & !(ARENA - 1)).cast()
}

/// The arenas of a heap.
pub(super) struct Arenas {
    /// By how many of their pools are free.
    lists: [*mut Arena; POOLS + 1],
    /// Which of the lists have an arena.
    filled: u64,
    count: usize,
    /// How many there ever were.
    ever: u64,
    /// How many have no pool in use, and how many such ones may stay mapped.
    empty: usize,
    kept: Kept,
}

impl Arenas {
    pub(super) const fn new() -> Self {
        Arenas {
            lists: [ptr::null_mut(); POOLS + 1],
            filled: 0,
            count: 0,
            ever: 0,
            empty: 0,
            kept: Kept::new(),
        }
    }

    /// So many arenas without a pool in use stay mapped from now on.
    pub(super) fn keep(&mut self, arenas: usize) {
        self.kept.fix(arenas);
        self.shrink(arenas);
    }

    /// A pool that nobody uses, for the heap of this number, which has these arenas. `allows` is
    /// asked before memory is requested from the system.
    pub(super) fn take(
        &mut self,
        heap: u64,
        allows: impl FnMut() -> Result<(), OutOfMemory>,
    ) -> Result<*mut Pool, OutOfMemory> {
        if self.filled & ALL == 0 {
            self.map(heap, allows)?;
        }
        let arena = self.lists[(self.filled & ALL).trailing_zeros() as usize];
        self.unlink(arena);
        // SAFETY: what is in the lists is mapped, and this heap's; an arena in this one has a
        // free pool, whose header is one of the 64.
        let pool = unsafe {
            self.empty -= usize::from((*arena).free == ALL);
            let slot = (*arena).free.trailing_zeros();
            (*arena).free &= !(1 << slot);
            arena.cast::<Pool>().add(slot as usize)
        };
        self.link(arena);
        self.kept.taken(self.count, self.empty);
        Ok(pool)
    }

    /// Nobody uses the pool any more. An arena without a pool in use goes back to the system,
    /// unless it is one of the few that are kept.
    pub(super) fn give(&mut self, pool: *mut Pool) {
        let arena = of(pool);
        self.unlink(arena);
        // SAFETY: the pool is one of this heap, so the arena is mapped.
        unsafe {
            Pool::end(pool);
            let slot = pool.cast::<Arena>().offset_from(arena);
            (*arena).free |= 1 << slot;
            if (*arena).free == ALL {
                self.empty += 1;
            }
        }
        self.link(arena);
        self.shrink(self.kept.now());
    }

    /// Gives back every arena without a pool in use, and what the process has put by.
    pub(super) fn trim(&mut self) {
        self.shrink(0);
        self.kept.forget(self.count);
        memory::release();
    }

    /// Gives arenas without a pool in use back until there are no more than that.
    fn shrink(&mut self, to: usize) {
        while self.empty > to {
            let arena = self.lists[POOLS];
            self.unlink(arena);
            (self.empty, self.count) = (self.empty - 1, self.count - 1);
            table::leave(arena.addr());
            // SAFETY: nobody uses any of its pools, and it is in no list now.
            unsafe { memory::unmap(arena.cast()) };
        }
    }

    /// Gives every arena back, or puts it by for the next heap.
    ///
    /// # Safety
    ///
    /// Nobody uses a block of them after this.
    pub(super) unsafe fn clear(&mut self) {
        for list in 0..self.lists.len() {
            while let Some(arena) = non_null(self.lists[list]) {
                self.unlink(arena);
                self.count -= 1;
                table::leave(arena.addr());
                // SAFETY: as this function's; it is in no list now.
                unsafe { memory::put_by(arena.cast()) };
            }
        }
    }

    /// Every one: which of the heap's it is, and its pools by address, each with where its header
    /// is; none for one that nobody uses.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, impl Iterator<Item = Option<(usize, &Body)>>)> {
        let arenas = self.lists.iter().flat_map(|first| {
            // SAFETY: what is in the lists is mapped, and changes only through `&mut self`.
            std::iter::successors(non_null(*first), |arena| non_null(unsafe { (**arena).next }))
        });
        arenas.map(|arena| {
            // SAFETY: as above.
            let (number, free) = unsafe { ((*arena).number, (*arena).free) };
            let pools = (1..=POOLS).map(move |slot| {
                let pool = arena.cast::<Pool>().wrapping_add(slot);
                // SAFETY: as above; the header of a pool in use was filled in.
                (free & (1 << slot) == 0).then(|| (pool.addr(), unsafe { &*Pool::body(pool) }))
            });
            (number, pools)
        })
    }

    fn map(
        &mut self,
        heap: u64,
        mut allows: impl FnMut() -> Result<(), OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        allows()?;
        let (at, fresh) = memory::take().ok_or(OutOfMemory)?;
        let arena: *mut Arena = at.cast();
        if let Err(error) = table::enter(arena.expose_provenance(), heap, allows) {
            // SAFETY: it was mapped above, and nobody has seen it.
            unsafe { memory::unmap(arena.cast()) };
            return Err(error);
        }
        // SAFETY: it is this heap's, large enough, and aligned.
        unsafe {
            if !fresh {
                arena.cast::<u8>().write_bytes(0, (POOLS + 1) * size_of::<Pool>());
            }
            let (next, prev) = (ptr::null_mut(), ptr::null_mut());
            let (nobody, number) = (AtomicU64::new(0), self.ever + 1);
            arena.write(Arena { nobody, free: ALL, next, prev, number });
        }
        (self.empty, self.count, self.ever) = (self.empty + 1, self.count + 1, self.ever + 1);
        self.kept.mapped(self.count);
        self.link(arena);
        Ok(())
    }

    fn link(&mut self, arena: *mut Arena) {
        // SAFETY: the caller's arena is mapped, and in no list; those in the lists are mapped.
        unsafe {
            let list = (*arena).free.count_ones() as usize;
            let next = self.lists[list];
            ((*arena).next, (*arena).prev) = (next, ptr::null_mut());
            if !next.is_null() {
                (*next).prev = arena;
            }
            self.lists[list] = arena;
            self.filled |= 1 << list;
        }
    }

    fn unlink(&mut self, arena: *mut Arena) {
        // SAFETY: the caller's arena is in the list of its count, whose arenas are mapped.
        unsafe {
            let list = (*arena).free.count_ones() as usize;
            let (next, prev) = ((*arena).next, (*arena).prev);
            if !next.is_null() {
                (*next).prev = prev;
            }
            if !prev.is_null() {
                (*prev).next = next;
            } else {
                self.lists[list] = next;
                if next.is_null() {
                    self.filled &= !(1 << list);
                }
            }
        }
    }
}

/// Gives the arenas of the heap of this number back to the system. Nothing that lies in them or in
/// the heap is looked at: which they are is in the table. Answers with how many there were.
///
/// # Safety
///
/// The heap is not used any more, nor ended, nor any block of it.
pub(crate) unsafe fn give_back(heap: u64) -> usize {
    let arenas = table::arenas_of(heap).map(|address| {
        table::leave(address);
        // SAFETY: an arena is entered when it is mapped, and struck out before it goes elsewhere; the
        // rest is as this function's.
        unsafe { memory::unmap(ptr::with_exposed_provenance_mut(address)) };
    });
    arenas.count()
}

fn non_null(arena: *mut Arena) -> Option<*mut Arena> {
    (!arena.is_null()).then_some(arena)
}
