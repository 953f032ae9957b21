//! Large blocks: what is too large for a pool comes from the system's allocator.
//!
//! A heap has a list of its own ones, so a pointer that is not on it is never followed.

use super::class::ALIGNMENT;
use super::pool::Block;
use super::{FreeError, OutOfMemory, ReallocError};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr::NonNull;

/// The sizes of the large blocks of a heap, by address.
#[derive(Default)]
pub(super) struct Large {
    blocks: HashMap<Address, usize, BuildHasherDefault<Spread>>,
    bytes: usize,
}

/// Where a block is; its provenance stays with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Address(NonNull<u8>);

/// Addresses need no hash that withstands an attack.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, n: usize) {
        let product = (self.0 ^ n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What is allocated for a request; so much at least that a block can be in a list.
fn layout(size: usize) -> Result<Layout, OutOfMemory> {
    Layout::from_size_align(size.max(size_of::<Block>()), ALIGNMENT).map_err(|_| OutOfMemory)
}

impl Large {
    pub(super) fn count(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn sizes(&self) -> impl Iterator<Item = usize> {
        self.blocks.values().copied()
    }

    pub(super) fn allocate(&mut self, size: usize) -> Result<NonNull<u8>, OutOfMemory> {
        let layout = layout(size)?;
        self.blocks.try_reserve(1).map_err(|_| OutOfMemory)?;
        // SAFETY: the layout has a size.
        let block = NonNull::new(unsafe { System.alloc(layout) }).ok_or(OutOfMemory)?;
        self.blocks.insert(Address(block), size);
        self.bytes += size;
        Ok(block)
    }

    /// How large this block is.
    pub(super) fn find(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.blocks.get(&Address(block)).copied().ok_or(FreeError::Unknown)
    }

    /// Gives a block another size, and maybe another place. Nothing happens unless it is one of
    /// these and there is memory.
    pub(super) fn reallocate(
        &mut self,
        block: NonNull<u8>,
        size: usize,
    ) -> Result<NonNull<u8>, ReallocError> {
        let had = self.find(block)?;
        let (old, new) = (layout(had)?, layout(size)?);
        // The new entry is made when the old block is gone, and must not need memory then.
        self.blocks.try_reserve(1).map_err(|_| OutOfMemory)?;
        // SAFETY: it was allocated with this layout, and the new size is that of a layout.
        let moved = unsafe { System.realloc(block.as_ptr(), old, new.size()) };
        let moved = NonNull::new(moved).ok_or(OutOfMemory)?;
        self.blocks.remove(&Address(block));
        self.blocks.insert(Address(moved), size);
        self.bytes = self.bytes - had + size;
        Ok(moved)
    }

    /// Frees a block; nothing happens unless it is one of these, and of this size if one is named.
    pub(super) fn free(&mut self, block: NonNull<u8>, named: Option<usize>) -> Result<(), FreeError> {
        let size = self.find(block)?;
        if named.is_some_and(|named| named != size) {
            return Err(FreeError::Size);
        }
        let layout = layout(size).map_err(|_| FreeError::Unknown)?;
        self.blocks.remove(&Address(block));
        self.bytes -= size;
        // SAFETY: it was allocated with this layout, and is on the list no more.
        unsafe { System.dealloc(block.as_ptr(), layout) };
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        for (Address(block), size) in self.blocks.drain() {
            if let Ok(layout) = layout(size) {
                // SAFETY: as above.
                unsafe { System.dealloc(block.as_ptr(), layout) };
            }
        }
        self.bytes = 0;
    }
}
