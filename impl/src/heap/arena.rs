//! Arenas: 1 MiB from the operating system, aligned to its size, for 63 pools.
//!
//! The first page holds the headers: that of the arena, and those of its pools.
//!
//! The arenas of a heap are kept by how many of their pools are free. A pool is taken from the
//! one with the fewest, so that the others have a chance to become free and to be given back.

use super::OutOfMemory;
use super::pool::{Body, POOL, Pool};
use super::table;
use crate::sync::plain::AtomicU64;
use std::ptr;

/// How large an arena is, and how it is aligned.
pub const ARENA: usize = 1 << 20;

/// How many pools there are in an arena.
pub const POOLS: usize = ARENA / POOL - 1;

/// How many arenas without a pool in use a heap keeps, unless it is told otherwise.
pub const KEPT: usize = 64;

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
    /// How many have no pool in use, and how many such ones may stay mapped.
    empty: usize,
    kept: usize,
}

impl Arenas {
    pub(super) const fn new() -> Self {
        Arenas { lists: [ptr::null_mut(); POOLS + 1], filled: 0, count: 0, empty: 0, kept: KEPT }
    }

    /// So many arenas without a pool in use stay mapped from now on.
    pub(super) fn keep(&mut self, arenas: usize) {
        self.kept = arenas;
        while self.empty > arenas {
            self.unmap_empty();
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
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
                if self.empty >= self.kept {
                    self.count -= 1;
                    return unmap(arena);
                }
                self.empty += 1;
            }
        }
        self.link(arena);
    }

    /// Gives back every arena without a pool in use.
    pub(super) fn trim(&mut self) {
        while self.empty > 0 {
            self.unmap_empty();
        }
    }

    fn unmap_empty(&mut self) {
        let arena = self.lists[POOLS];
        self.unlink(arena);
        (self.empty, self.count) = (self.empty - 1, self.count - 1);
        // SAFETY: nobody uses any of its pools, and it is in no list now.
        unsafe { unmap(arena) };
    }

    /// Gives every arena back.
    ///
    /// # Safety
    ///
    /// Nobody uses a block of them after this.
    pub(super) unsafe fn clear(&mut self) {
        for list in 0..self.lists.len() {
            while let Some(arena) = non_null(self.lists[list]) {
                self.unlink(arena);
                self.count -= 1;
                // SAFETY: as this function's; it is in no list now.
                unsafe { unmap(arena) };
            }
        }
    }

    /// Every pool in use.
    pub(super) fn pools(&self) -> impl Iterator<Item = &Body> {
        let arenas = self.lists.iter().flat_map(|first| {
            // SAFETY: what is in the lists is mapped, and changes only through `&mut self`.
            std::iter::successors(non_null(*first), |arena| non_null(unsafe { (**arena).next }))
        });
        arenas.flat_map(|arena| {
            // SAFETY: as above.
            let free = unsafe { (*arena).free };
            let used = (1..=POOLS).filter(move |slot| free & (1 << slot) == 0);
            // SAFETY: as above; the header of a pool in use was filled in.
            used.map(move |slot| unsafe { &*Pool::body(arena.cast::<Pool>().add(slot)) })
        })
    }

    fn map(
        &mut self,
        heap: u64,
        mut allows: impl FnMut() -> Result<(), OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        allows()?;
        let arena: *mut Arena = memory::map().ok_or(OutOfMemory)?.cast();
        if let Err(error) = table::enter(arena.addr(), heap, allows) {
            // SAFETY: it was mapped above, and nobody has seen it.
            unsafe { memory::unmap(arena.cast()) };
            return Err(error);
        }
        // SAFETY: it is this heap's, large enough, and aligned.
        unsafe {
            let (next, prev) = (ptr::null_mut(), ptr::null_mut());
            arena.write(Arena { nobody: AtomicU64::new(0), free: ALL, next, prev });
        }
        (self.empty, self.count) = (self.empty + 1, self.count + 1);
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

fn non_null(arena: *mut Arena) -> Option<*mut Arena> {
    (!arena.is_null()).then_some(arena)
}

/// # Safety
///
/// It is mapped, in no list, and nobody uses what is in it.
unsafe fn unmap(arena: *mut Arena) {
    table::leave(arena.addr());
    // SAFETY: as this function's.
    unsafe { memory::unmap(arena.cast()) };
}

/// The operating system's memory: zeroed, and aligned to its size.
#[cfg(all(unix, not(miri)))]
mod memory {
    use super::ARENA;
    use std::ptr;

    pub(super) fn map() -> Option<*mut u8> {
        // Arenas tend to come one below the other, and then the first attempt is aligned.
        let first = pages(ARENA)?;
        if first.addr().is_multiple_of(ARENA) {
            return Some(first);
        }
        // SAFETY: mapped above, and not used.
        unsafe { release(first, ARENA) };
        let wide = pages(2 * ARENA)?;
        let before = wide.addr().next_multiple_of(ARENA) - wide.addr();
        let arena = wide.wrapping_add(before);
        // SAFETY: mapped above; what is before and behind the arena is not used.
        unsafe {
            release(wide, before);
            release(arena.wrapping_add(ARENA), ARENA - before);
        }
        Some(arena)
    }

    /// # Safety
    ///
    /// `map` answered with it, and nobody uses it.
    pub(super) unsafe fn unmap(arena: *mut u8) {
        // SAFETY: as this function's.
        unsafe { release(arena, ARENA) };
    }

    fn pages(size: usize) -> Option<*mut u8> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let how = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory, wherever there is room.
        let at = unsafe { libc::mmap(ptr::null_mut(), size, access, how, -1, 0) };
        (at != libc::MAP_FAILED).then_some(at.cast())
    }

    /// # Safety
    ///
    /// The pages are mapped, and nobody uses them.
    unsafe fn release(at: *mut u8, size: usize) {
        if size > 0 {
            // SAFETY: as this function's. It fails only if the process has too many mappings; then
            // the pages stay mapped, unused.
            unsafe { libc::munmap(at.cast(), size) };
        }
    }
}

/// Memory of the system's allocator, where there is no mmap.
#[cfg(any(not(unix), miri))]
mod memory {
    use super::ARENA;
    use std::alloc::{GlobalAlloc, Layout, System};

    fn layout() -> Option<Layout> {
        Layout::from_size_align(ARENA, ARENA).ok()
    }

    pub(super) fn map() -> Option<*mut u8> {
        // SAFETY: the layout has a size.
        let at = unsafe { System.alloc_zeroed(layout()?) };
        (!at.is_null()).then_some(at)
    }

    /// # Safety
    ///
    /// `map` answered with it, and nobody uses it.
    pub(super) unsafe fn unmap(arena: *mut u8) {
        if let Some(layout) = layout() {
            // SAFETY: as this function's.
            unsafe { System.dealloc(arena, layout) };
        }
    }
}
