//! What the owner of a runtime, the handles of its interpreters, and its OS threads share.
//!
//! The *registry* knows every thread state that this face made. Its lock comes before the
//! list lock, and nobody waits for a GIL while holding it.

use super::error::Error;
use super::obj::Returns;
use crate::interp::Interp;
use crate::runtime;
use crate::sync::{Mutex, barrier};
use crate::thread::Thread;
use crate::tstate::Tstate;
use cloister_specs::StatusBits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A runtime, as the safe face has it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) raw: runtime::Runtime,
    main: Interp,
    /// References to what is in the heap of the main interpreter.
    main_returns: Arc<Returns>,
    /// Its owner was dropped: nobody may attach any more.
    closed: AtomicBool,
    registry: Mutex<Registry>,
}

#[derive(Debug, Default)]
struct Registry {
    /// The interpreters that have not ended, without main.
    subs: Vec<Interp>,
    /// Of those that have a heap of their own.
    returns: Vec<Arc<Returns>>,
    entries: Vec<Arc<Entry>>,
}

/// A thread state that this face made.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) interp: Interp,
    pub(super) tstate: Tstate,
    /// Of the heap that its interpreter uses.
    pub(super) returns: Arc<Returns>,
    /// Its OS thread left it and will come back. Written by that thread, holding the GIL.
    away: AtomicBool,
    /// Its OS thread is no more.
    gone: AtomicBool,
}

impl Entry {
    fn new(interp: Interp, tstate: Tstate, returns: &Arc<Returns>) -> Arc<Entry> {
        let (returns, away, gone) = (Arc::clone(returns), AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Entry { interp, tstate, returns, away, gone })
    }

    /// Gives back the references that wait for somebody to hold the GIL, as this OS thread does.
    #[inline]
    pub(super) fn give_back(&self) {
        if self.returns.waiting() {
            self.returns.give_back();
        }
    }

    pub(super) fn away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Its OS thread is about to leave it, until the answer is dropped.
    pub(super) fn leave_for_now(&self) -> Away<'_> {
        Away { entry: self, before: self.away.swap(true, Ordering::Relaxed) }
    }

    pub(super) fn give_up(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Is it current, waited with, or left for a while? Whoever holds the GIL of its
    /// interpreter knows this for certain.
    pub(super) fn in_use(&self) -> bool {
        let slot = self.tstate.slot;
        let used = slot.in_use.load(Ordering::Acquire) || slot.status().contains(StatusBits::ACTIVE);
        // Looked at last: what was read is of this thread state, if it is there still.
        self.away() || (used && self.tstate.listed())
    }
}

/// The OS thread of a thread state has left it, and will come back.
#[must_use]
pub(super) struct Away<'s> {
    entry: &'s Entry,
    before: bool,
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.entry.away.store(self.before, Ordering::Relaxed);
    }
}

impl Shared {
    pub(super) fn new(raw: runtime::Runtime, main: Interp, tstate: Tstate) -> (Arc<Shared>, Arc<Entry>) {
        let main_returns = Arc::new(Returns::new(main, true));
        let entry = Entry::new(main, tstate, &main_returns);
        let registry = Mutex::new(Registry { entries: vec![Arc::clone(&entry)], ..Registry::default() });
        let closed = AtomicBool::new(false);
        (Arc::new(Shared { raw, main, main_returns, closed, registry }), entry)
    }

    pub(super) fn main(&self) -> Interp {
        self.main
    }

    /// Does a reference wait that only the main interpreter's end is left to give back?
    pub(super) fn waits_in_main(&self) -> bool {
        self.main_returns.waiting() && !self.busy(self.main)
    }

