//! The lists of a runtime: its interpreters, thread states and attached threads.
//!
//! Whoever holds the list lock has a `&mut Lists`. What a slot says of a place in a list
//! is kept right here and nowhere else.

use crate::home::Totals;
use crate::interp::{INTERPS, Interp, InterpSlot};
use crate::pool::NoMemory;
use crate::serial::Serial;
use crate::sync::atomic::Ordering;
use crate::thread::ThreadSlot;
use crate::trace::{Sink, Sinks};
use crate::tstate::{Started, TSTATES, Tstate, TstateSlot};
use cloister_specs::InterpreterConfig;

/// What a runtime lists.
#[derive(Default)]
pub(crate) struct Lists {
    interps: Vec<&'static InterpSlot>,
    tstates: Vec<&'static TstateSlot>,
    threads: Vec<&'static ThreadSlot>,
    pub(crate) sinks: Sinks,
    /// What ended interpreters left.
    pub(crate) totals: Totals,
    /// The last id that was given.
    last_id: i64,
}

impl Lists {
    /// Makes sure that an interpreter and a thread state can be listed.
    pub(crate) fn reserve(&mut self) -> Result<(), NoMemory> {
        self.interps.try_reserve(1).map_err(|_| NoMemory)?;
        self.tstates.try_reserve(1).map_err(|_| NoMemory)
    }

    /// Gives ids from the beginning: a runtime is initialized.
    pub(crate) fn restart_ids(&mut self) {
        self.last_id = -1;
    }

    /// An id that is used up for nothing.
    pub(crate) fn lose_id(&mut self) {
        self.last_id += 1;
    }

    /// Lists an interpreter, in the phase of its creation, where there is room.
    //= specs/rules/id.md#id-1
    //# The id of a new interpreter MUST be greater than every id that its runtime has given.
    pub(crate) fn new_interp(
        &mut self,
        runtime: Serial,
        slot: &'static InterpSlot,
        config: &InterpreterConfig,
    ) -> Interp {
        self.last_id += 1;
        let interp = slot.fill(runtime, self.last_id, config.flags());
        slot.place.store(self.interps.len(), Ordering::Relaxed);
        self.interps.push(slot);
        interp
    }

    /// Lists a thread state of this interpreter, where there is room.
    pub(crate) fn new_tstate(&mut self, interp: Interp, slot: &'static TstateSlot) -> Tstate {
        let tstate = slot.fill(interp);
        slot.place.store(self.tstates.len(), Ordering::Relaxed);
        self.tstates.push(slot);
        interp.slot.tstates.fetch_add(1, Ordering::Relaxed);
        tstate
    }

    /// Deletes a thread state; nothing names it any more.
    pub(crate) fn delete(&mut self, tstate: Tstate) {
        self.unlist(tstate);
        TSTATES.give(tstate.slot);
    }

    /// Takes a thread state from the list, and leaves its memory alone.
    pub(crate) fn unlist(&mut self, tstate: Tstate) {
        let slot = tstate.slot;
        if let Some(gil) = slot.gil.load() {
            gil.forget(tstate);
        }
        if let Some(interp) = slot.interp() {
            interp.slot.tstates.fetch_sub(1, Ordering::Relaxed);
            if slot.started() == Some(Started::Joined) {
                interp.slot.joined.fetch_sub(1, Ordering::Relaxed);
            }
            interp.slot.running.forget(tstate.serial);
        }
        slot.empty();
        let place = slot.place.load(Ordering::Relaxed);
        if place < self.tstates.len() {
            self.tstates.swap_remove(place);
        }
        if let Some(moved) = self.tstates.get(place) {
            moved.place.store(place, Ordering::Relaxed);
        }
    }

    /// Frees an interpreter; its thread states went before.
    //= specs/rules/life.md#life-14
    //# A listed thread state MUST belong to a listed interpreter.
    pub(crate) fn free(&mut self, interp: Interp) {
        self.unlist_interp(interp);
        INTERPS.give(interp.slot);
    }

    /// Takes an interpreter from the list, and leaves its memory alone; what it left is counted.
    pub(crate) fn unlist_interp(&mut self, interp: Interp) {
        let slot = interp.slot;
        // SAFETY: nobody works in it any more, and who counts has to hold the list lock.
        self.totals.add(unsafe { slot.home.inside() });
        slot.empty();
        let place = slot.place.load(Ordering::Relaxed);
        if place < self.interps.len() {
            self.interps.swap_remove(place);
        }
        if let Some(moved) = self.interps.get(place) {
            moved.place.store(place, Ordering::Relaxed);
        }
    }

    /// The thread states of this interpreter.
    pub(crate) fn tstates_of(&self, interp: Interp) -> impl Iterator<Item = Tstate> {
        self.tstates.iter().filter_map(|slot| slot.handle()).filter(move |t| t.belongs_to(interp))
    }

    /// Lists an attached thread.
    pub(crate) fn enter(&mut self, slot: &'static ThreadSlot, sink: &Sink) -> Result<(), NoMemory> {
        self.threads.try_reserve(1).map_err(|_| NoMemory)?;
        self.threads.push(slot);
        self.sinks.add(sink);
        Ok(())
    }

    /// Takes an attached thread from the list.
    pub(crate) fn leave(&mut self, slot: &'static ThreadSlot) {
        self.threads.retain(|t| !std::ptr::eq(*t, slot));
    }

    /// In the child of a fork: this is the only thread.
    pub(crate) fn keep_thread(&mut self, slot: &'static ThreadSlot, sink: &Sink) {
        self.threads.retain(|t| std::ptr::eq(*t, slot));
        self.sinks.keep(sink);
    }

    /// Gives back every slot but that of the main interpreter: the runtime is no more.
    pub(crate) fn empty(&mut self, main: &'static InterpSlot) {
        for slot in self.tstates.drain(..) {
            slot.empty();
            TSTATES.give(slot);
        }
        for slot in self.interps.drain(..) {
            let left = slot.ring.lock().close();
            drop(left);
            // SAFETY: no thread is attached to the runtime any more.
            drop(std::mem::take(unsafe { slot.home.inside() }));
            slot.empty();
            if !std::ptr::eq(slot, main) {
                INTERPS.give(slot);
            }
        }
    }

    pub(crate) fn interps(&self) -> &[&'static InterpSlot] {
        &self.interps
    }

    pub(crate) fn tstates(&self) -> &[&'static TstateSlot] {
        &self.tstates
    }

    pub(crate) fn threads(&self) -> &[&'static ThreadSlot] {
        &self.threads
    }
}
