//! What the threads of a soak share.

use super::gate::Gate;
use super::ledger::{Book, Ledger};
use super::{Loss, Plan, Tally};
use cloister::{Runtime, Tstate};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};

/// How many interpreters a thread may have at once, counting one that is being created.
pub(super) const INTERPS: usize = 3;
/// How many thread states may be there at once that one thread made.
pub(super) const TSTATES: usize = 10;
/// Those of them that a thread may only make to get into its own interpreters.
pub(super) const RESERVE: usize = 2;

/// How much there is that one thread made. Only that thread adds to it.
#[derive(Default)]
pub(super) struct Budget {
    pub interps: AtomicUsize,
    pub tstates: AtomicUsize,
}

/// What a thread leaves at a checkpoint.
#[derive(Clone, Default)]
pub(super) struct Left {
    pub tally: Tally,
    pub losses: Vec<Loss>,
    /// The thread state in which it stands.
    pub standing: Option<Tstate>,
}

/// What the threads share.
pub(super) struct Shared {
    pub plan: Plan,
    pub runtime: Runtime,
    /// Of the GIL that is shared.
    pub book: Arc<Book>,
    pub gate: Gate,
    pub budgets: Vec<Budget>,
    pub left: Vec<Mutex<Left>>,
    pub stop: AtomicBool,
    /// Where the first threads that the threads started meet.
    pub filled: Barrier,
    ledger: Mutex<Ledger>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(plan: Plan, runtime: Runtime, book: Arc<Book>, ledger: Ledger) -> Self {
        Shared {
            plan,
            runtime,
            book,
            gate: Gate::new(plan.threads + 1),
            budgets: (0..plan.threads).map(|_| Budget::default()).collect(),
            left: (0..plan.threads).map(|_| Mutex::default()).collect(),
            stop: AtomicBool::new(false),
            filled: Barrier::new(plan.threads),
            ledger: Mutex::new(ledger),
        }
    }

    /// The ledger, which is never held during a call.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    /// Are there so many interpreters and thread states left in the budget?
    pub fn affords(&self, me: usize, interps: usize, tstates: usize) -> bool {
        self.budgets.get(me).is_some_and(|budget| {
            budget.interps.load(Ordering::Acquire) + interps <= INTERPS
                && budget.tstates.load(Ordering::Acquire) + tstates <= TSTATES
        })
    }

    /// An interpreter, or a thread state, is there.
    pub fn spend(&self, me: usize, interps: usize, tstates: usize) {
        if let Some(budget) = self.budgets.get(me) {
            budget.interps.fetch_add(interps, Ordering::AcqRel);
            budget.tstates.fetch_add(tstates, Ordering::AcqRel);
        }
    }

    /// It is gone.
    pub fn earn(&self, me: usize, interps: usize, tstates: usize) {
        if let Some(budget) = self.budgets.get(me) {
            budget.interps.fetch_sub(interps, Ordering::AcqRel);
            budget.tstates.fetch_sub(tstates, Ordering::AcqRel);
        }
    }

    /// What a thread left, to be written or read.
    pub fn left(&self, me: usize) -> MutexGuard<'_, Left> {
        locked(&self.left[me])
    }
}
