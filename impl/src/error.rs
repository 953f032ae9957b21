//! Why calls come to nothing.
//!
//! | | |
//! | --- | --- |
//! | *refused* | the call broke a rule of its caller; nothing has changed |
//! | *denied* | the interpreter or its configuration does not allow it now; nothing has changed |
//! | *finalized* | the runtime was finalized while the call waited for a GIL; nothing is current in its thread any more |

use crate::gil::Gone;
use crate::pool::NoMemory;
use cloister_specs::{CreationError, Denied, Refusal, Rule};
use std::io;

/// Why a call that may wait for a GIL failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The call broke a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The runtime was finalized meanwhile (FIN-11). The thread has nothing current.
    #[error("the runtime was finalized while the call waited for its GIL; let the thread end")]
    Finalized,
}

/// Why a call failed that the interpreter can deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The call broke a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not allowed here. Nothing has changed.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The runtime was finalized meanwhile (FIN-11). The thread has nothing current.
    #[error("the runtime was finalized while the call waited for its GIL; let the thread end")]
    Finalized,
}

/// Why an interpreter was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// The call broke a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// CPython's status. The caller is as it was, though others may have run meanwhile.
    #[error(transparent)]
    Failed(#[from] CreationError),
    /// The creation failed, and the runtime was finalized while the caller waited to come back
    /// (FIN-11). The thread has nothing current.
    #[error("the runtime was finalized while a failed creation waited to come back; let the thread end")]
    Finalized,
}

/// Why an Ensure failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnsureError {
    /// The call broke a rule. Nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Memory ran out. Nothing has changed.
    #[error("memory allocation failed; try again when there is memory")]
    NoMemory,
    /// The runtime was finalized meanwhile (FIN-11). The thread has nothing current.
    #[error("the runtime was finalized while the call waited for its GIL; let the thread end")]
    Finalized,
}

/// Why a process was not forked.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// The call broke a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not allowed here.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The operating system could not.
    #[error("the operating system cannot fork the process: {0}")]
    Os(#[from] io::Error),
}

/// Memory ran out before a runtime was initialized. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("memory allocation failed; try again when there is memory")]
pub struct NotInitialized;

macro_rules! from_rules {
    ($($error:ident),+) => {
        $(impl From<Rule> for $error {
            fn from(rule: Rule) -> Self {
                $error::Refused(rule.into())
            }
        })+

        $(impl $error {
            /// The rule that the call broke, if it was refused.
            pub fn rule(&self) -> Option<Rule> {
                match self {
                    $error::Refused(refusal) => Some(refusal.rule),
                    _ => None,
                }
            }
        })+
    };
}

from_rules!(CallError, GateError, CreateError, EnsureError, ForkError);

macro_rules! from_calls {
    ($($error:ident),+) => {
        $(impl From<CallError> for $error {
            fn from(error: CallError) -> Self {
                match error {
                    CallError::Refused(refusal) => $error::Refused(refusal),
                    CallError::Finalized => $error::Finalized,
                }
            }
        })+
    };
}

from_calls!(GateError, CreateError, EnsureError);

impl From<Gone> for CallError {
    fn from(_: Gone) -> Self {
        CallError::Finalized
    }
}

impl From<NoMemory> for EnsureError {
    fn from(_: NoMemory) -> Self {
        EnsureError::NoMemory
    }
}

impl From<NoMemory> for CreateError {
    fn from(_: NoMemory) -> Self {
        CreateError::Failed(CreationError::NoMemory)
    }
}

impl From<NoMemory> for NotInitialized {
    fn from(_: NoMemory) -> Self {
        NotInitialized
    }
}
