//! Allocators that others have made.

use super::Allocator;
use std::ffi::c_void;

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

pub(super) struct Jemalloc;

impl Allocator for Jemalloc {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        // SAFETY: it can be called at any time.
        unsafe { tikv_jemalloc_sys::malloc(size) }.cast()
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, _: usize) {
        // SAFETY: as this function's.
        unsafe { tikv_jemalloc_sys::free(block.cast()) };
    }
}

/// A heap of mimalloc, which is destroyed with what is in it.
pub(super) struct MimallocHeap(*mut c_void);

// These the crate names only with more of its dependencies.
unsafe extern "C" {
    safe fn mi_heap_new() -> *mut c_void;
    fn mi_heap_malloc(heap: *mut c_void, size: usize) -> *mut c_void;
    fn mi_heap_destroy(heap: *mut c_void);
}

impl MimallocHeap {
    pub(super) fn new() -> Self {
        MimallocHeap(mi_heap_new())
    }

    pub(super) fn malloc(&mut self, size: usize) -> *mut u8 {
        // SAFETY: the heap is this thread's, since what holds it is not sent.
        unsafe { mi_heap_malloc(self.0, size) }.cast()
    }
}

impl Drop for MimallocHeap {
    fn drop(&mut self) {
        // SAFETY: as above; nobody uses its blocks after this.
        unsafe { mi_heap_destroy(self.0) };
    }
}
