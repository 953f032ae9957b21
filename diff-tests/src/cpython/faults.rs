//! Faults inside a creation that the raw allocator cannot cause.
//!
//! `CoreInit`: the first allocation in the domains of memory and objects fails.
//! Before that point a creation allocates raw memory only, so it is in
//! `pycore_interp_init`. `MainInit`: the import of `encodings` is refused by an audit
//! hook; that is the first import of `init_interp_main` by name.
//!
//! The same hook holds a logical thread where Python code raises the event [`HOLD`].
//!
//! A fault strikes the thread that armed it: another one may run while it waits.

use super::{
    api::{Api, Domain, RawAllocator},
    baton::{self, Report},
    interpose,
};
use cloister_specs::Fault;
use std::{
    cell::Cell,
    ffi::{CStr, c_char, c_int, c_void},
    sync::OnceLock,
};

/// The audit event that holds the thread that raises it: `sys.audit` runs no bytecode, so
/// nothing is polled on the way there.
pub const HOLD: &CStr = c"cloister.hold";

thread_local! {
    static FAIL_ALLOCATION: Cell<bool> = const { Cell::new(false) };
    static FAIL_IMPORT: Cell<bool> = const { Cell::new(false) };
}

static HOOKED: OnceLock<&'static Api> = OnceLock::new();
static BELOW: [OnceLock<RawAllocator>; 2] = [const { OnceLock::new() }; 2];

/// Adds the audit hook; each time before CPython is initialized.
pub fn install(api: &'static Api) {
    let _ = HOOKED.set(api);
    api.add_audit_hook(audit, std::ptr::null_mut());
}

/// Arms a fault for the creation that comes next.
pub fn arm(api: &Api, fault: Option<Fault>) {
    match fault {
        Some(Fault::CoreInit) => {
            for (domain, below) in [Domain::Mem, Domain::Obj].into_iter().zip(&BELOW) {
                let below = below.get_or_init(|| api.allocator(domain));
                let context = std::ptr::from_ref(below).cast_mut().cast();
                api.set_allocator(domain, &RawAllocator { context, malloc, calloc, realloc, free });
            }
            FAIL_ALLOCATION.set(true);
        }
        Some(Fault::MainInit) => FAIL_IMPORT.set(true),
        Some(Fault::InterpAlloc | Fault::TstateAlloc) | None => {}
    }
}

/// Takes back what [`arm`] did, if it has not struck. The allocators stay where they are.
pub fn disarm() {
    FAIL_IMPORT.set(false);
    FAIL_ALLOCATION.set(false);
}

fn fails() -> bool {
    FAIL_ALLOCATION.replace(false)
}

fn below(context: *mut c_void) -> &'static RawAllocator {
    // SAFETY: `arm` made the context of a reference into `BELOW`.
    unsafe { &*context.cast::<RawAllocator>() }
}

unsafe extern "C" fn malloc(context: *mut c_void, bytes: usize) -> *mut c_void {
    let below = below(context);
    // SAFETY: passed on as it came.
    if fails() { std::ptr::null_mut() } else { unsafe { (below.malloc)(below.context, bytes) } }
}

unsafe extern "C" fn calloc(context: *mut c_void, count: usize, bytes: usize) -> *mut c_void {
    let below = below(context);
    // SAFETY: passed on as it came.
    if fails() { std::ptr::null_mut() } else { unsafe { (below.calloc)(below.context, count, bytes) } }
}

unsafe extern "C" fn realloc(context: *mut c_void, at: *mut c_void, bytes: usize) -> *mut c_void {
    let below = below(context);
    // SAFETY: passed on as it came.
    if fails() { std::ptr::null_mut() } else { unsafe { (below.realloc)(below.context, at, bytes) } }
}

unsafe extern "C" fn free(context: *mut c_void, at: *mut c_void) {
    let below = below(context);
    // SAFETY: passed on as it came.
    unsafe { (below.free)(below.context, at) }
}

unsafe extern "C" fn audit(event: *const c_char, args: usize, _: *mut c_void) -> c_int {
    // SAFETY: CPython passes the event's name.
    let event = unsafe { CStr::from_ptr(event) };
    if event == HOLD
        && let Some(me) = interpose::me()
    {
        baton::stop(me, Report::Held);
    }
    if !FAIL_IMPORT.get() {
        return 0;
    }
    let Some(api) = HOOKED.get() else { return 0 };
    if event == c"import" && api.tuple_text(args, 0).as_deref() == Some(c"encodings") {
        FAIL_IMPORT.set(false);
        api.set_no_memory();
        return -1;
    }
    0
}
