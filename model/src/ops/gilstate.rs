//! `PyGILState_Ensure`, `PyGILState_Release`, `PyGILState_Check`.

use cloister_specs::{GilState, InterpId, MAIN, Reply, Rule, ThreadId, TstateId};

use super::eval::detach;
use crate::design::{Design, EnsureErrors, GilstateCheck, GilstateTarget};
use crate::label::{Ensuring, Label, Leaving, Swap};
use crate::machine::Flow;
use crate::runtime::{Ensures, Runtime};

impl Runtime {
    /// Where the thread state belongs that an Ensure makes.
    pub(crate) fn ensure_target(d: &Design, asked: InterpId) -> InterpId {
        //= specs/rules/gilstate.md#gilstate-3
        //# Ensure MUST lead into the interpreter that the caller works for.
        match d.gilstate_target {
            GilstateTarget::Main => MAIN,
            GilstateTarget::Callers => asked,
        }
    }

    pub(crate) fn ensure(
        &mut self,
        d: &Design,
        h: ThreadId,
        asked: InterpId,
        fails: bool,
        at: Option<TstateId>,
    ) -> Flow {
        //= specs/rules/gilstate.md#gilstate-2
        //# Ensure MUST take up the thread state that the gilstate slot names, and MUST NOT make
        //# another one beside it.
        match self.thread(h).gilstate {
            Some(t) if self.own_current(d, h) == Some(t) => {
                self.tstate_mut(t).ensures.push(GilState::Locked);
                Flow::Answer(Reply::Ensured(GilState::Locked))
            }
            Some(t) => take(t, asked),
            None => self.ensure_new(d, h, asked, fails, at),
        }
    }

    fn ensure_new(
        &mut self,
        d: &Design,
        h: ThreadId,
        asked: InterpId,
        fails: bool,
        at: Option<TstateId>,
    ) -> Flow {
        let target = Runtime::ensure_target(d, asked);
        if let (false, Err(rule)) = (fails, self.can_list(d, target)) {
            return Flow::Died(rule);
        }
        let Some(t) = (if fails { None } else { self.new_tstate(target, at) }) else {
            //= specs/rules/gilstate.md#gilstate-4
            //# An Ensure that cannot make a thread state MUST be answered with an error, and MUST
            //# NOT end the process.
            return match d.ensure_errors {
                EnsureErrors::Fatal => Flow::Died(Rule::Gilstate4),
                EnsureErrors::Returned => Flow::Answer(Reply::NotEnsured),
            };
        };
        if let Err(rule) = self.bind_to(h, t) {
            return Flow::Died(rule);
        }
        self.tstate_mut(t).ensures = Ensures { made: true, ..Ensures::NONE };
        take(t, asked)
    }

    pub(crate) fn ensure_attach(&self, d: &Design, h: ThreadId, e: Ensuring) -> Flow {
        let swap = Swap { old: self.own_current(d, h), new: Some(e.tstate) };
        Flow::Call(Label::EnsureDone(e), Label::ClearCurrent(swap))
    }

    pub(crate) fn ensure_done(&mut self, e: Ensuring) -> Flow {
        //= specs/rules/gilstate.md#gilstate-1
        //# Ensure MUST answer with a thread state current in the calling thread and its GIL held.
        self.tstate_mut(e.tstate).ensures.push(GilState::Unlocked);
        Flow::Answer(Reply::Ensured(GilState::Unlocked))
    }

    pub(crate) fn release(&mut self, h: ThreadId, state: GilState) -> Flow {
        let Some(t) = self.thread(h).gilstate else { return Flow::Died(Rule::Gilstate7) };
        let ensures = &mut self.tstate_mut(t).ensures;
        ensures.pop();
        //= specs/rules/gilstate.md#gilstate-9
        //# The last Release of a thread state that Ensure made MUST delete it, and leave the
        //# thread with none.
        if ensures.made && ensures.depth == 0 {
            return self.leave(t, Leaving::Release);
        }
        //= specs/rules/gilstate.md#gilstate-10
        //# Any other Release MUST leave the thread as it was before its Ensure.
        match state {
            GilState::Locked => Flow::Answer(Reply::Done),
            GilState::Unlocked => Flow::Call(Label::ReleaseDrop(t), detach(t)),
        }
    }

    pub(crate) fn release_drop(&self, t: TstateId) -> Flow {
        Flow::Call(Label::ReleaseDone(t), Label::DropHolder { tstate: t, last: false })
    }

    pub(crate) fn gilstate_check(&self, d: &Design, h: ThreadId) -> Flow {
        //= specs/rules/gilstate.md#gilstate-11
        //# Check MUST answer yes exactly where the calling thread has a current thread state and
        //# its gilstate slot names it.
        let current = self.own_current(d, h);
        let named = current.is_some() && self.thread(h).gilstate == current;
        Flow::Answer(Reply::Is(named || self.check_is_off(d)))
    }

    fn check_is_off(&self, d: &Design) -> bool {
        match d.gilstate_check {
            // Before the runtime is initialized there are no slots to look at either.
            GilstateCheck::OffAfterSub => !self.check_enabled || !self.initialized(),
            GilstateCheck::Always => false,
        }
    }

    /// A creation begins.
    pub(crate) fn disable_check(&mut self, d: &Design) {
        match d.gilstate_check {
            GilstateCheck::OffAfterSub => self.check_enabled = false,
            GilstateCheck::Always => {}
        }
    }
}

fn take(t: TstateId, asked: InterpId) -> Flow {
    Flow::Call(Label::EnsureAttach(Ensuring { tstate: t, asked }), Label::TakeLock(t))
}
