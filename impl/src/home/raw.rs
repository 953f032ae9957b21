//! The raw domain: blocks of the system's allocator, which belong to the runtime.
//!
//! A table has those that live, so a block that does not is refused.

use crate::heap::ALIGNMENT;
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::ptr::NonNull;

/// The blocks that live.
#[derive(Default)]
pub(crate) struct Raw(HashMap<usize, Held>);

struct Held {
    at: NonNull<u8>,
    layout: Layout,
}

// SAFETY: what the system's allocator gave out can be given back by any thread.
unsafe impl Send for Held {}

/// What is allocated for a request; one byte for one of none.
fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), ALIGNMENT).ok()
}

impl Raw {
    pub(crate) fn holds(&self, at: *mut u8) -> bool {
        self.0.contains_key(&at.addr())
    }

    pub(crate) fn malloc(&mut self, size: usize, zeroed: bool) -> Option<NonNull<u8>> {
        let layout = layout(size)?;
        self.0.try_reserve(1).ok()?;
        // SAFETY: the layout has a size.
        let at = unsafe { if zeroed { System.alloc_zeroed(layout) } else { System.alloc(layout) } };
        let at = NonNull::new(at)?;
        self.0.insert(at.addr().get(), Held { at, layout });
        Some(at)
    }

    /// The block with another size, and maybe in another place.
    pub(crate) fn realloc(&mut self, at: *mut u8, size: usize) -> Option<NonNull<u8>> {
        let new = layout(size)?;
        // The new entry is made when the old block is gone, and must not need memory then.
        self.0.try_reserve(1).ok()?;
        let held = self.0.get(&at.addr())?;
        // SAFETY: it lives, and has this layout.
        let at = NonNull::new(unsafe { System.realloc(held.at.as_ptr(), held.layout, new.size()) })?;
        let before = held.at.addr().get();
        self.0.remove(&before);
        self.0.insert(at.addr().get(), Held { at, layout: new });
        Some(at)
    }

    /// Frees the block, if it is one.
    pub(crate) fn free(&mut self, at: *mut u8) -> bool {
        self.0.remove(&at.addr()).is_some_and(|held| {
            held.give_back();
            true
        })
    }
}

impl Held {
    fn give_back(self) {
        // SAFETY: it has this layout, and is in the table no more.
        unsafe { System.dealloc(self.at.as_ptr(), self.layout) };
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.0.drain().for_each(|(_, held)| held.give_back());
    }
}
