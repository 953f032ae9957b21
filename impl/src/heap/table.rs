//! Which addresses are those of arenas, of any heap of the process.
//!
//! A table of two levels, like CPython's radix tree, but one for the process, and of bytes. A
//! leaf covers 16 GiB of addresses. It is made when an arena first lies there, and stays.

use super::OutOfMemory;
use super::arena::ARENA;
use crate::sync::plain::{AtomicPtr, AtomicU8, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

const BITS: u32 = 14;
const ENTRIES: usize = 1 << BITS;

struct Leaf([AtomicU8; ENTRIES]);

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
    !leaf.is_null() && unsafe { &*leaf }.0[low].load(Ordering::Relaxed) != 0
}

/// Enters the arena at this address; `allows` is asked before memory is allocated for it.
pub(super) fn enter(
    address: usize,
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
    unsafe { &*leaf }.0[low].store(1, Ordering::Relaxed);
    Ok(())
}

/// Strikes the arena at this address out.
pub(super) fn leave(address: usize) {
    let (top, low) = place(address);
    let leaf = TOP.get(top).map_or(ptr::null_mut(), |entry| entry.load(Ordering::Acquire));
    if !leaf.is_null() {
        // SAFETY: as above.
        unsafe { &*leaf }.0[low].store(0, Ordering::Relaxed);
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
        assert_eq!(enter(address, || Err(OutOfMemory)), Err(OutOfMemory));
        assert!(!holds(address));
        assert_eq!(enter(address, || Ok(())), Ok(()));
        let told = [address - 1, address, address + ARENA - 1, address + ARENA].map(holds);
        assert_eq!(told, [false, true, true, false]);
        leave(address);
        assert!(!holds(address));
    }

    #[test]
    fn an_address_beyond_user_space_is_that_of_no_arena() {
        assert_eq!(enter(1 << 48, || Ok(())), Err(OutOfMemory));
        assert!(![0, 1 << 48, usize::MAX].map(holds).contains(&true));
    }
}
