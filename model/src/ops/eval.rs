//! `PyEval_SaveThread`, `PyEval_RestoreThread`, and the poll of the eval breaker.

use cloister_specs::{Reply, Rule, ThreadId, TstateId};

use crate::design::Design;
use crate::label::{Label, Pass, Run, Swap};
use crate::machine::Flow;
use crate::runtime::Runtime;

pub(super) fn detach(t: TstateId) -> Label {
    Label::ClearCurrent(Swap { old: Some(t), new: None })
}

pub(super) fn attach(t: TstateId) -> Label {
    Label::ClearCurrent(Swap { old: None, new: Some(t) })
}

impl Runtime {
    pub(crate) fn save_thread(&mut self, d: &Design, h: ThreadId) -> Flow {
        match self.own_current(d, h) {
            Some(t) => Flow::Call(Label::SaveDrop(t), detach(t)),
            None => Flow::Died(Rule::Tls7),
        }
    }

    pub(crate) fn save_drop(&self, t: TstateId) -> Flow {
        Flow::Call(Label::SaveDone(t), Label::DropHolder { tstate: t, last: false })
    }

    pub(crate) fn save_done(&self, t: TstateId) -> Flow {
        //= specs/rules/gil.md#gil-16
        //# SaveThread MUST answer with the thread state that was current, leave none current,
        //# and have dropped its GIL.
        Flow::Answer(Reply::Tstate(Some(t)))
    }

    pub(crate) fn restore_attach(&self, t: TstateId) -> Flow {
        //= specs/rules/gil.md#gil-15
        //# RestoreThread and Swap MUST NOT answer before the caller holds the GIL of the
        //# thread state they make current.
        Flow::Call(Label::RestoreDone(t), attach(t))
    }

    /// `_Py_HandlePending`: pending calls, then the request for the GIL.
    pub(crate) fn poll(&mut self, d: &Design, h: ThreadId) -> Flow {
        let Some(t) = self.own_current(d, h) else { return Flow::Died(Rule::Tls18) };
        //= specs/rules/pend.md#pend-5
        //# A poll that sees a signalled ring which it may run MUST run it, unless calls of this
        //# interpreter are being run already.
        if self.sees_pending(h, t) {
            return Flow::Call(
                Label::PollRequest(t),
                Label::PendBegin(Run { tstate: t, pass: Pass::Interp }),
            );
        }
        self.poll_request(d, h, t)
    }

    pub(crate) fn poll_request(&self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        //= specs/rules/gil.md#gil-14
        //# A poll that sees no request MUST NOT change anything.
        if self.thread(h).ran_failed || !self.request_seen_in(d, self.tstate(t).interp) {
            return self.poll_done(h);
        }
        Flow::Call(Label::PollDrop(t), detach(t))
    }

    pub(crate) fn poll_done(&self, h: ThreadId) -> Flow {
        if self.thread(h).ran.is_empty() { Flow::Answer(Reply::Done) } else { self.make_done(h) }
    }

    pub(crate) fn poll_drop(&self, t: TstateId) -> Flow {
        Flow::Call(Label::PollTake(t), Label::DropHolder { tstate: t, last: false })
    }

    pub(crate) fn poll_take(&self, t: TstateId) -> Flow {
        Flow::Call(Label::PollAttach(t), Label::TakeLock(t))
    }

    pub(crate) fn poll_attach(&self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        //= specs/rules/gil.md#gil-13
        //# A poll that sees a request MUST hand the GIL over and come back with the same
        //# thread state current.
        match self.current(d, h) {
            None => Flow::Call(Label::PollDone(t), attach(t)),
            Some(_) => Flow::Died(Rule::Gil13),
        }
    }
}
