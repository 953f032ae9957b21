//! Allocators that others have made.

use super::Allocator;

pub(super) struct Snmalloc;

impl Allocator for Snmalloc {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        // SAFETY: it can be called at any time.
        unsafe { snmalloc_sys::sn_malloc(size) }.cast()
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, _: usize) {
        // SAFETY: as this function's.
        unsafe { snmalloc_sys::sn_free(block.cast()) };
    }
}

pub(super) struct Mimalloc;

impl Allocator for Mimalloc {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        // SAFETY: it can be called at any time.
        unsafe { libmimalloc_sys::mi_malloc(size) }.cast()
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, _: usize) {
        // SAFETY: as this function's.
        unsafe { libmimalloc_sys::mi_free(block.cast()) };
    }
}
