//! The OS threads that libpython itself starts and ends: our executable exports
//! `pthread_create`, `pthread_detach` and `pthread_exit` as well (see `build.rs`).
//!
//! A creation can be made to fail once, or be *kept*: nothing is started, and a logical
//! thread runs later what the new thread would have run. Threads that Python code starts by
//! itself wait at a gate, and run when the run waits for their end: so they compete with
//! nobody. A logical thread that CPython ends stops for good, and its end is an answer.

use super::{
    baton::{self, Report},
    interpose::{self, Real},
};
use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    sync::{Condvar, Mutex, PoisonError},
};

type Pointer = *mut c_void;
type Main = unsafe extern "C-unwind" fn(Pointer) -> Pointer;
type Create = unsafe extern "C-unwind" fn(Pointer, Pointer, Main, Pointer) -> c_int;
type Detach = unsafe extern "C-unwind" fn(usize) -> c_int;
type Exit = unsafe extern "C-unwind" fn(Pointer) -> !;

/// The name of a thread that was kept; no thread has it.
const NOBODY: usize = 1;

/// What a thread would have run that was not started.
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
    /// Are creations by the calling thread kept?
    static KEEPS: Cell<bool> = const { Cell::new(false) };
    static KEPT: Cell<Option<Kept>> = const { Cell::new(None) };
    static FAIL: Cell<bool> = const { Cell::new(false) };
    /// Does the calling thread run Python code whose threads count?
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    /// Is the calling thread one that counts?
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

static CREATE: Real = Real::new(c"pthread_create");
static DETACH: Real = Real::new(c"pthread_detach");
static EXIT: Real = Real::new(c"pthread_exit");
static GATE: Mutex<Gate> = Mutex::new(Gate { alive: 0, open: false });
static CHANGED: Condvar = Condvar::new();

/// Where counted threads wait before they begin.
struct Gate {
    alive: usize,
    open: bool,
}

/// What a counted thread runs.
struct Start {
    main: Main,
    argument: Pointer,
}

/// Do the calls of a library that is loaded at run time come here?
pub fn is_effective() -> bool {
    let ours = [
        (c"pthread_create", pthread_create as *const () as usize),
        (c"pthread_detach", pthread_detach as *const () as usize),
        (c"pthread_exit", pthread_exit as *const () as usize),
    ];
    // SAFETY: looks names up.
    ours.iter().all(|&(name, own)| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) } as usize == own)
}

/// Makes the next creation by the calling thread fail.
pub fn fail_next() {
    FAIL.set(true);
}

/// Keeps the creation of an OS thread in `f`: nothing is started.
pub fn keeping<T>(f: impl FnOnce() -> T) -> (T, Option<Kept>) {
    KEEPS.set(true);
    let result = f();
    KEEPS.set(false);
    (result, KEPT.take())
}

/// Counts the threads that are started in `f`.
pub fn counted<T>(f: impl FnOnce() -> T) -> T {
    COUNTS.set(true);
    let result = f();
    COUNTS.set(false);
    result
}

/// The calling thread was started by a run, not by Python code.
pub fn is_not_pythons() {
    if COUNTED.replace(false) {
        change(|gate| gate.alive -= 1);
    }
}

/// Opens the gate, and waits until no counted thread is left.
pub fn join() {
    change(|gate| gate.open = true);
    wait_while(|gate| gate.alive > 0);
    change(|gate| gate.open = false);
}

fn change(f: impl FnOnce(&mut Gate)) {
    f(&mut GATE.lock().unwrap_or_else(PoisonError::into_inner));
    CHANGED.notify_all();
}

fn wait_while(condition: impl FnMut(&mut Gate) -> bool) {
    let gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    let _gate = CHANGED.wait_while(gate, condition).unwrap_or_else(PoisonError::into_inner);
}

unsafe extern "C-unwind" fn run_counted(start: Pointer) -> Pointer {
    // SAFETY: `pthread_create` below passes what it took out of a box.
    let Start { main, argument } = *unsafe { Box::from_raw(start.cast::<Start>()) };
    COUNTED.set(true);
    wait_while(|gate| !gate.open);
    // SAFETY: as the creator of the thread asked.
    let result = unsafe { main(argument) };
    is_not_pythons();
    result
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
    if FAIL.replace(false) {
        return libc::EAGAIN;
    }
    if KEEPS.get() {
        KEPT.set(Some(Kept { main, argument: argument as usize }));
        // SAFETY: the caller passes a place for the name of the new thread.
        unsafe { thread.cast::<usize>().write(NOBODY) };
        return 0;
    }
    // SAFETY: the real function of that name has this signature.
    let create = unsafe { std::mem::transmute::<usize, Create>(CREATE.get()) };
    if !COUNTS.get() {
        // SAFETY: passed on as it came.
        return unsafe { create(thread, attributes, main, argument) };
    }
    let start = Box::into_raw(Box::new(Start { main, argument }));
    change(|gate| gate.alive += 1);
    // SAFETY: as it came, but for the box that `run_counted` takes back.
    let result = unsafe { create(thread, attributes, run_counted, start.cast()) };
    if result != 0 {
        change(|gate| gate.alive -= 1);
        // SAFETY: no thread has been started that would take it.
        drop(unsafe { Box::from_raw(start) });
    }
    result
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
