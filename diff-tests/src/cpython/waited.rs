//! The threads that an end waits for.
//!
//! CPython has that done by Python code: `threading._shutdown` acquires a lock for each
//! thread that is no daemon, and CPython releases the lock with the thread state. Python code
//! polls the eval breaker on its way, which a run would have to know of. So a module of that
//! name stands in `sys.modules` whose `_shutdown` is a function of ours: it acquires the same
//! locks, by the same calls, and does nothing else.

use super::{
    api::{Address, Api, Method},
    baton::{self, Report},
    child::child,
    interpose::{self, Real},
};
use cloister_specs::Parking;
use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    sync::{Mutex, PoisonError},
};

type Pointer = *mut c_void;
type Unary = unsafe extern "C" fn(Pointer) -> c_int;

thread_local! {
    /// Does the calling thread wait for others?
    static WAITS: Cell<bool> = const { Cell::new(false) };
}

static SEM_WAIT: Real = Real::new(c"sem_wait");
static SEM_POST: Real = Real::new(c"sem_post");

/// The interpreter and the lock of each thread that runs.
static LOCKS: Mutex<Vec<(Address, Address)>> = Mutex::new(Vec::new());
static SHUTDOWN: Method = Method::without_arguments(c"_shutdown", shutdown);

/// Puts the module in its place, in the interpreter of the calling thread.
pub fn prepare(api: &Api) {
    if api.module(c"threading").is_none() {
        api.new_module(c"threading", c"_shutdown", api.new_function(&SHUTDOWN));
    }
}

/// From now on an end waits for the current thread state, which its thread was started with.
pub fn register(api: &Api) -> Result<(), String> {
    let thread = api.module(c"_thread").ok_or("the interpreter has no module _thread")?;
    let lock = api.call_method(thread, c"_set_sentinel")?;
    api.call_method(lock, c"acquire").map(|answer| api.release_object(answer))?;
    let interp = api.interp_of_thread(api.current());
    LOCKS.lock().unwrap_or_else(PoisonError::into_inner).push((interp, lock));
    Ok(())
}

fn next_of(interp: Address) -> Option<Address> {
    let mut locks = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let at = locks.iter().position(|(of, _)| *of == interp)?;
    Some(locks.remove(at).1)
}

unsafe extern "C" fn shutdown(_: Address, _: Address) -> Address {
    let api = &child().api;
    WAITS.set(true);
    while let Some(lock) = next_of(api.interp_of_thread(api.current())) {
        for method in [c"acquire", c"release"] {
            // An exception has been cleared; the lock is one that can be acquired.
            if let Ok(answer) = api.call_method(lock, method) {
                api.release_object(answer);
            }
        }
        api.release_object(lock);
    }
    WAITS.set(false);
    api.any_object()
}

/// Exported in place of libc's: libpython's locks are semaphores.
///
/// # Safety
///
/// As `sem_wait`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sem_wait(sem: Pointer) -> c_int {
    match interpose::me() {
        Some(me) if WAITS.get() => {
            // SAFETY: the caller passes a semaphore.
            while unsafe { libc::sem_trywait(sem.cast()) } != 0 {
                baton::stop(me, Report::Waits(sem as Address, Parking::Threads));
            }
            0
        }
        // SAFETY: the real function of that name has this signature.
        _ => unsafe { std::mem::transmute::<usize, Unary>(SEM_WAIT.get())(sem) },
    }
}

/// Exported in place of libc's.
///
/// # Safety
///
/// As `sem_post`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sem_post(sem: Pointer) -> c_int {
    // SAFETY: the real function of that name has this signature.
    let result = unsafe { std::mem::transmute::<usize, Unary>(SEM_POST.get())(sem) };
    if interpose::me().is_some() {
        baton::with(|run| run.signal(sem as Address));
    }
    result
}

#[used]
static KEEP: (Unary, Unary) = (sem_wait, sem_post);
