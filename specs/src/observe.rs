//! What can be seen from outside: plain data, a view per area.

use crate::{FeatureFlags, InterpId, Parking, ThreadId, TstateId};
use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// `PyThreadState._status`, with CPython 3.12's bits.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct StatusBits: u8 {
        /// Created.
        const INITIALIZED = 1;
        /// Bound to an OS thread.
        const BOUND = 1 << 1;
        /// No longer bound (with `BOUND` still set).
        const UNBOUND = 1 << 2;
        /// Named by the gilstate slot of its thread.
        const BOUND_GILSTATE = 1 << 3;
        /// Current in its thread.
        const ACTIVE = 1 << 4;
        /// Being cleared, or cleared.
        const FINALIZING = 1 << 5;
        /// Cleared.
        const CLEARED = 1 << 6;
        /// Deleted.
        const FINALIZED = 1 << 7;
    }
}

/// How far an interpreter is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// The call that creates it has not returned.
    Creating,
    /// In use.
    Live,
    /// Its end has begun: threads go on, but no new one can be started.
    Ending,
    /// Being torn down: no other thread may take its GIL.
    Finalizing,
}

/// An interpreter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterpView {
    /// Its slot.
    pub id: InterpId,
    /// How far it is in its life; `None` where the subject does not show it.
    pub phase: Option<Phase>,
    /// Its settings.
    pub flags: FeatureFlags,
    /// Has it a GIL of its own? `None` while it has none at all.
    pub own_gil: Option<bool>,
}

/// A thread state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TstateView {
    /// Its slot.
    pub id: TstateId,
    /// The interpreter it was created in.
    pub interp: InterpId,
    /// Its status bits.
    pub status: StatusBits,
    /// The OS thread it is bound to.
    pub thread: Option<ThreadId>,
}

/// A GIL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GilView {
    /// The interpreter that created it.
    pub id: InterpId,
    /// Is it taken?
    pub locked: bool,
    /// The thread state that took it last; may name a freed slot.
    pub last_holder: Option<TstateId>,
    /// Has somebody asked for it, as a holder in the interpreter that created it sees it?
    pub drop_request: bool,
    /// The OS thread that holds it; `None` as well where the subject does not show it.
    pub holder: Option<ThreadId>,
}

/// What one OS thread sees of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ThreadView {
    /// Its current thread state.
    pub current: Option<TstateId>,
    /// What its gilstate slot names; may be a freed slot.
    pub gilstate: Option<TstateId>,
    /// What it waits for, if it waits inside a call.
    pub parked: Option<Parking>,
}

/// Everything that can be seen while all threads are stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// By slot.
    pub interps: Vec<InterpView>,
    /// By slot.
    pub tstates: Vec<TstateView>,
    /// By slot of the interpreter that created it.
    pub gils: Vec<GilView>,
    /// By thread.
    pub threads: Vec<ThreadView>,
}
