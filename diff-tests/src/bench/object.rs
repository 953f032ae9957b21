//! References: taken, and given back.
//!
//! CPython's are counted behind a call here; what it compiles into its own code is a macro, and has to
//! be compared with ours inlined.

use super::calls::{timed, work};
use super::libpython::{Address, Python};
use super::{BenchError, CLOISTER, Contender, Work};
use cloister::object::{Header, Kind};
use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};

static KIND: Kind = Kind::of::<()>("object");

/// What a pair costs CPython's macros on the machine that the targets are of.
const MORTAL: f64 = 5.9;
const IMMORTAL: f64 = 0.55;

/// Keeps the compiler from making one step of two. It costs nothing else.
#[inline]
fn between() {
    compiler_fence(Ordering::SeqCst);
}

#[inline(never)]
fn incref(object: &Header) {
    object.incref();
}

#[inline(never)]
fn decref(object: &Header) -> bool {
    object.decref()
}

/// A reference to an object of ours that has `one` already. It is the last one for nobody.
fn ours<'a>(one: fn() -> Header) -> Vec<Contender<'a>> {
    let (inlined, called) = (Box::new(one()), Box::new(one()));
    vec![
        Contender::new(CLOISTER, move |calls| {
            let object: &Header = black_box(&inlined);
            timed(calls, || {
                object.incref();
                between();
                if object.decref() { Err(BenchError::Abandoned) } else { Ok(()) }
            })
        }),
        Contender::new("Cloister, called", move |calls| {
            let object: &Header = black_box(&called);
            timed(calls, || {
                incref(object);
                if decref(object) { Err(BenchError::Abandoned) } else { Ok(()) }
            })
        }),
    ]
}

/// A reference to an object of CPython's.
struct Theirs<'a> {
    python: &'a Python,
    object: Address,
}

impl<'a> Theirs<'a> {
    fn new(python: &'a Python, object: Address) -> Result<Self, BenchError> {
        if object == 0 { Err(BenchError::Python("making an object")) } else { Ok(Theirs { python, object }) }
    }

    fn contender(self) -> Contender<'a> {
        let f = self.python.functions();
        Contender::new(self.python.name(), move |calls| {
            // Its reference stays with the work.
            let theirs = &self;
            timed(calls, || {
                let object = black_box(theirs.object);
                // SAFETY: the main thread has its thread state current, and a reference of its own.
                unsafe {
                    (f.incref)(object);
                    (f.decref)(object);
                }
                Ok(())
            })
        })
    }
}

impl Drop for Theirs<'_> {
    fn drop(&mut self) {
        // SAFETY: as above; the reference is given back.
        unsafe { (self.python.functions().decref)(self.object) };
    }
}

/// Of an object that is not immortal: a dict, in CPython.
pub fn mortal(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let mut contenders = ours(|| Header::new(&KIND));
    if let Some(python) = peer {
        // SAFETY: the main thread has its thread state current.
        let dict = unsafe { (python.functions().dict_new)() };
        contenders.push(Theirs::new(python, dict)?.contender());
    }
    Ok(work("incref + decref, mortal", Some(MORTAL), contenders))
}

/// Of an immortal one: a small int, in CPython.
pub fn immortal(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let mut contenders = ours(|| Header::immortal(&KIND));
    if let Some(python) = peer {
        // SAFETY: as above.
        let int = unsafe { (python.functions().long_from)(1) };
        contenders.push(Theirs::new(python, int)?.contender());
    }
    Ok(work("incref + decref, immortal", Some(IMMORTAL), contenders))
}
