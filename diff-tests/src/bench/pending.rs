//! Pending calls: how long until one that was added is run.
//!
//! *In one thread*: the thread adds a call and makes the pending calls. *From another
//! thread*: a thread adds a call while the main thread polls; how long after the beginning
//! of the addition does the call begin? A poll of CPython 3.12 does not see such a call (rule
//! PEND-5), so there the main thread makes the pending calls over and over.

use super::calls::{timed, work};
use super::harness::median;
use super::libpython::{Address, Python};
use super::{BenchError, CLOISTER, Contender, Work};
use cloister::{NotAdded, Runtime, Settings, Thread};
use std::ffi::{c_int, c_void};
use std::hint::spin_loop;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// Polling while nothing is pending and nobody waits.
pub fn poll(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let (_, thread) = Runtime::start(Settings::default())?;
    let mut contenders = vec![Contender::new(CLOISTER, move |calls| {
        timed(calls, || {
            thread.eval_breaker_poll()?;
            Ok(())
        })
    })];
    contenders.extend(peer.map(|python| {
        Contender::new(python.name(), |calls| {
            let globals = Globals::new(python)?;
            timed(calls, || globals.poll())
        })
    }));
    Ok(work("poll, nothing to do", None, contenders))
}

/// See the module.
pub fn in_one_thread(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let (_, thread) = Runtime::start(Settings::default())?;
    let mut contenders = vec![Contender::new(CLOISTER, move |calls| {
        timed(calls, || {
            added(thread.add_pending_call(None, Box::new(|_| Ok(()))))?;
            let ran = thread.make_pending_calls()?;
            if ran.calls == 1 { Ok(()) } else { Err(BenchError::Abandoned) }
        })
    })];
    contenders.extend(peer.map(|python| {
        let f = python.functions();
        Contender::new(python.name(), move |calls| {
            timed(calls, || {
                // SAFETY: the main thread has its thread state current, and the function takes any
                // argument.
                let failed =
                    unsafe { (f.add_pending_call)(nothing, ptr::null_mut()) + (f.make_pending_calls)() };
                if failed == 0 { Ok(()) } else { Err(BenchError::Python("Py_AddPendingCall")) }
            })
        })
    }));
    Ok(work("add a pending call and run it", None, contenders))
}

/// See the module.
pub fn from_another_thread(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let (_, thread) = Runtime::start(Settings::default())?;
    let mut contenders = vec![Contender::new(CLOISTER, move |times| ours(&thread, times))];
    contenders.extend(peer.map(|python| Contender::new(python.name(), move |times| theirs(python, times))));
    let name = "pending call from another thread";
    Ok(Work { name, unit: "us", target: None, stretch: 8, contenders })
}

fn added(answer: Result<(), NotAdded>) -> Result<(), BenchError> {
    answer.map_err(|error| match error {
        NotAdded::Refused(refusal) => refusal.into(),
        NotAdded::Full(_) => BenchError::NoMemory,
    })
}

/// What the thread that adds and the calls share.
struct Course {
    clock: Instant,
    /// When the addition of the last call began, in nanoseconds of the clock.
    stamp: AtomicU64,
    /// How long it was on its way.
    took: AtomicU64,
    ran: AtomicU64,
    broken: AtomicBool,
}

