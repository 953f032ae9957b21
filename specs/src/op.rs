//! Operations: one call of the C API by one thread.

use crate::{InterpId, InterpreterConfig, TstateId};
use arbitrary::Arbitrary;
use serde::{Deserialize, Serialize};

/// Where an injected fault strikes a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Arbitrary)]
pub enum Fault {
    /// The allocation of the interpreter fails.
    InterpAlloc,
    /// The allocation of its thread state fails.
    TstateAlloc,
    /// The core of the new interpreter cannot be initialized (`pycore_interp_init`).
    CoreInit,
    /// The rest of the new interpreter cannot be initialized (`init_interp_main`).
    MainInit,
}

impl Fault {
    /// Every fault, in the order in which a creation meets them.
    pub const ALL: [Fault; 4] = [Fault::InterpAlloc, Fault::TstateAlloc, Fault::CoreInit, Fault::MainInit];
}

/// One call by one thread, named after the C function that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Arbitrary)]
pub enum Op {
    /// `Py_NewInterpreterFromConfig`, with at most one fault injected.
    NewInterpreterFromConfig {
        /// The settings of the new interpreter.
        config: InterpreterConfig,
        /// Where it fails, if it is to fail.
        fault: Option<Fault>,
    },
    /// `Py_EndInterpreter` of the interpreter of this thread state.
    EndInterpreter(TstateId),
    /// `_PyThreadState_New`: created in this interpreter, bound to no thread.
    ThreadStateNew(InterpId),
    /// `_PyThreadState_Bind` to the calling thread.
    ThreadStateBind(TstateId),
    /// `PyThreadState_Swap`; `None` is NULL.
    ThreadStateSwap(Option<TstateId>),
    /// `PyThreadState_Clear`.
    ThreadStateClear(TstateId),
    /// `PyThreadState_Delete`.
    ThreadStateDelete(TstateId),
    /// `PyEval_SaveThread`.
    SaveThread,
    /// `PyEval_RestoreThread`.
    RestoreThread(TstateId),
    /// The eval-breaker poll of a thread that runs Python code (`_Py_HandlePending`).
    EvalBreakerPoll,
}

/// An operation without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum OpKind {
    NewInterpreterFromConfig,
    EndInterpreter,
    ThreadStateNew,
    ThreadStateBind,
    ThreadStateSwap,
    ThreadStateClear,
    ThreadStateDelete,
    SaveThread,
    RestoreThread,
    EvalBreakerPoll,
}

impl OpKind {
    /// Every kind, in the order of a life.
    pub const ALL: [OpKind; 10] = [
        OpKind::NewInterpreterFromConfig,
        OpKind::EndInterpreter,
        OpKind::ThreadStateNew,
        OpKind::ThreadStateBind,
        OpKind::ThreadStateSwap,
        OpKind::ThreadStateClear,
        OpKind::ThreadStateDelete,
        OpKind::SaveThread,
        OpKind::RestoreThread,
        OpKind::EvalBreakerPoll,
    ];

    /// Its name, as in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            OpKind::NewInterpreterFromConfig => "NewInterpreterFromConfig",
            OpKind::EndInterpreter => "EndInterpreter",
            OpKind::ThreadStateNew => "ThreadStateNew",
            OpKind::ThreadStateBind => "ThreadStateBind",
            OpKind::ThreadStateSwap => "ThreadStateSwap",
            OpKind::ThreadStateClear => "ThreadStateClear",
            OpKind::ThreadStateDelete => "ThreadStateDelete",
            OpKind::SaveThread => "SaveThread",
            OpKind::RestoreThread => "RestoreThread",
            OpKind::EvalBreakerPoll => "EvalBreakerPoll",
        }
    }

    /// The area whose rules speak of it first.
    pub const fn area(self) -> &'static str {
        match self {
            OpKind::NewInterpreterFromConfig | OpKind::EndInterpreter => "LIFE",
            OpKind::ThreadStateNew
            | OpKind::ThreadStateBind
            | OpKind::ThreadStateSwap
            | OpKind::ThreadStateClear
            | OpKind::ThreadStateDelete => "TLS",
            OpKind::SaveThread | OpKind::RestoreThread | OpKind::EvalBreakerPoll => "GIL",
        }
    }

    /// Its place in [`OpKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl Op {
    /// The operation without its arguments.
    pub const fn kind(&self) -> OpKind {
        match self {
            Op::NewInterpreterFromConfig { .. } => OpKind::NewInterpreterFromConfig,
            Op::EndInterpreter(_) => OpKind::EndInterpreter,
            Op::ThreadStateNew(_) => OpKind::ThreadStateNew,
            Op::ThreadStateBind(_) => OpKind::ThreadStateBind,
            Op::ThreadStateSwap(_) => OpKind::ThreadStateSwap,
            Op::ThreadStateClear(_) => OpKind::ThreadStateClear,
            Op::ThreadStateDelete(_) => OpKind::ThreadStateDelete,
            Op::SaveThread => OpKind::SaveThread,
            Op::RestoreThread(_) => OpKind::RestoreThread,
            Op::EvalBreakerPoll => OpKind::EvalBreakerPoll,
        }
    }

    /// Does this call make a thread state, whose slot the move chooses?
    pub const fn makes_tstate(&self) -> bool {
        matches!(self, Op::NewInterpreterFromConfig { .. } | Op::ThreadStateNew(_))
    }
}
