//! What the threads of a driver share: what is there, and what may still be made.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use cloister_model::{INTERPS, TSTATES};
use cloister_traced::{Interp, Thread, Tstate};

use super::recording::THREADS;

/// How long a thread that has made its calls sleeps between two polls.
const REST: Duration = Duration::from_micros(100);
/// How often it polls before it gives up its GIL.
const RESTS: u32 = 200;
/// How many dead thread states and interpreters are remembered for wild calls.
const STALE: usize = 3;

/// A thread state that the threads know of. What it says may be out of date.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub tstate: Tstate,
    pub interp: Interp,
    pub bound: Option<usize>,
    pub cleared: bool,
}

/// What the threads know of.
#[derive(Default)]
pub(super) struct Registry {
    pub tstates: Vec<Known>,
    pub interps: Vec<Interp>,
    pub dead_tstates: Vec<Tstate>,
    pub dead_interps: Vec<Interp>,
}

impl Registry {
    pub fn interp_of(&self, tstate: Tstate) -> Option<Interp> {
        self.tstates.iter().find(|k| k.tstate == tstate).map(|k| k.interp)
    }

    pub fn change(&mut self, tstate: Tstate, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.tstates.iter_mut().find(|k| k.tstate == tstate) {
            change(known);
        }
    }

    pub fn remove(&mut self, tstate: Tstate) {
        self.tstates.retain(|k| k.tstate != tstate);
        self.dead_tstates.insert(0, tstate);
        self.dead_tstates.truncate(STALE);
    }

    pub fn remove_interp(&mut self, interp: Interp) {
        self.interps.retain(|i| *i != interp);
        self.dead_interps.insert(0, interp);
        self.dead_interps.truncate(STALE);
    }
}

/// What the threads share.
pub(super) struct World {
    registry: Mutex<Registry>,
    /// How many may still be made.
    pub interps: AtomicU8,
    pub tstates: AtomicU8,
    pub gate: Barrier,
    /// How many threads have made all their calls.
    finished: AtomicUsize,
    /// How many of them are inside a poll.
    polling: AtomicUsize,
    pub calls: u32,
}

impl World {
    pub fn new(calls: u32, main: Interp, first: Tstate) -> Self {
        let known = Known { tstate: first, interp: main, bound: Some(0), cleared: false };
        let registry = Registry { tstates: vec![known], interps: vec![main], ..Registry::default() };
        World {
            registry: Mutex::new(registry),
            interps: AtomicU8::new(INTERPS as u8 - 1),
            tstates: AtomicU8::new(TSTATES as u8 - 1),
            gate: Barrier::new(THREADS),
            finished: AtomicUsize::new(0),
            polling: AtomicUsize::new(0),
            calls,
        }
    }

    /// This thread has made its calls: it polls until all have, so that whoever waits for
    /// its GIL gets it. In the end it keeps the GIL only if nobody can be waiting.
    pub fn rest(&self, thread: &Thread) {
        self.finished.fetch_add(1, SeqCst);
        let all = || self.finished.load(SeqCst) == THREADS;
        for _ in (0..RESTS).take_while(|_| !all()) {
            self.polling.fetch_add(1, SeqCst);
            let _ = thread.eval_breaker_poll();
            self.polling.fetch_sub(1, SeqCst);
            thread::sleep(REST);
        }
        let waited_for = !all() || self.polling.load(SeqCst) > 0;
        if waited_for && thread.current().is_some() {
            let _ = thread.save_thread();
        }
        while !all() {
            thread::sleep(REST);
        }
    }

    /// A thread that could not be attached passes the gates all the same.
    pub fn absent(&self) {
        self.gate.wait();
        self.finished.fetch_add(1, SeqCst);
        self.gate.wait();
    }

    pub fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one from a budget, if there is one left.
pub(super) fn reserve(budget: &AtomicU8) -> bool {
    budget.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// Puts one back.
pub(super) fn release(budget: &AtomicU8) {
    budget.fetch_add(1, SeqCst);
}
