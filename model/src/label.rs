//! Where a thread stands inside its call: labels, each with its locals.
//!
//! A thread holds a short stack of labels. The lowest belongs to the operation; those
//! above it to the procedures that it is in (`swap_no_gil`, `drop_gil`, `take_gil`,
//! `swap`). Labels are as fine as the finest design needs.

use cloister_specs::{CreationError, Fault, InterpId, OpKind, Parking, TstateId};

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
}

/// What is left of `new_interpreter` once everything it made is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Undone {
    /// The thread state that was current before.
    pub save: Option<TstateId>,
    /// How it failed.
    pub error: CreationError,
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

    /// `Py_EndInterpreter`: its thread state is cleared.
    EndClear(TstateId),
    /// Nothing is current.
    EndDetach(TstateId),
    /// The GIL is dropped for the last time.
    EndDrop(TstateId),
    /// The thread state is deleted.
    EndDelete(TstateId),
    /// The interpreter is unlisted and freed; answer.
    EndFree(InterpId),

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
}

/// Walks over every id in a piece of state, to rename it or to look for one.
pub trait Visitor {
    /// A thread state is named.
    fn tstate(&mut self, id: &mut TstateId);
    /// An interpreter, or the GIL that it created, is named.
    fn interp(&mut self, id: &mut InterpId);
    /// A thread state is remembered, but not used.
    fn remembered(&mut self, id: &mut TstateId) {
        self.tstate(id);
    }
}

impl Creation {
    fn visit(&mut self, v: &mut impl Visitor) {
        v.interp(&mut self.interp);
        v.tstate(&mut self.tstate);
        if let Some(t) = &mut self.save {
            v.tstate(t);
        }
        if let Some(t) = &mut self.slot {
            v.remembered(t);
        }
    }
}

impl Swap {
    fn visit(&mut self, v: &mut impl Visitor) {
        if let Some(t) = &mut self.old {
            v.tstate(t);
        }
        if let Some(t) = &mut self.new {
            v.tstate(t);
        }
    }
}

impl Label {
    /// Visits every id in this label, in a fixed order.
    pub fn visit(&mut self, v: &mut impl Visitor) {
        use Label::*;
        match self {
            Idle => {}
            CreateBind(c)
            | CreateSwap(c)
            | CreateRelease(c)
            | CreateSettings(c)
            | CreateGil(c)
            | CreateAttach(c)
            | CreateCore(c)
            | CreateMain(c)
            | CreateLive(c)
            | UndoDelete(c)
            | Undo(c, _)
            | UndoClear(c, _)
            | UndoDetach(c, _)
            | UndoDrop(c, _) => c.visit(v),
            UndoTake(u) | UndoAttach(u) | UndoDone(u) => {
                if let Some(t) = &mut u.save {
                    v.tstate(t);
                }
            }
            SwapAnswer(s) | SwapDrop(s) | SwapExchange(s) | SwapTake(s) | SwapAttach(s) | ClearCurrent(s)
            | Deactivate(s) | SetCurrent(s) | Activate(s) => s.visit(v),
            EndClear(t)
            | EndDetach(t)
            | EndDrop(t)
            | EndDelete(t)
            | ClearDone(t)
            | SaveDrop(t)
            | SaveDone(t)
            | RestoreAttach(t)
            | RestoreDone(t)
            | PollDrop(t)
            | PollTake(t)
            | PollAttach(t)
            | PollDone(t)
            | TakeLock(t)
            | DropHolder { tstate: t, last: _ } => v.tstate(t),
            EndFree(i) => v.interp(i),
            DropUnlock { tstate, last: _, interp } | DropTest { tstate, interp } => {
                v.tstate(tstate);
                v.interp(interp);
            }
            DropWait { tstate, gil, signalled: _ } | TakeWait { tstate, gil, asked: _, signalled: _ } => {
                v.tstate(tstate);
                v.interp(gil);
            }
        }
    }

    /// What a thread at this label waits for, if it waits.
    pub const fn parking(&self) -> Option<Parking> {
        match self {
            Label::TakeWait { .. } => Some(Parking::Gil),
            Label::DropWait { .. } => Some(Parking::Switch),
            _ => None,
        }
    }

    /// The call that a thread is in whose lowest label this is; `None` for the labels of
    /// the procedures that calls share.
    pub const fn call(&self) -> Option<OpKind> {
        match self {
            Label::CreateBind(_)
            | Label::CreateSwap(_)
            | Label::CreateRelease(_)
            | Label::CreateSettings(_)
            | Label::CreateGil(_)
            | Label::CreateAttach(_)
            | Label::CreateCore(_)
            | Label::CreateMain(_)
            | Label::CreateLive(_)
            | Label::Undo(..)
            | Label::UndoClear(..)
            | Label::UndoDetach(..)
            | Label::UndoDrop(..)
            | Label::UndoDelete(_)
            | Label::UndoTake(_)
            | Label::UndoAttach(_)
            | Label::UndoDone(_) => Some(OpKind::NewInterpreterFromConfig),
            Label::EndClear(_)
            | Label::EndDetach(_)
            | Label::EndDrop(_)
            | Label::EndDelete(_)
            | Label::EndFree(_) => Some(OpKind::EndInterpreter),
            Label::ClearDone(_) => Some(OpKind::ThreadStateClear),
            Label::SwapAnswer(_) => Some(OpKind::ThreadStateSwap),
            Label::SaveDrop(_) | Label::SaveDone(_) => Some(OpKind::SaveThread),
            Label::RestoreAttach(_) | Label::RestoreDone(_) => Some(OpKind::RestoreThread),
            Label::PollDrop(_) | Label::PollTake(_) | Label::PollAttach(_) | Label::PollDone(_) => {
                Some(OpKind::EvalBreakerPoll)
            }
            Label::Idle
            | Label::SwapDrop(_)
            | Label::SwapExchange(_)
            | Label::SwapTake(_)
            | Label::SwapAttach(_)
            | Label::ClearCurrent(_)
            | Label::Deactivate(_)
            | Label::SetCurrent(_)
            | Label::Activate(_)
            | Label::DropHolder { .. }
            | Label::DropUnlock { .. }
            | Label::DropTest { .. }
            | Label::DropWait { .. }
            | Label::TakeLock(_)
            | Label::TakeWait { .. } => None,
        }
    }

    /// Its name without the locals.
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split(['(', ' ']).next().unwrap_or_default().to_string()
    }
}
