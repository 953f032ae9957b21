//! The pthread functions that libpython's GIL waits with, as our executable exports
//! them (see `build.rs`), so that libpython calls these instead of libc's.
//!
//! For a logical thread a wait on a condition variable stops the thread until a move
//! lets it go on, and a signal marks one waiter. The timed wait is `take_gil`'s, the
//! other one is the forced switch of `drop_gil`. All other threads, of any process
//! that runs our executable, get the real functions.

use super::{
    api::Address,
    baton::{self, Report, Task},
    os_threads,
};
use cloister_specs::{Parking, ThreadId};
use std::{
    cell::Cell,
    ffi::{CStr, c_int, c_void},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

type Pointer = *mut c_void;
type Unary = unsafe extern "C" fn(Pointer) -> c_int;
type Binary = unsafe extern "C" fn(Pointer, Pointer) -> c_int;
type Ternary = unsafe extern "C" fn(Pointer, Pointer, *const c_void) -> c_int;

thread_local! {
    static ME: Cell<Option<ThreadId>> = const { Cell::new(None) };
    /// Hold this thread after so many more unlocks.
    static UNLOCKS_LEFT: Cell<u8> = const { Cell::new(0) };
}

/// The real function of a name.
pub(super) struct Real {
    name: &'static CStr,
    address: AtomicUsize,
}

impl Real {
    pub(super) const fn new(name: &'static CStr) -> Self {
        Real { name, address: AtomicUsize::new(0) }
    }

    pub(super) fn get(&self) -> usize {
        let known = self.address.load(Relaxed);
        if known != 0 {
            return known;
        }
        // SAFETY: looks a name up. The condition variables of today's glibc have this version.
        let found = unsafe {
            let versioned = libc::dlvsym(libc::RTLD_NEXT, self.name.as_ptr(), c"GLIBC_2.3.2".as_ptr());
            if versioned.is_null() { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) } else { versioned }
        } as usize;
        self.address.store(found, Relaxed);
        found
    }
}

static LOCK: Real = Real::new(c"pthread_mutex_lock");
static UNLOCK: Real = Real::new(c"pthread_mutex_unlock");
static WAIT: Real = Real::new(c"pthread_cond_wait");
static TIMED_WAIT: Real = Real::new(c"pthread_cond_timedwait");
static SIGNAL: Real = Real::new(c"pthread_cond_signal");

fn real_unary(real: &Real, at: Pointer) -> c_int {
    // SAFETY: the real function of that name has this signature.
    unsafe { std::mem::transmute::<usize, Unary>(real.get())(at) }
}

/// Makes the calling thread the logical thread `id`.
pub fn manage(id: ThreadId) {
    ME.set(Some(id));
    os_threads::is_not_pythons();
}

/// Makes the calling thread one like all others.
pub fn release() {
    ME.set(None);
}

/// The logical thread that calls, if it is one.
pub fn me() -> Option<ThreadId> {
    ME.get()
}

/// Holds the calling thread after so many unlocks from now on; 0 for never.
pub fn hold_after(unlocks: u8) {
    UNLOCKS_LEFT.set(unlocks);
}

/// Do the calls of a library that is loaded at run time come here?
pub fn is_effective() -> bool {
    let ours: [(&CStr, usize); 4] = [
        (UNLOCK.name, pthread_mutex_unlock as *const () as usize),
        (WAIT.name, pthread_cond_wait as *const () as usize),
        (TIMED_WAIT.name, pthread_cond_timedwait as *const () as usize),
        (SIGNAL.name, pthread_cond_signal as *const () as usize),
    ];
    // SAFETY: looks names up.
    ours.iter().all(|&(name, own)| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) } as usize == own)
}

/// Waits as a logical thread; the task that ends the wait.
fn park(me: ThreadId, cond: Pointer, mutex: Pointer, parking: Parking) -> Task {
    real_unary(&UNLOCK, mutex);
    let task = baton::stop(me, Report::Waits(cond as Address, parking));
    real_unary(&LOCK, mutex);
    task
}

/// Exported in place of libc's.
///
/// # Safety
///
/// As `pthread_mutex_unlock`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_mutex_unlock(mutex: Pointer) -> c_int {
    let result = real_unary(&UNLOCK, mutex);
    if UNLOCKS_LEFT.get() > 0 {
        UNLOCKS_LEFT.set(UNLOCKS_LEFT.get() - 1);
        if let (0, Some(me)) = (UNLOCKS_LEFT.get(), ME.get()) {
            baton::stop(me, Report::Held);
        }
    }
    result
}

/// Exported in place of libc's.
///
/// # Safety
///
/// As `pthread_cond_timedwait`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_cond_timedwait(
    cond: Pointer,
    mutex: Pointer,
    until: *const c_void,
) -> c_int {
    match ME.get() {
        Some(me) => match park(me, cond, mutex, Parking::Gil) {
            Task::Expire => libc::ETIMEDOUT,
            _ => 0,
        },
        // SAFETY: the real function of that name has this signature.
        None => unsafe { std::mem::transmute::<usize, Ternary>(TIMED_WAIT.get())(cond, mutex, until) },
    }
}

/// Exported in place of libc's.
///
/// # Safety
///
/// As `pthread_cond_wait`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_cond_wait(cond: Pointer, mutex: Pointer) -> c_int {
    match ME.get() {
        Some(me) => {
            park(me, cond, mutex, Parking::Switch);
            0
        }
        // SAFETY: the real function of that name has this signature.
        None => unsafe { std::mem::transmute::<usize, Binary>(WAIT.get())(cond, mutex) },
    }
}

/// Exported in place of libc's.
///
/// # Safety
///
/// As `pthread_cond_signal`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_cond_signal(cond: Pointer) -> c_int {
    if ME.get().is_some() {
        baton::with(|run| run.signal(cond as Address));
        return 0;
    }
    real_unary(&SIGNAL, cond)
}

#[used]
static KEEP: (Unary, Ternary, Binary, Unary) =
    (pthread_mutex_unlock, pthread_cond_timedwait, pthread_cond_wait, pthread_cond_signal);
