//! Ids, references to them, and ending an interpreter from outside.

use cloister_specs::{Denied, InterpId, Reply, Rule, ThreadId, TstateId};

use crate::design::{Design, DestroyCheck, HeadTstate};
use crate::label::{By, Label, Outside, Swap};
use crate::machine::Flow;
use crate::runtime::Runtime;

fn denied(why: Denied) -> Flow {
    Flow::Answer(Reply::Denied(why))
}

impl Runtime {
    /// `_PyInterpreterState_LookUpID`.
    pub(crate) fn look_up(&self, id: u8) -> Flow {
        //= specs/rules/id.md#id-3
        //# A look-up MUST find the interpreter that has the id, if there is one, and no other.
        match Runtime::interp_ids().find(|i| self.interp_listed(*i) && self.interp(*i).id == id) {
            Some(i) => Flow::Answer(Reply::Interp(i)),
            None => denied(Denied::UnknownId),
        }
    }

    pub(crate) fn require_idref(&mut self, i: InterpId, required: bool) -> Flow {
        self.interp_mut(i).requires_idref = required;
        Flow::Answer(Reply::Done)
    }

    pub(crate) fn id_incref(&mut self, i: InterpId) -> Flow {
        self.interp_mut(i).id_refs += 1;
        Flow::Answer(Reply::Done)
    }

    /// Would it end the interpreter to give a reference back?
    pub(crate) fn last_reference(&self, i: InterpId) -> bool {
        self.interp(i).id_refs == 1 && self.interp(i).requires_idref
    }

    pub(crate) fn id_decref(&mut self, d: &Design, h: ThreadId, i: InterpId) -> Flow {
        //= specs/rules/id.md#id-5
        //# An interpreter that requires references MUST be ended when the last one is given back,
        //# and only then.
        let last = self.last_reference(i);
        let refs = &mut self.interp_mut(i).id_refs;
        *refs = refs.saturating_sub(1);
        if last { self.end_from_outside(d, h, i, By::IdDecref) } else { Flow::Answer(Reply::Done) }
    }

    pub(crate) fn set_running(&mut self, d: &Design, h: ThreadId) -> Flow {
        let Some(t) = self.own_current(d, h) else { return Flow::Died(Rule::Id12) };
        let i = self.tstate(t).interp;
        //= specs/rules/id.md#id-11
        //# An interpreter MUST NOT be run by two at a time.
        if self.interp(i).running.is_some() {
            return denied(Denied::AlreadyRunning);
        }
        self.interp_mut(i).running = Some(t);
        Flow::Answer(Reply::Done)
    }

    pub(crate) fn set_not_running(&mut self, d: &Design, h: ThreadId) -> Flow {
        let Some(t) = self.own_current(d, h) else { return Flow::Died(Rule::Id12) };
        self.interp_mut(self.tstate(t).interp).running = None;
        Flow::Answer(Reply::Done)
    }

    /// Is this interpreter the caller's own?
    pub(crate) fn is_current(&self, d: &Design, h: ThreadId, i: InterpId) -> bool {
        self.own_current(d, h).is_some_and(|t| self.tstate(t).interp == i)
    }

    /// `_xxsubinterpreters.destroy`.
    pub(crate) fn destroy(&mut self, d: &Design, h: ThreadId, i: InterpId) -> Flow {
        //= specs/rules/id.md#id-8
        //# An interpreter MUST NOT be destroyed from within.
        if self.is_current(d, h, i) {
            return denied(Denied::DestroyCurrent);
        }
        //= specs/rules/id.md#id-9
        //# An interpreter MUST NOT be destroyed while code runs in it.
        if self.interp(i).running.is_some() {
            return denied(Denied::Running);
        }
        self.end_from_outside(d, h, i, By::Destroy)
    }

    /// The first thread state in the list of an interpreter.
    pub(crate) fn head(&self, i: InterpId) -> Option<TstateId> {
        self.tstates_of(i).last()
    }

    /// The thread state through which this thread may end an interpreter from outside: its
    /// only one, if it is this thread's, and no call uses it.
    pub(crate) fn way_in(&self, d: &Design, h: ThreadId, i: InterpId) -> Result<TstateId, Rule> {
        let head = self.head(i).ok_or(Rule::Id6)?;
        match d.head_tstate {
            HeadTstate::Borrowed => self.not_waited_for(head).map(|()| head),
            HeadTstate::Refused if self.tstates_of(i).any(|t| t != head) => Err(Rule::Life10),
            HeadTstate::Refused => {
                //= specs/rules/id.md#id-6
                //# An interpreter MUST NOT be ended from outside through a thread state of another
                //# thread.
                if self.tstate(head).thread != Some(h) {
                    return Err(Rule::Id6);
                }
                self.may_become_current(h, head)?;
                self.not_waited_for(head)?;
                Ok(head)
            }
        }
    }

    fn end_from_outside(&mut self, d: &Design, h: ThreadId, i: InterpId, by: By) -> Flow {
        let Some(head) = self.head(i) else { return Flow::Died(Rule::Gil12) };
        let o = Outside { head, save: self.own_current(d, h), by };
        //= specs/rules/id.md#id-10
        //# Between the test whether an interpreter can be destroyed and the beginning of its end,
        //# nothing MUST be able to change the answer.
        match d.destroy_check {
            DestroyCheck::TwoSteps => {}
            DestroyCheck::OneStep => self.begin_end(i),
        }
        Flow::Goto(Label::OutsideSwap(o))
    }

    pub(crate) fn outside_swap(&self, d: &Design, o: Outside) -> Flow {
        if !self.listed(o.head) {
            return Flow::Died(Rule::Gil12);
        }
        let swap = Swap { old: o.save, new: Some(o.head) };
        Flow::Call(Label::OutsideEnd(o), Runtime::swap_procedure(d, swap))
    }

    pub(crate) fn outside_end(&mut self, o: Outside) -> Flow {
        match self.end_interpreter(o.head) {
            Flow::Goto(label) => Flow::Call(Label::OutsideBack(o), label),
            other => other,
        }
    }

    pub(crate) fn outside_back(&self, d: &Design, o: Outside) -> Flow {
        //= specs/rules/id.md#id-7
        //# A thread that ends an interpreter from outside MUST be as it was afterwards.
        match o.save {
            Some(_) => {
                let back = Swap { old: None, new: o.save };
                Flow::Call(Label::OutsideDone(o), Runtime::swap_procedure(d, back))
            }
            None => Flow::Answer(Reply::Done),
        }
    }
}
