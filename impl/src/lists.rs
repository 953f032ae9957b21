//! The lists of a runtime: its interpreters, thread states and attached threads.
//!
//! Whoever holds the list lock has a `&mut Lists`. What a slot says of a place in a list
//! is kept right here and nowhere else.

use crate::interp::{INTERPS, Interp, InterpSlot};
use crate::pool::NoMemory;
use crate::serial::Serial;
use crate::sync::atomic::Ordering;
use crate::thread::ThreadSlot;
use crate::trace::{Sink, Sinks};
use crate::tstate::{TSTATES, Tstate, TstateSlot};
use cloister_specs::InterpreterConfig;

/// What a runtime lists.
#[derive(Default)]
pub(crate) struct Lists {
    interps: Vec<&'static InterpSlot>,
    tstates: Vec<&'static TstateSlot>,
    threads: Vec<&'static ThreadSlot>,
    pub(crate) sinks: Sinks,
    next_id: i64,
}

impl Lists {
    /// Lists an interpreter, in the phase of its creation.
    pub(crate) fn new_interp(
        &mut self,
        runtime: Serial,
        slot: &'static InterpSlot,
        config: &InterpreterConfig,
        pending_capacity: usize,
    ) -> Result<Interp, NoMemory> {
        self.interps.try_reserve(1).map_err(|_| NoMemory)?;
        slot.ring.reserve(pending_capacity)?;
        let interp = slot.fill(runtime, self.next_id, config.flags());
        self.next_id += 1;
        slot.place.store(self.interps.len(), Ordering::Relaxed);
        self.interps.push(slot);
        Ok(interp)
    }

    /// Lists a thread state of this interpreter.
    pub(crate) fn new_tstate(
        &mut self,
        interp: Interp,
        slot: &'static TstateSlot,
    ) -> Result<Tstate, NoMemory> {
        self.tstates.try_reserve(1).map_err(|_| NoMemory)?;
        let tstate = slot.fill(interp);
        slot.place.store(self.tstates.len(), Ordering::Relaxed);
        self.tstates.push(slot);
        interp.slot.tstates.fetch_add(1, Ordering::Relaxed);
        Ok(tstate)
    }

    /// Deletes a thread state; nothing names it any more.
    pub(crate) fn delete(&mut self, tstate: Tstate) {
        let slot = tstate.slot;
        if let Some(gil) = slot.gil.load() {
            gil.forget(tstate);
        }
        if let Some(interp) = slot.interp() {
            interp.slot.tstates.fetch_sub(1, Ordering::Relaxed);
        }
        slot.empty();
        let place = slot.place.load(Ordering::Relaxed);
        if place < self.tstates.len() {
            self.tstates.swap_remove(place);
        }
        if let Some(moved) = self.tstates.get(place) {
            moved.place.store(place, Ordering::Relaxed);
        }
        TSTATES.give(slot);
    }

    /// Takes an interpreter from the list; its thread states went before.
    //= specs/rules/life.md#life-14
    //# A listed thread state MUST belong to a listed interpreter.
    pub(crate) fn free(&mut self, interp: Interp) {
        let slot = interp.slot;
        slot.empty();
        let place = slot.place.load(Ordering::Relaxed);
        if place < self.interps.len() {
            self.interps.swap_remove(place);
        }
        if let Some(moved) = self.interps.get(place) {
            moved.place.store(place, Ordering::Relaxed);
        }
        INTERPS.give(slot);
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

    /// Gives back every slot: the runtime ends.
    pub(crate) fn empty(&mut self) {
        for slot in self.tstates.drain(..) {
            slot.empty();
            TSTATES.give(slot);
        }
        for slot in self.interps.drain(..) {
            let left = slot.ring.lock().close();
            drop(left);
            slot.empty();
            INTERPS.give(slot);
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
