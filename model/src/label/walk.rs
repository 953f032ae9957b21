//! Walking over labels: their ids, what they wait for, which call they belong to.

use cloister_specs::{InterpId, OpKind, Parking, TstateId};

use super::{By, Creation, Label, Leaving, Outside, Swap};

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

const fn creation(legacy: bool) -> OpKind {
    if legacy { OpKind::NewInterpreter } else { OpKind::NewInterpreterFromConfig }
}

const fn outside(o: &Outside) -> OpKind {
    match o.by {
        By::IdDecref => OpKind::InterpreterIdDecref,
        By::Destroy => OpKind::DestroyInterpreter,
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
            | LeaveDetach(t, _)
            | LeaveDrop(t, _)
            | LeaveDelete(t, _)
            | AcquireAttach(t)
            | AcquireDone(t)
            | ReleaseThreadDrop(t)
            | ReleaseThreadDone(t)
            | ReleaseDrop(t)
            | ReleaseDone(t)
            | MakeDone(t)
            | PollRequest(t)
            | DropHolder { tstate: t, last: _ } => v.tstate(t),
            EnsureAttach(e) | EnsureDone(e) => {
                v.tstate(&mut e.tstate);
                v.interp(&mut e.asked);
            }
            PendBegin(p) | PendNext(p) | PendDrop(p) | PendTake(p) | PendAttach(p) | PendEnd(p, _) => {
                v.tstate(&mut p.tstate);
            }
            FinishJoin(e)
            | FinishDrop(e)
            | FinishLook(e)
            | FinishWait { end: e, signalled: _ }
            | FinishTake(e)
            | FinishAttach(e)
            | FinishPend(e)
            | FinishAgain(e) => v.tstate(&mut e.tstate),
            EndLast(t)
            | FinalSet(t)
            | FinalQuiesce(t)
            | FinalWait { tstate: t, signalled: _ }
            | FinalOthers(t)
            | FinalClear(t)
            | FinalDetach(t)
            | FinalDrop(t)
            | FinalFree(t)
            | RunAttach(t)
            | RunDone(t)
            | GiveUpDrop(t) => v.tstate(t),
            // It has let go of it.
            GiveUp(t) | Hung(t) => v.remembered(t),
            OutsideSwap(o) | OutsideEnd(o) => {
                v.tstate(&mut o.head);
                if let Some(t) = &mut o.save {
                    v.tstate(t);
                }
            }
            // The head went with its interpreter, or is used by the end.
            OutsideBack(o) | OutsideDone(o) => {
                v.remembered(&mut o.head);
                if let Some(t) = &mut o.save {
                    v.tstate(t);
                }
            }
            EndFree(i) => v.interp(i),
            HeapWork(w) => {
                v.tstate(&mut w.tstate);
                v.interp(&mut w.heap);
            }
            RefStore(c) => v.tstate(&mut c.tstate),
            TotalStore(t) => v.tstate(&mut t.tstate),
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
            Label::FinishWait { .. } => Some(Parking::Threads),
            Label::FinalWait { .. } => Some(Parking::Calls),
            Label::Hung(_) => Some(Parking::Forever),
            _ => None,
        }
    }

    /// The call that a thread is in whose lowest label this is; `None` for the labels of
    /// the procedures that calls share.
    pub const fn call(&self) -> Option<OpKind> {
        match self {
            Label::CreateBind(c)
            | Label::CreateSwap(c)
            | Label::CreateRelease(c)
            | Label::CreateSettings(c)
            | Label::CreateGil(c)
            | Label::CreateAttach(c)
            | Label::CreateCore(c)
            | Label::CreateMain(c)
            | Label::CreateLive(c)
            | Label::Undo(c, _)
            | Label::UndoClear(c, _)
            | Label::UndoDetach(c, _)
            | Label::UndoDrop(c, _)
            | Label::UndoDelete(c) => Some(creation(c.legacy)),
            Label::UndoTake(u) | Label::UndoAttach(u) | Label::UndoDone(u) => Some(creation(u.legacy)),
            Label::LeaveDetach(_, by) | Label::LeaveDrop(_, by) | Label::LeaveDelete(_, by) => {
                Some(match by {
                    Leaving::DeleteCurrent => OpKind::ThreadStateDeleteCurrent,
                    Leaving::Release => OpKind::GilStateRelease,
                })
            }
            Label::AcquireAttach(_) | Label::AcquireDone(_) => Some(OpKind::AcquireThread),
            Label::ReleaseThreadDrop(_) | Label::ReleaseThreadDone(_) => Some(OpKind::ReleaseThread),
            Label::EnsureAttach(_) | Label::EnsureDone(_) => Some(OpKind::GilStateEnsure),
            Label::ReleaseDrop(_) | Label::ReleaseDone(_) => Some(OpKind::GilStateRelease),
            Label::MakeDone(_) => Some(OpKind::MakePendingCalls),
            Label::FinishJoin(e)
            | Label::FinishDrop(e)
            | Label::FinishLook(e)
            | Label::FinishWait { end: e, .. }
            | Label::FinishTake(e)
            | Label::FinishAttach(e)
            | Label::FinishPend(e)
            | Label::FinishAgain(e) => Some(if e.main { OpKind::Finalize } else { OpKind::EndInterpreter }),
            Label::EndLast(_)
            | Label::EndClear(_)
            | Label::EndDetach(_)
            | Label::EndDrop(_)
            | Label::EndDelete(_)
            | Label::EndFree(_) => Some(OpKind::EndInterpreter),
            Label::FinalSet(_)
            | Label::FinalQuiesce(_)
            | Label::FinalWait { .. }
            | Label::FinalOthers(_)
            | Label::FinalClear(_)
            | Label::FinalDetach(_)
            | Label::FinalDrop(_)
            | Label::FinalFree(_) => Some(OpKind::Finalize),
            Label::RunAttach(_) | Label::RunDone(_) => Some(OpKind::RunThread),
            Label::OutsideSwap(o) | Label::OutsideEnd(o) | Label::OutsideBack(o) | Label::OutsideDone(o) => {
                Some(outside(o))
            }
            Label::ClearDone(_) => Some(OpKind::ThreadStateClear),
            Label::SwapAnswer(_) => Some(OpKind::ThreadStateSwap),
            Label::SaveDrop(_) | Label::SaveDone(_) => Some(OpKind::SaveThread),
            Label::RestoreAttach(_) | Label::RestoreDone(_) => Some(OpKind::RestoreThread),
            Label::PollRequest(_)
            | Label::PollDrop(_)
            | Label::PollTake(_)
            | Label::PollAttach(_)
            | Label::PollDone(_) => Some(OpKind::EvalBreakerPoll),
            Label::HeapWork(w) => Some(w.call),
            Label::RefStore(c) => Some(c.count.call()),
            Label::TotalStore(t) => Some(t.count.call()),
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
            | Label::TakeWait { .. }
            | Label::PendBegin(_)
            | Label::PendNext(_)
            | Label::PendDrop(_)
            | Label::PendTake(_)
            | Label::PendAttach(_)
            | Label::PendEnd(..)
            | Label::GiveUpDrop(_)
            | Label::GiveUp(_)
            | Label::Hung(_) => None,
        }
    }

    /// Its name without the locals.
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split(['(', ' ']).next().unwrap_or_default().to_string()
    }
}