    #[inline]
    pub(super) fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Lets nobody attach any more. Whoever is found to use an interpreter after this sees it
    /// when it leaves.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        barrier::heavy();
    }

    /// Makes a thread state for this OS thread.
    pub(super) fn make(&self, thread: &Thread, interp: Interp) -> Result<Arc<Entry>, Error> {
        let mut registry = self.registry.lock();
        let returns = self.returns_of(&registry, interp).ok_or(Error::Ended)?;
        let tstate = thread.thread_state_new(interp)?.ok_or(Error::NoMemory)?;
        //= specs/rules/tls.md#tls-4
        //# A thread state MUST be bound to the calling thread when it is made current.
        thread.thread_state_bind(tstate)?;
        let entry = Entry::new(interp, tstate, &returns);
        registry.entries.push(Arc::clone(&entry));
        Ok(entry)
    }

    /// Where references wait to what is in the heap that this interpreter uses, if it has not ended.
    fn returns_of(&self, registry: &Registry, interp: Interp) -> Option<Arc<Returns>> {
        let owner = self.raw.inner().heap_of(interp)?;
        if owner == self.main {
            return Some(Arc::clone(&self.main_returns));
        }
        registry.returns.iter().find(|returns| returns.owner() == owner).cloned()
    }

    /// Knows an interpreter that this OS thread just created, with its first thread state.
    pub(super) fn created(&self, interp: Interp, tstate: Tstate) -> Arc<Entry> {
        let own = self.raw.inner().has_own_heap(interp).then(|| Arc::new(Returns::new(interp, false)));
        let entry = Entry::new(interp, tstate, own.as_ref().unwrap_or(&self.main_returns));
        let mut registry = self.registry.lock();
        registry.subs.push(interp);
        registry.returns.extend(own);
        registry.entries.push(Arc::clone(&entry));
        entry
    }

    /// The interpreters that have not ended, without main.
    pub(super) fn subs(&self) -> Vec<Interp> {
        self.registry.lock().subs.clone()
    }

    /// Does anybody seem to use this interpreter?
    pub(super) fn busy(&self, interp: Interp) -> bool {
        self.registry.lock().entries.iter().any(|e| e.interp == interp && e.in_use())
    }

    /// Deletes the thread states whose OS threads are no more. The caller holds the GIL.
    pub(super) fn reap(&self, thread: &Thread, interp: Interp) {
        self.registry
            .lock()
            .entries
            .retain(|e| e.interp != interp || !e.gone.load(Ordering::Acquire) || !delete(thread, e.tstate));
    }

    /// Ends the interpreter of the caller's current thread state, if nobody else uses it;
    /// the thread states of those who merely were in it once are deleted first, and the
    /// references that wait are given back.
    pub(super) fn end(&self, thread: &Thread, own: &Arc<Entry>) -> Result<(), Error> {
        loop {
            own.give_back();
            if self.end_if_none_waits(thread, own)? {
                return Ok(());
            }
        }
    }

    /// The values of objects may do anything when they are dropped, so that is not done here, where
    /// the registry is locked. Answers whether it was not to be done.
    //= specs/rules/life.md#life-10
    //# An interpreter MUST NOT be ended while it has another thread state.
    fn end_if_none_waits(&self, thread: &Thread, own: &Arc<Entry>) -> Result<bool, Error> {
        let mut registry = self.registry.lock();
        let interp = own.interp;
        let other = |e: &Arc<Entry>| e.interp == interp && !Arc::ptr_eq(e, own);
        let used = |e: &Arc<Entry>| other(e) && e.in_use();
        if own.away() || registry.entries.iter().any(used) {
            return Err(Error::InUse);
        }
        if own.returns.waiting() {
            return Ok(false);
        }
        registry.entries.retain(|e| !other(e) || !delete(thread, e.tstate));
        thread.end_interpreter(own.tstate)?;
        registry.entries.retain(|e| e.interp != interp);
        registry.subs.retain(|sub| *sub != interp);
        registry.returns.retain(|returns| returns.owner() != interp);
        if own.returns.owner() == interp {
            own.returns.close();
        }
        Ok(true)
    }
}

/// Clears and deletes a thread state; answers whether it is no more. One that is in use is not
/// cleared, and what is not cleared is not deleted.
//= specs/rules/tls.md#tls-13
//# A thread state MUST NOT be cleared or deleted while a call of another thread still uses it.
fn delete(thread: &Thread, tstate: Tstate) -> bool {
    let _ = thread.thread_state_clear(tstate);
    thread.thread_state_delete(tstate).is_ok()
}