impl Course {
    fn new() -> Self {
        let [stamp, took, ran] = [const { AtomicU64::new(0) }; 3];
        Course { clock: Instant::now(), stamp, took, ran, broken: AtomicBool::new(false) }
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// Is the last call on its way for so long that it never comes?
    fn is_late(&self) -> bool {
        const LATE: u64 = 10_000_000_000;
        self.now() - self.stamp.load(Ordering::Relaxed) > LATE
    }

    /// What the call does.
    fn arrive(&self) {
        let took = self.now().saturating_sub(self.stamp.load(Ordering::Acquire));
        self.took.store(took, Ordering::Relaxed);
        self.ran.fetch_add(1, Ordering::Release);
    }

    /// Adds one call after the other; each when the one before has been run.
    fn add(
        &self,
        times: u64,
        mut add: impl FnMut() -> Result<(), BenchError>,
    ) -> Result<Vec<f64>, BenchError> {
        let mut seen = Vec::new();
        for turn in 1..=times {
            self.stamp.store(self.now(), Ordering::Release);
            add()?;
            let mut looks = 0_u64;
            while self.ran.load(Ordering::Acquire) < turn {
                looks += 1;
                if !looks.is_multiple_of(1_000) {
                    spin_loop();
                } else if self.broken.load(Ordering::Relaxed) || self.is_late() {
                    return Err(BenchError::Abandoned);
                } else {
                    thread::yield_now();
                }
            }
            seen.push(self.took.load(Ordering::Relaxed) as f64);
        }
        Ok(seen)
    }

    /// The median of what the adding thread saw while this one polled, in microseconds.
    fn run(
        &self,
        times: u64,
        adding: impl FnOnce() -> Result<Vec<f64>, BenchError> + Send,
        mut poll: impl FnMut() -> Result<(), BenchError>,
    ) -> Result<f64, BenchError> {
        thread::scope(|scope| {
            let adder = thread::Builder::new().spawn_scoped(scope, adding)?;
            let mut polled = Ok(());
            while self.ran.load(Ordering::Relaxed) < times && !adder.is_finished() && polled.is_ok() {
                polled = poll();
            }
            self.broken.store(polled.is_err(), Ordering::Relaxed);
            let seen = adder.join().map_err(|_| BenchError::Abandoned)?;
            polled?;
            Ok(median(&seen?) / 1_000.0)
        })
    }
}

fn ours(thread: &Thread, times: u64) -> Result<f64, BenchError> {
    let course = Arc::new(Course::new());
    let (runtime, adder) = (thread.runtime().clone(), Arc::clone(&course));
    let adding = move || {
        let thread = runtime.attach()?;
        adder.add(times, || {
            let course = Arc::clone(&adder);
            let call = move |_: &Thread| {
                course.arrive();
                Ok(())
            };
            added(thread.add_pending_call(None, Box::new(call)))
        })
    };
    course.run(times, adding, || {
        thread.eval_breaker_poll()?;
        Ok(())
    })
}

fn theirs(python: &Python, times: u64) -> Result<f64, BenchError> {
    let (f, course) = (python.functions(), Course::new());
    let adding = || {
        course.add(times, || {
            // SAFETY: needs no GIL; the course lives until every call that was added has been run,
            // or the process has failed.
            let failed = unsafe { (f.add_pending_call)(arrive, (&raw const course).cast_mut().cast()) };
            if failed == 0 { Ok(()) } else { Err(BenchError::Python("Py_AddPendingCall")) }
        })
    };
    course.run(times, adding, || {
        // SAFETY: the main thread has its thread state current.
        match unsafe { (f.make_pending_calls)() } {
            0 => Ok(()),
            _ => Err(BenchError::Python("Py_MakePendingCalls")),
        }
    })
}

extern "C" fn nothing(_: *mut c_void) -> c_int {
    0
}

extern "C" fn arrive(course: *mut c_void) -> c_int {
    // SAFETY: `theirs` adds this with its course.
    unsafe { &*course.cast::<Course>() }.arrive();
    0
}

/// A dictionary of CPython's, to evaluate the empty code object in.
struct Globals<'a>(&'a Python, Address);

impl<'a> Globals<'a> {
    fn new(python: &'a Python) -> Result<Self, BenchError> {
        // SAFETY: the main thread has its thread state current.
        match unsafe { (python.functions().dict_new)() } {
            0 => Err(BenchError::Python("PyDict_New")),
            globals => Ok(Globals(python, globals)),
        }
    }

    fn poll(&self) -> Result<(), BenchError> {
        let Globals(python, globals) = *self;
        let f = python.functions();
        // SAFETY: as above; the code and the dictionary live.
        let result = unsafe { (f.eval_code)(python.empty_code(), globals, globals) };
        if result == 0 {
            return Err(BenchError::Python("PyEval_EvalCode"));
        }
        // SAFETY: as above; the reference is this thread's.
        unsafe { (f.decref)(result) };
        Ok(())
    }
}

impl Drop for Globals<'_> {
    fn drop(&mut self) {
        // SAFETY: as above; nobody uses the dictionary any more.
        unsafe { (self.0.functions().decref)(self.1) };
    }
}
