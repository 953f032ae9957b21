//! What a call answers.

use crate::{Calls, InterpId, Rule, TstateId};
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
