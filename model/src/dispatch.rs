//! Which procedure a label belongs to.

use cloister_specs::{Reply, Rule, ThreadId};

use crate::design::Design;
use crate::label::Label;
use crate::machine::Flow;
use crate::runtime::Runtime;

impl Runtime {
    /// Takes one label. `expired`: the thread's timed wait has expired.
    pub(crate) fn label(
        &mut self,
        d: &Design,
        h: ThreadId,
        prefer: ThreadId,
        expired: bool,
        label: Label,
    ) -> Flow {
        match label {
            Label::Idle => Flow::Return,

            Label::CreateBind(c) => self.create_bind(h, c),
            Label::CreateSwap(c) => self.create_swap(d, c),
            Label::CreateRelease(c) => self.create_release(d, c),
            Label::CreateSettings(c) => self.create_settings(d, c),
            Label::CreateGil(c) => self.create_gil(d, c),
            Label::CreateAttach(c) => self.create_attach(d, c),
            Label::CreateCore(c) => self.create_core(c),
            Label::CreateMain(c) => self.create_main(c),
            Label::CreateLive(c) => self.create_live(c),
            Label::Undo(c, has_gil) => self.undo(d, h, c, has_gil),
            Label::UndoClear(c, has_gil) => self.undo_clear(d, c, has_gil),
            Label::UndoDetach(c, has_gil) => self.undo_detach(d, h, c, has_gil),
            Label::UndoDrop(c, has_gil) => self.undo_drop(d, c, has_gil),
            Label::UndoDelete(c) => self.undo_delete(d, h, c),
            Label::UndoTake(u) => self.undo_take(d, u),
            Label::UndoAttach(u) => self.undo_attach(u),
            Label::UndoDone(u) => self.undo_done(d, u),

            Label::FinishJoin(e) => self.finish_join(d, e),
            Label::FinishDrop(e) => self.finish_drop(e),
            Label::FinishLook(e) => self.finish_look(d, e),
            Label::FinishWait { end: e, .. } | Label::FinishTake(e) => self.finish_take(e),
            Label::FinishAttach(e) => self.finish_attach(e),
            Label::FinishPend(e) => self.finish_pend(h, e),
            Label::FinishAgain(e) => self.finish_again(d, h, e),

            Label::FinalSet(t) => self.final_set(d, h, t),
            Label::FinalQuiesce(t) | Label::FinalWait { tstate: t, .. } => self.final_quiesce(h, t),
            Label::FinalOthers(t) => self.final_others(d, h, t),
            Label::FinalClear(t) => self.final_clear(t),
            Label::FinalDetach(t) => self.final_detach(t),
            Label::FinalDrop(t) => self.final_drop(t),
            Label::FinalFree(t) => self.final_free(d, h, t),

            Label::RunAttach(t) => self.run_attach(t),
            Label::OutsideSwap(o) => self.outside_swap(d, o),
            Label::OutsideEnd(o) => self.outside_end(o),
            Label::OutsideBack(o) => self.outside_back(d, o),
            Label::GiveUpDrop(t) => self.give_up_drop(t),
            Label::GiveUp(t) => self.gave_up(d, h, t),
            Label::Hung(t) => Flow::Goto(Label::Hung(t)),

            Label::EndLast(t) => self.end_last(t),
            Label::EndClear(t) => self.end_clear(t),
            Label::EndDetach(t) => self.end_detach(t),
            Label::EndDrop(t) => self.end_drop(t),
            Label::EndDelete(t) => self.end_delete(d, h, t),
            Label::EndFree(i) => self.end_free(d, i),

            Label::ClearDone(t) => self.clear_done(t),
            Label::SwapAnswer(s) => self.swap_answer(s),
            Label::SaveDrop(t) => self.save_drop(t),
            Label::SaveDone(t) => self.save_done(t),
            Label::RestoreAttach(t) => self.restore_attach(t),
            Label::RestoreDone(_)
            | Label::AcquireDone(_)
            | Label::RunDone(_)
            | Label::OutsideDone(_)
            | Label::ReleaseThreadDone(_)
            | Label::ReleaseDone(_) => Flow::Answer(Reply::Done),
            Label::PollRequest(t) => self.poll_request(d, h, t),
            Label::PollDone(t) => self.poll_done(d, h, t),
            Label::PollDrop(t) => self.poll_drop(t),
            Label::PollTake(t) => self.poll_take(t),
            Label::PollAttach(t) => self.poll_attach(d, h, t),

            Label::LeaveDetach(t, by) => self.leave_detach(t, by),
            Label::LeaveDrop(t, by) => self.leave_drop(t, by),
            Label::LeaveDelete(t, _) => self.leave_delete(d, h, t),
            Label::AcquireAttach(t) => self.acquire_attach(t),
            Label::ReleaseThreadDrop(t) => self.release_thread_drop(t),

            Label::EnsureAttach(e) => self.ensure_attach(d, h, e),
            Label::EnsureDone(e) => self.ensure_done(e),
            Label::ReleaseDrop(t) => self.release_drop(t),

            Label::PendBegin(run) => self.pend_begin(d, h, run),
            Label::PendNext(run) => self.pend_next(d, h, run),
            Label::PendDrop(run) => self.pend_drop(run),
            Label::PendTake(run) => self.pend_take(run),
            Label::PendAttach(run) => self.pend_attach(run),
            Label::PendEnd(run, failed) => self.pend_end(d, h, run, failed),
            Label::MakeDone(_) => self.make_done(h),

            Label::SwapDrop(s) => self.swap_drop(d, s),
            Label::SwapExchange(s) => self.swap_exchange(d, s),
            Label::SwapTake(s) => self.swap_take(d, s),
            Label::SwapAttach(s) => self.swap_attach(s),
            Label::ClearCurrent(s) => self.clear_current(d, h, s),
            Label::Deactivate(s) => self.deactivate(s),
            Label::SetCurrent(s) => self.set_new_current(d, h, s),
            Label::Activate(s) => self.activate(h, s),

            Label::DropHolder { tstate, last } => self.drop_holder(tstate, last),
            Label::DropUnlock { tstate, last, interp } => self.drop_unlock(prefer, tstate, last, interp),
            Label::DropTest { tstate, interp } => self.drop_test(d, h, tstate, interp),
            Label::DropWait { gil, .. } => self.drop_woken(gil),
            Label::TakeLock(t) => self.take_lock(d, h, prefer, t),
            Label::HeapWork(w) => self.heap_work(d, h, w),
            Label::RefStore(c) => self.ref_store(d, h, c),
            Label::TotalStore(t) => self.total_store(d, h, t),
            Label::TakeWait { tstate, asked, .. } => self.take_woken(d, h, prefer, tstate, asked, expired),
        }
    }

    /// The rules whose breach ends the process inside a procedure, under some design.
    pub const DEADLY: [Rule; 26] = [
        Rule::Life3,
        Rule::Life10,
        Rule::Life17,
        Rule::Tls7,
        Rule::Tls12,
        Rule::Tls18,
        Rule::Tls21,
        Rule::Tls23,
        Rule::Gil4,
        Rule::Gil5,
        Rule::Gil12,
        Rule::Gil13,
        Rule::Gilstate4,
        Rule::Gilstate7,
        Rule::Pend10,
        Rule::Fin16,
        Rule::Id12,
        Rule::Fork2,
        Rule::Fork3,
        Rule::Fork5,
        Rule::Mem3,
        Rule::Mem4,
        Rule::Mem6,
        Rule::Ref1,
        Rule::Ref2,
        Rule::Ref8,
    ];
}
