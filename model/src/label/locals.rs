//! What the labels carry.

use cloister_specs::{CreationError, Fault, InterpId, TstateId};

/// The locals of `new_interpreter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Creation {
    /// The interpreter being created.
    pub interp: InterpId,
    /// Its thread state.
    pub tstate: TstateId,
    /// The thread state that was current before.
    pub save: Option<TstateId>,
    /// What the caller's gilstate slot named before.
    pub slot: Option<TstateId>,
    /// Where this creation is to fail.
    pub fault: Option<Fault>,
    /// Has it failed, and how?
    pub error: Option<CreationError>,
    /// It is `Py_NewInterpreter`.
    pub legacy: bool,
}

/// What is left of `new_interpreter` once everything it made is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Undone {
    /// The thread state that was current before.
    pub save: Option<TstateId>,
    /// How it failed.
    pub error: CreationError,
    /// It is `Py_NewInterpreter`.
    pub legacy: bool,
}

/// The locals of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Swap {
    /// The thread state that was current.
    pub old: Option<TstateId>,
    /// The one that is to be.
    pub new: Option<TstateId>,
}

/// Has a waiter asked for the GIL?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Asked {
    /// Not since it began to wait, or since the GIL was taken anew.
    No,
    /// Yes.
    Yes,
    /// The GIL was switched since it looked: the next expiry only looks again.
    Switched,
}

/// The locals of `PyGILState_Ensure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ensuring {
    /// The thread state that becomes current.
    pub tstate: TstateId,
    /// For which interpreter the caller works.
    pub asked: InterpId,
}

/// Who deletes its current thread state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leaving {
    /// `PyThreadState_DeleteCurrent`.
    DeleteCurrent,
    /// The last `PyGILState_Release`.
    Release,
}

/// Which ring of pending calls is being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pass {
    /// That of the interpreter.
    Interp,
    /// That of the main thread.
    Main,
}

/// The locals of `make_pending_calls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run {
    /// The thread state that runs them; its interpreter is the one that is busy.
    pub tstate: TstateId,
    /// Which ring.
    pub pass: Pass,
}
