//! Where a thread stands inside its call: labels, each with its locals.
//!
//! A thread holds a short stack of labels. The lowest belongs to the operation; those
//! above it to the procedures that it is in (`swap_no_gil`, `drop_gil`, `take_gil`,
//! `swap`). Labels are as fine as the finest design needs.

use cloister_specs::{InterpId, TstateId};

mod locals;
mod walk;

pub use locals::{
    Asked, By, Count, Counted, Creation, End, Ensuring, Inside, Leaving, Outside, Pass, Run, Swap, Totalled,
    Undone, Work,
};
pub use walk::Visitor;

/// Where a thread stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// Outside any call; also the unused part of a stack.
    Idle,

    /// `new_interpreter`: the new thread state is bound to the caller.
    CreateBind(Creation),
    /// The caller's thread state makes way.
    CreateSwap(Creation),
    /// Its GIL is dropped.
    CreateRelease(Creation),
    /// The settings are checked and stored.
    CreateSettings(Creation),
    /// The GIL is created or shared, and taken.
    CreateGil(Creation),
    /// The new thread state becomes current, where it is not yet.
    CreateAttach(Creation),
    /// `pycore_interp_init`.
    CreateCore(Creation),
    /// `init_interp_main`.
    CreateMain(Creation),
    /// The interpreter is live; answer.
    CreateLive(Creation),
    /// The creation failed with its GIL taken, or not.
    Undo(Creation, bool),
    /// The new thread state is cleared...
    UndoClear(Creation, bool),
    /// ... taken out of the caller (restores-caller) ...
    UndoDetach(Creation, bool),
    /// ... and its GIL dropped (restores-caller).
    UndoDrop(Creation, bool),
    /// It is deleted, and the interpreter with it.
    UndoDelete(Creation),
    /// The caller takes its GIL again (restores-caller) ...
    UndoTake(Undone),
    /// ... and makes its thread state current (restores-caller).
    UndoAttach(Undone),
    /// Answer.
    UndoDone(Undone),

    /// An end: are there threads to wait for, or pending calls that another thread runs?
    FinishJoin(End),
    /// Yes: the GIL is dropped ...
    FinishDrop(End),
    /// ... and if they are still there ...
    FinishLook(End),
    /// ... it waits ...
    FinishWait {
        /// Who ends.
        end: End,
        /// A signal has come.
        signalled: bool,
    },
    /// ... and takes the GIL again ...
    FinishTake(End),
    /// ... with the same thread state current.
    FinishAttach(End),
    /// The pending calls that are left are run.
    FinishPend(End),
    /// Once more, if some are left (finish-pending all).
    FinishAgain(End),

    /// `Py_EndInterpreter`: there is no other thread state; the interpreter is finalizing.
    EndLast(TstateId),
    /// Its thread state is cleared.
    EndClear(TstateId),
    /// Nothing is current.
    EndDetach(TstateId),
    /// The GIL is dropped for the last time.
    EndDrop(TstateId),
    /// The thread state is deleted.
    EndDelete(TstateId),
    /// The interpreter is unlisted and freed.
    EndFree(InterpId),

    /// `Py_FinalizeEx`: the main interpreter is finalizing.
    FinalSet(TstateId),
    /// Are there calls of other threads that use its thread states (daemon-threads refused)?
    FinalQuiesce(TstateId),
    /// It waits until they have returned.
    FinalWait {
        /// Who finalizes.
        tstate: TstateId,
        /// A signal has come.
        signalled: bool,
    },
    /// The other thread states are deleted.
    FinalOthers(TstateId),
    /// The last one is cleared.
    FinalClear(TstateId),
    /// Nothing is current.
    FinalDetach(TstateId),
    /// The GIL is dropped for the last time.
    FinalDrop(TstateId),
    /// The thread state is deleted, and everything with it; answer.
    FinalFree(TstateId),

    /// `thread_run` holds the GIL.
    RunAttach(TstateId),
    /// Answer.
    RunDone(TstateId),

    /// An end from outside: the thread state becomes current.
    OutsideSwap(Outside),
    /// The interpreter is ended.
    OutsideEnd(Outside),
    /// The caller's becomes current again.
    OutsideBack(Outside),
    /// Answer.
    OutsideDone(Outside),

    /// A waiter that may not keep the GIL it has just taken drops it (daemon-threads exit, hang).
    GiveUpDrop(TstateId),
    /// And gives up.
    GiveUp(TstateId),
    /// It hangs (daemon-threads hang).
    Hung(TstateId),

    /// `PyThreadState_Clear`: everything is dropped, `cleared` is set.
    ClearDone(TstateId),

    /// `PyThreadState_Swap` has done its work; answer.
    SwapAnswer(Swap),

    /// `PyEval_SaveThread` drops the GIL.
    SaveDrop(TstateId),
    /// Answer.
    SaveDone(TstateId),

    /// `PyEval_RestoreThread` holds the GIL.
    RestoreAttach(TstateId),
    /// Answer.
    RestoreDone(TstateId),

    /// The poll has nothing current, and drops the GIL.
    PollDrop(TstateId),
    /// It takes it again.
    PollTake(TstateId),
    /// The same thread state becomes current.
    PollAttach(TstateId),
    /// Answer.
    PollDone(TstateId),

    /// `swap` (3.12, ours): the old GIL is to be dropped.
    SwapDrop(Swap),
    /// `swap` (3.12): the current thread state is exchanged.
    SwapExchange(Swap),
    /// `swap`: the new GIL is to be taken.
    SwapTake(Swap),
    /// `swap` (ours): the new thread state becomes current.
    SwapAttach(Swap),

    /// `swap_no_gil`: nothing is current.
    ClearCurrent(Swap),
    /// The old thread state loses `active`.
    Deactivate(Swap),
    /// The new one is current.
    SetCurrent(Swap),
    /// It is active, and the gilstate slot names it.
    Activate(Swap),

    /// `drop_gil`: it must be locked; remember the holder (unless `last`).
    DropHolder {
        /// Whose GIL.
        tstate: TstateId,
        /// For the last time in this thread: no forced switch.
        last: bool,
    },
    /// Unlock and signal.
    DropUnlock {
        /// Whose GIL.
        tstate: TstateId,
        /// As above.
        last: bool,
        /// The interpreter whose `ceval` the call works on.
        interp: InterpId,
    },
    /// After the unlock: has somebody asked for it?
    DropTest {
        /// Whose GIL.
        tstate: TstateId,
        /// As above.
        interp: InterpId,
    },
    /// The forced switch: wait for another thread state to take it.
    DropWait {
        /// Who waits.
        tstate: TstateId,
        /// The GIL, by the interpreter that created it.
        gil: InterpId,
        /// A signal has come.
        signalled: bool,
    },

    /// `take_gil`: lock its mutex and look.
    TakeLock(TstateId),
    /// Wait for it, with a limit.
    TakeWait {
        /// Who waits.
        tstate: TstateId,
        /// The GIL, by the interpreter that created it.
        gil: InterpId,
        /// Has it asked?
        asked: Asked,
        /// A signal has come.
        signalled: bool,
    },

    /// `PyThreadState_DeleteCurrent`, or the last Release: nothing is current.
    LeaveDetach(TstateId, Leaving),
    /// The GIL is dropped for the last time.
    LeaveDrop(TstateId, Leaving),
    /// The thread state is deleted; answer.
    LeaveDelete(TstateId, Leaving),

    /// `PyEval_AcquireThread` holds the GIL.
    AcquireAttach(TstateId),
    /// Answer.
    AcquireDone(TstateId),
    /// `PyEval_ReleaseThread` drops the GIL.
    ReleaseThreadDrop(TstateId),
    /// Answer.
    ReleaseThreadDone(TstateId),

    /// `PyGILState_Ensure` holds the GIL.
    EnsureAttach(Ensuring),
    /// It is counted; answer.
    EnsureDone(Ensuring),
    /// `PyGILState_Release` drops the GIL that its Ensure took.
    ReleaseDrop(TstateId),
    /// Answer.
    ReleaseDone(TstateId),

    /// `make_pending_calls`: one at a time, and the signals are reset.
    PendBegin(Run),
    /// The oldest call of the ring is taken out and run.
    PendNext(Run),
    /// A call that blocks drops the GIL ...
    PendDrop(Run),
    /// ... takes it again ...
    PendTake(Run),
    /// ... and makes its thread state current.
    PendAttach(Run),
    /// The run is over; it was ended by a call that failed, or not.
    PendEnd(Run, bool),
    /// `Py_MakePendingCalls` answers.
    MakeDone(TstateId),
    /// A poll that ran pending calls goes on with the request.
    PollRequest(TstateId),

    /// Inside a heap: a block is taken or given back; answer.
    HeapWork(Work),
    /// A count was read, and is to be written.
    RefStore(Counted),
    /// The reference total was read, and is to be written; answer.
    TotalStore(Totalled),
}
