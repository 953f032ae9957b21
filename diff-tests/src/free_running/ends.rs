//! What each event of an end, and of a beginning, means in the model.

use cloister_model::Runtime;
use cloister_model::label::Label;
use cloister_specs::{InterpId, MAIN, OpKind, Phase, ThreadId};
use cloister_traced::Serial;
use cloister_traced::trace::{Effect, Event, Gil};

use super::rejection::Reason;
use super::replay::{Progress, Replay};

/// Does a call of this kind end an interpreter, or may it?
const fn ends(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::EndInterpreter | OpKind::Finalize | OpKind::InterpreterIdDecref | OpKind::DestroyInterpreter
    )
}

impl Replay {
    /// An end begins.
    pub(super) fn ending(
        &mut self,
        h: ThreadId,
        kind: OpKind,
        interp: Serial,
        tstate: Serial,
    ) -> Result<(), Reason> {
        let of_tstate = self.names.tstate(tstate).map(|t| self.model.tstate(t).interp);
        self.expect(of_tstate.is_some() && of_tstate == self.names.interp(interp))?;
        match kind {
            OpKind::EndInterpreter => self.change(h, tstate)?,
            OpKind::Finalize => self.begin(h).map(drop)?,
            OpKind::DestroyInterpreter | OpKind::InterpreterIdDecref => {
                let gives_back = usize::from(kind == OpKind::InterpreterIdDecref);
                self.expect(self.call(h).is_some_and(|call| call.told == gives_back))?;
                self.begin(h)?;
                return self.comes_in(h, tstate);
            }
            _ => return Err(Reason::Other),
        }
        self.look_for_threads(h)
    }

    fn comes_in(&mut self, h: ThreadId, tstate: Serial) -> Result<(), Reason> {
        self.report.outside += 1;
        match self.model.thread(h).top() {
            Label::OutsideSwap(o) => {
                self.is(o.head, tstate)?;
                let begun = self.model.interp(self.model.tstate(o.head).interp).phase;
                self.expect(begun == Some(Phase::Ending))
            }
            _ => Err(Reason::Other),
        }
    }

    /// An end that found threads to wait for, as its next event says, has looked while they
    /// were there.
    pub(super) fn look_for_threads(&mut self, h: ThreadId) -> Result<(), Reason> {
        let ends = self.call(h).is_some_and(|call| ends(call.kind) && call.progress == Progress::Begun);
        if ends && matches!(self.ahead(h), Some(Event::Dropping(_))) {
            self.reach(h, |l| matches!(l, Label::FinishJoin(_)))?;
            self.step(h)?;
        }
        Ok(())
    }

    /// Ends of this interpreter that found nobody to wait for, as their next event says, have
    /// looked before a run begins in it.
    pub(super) fn ends_look(&mut self, runner: ThreadId, i: InterpId) {
        for h in Runtime::thread_ids().filter(|h| *h != runner) {
            let looks = self
                .model
                .thread(h)
                .stack
                .iter()
                .any(|l| matches!(l, Label::FinishLook(e) if self.model.tstate(e.tstate).interp == i));
            if !looks || matches!(self.ahead(h), Some(Event::ThreadsWaitBegin(_))) {
                continue;
            }
            let before = (self.model, self.call(h), self.report);
            if self.reach(h, |l| matches!(l, Label::FinishTake(_))).is_err() {
                (self.model, self.place(h).call, self.report) = before;
            }
        }
    }

    /// An end begins to wait for threads; or did not see yet that they are gone.
    pub(super) fn threads_wait_begins(&mut self, h: ThreadId, tstate: Serial) -> Result<(), Reason> {
        let Label::FinishLook(e) = self.reach(h, |l| matches!(l, Label::FinishLook(_)))? else {
            return Err(Reason::Other);
        };
        self.is(e.tstate, tstate)?;
        self.report.thread_waits += 1;
        self.step(h).map(drop)
    }

    /// It goes on: there is nobody left, or it was woken for the sake of another end.
    pub(super) fn threads_wait_ends(&mut self, h: ThreadId) -> Result<(), Reason> {
        let depth = self.model.thread(h).depth();
        let thread = &mut self.model.threads[h.index() % super::recording::THREADS];
        match thread.stack[depth.saturating_sub(1)] {
            Label::FinishTake(_) => Ok(()),
            Label::FinishWait { end, signalled } => {
                if !signalled {
                    self.report.spurious += 1;
                    thread.stack[depth.saturating_sub(1)] = Label::FinishWait { end, signalled: true };
                }
                self.step(h).map(drop)
            }
            label => Err(Reason::Stuck(Some(label))),
        }
    }

