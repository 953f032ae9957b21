//! Grains: how many labels go together.

use cloister_specs::text::Grain;

use crate::design::{
    CrossRefs, CurrentTstate, Design, ForeignFree, FreeGoesTo, Gils, NoneIs, Obmalloc, OwnGilSharedObmalloc,
    RefTotal,
};
use crate::label::Label;

/// In this grain, is this label taken in one go with the one before it?
pub(crate) fn fuses(grain: Grain, d: &Design, next: &Label) -> bool {
    match grain {
        Grain::Atomic => true,
        Grain::Merged => !visible(d, next),
        Grain::Fine => false,
    }
}

/// Can another thread see that this label was taken, or does it see what another does?
///
/// A label that cannot be seen may go together with the one before it: every other
/// thread's move commutes with it, and what it ends (a call's use of a thread state, the
/// `active` bit) only ever permits more.
pub fn visible(d: &Design, label: &Label) -> bool {
    match label {
        Label::Idle => false,
        Label::CreateSwap(_)
        | Label::CreateRelease(_)
        | Label::CreateSettings(_)
        | Label::CreateGil(_)
        | Label::CreateAttach(_)
        | Label::CreateCore(_)
        | Label::CreateMain(_) => false,
        Label::Undo(..) | Label::UndoClear(..) | Label::UndoDetach(..) | Label::UndoDrop(..) => false,
        Label::UndoTake(_) | Label::UndoAttach(_) | Label::UndoDone(_) => false,
        Label::EndDetach(_) | Label::EndDrop(_) => false,
        Label::FinishJoin(_) | Label::FinishDrop(_) | Label::FinishTake(_) | Label::FinishAgain(_) => false,
        // Nobody can add to the ring of an interpreter that ends, but to that of the main thread.
        Label::FinishPend(e) => e.main,
        Label::EndLast(_) => false,
        Label::FinalDetach(_) | Label::FinalDrop(_) => false,
        Label::RunAttach(_) | Label::RunDone(_) | Label::OutsideDone(_) => false,
        Label::GiveUpDrop(_) | Label::GiveUp(_) | Label::Hung(_) => false,
        Label::SwapAnswer(_)
        | Label::SaveDrop(_)
        | Label::SaveDone(_)
        | Label::RestoreAttach(_)
        | Label::RestoreDone(_)
        | Label::PollDrop(_)
        | Label::PollTake(_)
        | Label::PollDone(_)
        | Label::SwapDrop(_)
        | Label::SwapExchange(_)
        | Label::SwapTake(_)
        | Label::SwapAttach(_) => false,
        Label::LeaveDetach(..) | Label::LeaveDrop(..) => false,
        Label::AcquireAttach(_)
        | Label::AcquireDone(_)
        | Label::ReleaseThreadDrop(_)
        | Label::ReleaseThreadDone(_)
        | Label::EnsureAttach(_)
        | Label::EnsureDone(_)
        | Label::ReleaseDrop(_)
        | Label::ReleaseDone(_)
        | Label::PendDrop(_)
        | Label::PendTake(_)
        | Label::MakeDone(_)
        | Label::PollRequest(_) => false,
        Label::ClearCurrent(_)
        | Label::Deactivate(_)
        | Label::SetCurrent(_)
        | Label::PollAttach(_)
        | Label::PendAttach(_)
        | Label::FinishAttach(_) => match d.current {
            CurrentTstate::RuntimeGlobal => true,
            CurrentTstate::ThreadLocal => false,
        },
        Label::HeapWork(_) => d.heaps_may_be_shared(),
        Label::RefStore(_) => d.objects_may_be_shared(),
        Label::TotalStore(_) => match d.ref_total {
            RefTotal::Global | RefTotal::PerRuntime => true,
            RefTotal::PerInterpreter => false,
        },
        Label::CreateBind(_)
        | Label::CreateLive(_)
        | Label::UndoDelete(_)
        | Label::EndClear(_)
        | Label::EndDelete(_)
        | Label::EndFree(_)
        | Label::ClearDone(_)
        | Label::Activate(_)
        | Label::DropHolder { .. }
        | Label::DropUnlock { .. }
        | Label::DropTest { .. }
        | Label::DropWait { .. }
        | Label::TakeLock(_)
        | Label::TakeWait { .. }
        | Label::LeaveDelete(..)
        | Label::PendBegin(_)
        | Label::PendNext(_)
        | Label::PendEnd(..)
        | Label::FinishLook(_)
        | Label::FinishWait { .. }
        | Label::FinalSet(_)
        | Label::FinalQuiesce(_)
        | Label::FinalWait { .. }
        | Label::FinalOthers(_)
        | Label::FinalClear(_)
        | Label::FinalFree(_)
        | Label::OutsideSwap(_)
        | Label::OutsideEnd(_)
        | Label::OutsideBack(_) => true,
    }
}

impl Design {
    /// Can threads that hold different GILs be inside one heap?
    pub fn heaps_may_be_shared(&self) -> bool {
        let one_heap = match (self.obmalloc, self.own_gil_shared_obmalloc) {
            (Obmalloc::PerRuntime, _) | (_, OwnGilSharedObmalloc::Accepted) => true,
            (Obmalloc::PerInterpreter, OwnGilSharedObmalloc::Refused) => false,
        };
        let gone_to = match (self.free_goes_to, self.foreign_free) {
            (FreeGoesTo::Owner, ForeignFree::Undetected) => true,
            (FreeGoesTo::Selected, _) | (_, ForeignFree::Refused) => false,
        };
        self.gils == Gils::PerInterpreter && (one_heap || gone_to)
    }

    /// Can threads that hold different GILs change one count?
    pub fn objects_may_be_shared(&self) -> bool {
        let mortal = match self.none {
            NoneIs::Mortal => true,
            NoneIs::Immortal => false,
        };
        let passed = match self.cross_refs {
            CrossRefs::Accepted => true,
            CrossRefs::Refused => false,
        };
        self.gils == Gils::PerInterpreter && (mortal || passed || self.heaps_may_be_shared())
    }
}
