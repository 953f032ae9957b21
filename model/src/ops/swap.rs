//! `PyThreadState_Swap`, and the exchange of the current thread state that all attach
//! protocols share (`swap_no_gil`).

use cloister_specs::{Reply, Rule, StatusBits, ThreadId, TstateId};

use crate::design::{AttachProtocol, Design};
use crate::label::{Label, Swap};
use crate::machine::Flow;
use crate::runtime::Runtime;

impl Runtime {
    /// `PyThreadState_Swap` as an operation.
    pub(crate) fn swap(&mut self, d: &Design, h: ThreadId, new: Option<TstateId>) -> Flow {
        let s = Swap { old: self.own_current(d, h), new };
        Flow::Call(Label::SwapAnswer(s), Runtime::swap_procedure(d, s))
    }

    /// The first label of `swap`, under this protocol.
    pub(crate) fn swap_procedure(d: &Design, s: Swap) -> Label {
        match d.attach {
            AttachProtocol::SwapLeavesGil => Label::ClearCurrent(s),
            AttachProtocol::ReleaseThenClear => Label::SwapDrop(s),
            AttachProtocol::ClearThenRelease => Label::SwapExchange(s),
        }
    }

    pub(crate) fn swap_drop(&self, d: &Design, s: Swap) -> Flow {
        let then = match d.attach {
            AttachProtocol::ReleaseThenClear => Label::SwapExchange(s),
            AttachProtocol::SwapLeavesGil | AttachProtocol::ClearThenRelease => Label::SwapTake(s),
        };
        match s.old {
            Some(old) => Flow::Call(then, Label::DropHolder { tstate: old, last: false }),
            None => Flow::Goto(then),
        }
    }

    pub(crate) fn swap_exchange(&self, d: &Design, s: Swap) -> Flow {
        match d.attach {
            AttachProtocol::SwapLeavesGil | AttachProtocol::ReleaseThenClear => {
                Flow::Call(Label::SwapTake(s), Label::ClearCurrent(s))
            }
            AttachProtocol::ClearThenRelease => {
                Flow::Call(Label::SwapDrop(s), Label::ClearCurrent(Swap { old: s.old, new: None }))
            }
        }
    }

    pub(crate) fn swap_take(&self, d: &Design, s: Swap) -> Flow {
        match (s.new, d.attach) {
            (None, _) => Flow::Return,
            (Some(new), AttachProtocol::ClearThenRelease) => {
                Flow::Call(Label::SwapAttach(s), Label::TakeLock(new))
            }
            (Some(new), AttachProtocol::SwapLeavesGil | AttachProtocol::ReleaseThenClear) => {
                Flow::Goto(Label::TakeLock(new))
            }
        }
    }

    pub(crate) fn swap_attach(&self, s: Swap) -> Flow {
        Flow::Goto(Label::SetCurrent(Swap { old: None, new: s.new }))
    }

    pub(crate) fn swap_answer(&self, s: Swap) -> Flow {
        //= specs/rules/tls.md#tls-20
        //# Swap MUST answer with the thread state that was current before, and make the given
        //# one current.
        Flow::Answer(Reply::Tstate(s.old))
    }

    /// `swap_no_gil`: nothing is current in this thread. One that has nothing current has
    /// nothing to clear: where there is one place for all threads, it may be another's.
    pub(crate) fn clear_current(&mut self, d: &Design, h: ThreadId, s: Swap) -> Flow {
        if s.old.is_some() {
            self.set_current(d, h, None);
        }
        Flow::Goto(Label::Deactivate(s))
    }

    pub(crate) fn deactivate(&mut self, s: Swap) -> Flow {
        if let Some(old) = s.old {
            if !self.listed(old) {
                return Flow::Died(Rule::Gil12);
            }
            self.tstate_mut(old).status.remove(StatusBits::ACTIVE);
        }
        match s.new {
            Some(_) => Flow::Goto(Label::SetCurrent(s)),
            None => Flow::Return,
        }
    }

    pub(crate) fn set_new_current(&mut self, d: &Design, h: ThreadId, s: Swap) -> Flow {
        //= specs/rules/tls.md#tls-1
        //# A thread state MUST NOT be current in more than one OS thread, nor in another than
        //# the one it is bound to.
        self.set_current(d, h, s.new);
        Flow::Goto(Label::Activate(s))
    }

    /// `tstate_activate`: the gilstate slot of the thread follows.
    pub(crate) fn activate(&mut self, h: ThreadId, s: Swap) -> Flow {
        let Some(new) = s.new else { return Flow::Return };
        if !self.listed(new) {
            return Flow::Died(Rule::Gil12);
        }
        //= specs/rules/tls.md#tls-16
        //# A thread state that becomes current MUST be the one that the gilstate slot of its
        //# thread names.
        if !self.has(new, StatusBits::BOUND_GILSTATE)
            && let Err(rule) = self.bind_gilstate(h, new)
        {
            return Flow::Died(rule);
        }
        //= specs/rules/tls.md#tls-2
        //# Outside a call, a thread state MUST be active exactly when it is the current one of
        //# the thread it is bound to.
        self.tstate_mut(new).status.insert(StatusBits::ACTIVE);
        Flow::Return
    }

    /// The slot of this thread names this thread state, and no longer what it named before.
    pub(crate) fn bind_gilstate(&mut self, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        if let Some(before) = self.thread(h).gilstate {
            if !self.listed(before) {
                return Err(Rule::Gil12);
            }
            self.tstate_mut(before).status.remove(StatusBits::BOUND_GILSTATE);
        }
        self.thread_mut(h).gilstate = Some(t);
        self.tstate_mut(t).status.insert(StatusBits::BOUND_GILSTATE);
        Ok(())
    }
}
