//! What two OS threads take in turns: the GIL of an interpreter, or what stands in for one.

use super::BenchError;
use super::libpython::{Address, Functions, Python};
use cloister::{Interp, Runtime, Thread, Tstate};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A lock, before a thread has to do with it.
pub trait Lock: Sync {
    /// A thread's part in it.
    type Seat: Seat;

    /// Takes part, in the calling thread, without holding it.
    fn sit(&self) -> Result<Self::Seat, BenchError>;
}

/// A thread's part in a lock.
pub trait Seat {
    /// Takes the lock.
    fn take(&mut self) -> Result<(), BenchError>;
    /// Drops the lock.
    fn give(&mut self) -> Result<(), BenchError>;
}

/// One whose holder can be asked for it.
pub trait Asked: Seat {
    /// Hands the lock over and takes it back, if somebody asked for it.
    fn poll(&mut self) -> Result<(), BenchError>;
}

/// The GIL of one of our interpreters.
pub struct Ours {
    runtime: Runtime,
    interp: Interp,
}

impl Ours {
    /// That of the main interpreter.
    pub fn of_main(thread: &Thread) -> Result<Self, BenchError> {
        let runtime = thread.runtime().clone();
        let interp = runtime.main().ok_or(BenchError::Abandoned)?;
        Ok(Ours { runtime, interp })
    }
}

/// A thread of ours. Its thread state lives until the runtime ends.
pub struct OurSeat {
    thread: Thread,
    tstate: Tstate,
}

impl Lock for Ours {
    type Seat = OurSeat;

    fn sit(&self) -> Result<OurSeat, BenchError> {
        let thread = self.runtime.attach()?;
        let tstate = thread.thread_state_new(self.interp)?.ok_or(BenchError::NoMemory)?;
        thread.thread_state_bind(tstate)?;
        Ok(OurSeat { thread, tstate })
    }
}

impl Seat for OurSeat {
    fn take(&mut self) -> Result<(), BenchError> {
        Ok(self.thread.restore_thread(self.tstate)?)
    }

    fn give(&mut self) -> Result<(), BenchError> {
        self.thread.save_thread()?;
        Ok(())
    }
}

impl Asked for OurSeat {
    fn poll(&mut self) -> Result<(), BenchError> {
        self.thread.eval_breaker_poll()?;
        Ok(())
    }
}

/// The GIL of CPython's main interpreter.
pub struct Theirs {
    f: &'static Functions,
    interp: Address,
    code: Address,
}

impl Theirs {
    /// Its threads may use it while `python`'s main thread waits for them.
    pub fn of_main(python: &Python) -> Self {
        Theirs { f: python.functions(), interp: python.main_interpreter(), code: python.empty_code() }
    }
}

/// A thread of CPython's.
pub struct TheirSeat {
    f: &'static Functions,
    tstate: Address,
    code: Address,
    globals: Address,
    holds: bool,
}

impl Lock for Theirs {
    type Seat = TheirSeat;

    fn sit(&self) -> Result<TheirSeat, BenchError> {
        let Theirs { f, interp, code } = *self;
        // SAFETY: needs no GIL, and binds the new thread state to this thread.
        let tstate = unsafe { (f.tstate_new)(interp) };
        if tstate == 0 {
            return Err(BenchError::Python("PyThreadState_New"));
        }
        // SAFETY: the thread state is this thread's, and not current.
        let globals = unsafe {
            (f.restore)(tstate);
            let globals = (f.dict_new)();
            (f.save)();
            globals
        };
        let seat = TheirSeat { f, tstate, code, globals, holds: false };
        if globals == 0 { Err(BenchError::Python("PyDict_New")) } else { Ok(seat) }
    }
}

impl Seat for TheirSeat {
    fn take(&mut self) -> Result<(), BenchError> {
        // SAFETY: the thread state is this thread's; it is current only between `take` and `give`.
        unsafe { (self.f.restore)(self.tstate) };
        self.holds = true;
        Ok(())
    }

    fn give(&mut self) -> Result<(), BenchError> {
        self.holds = false;
        // SAFETY: as above.
        unsafe { (self.f.save)() };
        Ok(())
    }
}

impl Asked for TheirSeat {
    fn poll(&mut self) -> Result<(), BenchError> {
        // SAFETY: called between `take` and `give`; the code and the dictionary live.
        let result = unsafe { (self.f.eval_code)(self.code, self.globals, self.globals) };
        if result == 0 {
            return Err(BenchError::Python("PyEval_EvalCode"));
        }
        // SAFETY: as above; the reference is this thread's.
        unsafe { (self.f.decref)(result) };
        Ok(())
    }
}

impl Drop for TheirSeat {
    fn drop(&mut self) {
        // SAFETY: the thread state is this thread's, and is not used after this.
        unsafe {
            if !self.holds {
                (self.f.restore)(self.tstate);
            }
            if self.globals != 0 {
                (self.f.decref)(self.globals);
            }
            (self.f.clear)(self.tstate);
            (self.f.delete_current)();
        }
    }
}

/// A mutex and a condition variable of the standard library.
#[derive(Default)]
pub struct Std {
    held: Mutex<bool>,
    free: Condvar,
}

impl Lock for Arc<Std> {
    type Seat = Arc<Std>;

    fn sit(&self) -> Result<Self, BenchError> {
        Ok(Arc::clone(self))
    }
}

impl Seat for Arc<Std> {
    fn take(&mut self) -> Result<(), BenchError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *self.free.wait_while(held, |held| *held).unwrap_or_else(PoisonError::into_inner) = true;
        Ok(())
    }

    fn give(&mut self) -> Result<(), BenchError> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.free.notify_one();
        Ok(())
    }
}
