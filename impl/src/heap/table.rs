//! Which addresses are those of arenas, of any heap of the process, and of which.
//!
//! A table of two levels, like CPython's radix tree, but one for the process, and of bytes. A
//! leaf covers 16 GiB of addresses. It is made when an arena first lies there, and stays.
//!
//! Beside its byte an arena has the number of its heap. It can be asked for while another thread
//! gives the arena back, which the headers of the arena itself cannot; but a byte is what a free
//! looks at, since those of 64 arenas lie on a cache line.

use super::OutOfMemory;
use super::arena::ARENA;
use crate::sync::plain::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

const BITS: u32 = 14;
const ENTRIES: usize = 1 << BITS;

struct Leaf {
    mapped: [AtomicU8; ENTRIES],
    owners: [AtomicU64; ENTRIES],
}

static TOP: [AtomicPtr<Leaf>; ENTRIES] = [const { AtomicPtr::new(ptr::null_mut()) }; ENTRIES];

/// Where an address is in the table; beyond the end for one that user space does not have.
#[inline]
fn place(address: usize) -> (usize, usize) {
    let number = address / ARENA;
    (number >> BITS, number % ENTRIES)
}

/// Does this address lie in an arena?
#[inline]
pub(super) fn holds(address: usize) -> bool {
    let (top, low) = place(address);
    let Some(leaf) = TOP.get(top) else { return false };
    let leaf = leaf.load(Ordering::Acquire);
    // SAFETY: a leaf that is in the table stays, and was whole before it came there.
    !leaf.is_null() && unsafe { &*leaf }.mapped[low].load(Ordering::Relaxed) != 0
}

/// The number of the heap whose arena this address lies in; 0 if it lies in none. Any thread may
/// ask, about any address.
pub(super) fn owner(address: usize) -> u64 {
    let (top, low) = place(address);
    let leaf = TOP.get(top).map_or(ptr::null_mut(), |entry| entry.load(Ordering::Acquire));
    // SAFETY: as above.
    if leaf.is_null() { 0 } else { unsafe { &*leaf }.owners[low].load(Ordering::Relaxed) }
}

/// The arenas of the heap of this number, by address. Any thread may ask, but what others enter and
/// strike out meanwhile may be missed.
pub(super) fn arenas_of(heap: u64) -> impl Iterator<Item = usize> {
    let leaves = TOP.iter().enumerate().filter_map(|(top, entry)| {
        // SAFETY: as above.
        unsafe { entry.load(Ordering::Acquire).as_ref() }.map(|leaf| (top, leaf))
    });
    let entries = |(top, leaf): (usize, &'static Leaf)| {
        leaf.owners.iter().enumerate().map(move |(low, owner)| ((top << BITS | low) * ARENA, owner))
    };
    let is_its = move |owner: &AtomicU64| heap != 0 && owner.load(Ordering::Relaxed) == heap;
    leaves.flat_map(entries).filter(move |(_, owner)| is_its(owner)).map(|(address, _)| address)
}

/// Enters the arena at this address, that of this heap; `allows` is asked before memory is allocated for it.
pub(super) fn enter(
    address: usize,
    heap: u64,
    allows: impl FnOnce() -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let (top, low) = place(address);
    let entry = TOP.get(top).ok_or(OutOfMemory)?;
    let mut leaf = entry.load(Ordering::Acquire);
    if leaf.is_null() {
        allows()?;
        leaf = install(entry)?;
    }
    // SAFETY: as above.
    let leaf = unsafe { &*leaf };
    leaf.owners[low].store(heap, Ordering::Relaxed);
    leaf.mapped[low].store(1, Ordering::Relaxed);
    Ok(())
}

/// Strikes the arena at this address out.
pub(super) fn leave(address: usize) {
    let (top, low) = place(address);
    let leaf = TOP.get(top).map_or(ptr::null_mut(), |entry| entry.load(Ordering::Acquire));
    if !leaf.is_null() {
        // SAFETY: as above.
        let leaf = unsafe { &*leaf };
        leaf.mapped[low].store(0, Ordering::Relaxed);
        leaf.owners[low].store(0, Ordering::Relaxed);
    }
}

fn install(entry: &AtomicPtr<Leaf>) -> Result<*mut Leaf, OutOfMemory> {
    let layout = Layout::new::<Leaf>();
    // SAFETY: a leaf has a size.
    let made: *mut Leaf = unsafe { System.alloc_zeroed(layout) }.cast();
    if made.is_null() {
        return Err(OutOfMemory);
    }
    // Zeroed bytes are a leaf without arenas.
    match entry.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(made),
        Err(other) => {
            // SAFETY: it was allocated above, and nobody else has seen it.
            unsafe { System.dealloc(made.cast(), layout) };
            Ok(other)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_is_found_from_its_first_byte_to_its_last() {
        // No system maps anything here by itself.
        let address = 3 << 40;
        assert_eq!(enter(address, 7, || Err(OutOfMemory)), Err(OutOfMemory));
        assert!(!holds(address));
        assert_eq!(enter(address, 7, || Ok(())), Ok(()));
        let edges = [address - 1, address, address + ARENA - 1, address + ARENA];
        assert_eq!(edges.map(holds), [false, true, true, false]);
        assert_eq!(edges.map(owner), [0, 7, 7, 0]);
        leave(address);
        assert_eq!((edges.map(holds), edges.map(owner)), ([false; 4], [0; 4]));
    }

    #[test]
    fn the_arenas_of_a_heap_are_found_wherever_they_lie() {
        let addresses = [5 << 40, (5 << 40) + ARENA, 6 << 40];
        // No heap of the process gets so far.
        let [mine, other] = [u64::MAX, u64::MAX - 1];
        for (address, heap) in addresses.into_iter().zip([mine, other, mine]) {
            assert_eq!(enter(address, heap, || Ok(())), Ok(()));
        }
        assert_eq!(arenas_of(mine).collect::<Vec<_>>(), [5 << 40, 6 << 40]);
        for address in arenas_of(mine) {
            leave(address);
        }
        let left = [mine, other, 0].map(|heap| arenas_of(heap).collect::<Vec<_>>());
        assert_eq!(left, [vec![], vec![addresses[1]], vec![]]);
        leave(addresses[1]);
    }

    #[test]
    fn an_address_beyond_user_space_is_that_of_no_arena() {
        assert_eq!(enter(1 << 48, 7, || Ok(())), Err(OutOfMemory));
        let nowhere = [0, 1 << 48, usize::MAX];
        assert_eq!((nowhere.map(holds), nowhere.map(owner)), ([false; 3], [0; 3]));
    }
}
