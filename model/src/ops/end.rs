//! `Py_EndInterpreter`.

use cloister_specs::{InterpId, Rule, StatusBits, ThreadId, TstateId};

use crate::design::Design;
use crate::label::{End, Label, Swap};
use crate::machine::Flow;
use crate::runtime::{Gil, Interp, Runtime};

impl Runtime {
    pub(crate) fn end_interpreter(&mut self, t: TstateId) -> Flow {
        self.begin_end(self.tstate(t).interp);
        Flow::Goto(Label::FinishJoin(End { tstate: t, main: false }))
    }

    pub(crate) fn end_last(&mut self, t: TstateId) -> Flow {
        let i = self.tstate(t).interp;
        if self.tstates_of(i).any(|x| x != t) {
            return Flow::Died(Rule::Life10);
        }
        self.begin_finalizing(i, t);
        Flow::Goto(Label::EndClear(t))
    }

    pub(crate) fn end_clear(&mut self, t: TstateId) -> Flow {
        if !self.listed(t) {
            return Flow::Died(Rule::Gil12);
        }
        self.tstate_mut(t).status.insert(StatusBits::FINALIZING | StatusBits::CLEARED);
        Flow::Goto(Label::EndDetach(t))
    }

    pub(crate) fn end_detach(&self, t: TstateId) -> Flow {
        Flow::Call(Label::EndDrop(t), Label::ClearCurrent(Swap { old: Some(t), new: None }))
    }

    pub(crate) fn end_drop(&self, t: TstateId) -> Flow {
        Flow::Call(Label::EndDelete(t), Label::DropHolder { tstate: t, last: true })
    }

    pub(crate) fn end_delete(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        let i = self.tstate(t).interp;
        match self.free_one(d, h, t) {
            Ok(()) => Flow::Goto(Label::EndFree(i)),
            Err(rule) => Flow::Died(rule),
        }
    }

    pub(crate) fn end_free(&mut self, d: &Design, i: InterpId) -> Flow {
        //= specs/rules/life.md#life-12
        //# An ended interpreter MUST leave nothing behind: it, its thread state and its own
        //# GIL are gone, and the caller has no current thread state.
        self.free_interp(d, i);
        Flow::Return
    }

    /// The interpreter, its heap, and the GIL that it created, are gone.
    pub(crate) fn free_interp(&mut self, d: &Design, i: InterpId) {
        self.end_heap(d, i);
        *self.interp_mut(i) = Interp::FREE;
        self.gils[i.index()] = Gil::FREE;
    }
}
