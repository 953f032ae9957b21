//! The OS threads that libpython itself starts and ends: our executable exports
//! `pthread_create`, `pthread_detach` and `pthread_exit` as well (see `build.rs`).
//!
//! A creation can be made to fail, or be *kept*: nothing is started, and a logical thread
//! runs later what the new thread would have run. A logical thread that CPython ends stops
//! for good, and its end is an answer.

use super::{
    baton::{self, Report},
    interpose::{self, Real},
};
use std::{
    cell::Cell,
    ffi::{c_int, c_void},
};

type Pointer = *mut c_void;
type Main = unsafe extern "C-unwind" fn(Pointer) -> Pointer;
type Create = unsafe extern "C-unwind" fn(Pointer, Pointer, Main, Pointer) -> c_int;
type Detach = unsafe extern "C-unwind" fn(usize) -> c_int;
type Exit = unsafe extern "C-unwind" fn(Pointer) -> !;

/// The name of a thread that was kept; no thread has it.
const NOBODY: usize = 1;

/// What becomes of the creations by a thread.
#[derive(Clone, Copy)]
enum Creations {
    Real,
    Fail,
    Kept(Option<Kept>),
}

/// What a thread would have run.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    main: Main,
    argument: usize,
}

impl Kept {
    /// Runs it in the calling thread.
    pub fn run(self) {
        // SAFETY: as the creator of the thread asked; it is run once.
        unsafe { (self.main)(self.argument as Pointer) };
    }
}

thread_local! {
    static CREATIONS: Cell<Creations> = const { Cell::new(Creations::Real) };
}

static CREATE: Real = Real::new(c"pthread_create");
static DETACH: Real = Real::new(c"pthread_detach");
static EXIT: Real = Real::new(c"pthread_exit");

/// Lets every creation of an OS thread fail in `f`.
pub fn failing<T>(f: impl FnOnce() -> T) -> T {
    CREATIONS.set(Creations::Fail);
    let result = f();
    CREATIONS.set(Creations::Real);
    result
}

/// Keeps the last creation of an OS thread in `f`.
pub fn keeping<T>(f: impl FnOnce() -> T) -> (T, Option<Kept>) {
    CREATIONS.set(Creations::Kept(None));
    let result = f();
    match CREATIONS.replace(Creations::Real) {
        Creations::Kept(kept) => (result, kept),
        Creations::Real | Creations::Fail => (result, None),
    }
}

/// Exported in place of libc's.
///
/// # Safety
///
/// As `pthread_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pthread_create(
    thread: Pointer,
    attributes: Pointer,
    main: Main,
    argument: Pointer,
) -> c_int {
    match CREATIONS.get() {
        Creations::Fail => libc::EAGAIN,
        Creations::Kept(_) => {
            CREATIONS.set(Creations::Kept(Some(Kept { main, argument: argument as usize })));
            // SAFETY: the caller passes a place for the name of the new thread.
            unsafe { thread.cast::<usize>().write(NOBODY) };
            0
        }
        Creations::Real => {
            // SAFETY: the real function of that name has this signature.
            let create = unsafe { std::mem::transmute::<usize, Create>(CREATE.get()) };
            // SAFETY: passed on as it came.
            unsafe { create(thread, attributes, main, argument) }
        }
    }
}

/// Exported in place of libc's.
///
/// # Safety
///
/// As `pthread_detach`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pthread_detach(thread: usize) -> c_int {
    if thread == NOBODY {
        return 0;
    }
    // SAFETY: the real function of that name has this signature; passed on as it came.
    unsafe { std::mem::transmute::<usize, Detach>(DETACH.get())(thread) }
}

/// Exported in place of libc's.
///
/// # Safety
///
/// As `pthread_exit`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pthread_exit(value: Pointer) -> ! {
    while let Some(me) = interpose::me() {
        baton::stop(me, Report::Exits);
    }
    // SAFETY: the real function of that name has this signature.
    unsafe { std::mem::transmute::<usize, Exit>(EXIT.get())(value) }
}

#[used]
static KEEP: (Create, Detach, Exit) = (pthread_create, pthread_detach, pthread_exit);
