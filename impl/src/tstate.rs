//! Thread states.
//!
//! A *slot* holds a thread state; a *handle* ([`Tstate`]) names it and is refused once
//! it has been deleted. Who writes what:
//!
//! | field | written by |
//! | --- | --- |
//! | `serial`, `interp`, `thread` | under the list lock |
//! | `status`, all bits but `ACTIVE` | under the list lock; `FINALIZING` and `CLEARED` holding the GIL as well |
//! | `status`, `ACTIVE` | by its thread, holding the GIL |
//! | `in_use`, `runs_calls`, `ensures` | by its thread |
//! | `gil` | by the call that creates it |
//!
//! The bit `BOUND_GILSTATE` is not stored: it follows from the gilstate slot of the
//! thread, so the two cannot disagree.

mod ensures;

use crate::gil::Gil;
use crate::interp::{Interp, InterpSlot};
use crate::pool::Pool;
use crate::serial::{AtomicSerial, Serial};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use crate::sync::{AtomicStatic, global};
use crate::thread::ThreadSlot;
use cloister_specs::StatusBits;
use ensures::Ensures;
use std::fmt;
use std::sync::LazyLock;

/// A thread state, by name: the raw face's `PyThreadState *`.
///
/// It may outlive what it names; calls then refuse it (GIL-12).
#[derive(Clone, Copy)]
pub struct Tstate {
    pub(crate) slot: &'static TstateSlot,
    pub(crate) serial: Serial,
}

/// The memory of a thread state.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct TstateSlot {
    /// Which thread state it holds; none: it is free.
    serial: AtomicSerial,
    /// `_status`.
    status: AtomicU8,
    /// A call of its thread uses it.
    pub(crate) in_use: AtomicBool,
    /// Its thread runs pending calls with it, and comes back to it.
    pub(crate) runs_calls: AtomicBool,
    /// The thread it is bound to.
    pub(crate) thread: AtomicSerial,
    /// The GIL of its interpreter; none: not yet.
    pub(crate) gil: AtomicStatic<Gil>,
    /// Where that thread keeps its gilstate slot.
    pub(crate) thread_slot: AtomicStatic<ThreadSlot>,
    interp: AtomicStatic<InterpSlot>,
    interp_serial: AtomicSerial,
    /// Its place in the list of the runtime.
    pub(crate) place: AtomicUsize,
    pub(crate) ensures: Ensures,
}

global! {
    /// The slots that no runtime uses.
    pub(crate) static TSTATES: Pool<TstateSlot> = Pool::new();
}

const DEAD: StatusBits = StatusBits::FINALIZING.union(StatusBits::CLEARED);

impl TstateSlot {
    //= specs/rules/tls.md#tls-19
    //# A new thread state MUST be initialized and nothing else: not bound, not active, named by no slot.
    pub(crate) fn fill(&'static self, interp: Interp) -> Tstate {
        let serial = Serial::next();
        self.interp.store(Some(interp.slot));
        self.interp_serial.store(Some(interp.serial));
        self.gil.store(interp.slot.gil.load());
        self.thread.store(None);
        self.thread_slot.store(None);
        self.in_use.store(false, Ordering::Relaxed);
        self.runs_calls.store(false, Ordering::Relaxed);
        self.ensures.reset();
        self.set_status(StatusBits::INITIALIZED);
        self.serial.store(Some(serial));
        Tstate { slot: self, serial }
    }

    /// Makes every handle stale.
    pub(crate) fn empty(&self) {
        self.serial.store(None);
        self.set_status(StatusBits::empty());
    }

    /// The thread state in it, if there is one.
    pub(crate) fn handle(&'static self) -> Option<Tstate> {
        self.serial.load().map(|serial| Tstate { slot: self, serial })
    }

    #[inline]
    pub(crate) fn set_status(&self, status: StatusBits) {
        self.status.store(status.bits(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn status(&self) -> StatusBits {
        StatusBits::from_bits_retain(self.status.load(Ordering::Acquire))
    }

    /// Its interpreter.
    #[inline]
    pub(crate) fn interp(&self) -> Option<Interp> {
        Some(Interp { slot: self.interp.load()?, serial: self.interp_serial.load()? })
    }
}

global! {
    /// What [`Tstate::null`] names.
    static NOTHING: LazyLock<TstateSlot> = LazyLock::new(TstateSlot::default);
}

impl Tstate {
    /// The name of nothing: every call refuses it (GIL-12).
    pub fn null() -> Tstate {
        Tstate { slot: &NOTHING, serial: Serial::NEVER }
    }

    /// Its identity.
    #[inline]
    pub const fn serial(&self) -> Serial {
        self.serial
    }

    /// Does it still exist?
    #[inline]
    pub(crate) fn listed(&self) -> bool {
        self.slot.serial.is(self.serial)
    }

    /// Does it still exist, in this runtime?
    pub(crate) fn listed_in(&self, runtime: Serial) -> bool {
        let here = self.slot.interp().is_some_and(|interp| interp.listed_in(runtime));
        here && self.listed()
    }

    /// Has it neither been cleared, nor is it being cleared?
    #[inline]
    pub(crate) fn alive(&self) -> bool {
        let status = self.slot.status();
        status.contains(StatusBits::INITIALIZED) && !status.intersects(DEAD)
    }

    /// Its status bits, with the one that is not stored.
    pub(crate) fn status(&self) -> StatusBits {
        let mut status = self.slot.status();
        let named = self.slot.thread_slot.load().is_some_and(|t| t.gilstate.is(self.serial));
        status.set(StatusBits::BOUND_GILSTATE, named);
        status
    }

    /// Is it of this interpreter?
    pub(crate) fn belongs_to(&self, interp: Interp) -> bool {
        self.slot.interp_serial.is(interp.serial)
    }
}

impl PartialEq for Tstate {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for Tstate {}

impl fmt::Debug for Tstate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tstate").field(&self.serial.get()).finish()
    }
}
