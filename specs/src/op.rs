//! Operations: one call of the C API by one thread.

use crate::{
    BlockId, Client, Domain, GilState, InterpId, InterpreterConfig, ObjectId, PendingCall, TstateId,
};
use arbitrary::Arbitrary;
use serde::{Deserialize, Serialize};

mod kind;

pub use kind::OpKind;

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
    /// `Py_NewInterpreter`, likewise.
    NewInterpreter {
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
    /// `PyThreadState_Clear` of the current thread state and `PyThreadState_DeleteCurrent`,
    /// one after the other: what a thread does at its end.
    ThreadStateDeleteCurrent,
    /// `PyEval_SaveThread`.
    SaveThread,
    /// `PyEval_RestoreThread`.
    RestoreThread(TstateId),
    /// `PyEval_AcquireThread`.
    AcquireThread(TstateId),
    /// `PyEval_ReleaseThread`.
    ReleaseThread(TstateId),
    /// The eval-breaker poll of a thread that runs Python code (`_Py_HandlePending`).
    EvalBreakerPoll,
    /// `PyGILState_Ensure`, by a caller that works for this interpreter.
    GilStateEnsure {
        /// For which the caller works. CPython is not told.
        interp: InterpId,
        /// The allocation of a new thread state fails.
        fails: bool,
    },
    /// `PyGILState_Release`, with what the matching Ensure answered.
    GilStateRelease(GilState),
    /// `PyGILState_Check`.
    GilStateCheck,
    /// `Py_AddPendingCall`, or `_PyEval_AddPendingCall` for the ring of an interpreter.
    AddPendingCall {
        /// Whose ring; `None`: that of the main thread.
        interp: Option<InterpId>,
        /// What is called.
        call: PendingCall,
    },
    /// `Py_MakePendingCalls`.
    MakePendingCalls,
    /// `Py_InitializeEx`.
    Initialize,
    /// `Py_FinalizeEx`.
    Finalize,
    /// `_thread.start_new_thread`, up to the point where the new OS thread goes on by itself.
    StartThread {
        /// Nobody waits for it.
        daemon: bool,
        /// The OS cannot start a thread.
        fails: bool,
    },
    /// `thread_run`, the first thing in the new OS thread.
    RunThread(TstateId),
    /// `_PyThreadState_DeleteExcept`.
    ThreadStateDeleteExcept(TstateId),
    /// `_PyInterpreterState_LookUpID`.
    InterpreterLookUpId(u8),
    /// `_PyInterpreterState_RequireIDRef`.
    InterpreterRequireIdRef {
        /// Which interpreter.
        interp: InterpId,
        /// Is it to end with the last reference?
        required: bool,
    },
    /// `_PyInterpreterState_IDIncref`.
    InterpreterIdIncref(InterpId),
    /// `_PyInterpreterState_IDDecref`.
    InterpreterIdDecref(InterpId),
    /// `_PyInterpreterState_SetRunningMain`, of the current interpreter.
    SetRunningMain,
    /// `_PyInterpreterState_SetNotRunningMain`, of the current interpreter.
    SetNotRunningMain,
    /// `_xxsubinterpreters.destroy`.
    DestroyInterpreter(InterpId),
    /// `os.fork`. The run goes on in the child, and is over.
    Fork,
    /// `os.execv`, of a program that does not exist.
    Exec,
    /// `PyMem_RawMalloc`, `PyMem_Malloc` or `PyObject_Malloc`.
    Malloc {
        /// Which of them.
        domain: Domain,
        /// How many bytes.
        size: u16,
        /// There is no memory for it.
        fails: bool,
    },
    /// `PyMem_RawCalloc`, `PyMem_Calloc` or `PyObject_Calloc`, of one item.
    Calloc {
        /// Which of them.
        domain: Domain,
        /// How many bytes.
        size: u16,
        /// There is no memory for it.
        fails: bool,
    },
    /// `PyMem_RawRealloc`, `PyMem_Realloc` or `PyObject_Realloc`. The block keeps its slot.
    Realloc {
        /// Which of them.
        domain: Domain,
        /// Which block.
        block: BlockId,
        /// How many bytes it is to have.
        size: u16,
        /// There is no memory for it, if it cannot stay where it is.
        fails: bool,
    },
    /// `PyMem_RawFree`, `PyMem_Free` or `PyObject_Free`.
    Free {
        /// Which of them.
        domain: Domain,
        /// Which block; `None` is NULL.
        block: Option<BlockId>,
    },
    /// `_PyInterpreterState_GetAllocatedBlocks`.
    AllocatedBlocks(InterpId),
    /// `_Py_GetGlobalAllocatedBlocks`.
    GlobalAllocatedBlocks,
    /// `PyObject_New`, of an object without references.
    ObjectNew {
        /// There is no memory for it.
        fails: bool,
    },
    /// References are taken, or given back, until there are so many (`Py_SET_REFCNT`).
    SetRefCnt {
        /// To which object.
        object: ObjectId,
        /// How many.
        count: u32,
    },
    /// `Py_INCREF`.
    IncRef {
        /// Of which object.
        object: ObjectId,
        /// By whom.
        client: Client,
    },
    /// `Py_DECREF`.
    DecRef {
        /// Of which object.
        object: ObjectId,
        /// By whom.
        client: Client,
    },
    /// `_Py_SetImmortal`.
    SetImmortal(ObjectId),
    /// `_Py_ClearImmortal`.
    ClearImmortal(ObjectId),
    /// A reference that the current interpreter has goes to another one.
    PassRef {
        /// To which object.
        object: ObjectId,
        /// To which interpreter.
        to: InterpId,
    },
    /// `_PyInterpreterState_GetRefTotal`.
    RefTotal(InterpId),
    /// `_Py_GetGlobalRefTotal`.
    GlobalRefTotal,
}

