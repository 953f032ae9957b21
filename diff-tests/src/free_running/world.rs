//! What the threads of a driver share: what is there, and what may still be made.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cloister_model::{INTERPS, TSTATES};

use super::build::Face;

/// How many dead thread states and interpreters are remembered for wild calls.
const STALE: usize = 3;

/// A thread state that the threads know of. What it says may be out of date.
pub(crate) struct Known<F: Face> {
    pub tstate: F::Tstate,
    pub interp: F::Interp,
    pub bound: Option<usize>,
    pub cleared: bool,
}

/// What the threads know of.
pub(crate) struct Registry<F: Face> {
    pub tstates: Vec<Known<F>>,
    pub interps: Vec<F::Interp>,
    pub dead_tstates: Vec<F::Tstate>,
    pub dead_interps: Vec<F::Interp>,
}

impl<F: Face> Registry<F> {
    pub fn interp_of(&self, tstate: F::Tstate) -> Option<F::Interp> {
        self.tstates.iter().find(|k| k.tstate == tstate).map(|k| k.interp)
    }

    pub fn change(&mut self, tstate: F::Tstate, change: impl FnOnce(&mut Known<F>)) {
        if let Some(known) = self.tstates.iter_mut().find(|k| k.tstate == tstate) {
            change(known);
        }
    }

    pub fn remove(&mut self, tstate: F::Tstate) {
        self.tstates.retain(|k| k.tstate != tstate);
        self.dead_tstates.insert(0, tstate);
        self.dead_tstates.truncate(STALE);
    }

    pub fn remove_interp(&mut self, interp: F::Interp) {
        self.interps.retain(|i| *i != interp);
        self.dead_interps.insert(0, interp);
        self.dead_interps.truncate(STALE);
    }
}

/// What the threads share.
pub(crate) struct World<F: Face> {
    registry: Mutex<Registry<F>>,
    /// How many may still be made.
    pub interps: AtomicU8,
    pub tstates: AtomicU8,
    /// How often a thread at work looks at nothing between two polls.
    pub spins: u32,
}

impl<F: Face> World<F> {
    pub fn new(main: F::Interp, first: F::Tstate, spins: u32) -> Self {
        let registry = Registry {
            tstates: vec![Known { tstate: first, interp: main, bound: Some(0), cleared: false }],
            interps: vec![main],
            dead_tstates: Vec::new(),
            dead_interps: Vec::new(),
        };
        World {
            registry: Mutex::new(registry),
            interps: AtomicU8::new(INTERPS as u8 - 1),
            tstates: AtomicU8::new(TSTATES as u8 - 1),
            spins,
        }
    }

    pub fn registry(&self) -> MutexGuard<'_, Registry<F>> {
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
