//! What AddressSanitizer knows of a heap.
//!
//! With the feature `asan`, in a build with `-Zsanitizer=address`, whoever reads or writes what is
//! in no live block of a pool is told so: behind the bytes that were asked for, in a block that
//! was freed, in one of a heap that has ended. Without the feature nothing is done here. Large
//! blocks are the system's allocator's, for which AddressSanitizer has its own.

#[cfg(feature = "asan")]
unsafe extern "C" {
    fn __asan_poison_memory_region(at: *const u8, size: usize);
    fn __asan_unpoison_memory_region(at: *const u8, size: usize);
}

/// Nobody may use this from now on.
///
/// # Safety
///
/// It is mapped, and the heap's own.
#[inline(always)]
pub(super) unsafe fn poison(at: *mut u8, size: usize) {
    #[cfg(feature = "asan")]
    // SAFETY: as this function's.
    unsafe {
        __asan_poison_memory_region(at, size);
    }
    let _ = (at, size);
}

/// This may be used from now on.
///
/// # Safety
///
/// As above.
#[inline(always)]
pub(super) unsafe fn unpoison(at: *mut u8, size: usize) {
    #[cfg(feature = "asan")]
    // SAFETY: as this function's.
    unsafe {
        __asan_unpoison_memory_region(at, size);
    }
    let _ = (at, size);
}
