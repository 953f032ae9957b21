//! Memory for arenas.
//!
//! An arena of a heap that has ended is put by for the next one, if none is yet: to come and go, it
//! costs a hundred times what a small heap does with it. That is 1 MiB in the process at most.

use crate::sync::plain::{AtomicPtr, Ordering};
use std::ptr;

/// What was put by.
static BY: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Memory for an arena, and whether it comes from the system: then it is zeroed.
pub(super) fn take() -> Option<(*mut u8, bool)> {
    let by = BY.swap(ptr::null_mut(), Ordering::AcqRel);
    if by.is_null() { Some((system::map()?, true)) } else { Some((by, false)) }
}

/// Gives it back to the system.
///
/// # Safety
///
/// `take` answered with it, and nobody uses it.
pub(super) unsafe fn unmap(arena: *mut u8) {
    // SAFETY: as this function's.
    unsafe { system::unmap(arena) };
}

/// Puts it by.
///
/// # Safety
///
/// As above.
pub(super) unsafe fn put_by(arena: *mut u8) {
    let other = BY.swap(arena, Ordering::AcqRel);
    if !other.is_null() {
        // SAFETY: as this function's; nobody else has what was put by.
        unsafe { system::unmap(other) };
    }
}

/// Gives what was put by back to the system.
pub(super) fn release() {
    let by = BY.swap(ptr::null_mut(), Ordering::AcqRel);
    if !by.is_null() {
        // SAFETY: nobody else has what was put by.
        unsafe { system::unmap(by) };
    }
}

/// The operating system's memory: zeroed, and aligned to its size.
#[cfg(all(unix, not(miri)))]
mod system {
    use crate::heap::arena::ARENA;
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
mod system {
    use crate::heap::arena::ARENA;
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
