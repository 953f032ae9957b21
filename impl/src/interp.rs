//! Interpreters.
//!
//! A slot holds an interpreter, and the GIL that it may create; a handle ([`Interp`])
//! names it and is refused once it has ended. All but the GIL is written under the
//! list lock.

use crate::gil::Gil;
use crate::home::Home;
use crate::pending::Ring;
use crate::pool::Pool;
use crate::serial::{AtomicSerial, Serial};
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{AtomicStatic, global};
use cloister_specs::{FeatureFlags, Phase};
use std::fmt;
use std::sync::LazyLock;

/// An interpreter, by name: the raw face's `PyInterpreterState *`.
///
/// It may outlive what it names; calls then refuse it (GIL-12).
#[derive(Clone, Copy)]
pub struct Interp {
    pub(crate) slot: &'static InterpSlot,
    pub(crate) serial: Serial,
}

/// The memory of an interpreter.
#[derive(Default)]
pub(crate) struct InterpSlot {
    serial: AtomicSerial,
    runtime: AtomicSerial,
    id: AtomicI64,
    phase: AtomicU8,
    flags: AtomicU32,
    /// How many thread states it lists.
    pub(crate) tstates: AtomicUsize,
    /// Its place in the list of the runtime.
    pub(crate) place: AtomicUsize,
    /// Its GIL; none: not yet.
    pub(crate) gil: AtomicStatic<Gil>,
    /// The GIL that is its own, if it has one of its own.
    pub(crate) own: Gil,
    /// Its pending calls; open while it is live.
    pub(crate) ring: Ring,
    /// Itself, while a thread runs pending calls in it.
    busy: AtomicSerial,
    /// How many of its thread states are those of threads that its end waits for.
    pub(crate) joined: AtomicUsize,
    /// How many references to its id there are.
    pub(crate) id_refs: AtomicU64,
    /// It ends with the last of them.
    pub(crate) requires_idref: AtomicBool,
    /// The thread state that said that it runs it.
    pub(crate) running: AtomicSerial,
    /// Its memory.
    pub(crate) home: Home,
}

global! {
    /// The slots that no runtime uses.
    pub(crate) static INTERPS: Pool<InterpSlot> = Pool::new();
}

// In an order in which those that can be used come last.
const CREATING: u8 = 0;
const FINALIZING: u8 = 1;
const ENDING: u8 = 2;
const LIVE: u8 = 3;

impl InterpSlot {
    /// A new interpreter, of which nothing can be used yet.
    pub(crate) fn fill(&'static self, runtime: Serial, id: i64, flags: FeatureFlags) -> Interp {
        let serial = Serial::next();
        self.runtime.store(Some(runtime));
        self.id.store(id, Ordering::Relaxed);
        self.tstates.store(0, Ordering::Relaxed);
        self.gil.store(None);
        self.busy.store(None);
        self.joined.store(0, Ordering::Relaxed);
        self.id_refs.store(0, Ordering::Relaxed);
        self.requires_idref.store(false, Ordering::Relaxed);
        self.running.store(None);
        //= specs/rules/life.md#life-15
        //# The settings of a live interpreter MUST be those of the configuration it was created with.
        self.flags.store(flags.bits(), Ordering::Relaxed);
        self.set_phase(Phase::Creating);
        self.serial.store(Some(serial));
        Interp { slot: self, serial }
    }

    /// Makes every handle stale.
    pub(crate) fn empty(&self) {
        self.serial.store(None);
        self.gil.store(None);
        self.set_phase(Phase::Creating);
    }

    /// The interpreter in it, if there is one.
    pub(crate) fn handle(&'static self) -> Option<Interp> {
        self.serial.load().map(|serial| Interp { slot: self, serial })
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        let phase = match phase {
            Phase::Creating => CREATING,
            Phase::Live => LIVE,
            Phase::Ending => ENDING,
            Phase::Finalizing => FINALIZING,
        };
        self.phase.store(phase, Ordering::Release);
    }

    #[inline]
    pub(crate) fn live(&self) -> bool {
        self.phase.load(Ordering::Acquire) == LIVE
    }

    /// Can thread states of it be made current?
    //= specs/rules/fin.md#fin-18
    //# While an end waits for threads, thread states of its interpreter MAY be made current as before.
    #[inline]
    pub(crate) fn usable(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= ENDING
    }

    /// Is there nobody for whom its end has to wait?
    //= specs/rules/fin.md#fin-7
    //# An end MUST wait for the threads of the interpreter that are no daemons before anything of it
    //# is torn down.
    pub(crate) fn nobody_left(&self) -> bool {
        self.joined.load(Ordering::Relaxed) == 0 && !self.busy()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            CREATING => Phase::Creating,
            LIVE => Phase::Live,
            ENDING => Phase::Ending,
            _ => Phase::Finalizing,
        }
    }

    pub(crate) fn flags(&self) -> FeatureFlags {
        FeatureFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    pub(crate) fn id(&self) -> i64 {
        self.id.load(Ordering::Relaxed)
    }

    /// Are its pending calls being run?
    pub(crate) fn busy(&self) -> bool {
        self.busy.load().is_some()
    }

    /// In the child of a fork: whoever ran its pending calls is no more.
    pub(crate) fn forget_run(&self) {
        self.busy.store(None);
    }

    /// Has it a GIL of its own? `None` while it has none at all.
    pub(crate) fn own_gil(&self) -> Option<bool> {
        self.gil.load().map(|gil| std::ptr::eq(gil, &self.own))
    }
}

global! {
    /// What [`Interp::null`] names.
    static NOTHING: LazyLock<InterpSlot> = LazyLock::new(InterpSlot::default);
}

impl Interp {
    /// The name of nothing: every call refuses it (GIL-12).
    pub fn null() -> Interp {
        Interp { slot: &NOTHING, serial: Serial::NEVER }
    }

    /// Its identity.
    pub const fn serial(&self) -> Serial {
        self.serial
    }

    /// Its id, `PyInterpreterState_GetID`: 0 is main, and no id of a runtime is used
    /// twice. `None` once it has ended.
    pub fn id(&self) -> Option<i64> {
        let id = self.slot.id();
        self.listed().then_some(id)
    }

    /// A thread that holds its GIL begins to run its pending calls.
    pub(crate) fn set_busy(&self) {
        self.slot.busy.store(Some(self.serial));
    }

    /// That run is over, and the interpreter perhaps as well.
    pub(crate) fn set_idle(&self) {
        self.slot.busy.forget(self.serial);
    }

    /// Does it still exist?
    pub(crate) fn listed(&self) -> bool {
        self.slot.serial.is(self.serial)
    }

    /// Does it still exist, in this runtime?
    pub(crate) fn listed_in(&self, runtime: Serial) -> bool {
        self.slot.runtime.is(runtime) && self.listed()
    }
}

impl PartialEq for Interp {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for Interp {}

impl fmt::Debug for Interp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interp").field(&self.serial.get()).finish()
    }
}
