//! `PyEval_AcquireThread`, `PyEval_ReleaseThread`, and `PyThreadState_DeleteCurrent`.

use cloister_specs::{Reply, Rule, StatusBits, ThreadId, TstateId};

use super::eval::{attach, detach};
use crate::design::Design;
use crate::label::{Label, Leaving};
use crate::machine::Flow;
use crate::runtime::Runtime;

impl Runtime {
    pub(crate) fn acquire_attach(&self, t: TstateId) -> Flow {
        //= specs/rules/gil.md#gil-18
        //# AcquireThread MUST NOT answer before the caller holds the GIL of the thread state,
        //# and MUST make it current.
        Flow::Call(Label::AcquireDone(t), attach(t))
    }

    pub(crate) fn release_thread(&self, t: TstateId) -> Flow {
        //= specs/rules/gil.md#gil-20
        //# ReleaseThread MUST leave no thread state current, and have dropped its GIL.
        Flow::Call(Label::ReleaseThreadDrop(t), detach(t))
    }

    pub(crate) fn release_thread_drop(&self, t: TstateId) -> Flow {
        Flow::Call(Label::ReleaseThreadDone(t), Label::DropHolder { tstate: t, last: false })
    }

    /// Clears the current thread state and deletes it.
    pub(crate) fn delete_current(&mut self, d: &Design, h: ThreadId) -> Flow {
        match self.own_current(d, h) {
            Some(t) => self.leave(t, Leaving::DeleteCurrent),
            None => Flow::Died(Rule::Tls21),
        }
    }

    /// Clears a thread state that is current, and goes on to delete it.
    pub(crate) fn leave(&mut self, t: TstateId, by: Leaving) -> Flow {
        self.tstate_mut(t).status.insert(StatusBits::FINALIZING | StatusBits::CLEARED);
        Flow::Goto(Label::LeaveDetach(t, by))
    }

    pub(crate) fn leave_detach(&self, t: TstateId, by: Leaving) -> Flow {
        Flow::Call(Label::LeaveDrop(t, by), detach(t))
    }

    pub(crate) fn leave_drop(&self, t: TstateId, by: Leaving) -> Flow {
        Flow::Call(Label::LeaveDelete(t, by), Label::DropHolder { tstate: t, last: true })
    }

    pub(crate) fn leave_delete(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        //= specs/rules/tls.md#tls-22
        //# DeleteCurrent MUST leave the thread without a thread state in either place, current
        //# or named, and have dropped its GIL.
        match self.free_one(d, h, t) {
            Ok(()) => Flow::Answer(Reply::Done),
            Err(rule) => Flow::Died(rule),
        }
    }
}