impl Op {
    /// The operation without its arguments.
    pub const fn kind(&self) -> OpKind {
        match self {
            Op::NewInterpreterFromConfig { .. } => OpKind::NewInterpreterFromConfig,
            Op::NewInterpreter { .. } => OpKind::NewInterpreter,
            Op::EndInterpreter(_) => OpKind::EndInterpreter,
            Op::ThreadStateNew(_) => OpKind::ThreadStateNew,
            Op::ThreadStateBind(_) => OpKind::ThreadStateBind,
            Op::ThreadStateSwap(_) => OpKind::ThreadStateSwap,
            Op::ThreadStateClear(_) => OpKind::ThreadStateClear,
            Op::ThreadStateDelete(_) => OpKind::ThreadStateDelete,
            Op::ThreadStateDeleteCurrent => OpKind::ThreadStateDeleteCurrent,
            Op::SaveThread => OpKind::SaveThread,
            Op::RestoreThread(_) => OpKind::RestoreThread,
            Op::AcquireThread(_) => OpKind::AcquireThread,
            Op::ReleaseThread(_) => OpKind::ReleaseThread,
            Op::EvalBreakerPoll => OpKind::EvalBreakerPoll,
            Op::GilStateEnsure { .. } => OpKind::GilStateEnsure,
            Op::GilStateRelease(_) => OpKind::GilStateRelease,
            Op::GilStateCheck => OpKind::GilStateCheck,
            Op::AddPendingCall { .. } => OpKind::AddPendingCall,
            Op::MakePendingCalls => OpKind::MakePendingCalls,
            Op::Initialize => OpKind::Initialize,
            Op::Finalize => OpKind::Finalize,
            Op::StartThread { .. } => OpKind::StartThread,
            Op::RunThread(_) => OpKind::RunThread,
            Op::ThreadStateDeleteExcept(_) => OpKind::ThreadStateDeleteExcept,
            Op::InterpreterLookUpId(_) => OpKind::InterpreterLookUpId,
            Op::InterpreterRequireIdRef { .. } => OpKind::InterpreterRequireIdRef,
            Op::InterpreterIdIncref(_) => OpKind::InterpreterIdIncref,
            Op::InterpreterIdDecref(_) => OpKind::InterpreterIdDecref,
            Op::SetRunningMain => OpKind::SetRunningMain,
            Op::SetNotRunningMain => OpKind::SetNotRunningMain,
            Op::DestroyInterpreter(_) => OpKind::DestroyInterpreter,
            Op::Fork => OpKind::Fork,
            Op::Exec => OpKind::Exec,
            Op::Malloc { .. } => OpKind::Malloc,
            Op::Calloc { .. } => OpKind::Calloc,
            Op::Realloc { .. } => OpKind::Realloc,
            Op::Free { .. } => OpKind::Free,
            Op::AllocatedBlocks(_) => OpKind::AllocatedBlocks,
            Op::GlobalAllocatedBlocks => OpKind::GlobalAllocatedBlocks,
            Op::ObjectNew { .. } => OpKind::ObjectNew,
            Op::SetRefCnt { .. } => OpKind::SetRefCnt,
            Op::IncRef { .. } => OpKind::IncRef,
            Op::DecRef { .. } => OpKind::DecRef,
            Op::SetImmortal(_) => OpKind::SetImmortal,
            Op::ClearImmortal(_) => OpKind::ClearImmortal,
            Op::PassRef { .. } => OpKind::PassRef,
            Op::RefTotal(_) => OpKind::RefTotal,
            Op::GlobalRefTotal => OpKind::GlobalRefTotal,
        }
    }

    /// May this call make a thread state, whose slot the move chooses?
    pub const fn makes_tstate(&self) -> bool {
        matches!(
            self,
            Op::NewInterpreterFromConfig { .. }
                | Op::NewInterpreter { .. }
                | Op::ThreadStateNew(_)
                | Op::GilStateEnsure { .. }
                | Op::Initialize
                | Op::StartThread { .. }
        )
    }
}
