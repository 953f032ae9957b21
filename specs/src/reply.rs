//! What a call answers.

use crate::{BlockId, Calls, InterpId, ObjectId, Rule, TstateId};
use arbitrary::Arbitrary;
use serde::{Deserialize, Serialize};

/// Why a creation failed: CPython's `PyStatus.err_msg`, as a type.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
pub enum CreationError {
    /// LIFE-5.
    #[error("per-interpreter obmalloc does not support single-phase init extension modules")]
    Settings,
    /// LIFE-8; Cloister's own, CPython accepts it.
    #[error("per-interpreter GIL does not support the main interpreter's obmalloc")]
    OwnGilSharedObmalloc,
    /// LIFE-6.
    #[error("invalid interpreter config 'gil' value")]
    GilValue,
    /// An allocation failed.
    #[error("memory allocation failed")]
    NoMemory,
    /// `pycore_interp_init` failed.
    #[error("can't initialize the core of the interpreter")]
    CoreInit,
    /// `init_interp_main` failed.
    #[error("can't initialize the main part of the interpreter")]
    MainInit,
}

/// Why a call was not allowed: the message of CPython's exception, as a type.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
pub enum Denied {
    /// FORK-1.
    #[error("fork not supported for isolated subinterpreters")]
    Fork,
    /// FORK-3; CPython 3.12 says so of `forkpty` alone.
    #[error("fork not supported for subinterpreters")]
    ForkInSub,
    /// FORK-6.
    #[error("exec not supported for isolated subinterpreters")]
    Exec,
    /// FORK-7.
    #[error("thread is not supported for isolated subinterpreters")]
    Threads,
    /// FORK-8.
    #[error("daemon threads are disabled in this (sub)interpreter")]
    Daemons,
    /// FIN-9.
    #[error("can't create new thread at interpreter shutdown")]
    Shutdown,
    /// The OS cannot start a thread, or memory ran out (FIN-13).
    #[error("can't start new thread")]
    CannotStart,
    /// ID-3.
    #[error("unrecognized interpreter ID")]
    UnknownId,
    /// ID-8.
    #[error("cannot destroy the current interpreter")]
    DestroyCurrent,
    /// ID-9.
    #[error("interpreter running")]
    Running,
    /// ID-11.
    #[error("interpreter already running")]
    AlreadyRunning,
}

impl Denied {
    /// Every one of them.
    pub const ALL: [Denied; 11] = [
        Denied::Fork,
        Denied::ForkInSub,
        Denied::Exec,
        Denied::Threads,
        Denied::Daemons,
        Denied::Shutdown,
        Denied::CannotStart,
        Denied::UnknownId,
        Denied::DestroyCurrent,
        Denied::Running,
        Denied::AlreadyRunning,
    ];
}

/// Had the thread its GIL before an Ensure? `PyGILState_STATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Arbitrary)]
pub enum GilState {
    /// Yes: the thread state was current.
    Locked,
    /// No.
    Unlocked,
}

/// What an accepted call answers to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reply {
    /// It returns nothing.
    Done,
    /// A creation succeeded: status OK, and this interpreter with this thread state.
    Created {
        /// The new interpreter.
        interp: InterpId,
        /// Its first thread state, current in the caller.
        tstate: TstateId,
    },
    /// A creation answered with an error status.
    Failed(CreationError),
    /// CPython 3.12: status OK, but no thread state (memory ran out).
    OkWithNull,
    /// A thread state, or NULL.
    Tstate(Option<TstateId>),
    /// An Ensure succeeded.
    Ensured(GilState),
    /// An Ensure could not make a thread state.
    NotEnsured,
    /// A check: is it so?
    Is(bool),
    /// The ring of pending calls is full.
    Full,
    /// Pending calls were run.
    Ran {
        /// These, in this order.
        calls: Calls,
        /// The last of them failed.
        failed: bool,
    },
    /// An interpreter was found.
    Interp(InterpId),
    /// The call is not allowed here, and changed nothing.
    Denied(Denied),
    /// The interpreter whose GIL the call waited for has been finalized; the thread has nothing
    /// current.
    Finalized,
    /// CPython 3.12: the same, and the OS thread has ended.
    Exited,
    /// The process was forked; this is the child.
    Forked,
    /// A block, or NULL: there is no memory for it.
    Block(Option<BlockId>),
    /// A new object, or NULL: there is no memory for it.
    Object(Option<ObjectId>),
    /// So many blocks, or references.
    Count(i32),
    /// The count of the object is this now.
    RefCnt(u64),
    /// The object was deallocated.
    Deallocated,
}

/// A call that breaks a rule of its caller. The state is untouched.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[error("{}: {} ({})", .rule.id(), .rule.text().sentence, .rule.text().advice)]
pub struct Refusal {
    /// The rule that the call would break.
    pub rule: Rule,
}

impl From<Rule> for Refusal {
    fn from(rule: Rule) -> Self {
        Refusal { rule }
    }
}
