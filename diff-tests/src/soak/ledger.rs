//! What there has to be, by what the calls of all threads answered.

use super::calls::Calls;
use super::holdings::Holdings;
use cloister::{Interp, Serial, Tstate};
use cloister_specs::{GilKind, InterpreterConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// In the place of a thread: the one that compares.
pub(super) const NOBODY: usize = usize::MAX;

/// An interpreter that was created and not ended.
#[derive(Clone)]
pub(super) struct KnownInterp {
    pub interp: Interp,
    pub id: i64,
    pub config: InterpreterConfig,
    /// The thread that created it and will end it.
    pub owner: usize,
    /// It is to be ended: nobody makes thread states in it any more.
    pub closing: bool,
    pub book: Arc<Book>,
    /// Those in its ring.
    pub calls: Arc<Calls>,
}

impl KnownInterp {
    /// Whose GIL it has. The main interpreter's own is the one that others share.
    pub fn kind(&self) -> GilKind {
        match self.config.gil_kind() {
            Some(GilKind::Own) if self.id != 0 => GilKind::Own,
            _ => GilKind::Shared,
        }
    }
}

/// A thread state that was made and not deleted.
#[derive(Clone, Copy)]
pub(super) struct KnownTstate {
    pub tstate: Tstate,
    pub interp: Interp,
    /// The thread whose budget it counts against.
    pub maker: usize,
    /// The attached thread that it is bound to, which may have left.
    pub bound: Option<Serial>,
    /// The thread of the soak that can enter it.
    pub holder: Option<usize>,
    pub cleared: bool,
}

/// What the holders of one GIL write while they hold it. They add without an atomic addition:
/// if two held it at once, some would be lost.
pub(super) struct Book {
    by_holder: AtomicU64,
    pub by_all: AtomicU64,
    last: AtomicU64,
}

impl Book {
    pub fn new(holder: usize) -> Arc<Self> {
        let last = AtomicU64::new(holder as u64);
        Arc::new(Book { by_holder: AtomicU64::new(0), by_all: AtomicU64::new(0), last })
    }

    /// Counted by a holder.
    pub fn count(&self) {
        let before = self.by_holder.load(Ordering::Relaxed);
        std::hint::spin_loop();
        self.by_holder.store(before + 1, Ordering::Relaxed);
        self.by_all.fetch_add(1, Ordering::Relaxed);
    }

    /// Written by a holder. Was the one before another thread?
    pub fn sign(&self, me: usize) -> bool {
        self.count();
        let another = self.last.load(Ordering::Relaxed) != me as u64;
        if another {
            self.last.store(me as u64, Ordering::Relaxed);
        }
        another
    }

    /// What was counted either way, while nobody holds the GIL.
    pub fn counted(&self) -> (u64, u64) {
        (self.by_holder.load(Ordering::Relaxed), self.by_all.load(Ordering::Relaxed))
    }
}

/// What there has to be.
#[derive(Default)]
pub(super) struct Ledger {
    pub interps: Vec<KnownInterp>,
    pub tstates: Vec<KnownTstate>,
    /// The pending calls of interpreters that were ended since the last checkpoint.
    pub ended: Vec<(i64, Arc<Calls>)>,
    /// Those in the ring of the main thread.
    pub main_calls: Arc<Calls>,
    /// How many interpreters were given an id.
    pub ids: i64,
    pub holdings: Holdings,
}

impl Ledger {
    pub fn interp(&self, interp: Interp) -> Option<&KnownInterp> {
        self.interps.iter().find(|known| known.interp == interp)
    }

    pub fn close(&mut self, interp: Interp) {
        if let Some(known) = self.interps.iter_mut().find(|known| known.interp == interp) {
            known.closing = true;
        }
    }

    pub fn change(&mut self, tstate: Tstate, change: impl FnOnce(&mut KnownTstate)) {
        if let Some(known) = self.tstates.iter_mut().find(|known| known.tstate == tstate) {
            change(known);
        }
    }

    /// Strikes out a thread state. Answers who made it.
    pub fn remove(&mut self, tstate: Tstate) -> Option<usize> {
        let place = self.tstates.iter().position(|known| known.tstate == tstate)?;
        Some(self.tstates.swap_remove(place).maker)
    }

    /// Strikes out an interpreter.
    pub fn remove_interp(&mut self, interp: Interp) {
        if let Some(place) = self.interps.iter().position(|known| known.interp == interp) {
            let known = self.interps.swap_remove(place);
            self.ended.push((known.id, known.calls));
            self.holdings.heap_ended(interp);
        }
    }

    /// The interpreters of this thread.
    pub fn owned_by(&self, me: usize) -> Vec<Interp> {
        self.interps.iter().filter(|known| known.owner == me).map(|known| known.interp).collect()
    }

    /// A thread state in which this thread can enter this interpreter.
    pub fn entrance(&self, interp: Interp, me: usize) -> Option<Tstate> {
        let mut all = self.tstates.iter();
        let own = |k: &&KnownTstate| k.interp == interp && k.holder == Some(me) && !k.cleared;
        all.find(own).map(|known| known.tstate)
    }
}
