//! The steps that every end begins with: waiting for threads, and running pending calls.

use cloister_specs::{InterpId, MAIN, Phase, ThreadId, TstateId};

use super::eval::{attach, detach};
use crate::design::{Design, FinishPending};
use crate::label::{End, Label, Pass, Run};
use crate::machine::Flow;
use crate::runtime::{Runtime, Started};

impl Runtime {
    /// The end of an interpreter begins: no thread can be started in it any more.
    pub(crate) fn begin_end(&mut self, i: InterpId) {
        if self.interp_listed(i) {
            self.interp_mut(i).phase = Some(Phase::Ending);
        }
    }

    /// From here on no other thread state may take its GIL.
    pub(crate) fn begin_finalizing(&mut self, i: InterpId, t: TstateId) {
        //= specs/rules/fin.md#fin-8
        //# An end MUST run every pending call that is left in the ring of its interpreter and, by
        //# the main thread, in that of the main thread.
        let mains = i == MAIN && !self.pending_main.is_empty();
        self.lost_calls |= mains || !self.interp(i).pending.is_empty();
        let interp = self.interp_mut(i);
        interp.phase = Some(Phase::Finalizing);
        interp.finalizing = Some(t);
    }

    /// Is there nobody for whom the end of this interpreter has to wait?
    fn nobody_left(&self, d: &Design, i: InterpId) -> bool {
        //= specs/rules/fin.md#fin-7
        //# An end MUST wait for the threads of the interpreter that are no daemons before anything
        //# of it is torn down.
        let joined = self.tstates_of(i).all(|t| self.tstate(t).started != Some(Started::Joined));
        match d.finish_pending {
            FinishPending::UntilFailure => joined,
            FinishPending::All => joined && !self.interp(i).busy,
        }
    }

    /// Wakes the end of this interpreter, if it waits and has no reason to any more.
    pub(crate) fn wake_end(&mut self, d: &Design, prefer: ThreadId, i: InterpId) {
        if self.nobody_left(d, i) {
            let tstates = self.tstates;
            self.signal(prefer, |l| match l {
                Label::FinishWait { end, signalled: false } => tstates[end.tstate.index()].interp == i,
                _ => false,
            });
        }
    }

    fn ready(&self, d: &Design, e: End) -> bool {
        self.nobody_left(d, self.tstate(e.tstate).interp)
    }

    pub(crate) fn finish_join(&self, d: &Design, e: End) -> Flow {
        if self.ready(d, e) {
            return Flow::Goto(Label::FinishPend(e));
        }
        Flow::Call(Label::FinishDrop(e), detach(e.tstate))
    }

    pub(crate) fn finish_drop(&self, e: End) -> Flow {
        Flow::Call(Label::FinishLook(e), Label::DropHolder { tstate: e.tstate, last: false })
    }

    pub(crate) fn finish_look(&self, d: &Design, e: End) -> Flow {
        Flow::Goto(if self.ready(d, e) {
            Label::FinishTake(e)
        } else {
            Label::FinishWait { end: e, signalled: false }
        })
    }

    pub(crate) fn finish_take(&self, e: End) -> Flow {
        Flow::Call(Label::FinishAttach(e), Label::TakeLock(e.tstate))
    }

    pub(crate) fn finish_attach(&self, e: End) -> Flow {
        Flow::Call(Label::FinishJoin(e), attach(e.tstate))
    }

    pub(crate) fn finish_pend(&self, h: ThreadId, e: End) -> Flow {
        if self.has_calls(h, e.tstate) {
            return Flow::Call(
                Label::FinishAgain(e),
                Label::PendBegin(Run { tstate: e.tstate, pass: Pass::Interp }),
            );
        }
        self.finish_over(e)
    }

    /// Are there calls that this thread can run?
    pub(crate) fn has_calls(&self, h: ThreadId, t: TstateId) -> bool {
        let mains = self.runs_main_ring(h, t) && !self.pending_main.is_empty();
        mains || !self.interp(self.tstate(t).interp).pending.is_empty()
    }

    pub(crate) fn finish_again(&mut self, d: &Design, h: ThreadId, e: End) -> Flow {
        self.thread_mut(h).ran_failed = false;
        match d.finish_pending {
            FinishPending::UntilFailure => self.finish_over(e),
            FinishPending::All => self.finish_pend(h, e),
        }
    }

    fn finish_over(&self, e: End) -> Flow {
        Flow::Goto(if e.main { Label::FinalSet(e.tstate) } else { Label::EndLast(e.tstate) })
    }
}
