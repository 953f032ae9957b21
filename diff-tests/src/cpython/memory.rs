//! The raw-domain allocator that runs under CPython.
//!
//! It passes everything on, except for three things. While a creation is *planned*,
//! the allocation of its interpreter or thread state is placed in a region, or
//! fails. What is freed in a region stays there, out of use. And there may be no memory.

use super::{
    api::{Address, Api, Domain, RawAllocator},
    region::{self, Content, Region},
    trap,
    wire::Freed,
};
use std::{
    ffi::c_void,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::Relaxed},
    },
};

/// Smaller than any `PyInterpreterState`, larger than anything else that a creation asks for first.
const INTERP_MIN_BYTES: usize = 100_000;

/// What to do with an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allot {
    /// Place it here.
    In(Region),
    /// Answer NULL.
    Fail,
}

/// The allocations that the coming creation will make.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// The interpreter's.
    pub interp: Option<Allot>,
    /// A thread state's.
    pub tstate: Option<Allot>,
}

static PLAN: Mutex<Plan> = Mutex::new(Plan { interp: None, tstate: None });
static PLANNED: AtomicBool = AtomicBool::new(false);
/// There is none: what asks for some is answered NULL.
static EXHAUSTED: AtomicBool = AtomicBool::new(false);
static POISONS: AtomicBool = AtomicBool::new(false);
/// What fresh memory is filled with, or [`NOT_FILLED`].
static FILL: AtomicU16 = AtomicU16::new(NOT_FILLED);
const NOT_FILLED: u16 = 256;
static LAST_CALLOC_BYTES: AtomicUsize = AtomicUsize::new(0);
static BELOW: OnceLock<RawAllocator> = OnceLock::new();

// SAFETY: function pointers, and a context that they alone look at; CPython calls the
// raw domain from any thread.
unsafe impl Send for RawAllocator {}
// SAFETY: as above.
unsafe impl Sync for RawAllocator {}

fn plan() -> MutexGuard<'static, Plan> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Plans the allocations of the call that comes next.
pub fn prepare(next: Plan) {
    *plan() = next;
    PLANNED.store(true, Relaxed);
}

/// Forgets what is left of the plan.
pub fn forget_plan() {
    PLANNED.store(false, Relaxed);
}

/// Is there no more memory, from now on?
pub fn exhaust(exhausted: bool) {
    EXHAUSTED.store(exhausted, Relaxed);
}

/// What becomes of freed memory from now on.
pub fn set_freed(freed: Freed) {
    POISONS.store(freed == Freed::Poison, Relaxed);
}

/// Fills what `malloc` hands out from now on with this byte, for code that reads it before
/// it writes it.
pub fn fill_fresh(byte: u8) {
    FILL.store(byte.into(), Relaxed);
}

/// Puts the allocator under CPython's raw domain, and learns how large a thread state is.
pub fn install(api: &Api, initial_thread: usize) -> Result<(), String> {
    let below = BELOW.get_or_init(|| api.allocator(Domain::Raw));
    api.set_allocator(Domain::Raw, &RawAllocator { malloc, calloc, realloc, free, ..*below });
    LAST_CALLOC_BYTES.store(0, Relaxed);
    let tstate = if api.can_bind() {
        let tstate = api.tstate_new(api.main_interpreter());
        api.bind(tstate);
        tstate
    } else {
        api.tstate_new_bound(api.main_interpreter())
    };
    let bytes = LAST_CALLOC_BYTES.load(Relaxed);
    api.clear(tstate);
    api.delete(tstate);
    if !(200..1000).contains(&bytes) {
        return Err(format!("a thread state of {bytes} bytes"));
    }
    region::set_sizes(initial_thread, bytes);
    Ok(())
}

/// Puts the allocator under CPython's raw domain when CPython was initialized again: that
/// makes its own allocators anew.
pub fn install_again(api: &Api) {
    api.set_allocator(Domain::Raw, &RawAllocator { malloc, calloc, realloc, free, ..*below() });
}

/// Ends the run process if freed memory has been written to.
pub fn check() {
    if POISONS.load(Relaxed) {
        trap::check_poison();
    }
}

fn planned(bytes: usize) -> Option<Address> {
    if !PLANNED.load(Relaxed) {
        return None;
    }
    let mut plan = plan();
    let (allot, content) = if bytes == region::tstate_bytes() {
        (plan.tstate.take(), Content::Tstate)
    } else if bytes >= INTERP_MIN_BYTES {
        (plan.interp.take(), Content::Interp)
    } else {
        (None, Content::Empty)
    };
    match allot? {
        Allot::Fail => Some(0),
        Allot::In(region) => region.take(content, bytes),
    }
}

fn below() -> &'static RawAllocator {
    // PANICS: never, these functions are installed after it was set.
    BELOW.get().expect("installed")
}

unsafe extern "C" fn malloc(context: *mut c_void, bytes: usize) -> *mut c_void {
    if EXHAUSTED.load(Relaxed) {
        return std::ptr::null_mut();
    }
    // SAFETY: passed on as it came.
    let fresh = unsafe { (below().malloc)(context, bytes) };
    if let Ok(byte) = u8::try_from(FILL.load(Relaxed))
        && !fresh.is_null()
    {
        // SAFETY: these bytes have just been handed out.
        unsafe { std::ptr::write_bytes(fresh.cast::<u8>(), byte, bytes) };
    }
    fresh
}

unsafe extern "C" fn calloc(context: *mut c_void, count: usize, bytes: usize) -> *mut c_void {
    if EXHAUSTED.load(Relaxed) {
        return std::ptr::null_mut();
    }
    LAST_CALLOC_BYTES.store(bytes, Relaxed);
    match planned(count.saturating_mul(bytes)) {
        Some(address) => address as *mut c_void,
        // SAFETY: passed on as it came.
        None => unsafe { (below().calloc)(context, count, bytes) },
    }
}

unsafe extern "C" fn realloc(context: *mut c_void, at: *mut c_void, bytes: usize) -> *mut c_void {
    if EXHAUSTED.load(Relaxed) {
        return std::ptr::null_mut();
    }
    // SAFETY: passed on as it came; interpreters and thread states are never resized.
    unsafe { (below().realloc)(context, at, bytes) }
}

unsafe extern "C" fn free(context: *mut c_void, at: *mut c_void) {
    match Region::of(at as Address) {
        Some(region) => region.release(if POISONS.load(Relaxed) { Freed::Poison } else { Freed::Trap }),
        // SAFETY: passed on as it came; it is not in a region, so it came from below.
        None => unsafe { (below().free)(context, at) },
    }
}