    /// An interpreter is torn down.
    pub(super) fn finalizing(&mut self, h: ThreadId, kind: OpKind, tstate: Serial) -> Result<(), Reason> {
        let label = self.reach(h, |l| matches!(l, Label::EndLast(_) | Label::FinalSet(_)))?;
        match (label, kind) {
            (Label::FinalSet(t), OpKind::Finalize) => {
                self.is(t, tstate)?;
                self.begin_waits(h, t);
                self.step(h)?;
                let quiesces = matches!(self.model.thread(h).top(), Label::FinalQuiesce(_));
                self.expect(quiesces)
            }
            (Label::EndLast(t), kind) if ends(kind) => {
                self.is(t, tstate)?;
                self.step(h).map(drop)
            }
            _ => Err(Reason::Other),
        }
    }

    /// Whoever finalizes the runtime waits for calls; or did not see yet that they have ended.
    pub(super) fn calls_wait_begins(&mut self, h: ThreadId, tstate: Serial) -> Result<(), Reason> {
        let Label::FinalQuiesce(t) = self.reach(h, |l| matches!(l, Label::FinalQuiesce(_)))? else {
            return Err(Reason::Other);
        };
        self.is(t, tstate)?;
        self.report.call_waits += 1;
        if self.model.interp_in_use_by_another(h, MAIN) { self.step(h).map(drop) } else { Ok(()) }
    }

    /// It goes on: no call uses a thread state of the main interpreter.
    pub(super) fn calls_wait_ends(&mut self, h: ThreadId) -> Result<(), Reason> {
        self.let_others_end(h);
        match self.model.thread(h).top() {
            Label::FinalQuiesce(_) => Ok(()),
            Label::FinalWait { signalled: true, .. } => self.step(h).map(drop),
            label => Err(Reason::Stuck(Some(label))),
        }
    }

    /// A thread state is deleted beside the one that stays: the model deletes all at once, where
    /// the last of them is told.
    pub(super) fn deleted_beside(&mut self, h: ThreadId, tstate: Serial) -> Result<(), Reason> {
        let t = self.names.tstate(tstate).ok_or(Reason::Other)?;
        let i = self.model.tstate(t).interp;
        let current = self.model.own_current(&self.design, h).ok_or(Reason::Other)?;
        self.expect(current != t && self.model.tstate(current).interp == i)?;
        self.report.deleted_beside += 1;
        self.note(h, |call| call.told += 1);
        if matches!(self.ahead(h), Some(Event::Effect(Effect::Deleted(_)))) {
            return Ok(());
        }
        let others = self.model.tstates_of(i).count() - 1;
        self.expect(self.call(h).is_some_and(|call| call.told == others))?;
        if self.call(h).is_some_and(|call| call.kind == OpKind::Finalize) {
            self.let_others_end(h);
            self.reach(h, |l| matches!(l, Label::FinalOthers(_)))?;
            self.step(h)?;
        } else {
            self.begin(h)?;
        }
        self.names.forget(&self.model);
        Ok(())
    }

    /// An end clears its own thread state.
    pub(super) fn end_clears(&mut self, h: ThreadId, kind: OpKind, tstate: Serial) -> Result<(), Reason> {
        if kind == OpKind::Finalize {
            self.let_others_end(h);
        }
        match (self.reach(h, |l| matches!(l, Label::EndClear(_) | Label::FinalClear(_)))?, kind) {
            (Label::FinalClear(t), OpKind::Finalize) => self.is(t, tstate)?,
            (Label::EndClear(t), kind) if ends(kind) => self.is(t, tstate)?,
            _ => return Err(Reason::Other),
        }
        self.step(h).map(drop)
    }

    /// An interpreter has ended.
    pub(super) fn ended(&mut self, h: ThreadId, kind: OpKind, tstate: Serial) -> Result<(), Reason> {
        self.expect(ends(kind))?;
        match self.reach(h, |l| matches!(l, Label::EndDelete(_)))? {
            Label::EndDelete(t) => self.is(t, tstate)?,
            _ => return Err(Reason::Other),
        }
        self.step(h)?;
        self.step(h)?;
        self.names.forget(&self.model);
        Ok(())
    }

    /// The runtime is finalized.
    pub(super) fn finalized(&mut self, h: ThreadId, tstate: Serial) -> Result<(), Reason> {
        match self.reach(h, |l| matches!(l, Label::FinalFree(_)))? {
            Label::FinalFree(t) => self.is(t, tstate)?,
            _ => return Err(Reason::Other),
        }
        self.step(h)?;
        self.names.forget(&self.model);
        Ok(())
    }

    /// The runtime is initialized, which is one step in the model: it is taken with the GIL.
    pub(super) fn initialized(&mut self, interp: Serial, tstate: Serial) -> Result<(), Reason> {
        self.expect(!self.model.initialized())?;
        let t = self.next_tstate()?;
        self.names.put_interp(MAIN, interp);
        self.names.put_tstate(t, tstate);
        Ok(())
    }

    pub(super) fn initialize(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        let t = self.next_tstate()?;
        let main = gil.creator.and_then(|creator| self.names.interp(creator));
        self.expect(main == Some(MAIN) && !self.model.initialized())?;
        self.is(t, gil.tstate)?;
        self.begin(h).map(drop)
    }
}
