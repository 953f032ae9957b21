//! What the labels carry.

use cloister_specs::{BlockId, Client, CreationError, Domain, Fault, InterpId, ObjectId, OpKind, TstateId};

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

/// Who goes through the steps that every end begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct End {
    /// The thread state that ends its interpreter.
    pub tstate: TstateId,
    /// Is it the runtime that is finalized?
    pub main: bool,
}

/// Who ends an interpreter from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    /// The last reference to its id was given back.
    IdDecref,
    /// It is destroyed.
    Destroy,
}

/// The locals of an end from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outside {
    /// Through which thread state.
    pub head: TstateId,
    /// The caller's.
    pub save: Option<TstateId>,
    /// Which call.
    pub by: By,
}

/// What a thread does inside a heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inside {
    /// It takes a block.
    Malloc {
        /// In which domain.
        domain: Domain,
        /// How many bytes.
        size: u16,
        /// There is no memory for it.
        fails: bool,
    },
    /// It gives a block another size.
    Realloc {
        /// Which one.
        block: BlockId,
        /// How many bytes.
        size: u16,
        /// There is no memory for it.
        fails: bool,
    },
    /// It gives a block back.
    Free {
        /// Which one.
        block: BlockId,
    },
    /// It takes a block for an object.
    New {
        /// There is no memory for it.
        fails: bool,
    },
    /// It gives that of an object back.
    Dealloc {
        /// Which one.
        object: ObjectId,
    },
}

/// The locals of whoever is inside a heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Work {
    /// Its current thread state.
    pub tstate: TstateId,
    /// The interpreter whose heap it is.
    pub heap: InterpId,
    /// Which call.
    pub call: OpKind,
    /// What it does there.
    pub inside: Inside,
}

/// One reference more, or one less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Count {
    /// To which object.
    pub object: ObjectId,
    /// More.
    pub up: bool,
    /// By whom.
    pub client: Client,
}

impl Count {
    /// Which call.
    pub const fn call(self) -> OpKind {
        if self.up { OpKind::IncRef } else { OpKind::DecRef }
    }
}

/// The locals of whoever has read a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counted {
    /// Its current thread state.
    pub tstate: TstateId,
    /// What it is about to do.
    pub count: Count,
    /// What it has read.
    pub read: u64,
}

/// The locals of whoever has written a count, and read the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Totalled {
    /// Its current thread state.
    pub tstate: TstateId,
    /// What it has done.
    pub count: Count,
    /// What it has read.
    pub read: i16,
    /// It was the last reference.
    pub last: bool,
}
