//! Thread states: new, bound, cleared, deleted.

use cloister_specs::{InterpId, Reply, Rule, StatusBits, ThreadId, TstateId};

use crate::design::{Design, GilstateUnbind, LastHolder};
use crate::label::Label;
use crate::machine::Flow;
use crate::runtime::{Runtime, Tstate};

impl Runtime {
    /// A thread state in this interpreter, in the chosen slot or the first free one that
    /// nothing names; `None` when memory runs out.
    pub(crate) fn new_tstate(&mut self, i: InterpId, at: Option<TstateId>) -> Option<TstateId> {
        let t = at.or_else(|| self.free_tstate())?;
        //= specs/rules/tls.md#tls-19
        //# A new thread state MUST be initialized and nothing else: not bound, not active,
        //# named by no slot.
        *self.tstate_mut(t) = Tstate { status: StatusBits::INITIALIZED, interp: i, ..Tstate::FREE };
        Some(t)
    }

    /// The slot that a new thread state gets unless the move says another: the first free
    /// one that nothing names, else the first free one.
    pub fn free_tstate(&self) -> Option<TstateId> {
        let free = || Runtime::tstate_ids().filter(|t| !self.listed(*t));
        free().find(|t| !self.named(*t)).or_else(|| free().next())
    }

    /// `_PyThreadState_Bind`.
    pub(crate) fn bind(&mut self, h: ThreadId, t: TstateId) -> Flow {
        match self.bind_to(h, t) {
            Ok(()) => Flow::Answer(Reply::Done),
            Err(rule) => Flow::Died(rule),
        }
    }

    pub(crate) fn bind_to(&mut self, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        if !self.listed(t) {
            return Err(Rule::Gil12);
        }
        let x = self.tstate_mut(t);
        x.status.insert(StatusBits::BOUND);
        x.thread = Some(h);
        //= specs/rules/tls.md#tls-15
        //# Binding MUST fill an empty gilstate slot and MUST NOT displace what a slot names.
        match self.thread(h).gilstate {
            None => self.bind_gilstate(h, t),
            Some(_) => Ok(()),
        }
    }

    /// `PyThreadState_Clear`, from its entry.
    pub(crate) fn clear(&mut self, t: TstateId) -> Flow {
        //= specs/rules/tls.md#tls-17
        //# The status bits of a thread state MUST be set in the order of its life:
        //# initialized, bound, active, finalizing, cleared.
        self.tstate_mut(t).status.insert(StatusBits::FINALIZING);
        Flow::Goto(Label::ClearDone(t))
    }

    pub(crate) fn clear_done(&mut self, t: TstateId) -> Flow {
        if !self.listed(t) {
            return Flow::Died(Rule::Gil12);
        }
        self.tstate_mut(t).status.insert(StatusBits::CLEARED);
        Flow::Answer(Reply::Done)
    }

    /// `PyThreadState_Delete`.
    pub(crate) fn delete(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        match self.free_one(d, h, t) {
            Ok(()) => Flow::Answer(Reply::Done),
            Err(rule) => Flow::Died(rule),
        }
    }

    /// Unlists a thread state, empties the gilstate slot that names it, and frees it.
    pub(crate) fn free_one(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        if !self.listed(t) {
            return Err(Rule::Gil12);
        }
        if self.current(d, h) == Some(t) {
            return Err(Rule::Tls12);
        }
        //= specs/rules/tls.md#tls-14
        //# The gilstate slot of a thread MUST name nothing or a thread state that lives, is
        //# bound to that thread and knows that it is named.
        match d.gilstate_unbind {
            GilstateUnbind::CallersSlot => {
                if self.has(t, StatusBits::BOUND_GILSTATE) {
                    self.thread_mut(h).gilstate = None;
                }
            }
            GilstateUnbind::OwnersSlot => {
                for x in &mut self.threads {
                    if x.gilstate == Some(t) {
                        x.gilstate = None;
                    }
                }
            }
        }
        match d.last_holder {
            LastHolder::Address => {}
            LastHolder::Identity => {
                for g in &mut self.gils {
                    if g.last_holder == Some(t) {
                        g.last_holder = None;
                    }
                }
            }
        }
        *self.tstate_mut(t) = Tstate::FREE;
        Ok(())
    }
}
