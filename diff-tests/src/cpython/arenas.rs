//! Counting the arenas that CPython maps and unmaps.

use super::api::{Api, ArenaAllocator};
use std::{
    ffi::c_void,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

static BELOW: Mutex<Option<ArenaAllocator>> = Mutex::new(None);
static MAPPED: AtomicI64 = AtomicI64::new(0);

// SAFETY: function pointers, and a context that they alone look at.
unsafe impl Send for ArenaAllocator {}

fn below() -> Option<ArenaAllocator> {
    *BELOW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many arenas are mapped more than at the first such call of the process.
pub fn mapped(api: &Api) -> i64 {
    if below().is_none() {
        let arenas = api.arenas();
        *BELOW.lock().unwrap_or_else(PoisonError::into_inner) = Some(arenas);
        api.set_arenas(&ArenaAllocator { alloc, free, ..arenas });
    }
    MAPPED.load(Relaxed)
}

unsafe extern "C" fn alloc(context: *mut c_void, bytes: usize) -> *mut c_void {
    // SAFETY: passed on as it came.
    let arena = below().map_or(std::ptr::null_mut(), |below| unsafe { (below.alloc)(context, bytes) });
    MAPPED.fetch_add(i64::from(!arena.is_null()), Relaxed);
    arena
}

unsafe extern "C" fn free(context: *mut c_void, arena: *mut c_void, bytes: usize) {
    MAPPED.fetch_sub(1, Relaxed);
    if let Some(below) = below() {
        // SAFETY: passed on as it came.
        unsafe { (below.free)(context, arena, bytes) }
    }
}
