//! The life of a thread state: new, bound, cleared, deleted.

use super::create::CreationFaults;
use crate::faults::Seeded;
use crate::interp::Interp;
use crate::lists::Lists;
use crate::sync::atomic::Ordering;
use crate::thread::Thread;
use crate::trace::Effect;
use crate::tstate::{TSTATES, Tstate};
use cloister_specs::{Fault, OpKind, Refusal, Rule, StatusBits};

impl Thread {
    /// `_PyThreadState_New`: a thread state of this interpreter, bound to no thread;
    /// `None` (NULL) if memory ran out.
    ///
    /// # Errors
    ///
    /// GIL-12: the interpreter has ended. LIFE-13: it is not live.
    pub fn thread_state_new(&self, interp: Interp) -> Result<Option<Tstate>, Refusal> {
        self.called(OpKind::ThreadStateNew, interp);
        let result = self.new_in(interp);
        Ok(self.returned(result)?)
    }

    fn new_in(&self, interp: Interp) -> Result<Option<Tstate>, Rule> {
        let mut lists = self.inner().lists();
        let tstate = self.list_in(&mut lists, interp, &mut ())?;
        if let Some(tstate) = tstate {
            self.effect(Effect::Listed { tstate: tstate.serial, interp: interp.serial });
        }
        Ok(tstate)
    }

    /// Lists a thread state of this interpreter; none if memory ran out.
    pub(super) fn list_in(
        &self,
        lists: &mut Lists,
        interp: Interp,
        faults: &mut impl CreationFaults,
    ) -> Result<Option<Tstate>, Rule> {
        if !interp.listed_in(self.inner().serial()) {
            return Err(Rule::Gil12);
        }
        if !interp.slot.live() {
            return Err(Rule::Life13);
        }
        if faults.fails(Fault::TstateAlloc) {
            return Ok(None);
        }
        let Ok(slot) = self.allocate(&TSTATES) else {
            return Ok(None);
        };
        let tstate = lists.new_tstate(interp, slot);
        if tstate.is_err() {
            TSTATES.give(slot);
        }
        Ok(tstate.ok())
    }

    /// `_PyThreadState_Bind`: binds a thread state to this thread, and lets an empty
    /// gilstate slot name it.
    ///
    /// # Errors
    ///
    /// GIL-12: it was deleted. TLS-3: it was cleared, or is bound. LIFE-13: its
    /// interpreter is not live.
    pub fn thread_state_bind(&self, tstate: Tstate) -> Result<(), Refusal> {
        self.called(OpKind::ThreadStateBind, tstate);
        let result = self.bind_listed(tstate);
        Ok(self.returned(result)?)
    }

    fn bind_listed(&self, tstate: Tstate) -> Result<(), Rule> {
        let lists = self.inner().lists();
        self.listed(tstate)?;
        //= specs/rules/tls.md#tls-3
        //# A thread state MUST be alive and not yet bound when it is bound.
        let bound = tstate.slot.status().contains(StatusBits::BOUND);
        if !tstate.alive() || (bound && !self.seeded(Seeded::BindRebinds)) {
            return Err(Rule::Tls3);
        }
        if !self.interp_of(tstate)?.slot.live() {
            return Err(Rule::Life13);
        }
        self.bind(tstate);
        self.effect(Effect::Bound(tstate.serial));
        drop(lists);
        Ok(())
    }

    /// Binds a new thread state to this thread, under the list lock.
    //= specs/rules/tls.md#tls-1
    //# A thread state MUST NOT be current in more than one OS thread, nor in another than the one it is
    //# bound to.
    pub(crate) fn bind(&self, tstate: Tstate) {
        let slot = tstate.slot;
        slot.thread_slot.store(Some(self.slot));
        slot.thread.store(Some(self.serial()));
        slot.set_status(slot.status() | StatusBits::BOUND);
        //= specs/rules/tls.md#tls-15
        //# Binding MUST fill an empty gilstate slot and MUST NOT displace what a slot names.
        if self.slot.gilstate.load().is_none() || self.seeded(Seeded::BindDisplaces) {
            self.set_gilstate(tstate);
        }
    }

    /// `PyThreadState_Clear`: drops what a thread state refers to.
    ///
    /// # Errors
    ///
    /// GIL-12: it was deleted. TLS-9: this thread has no current thread state, or one of
    /// another interpreter. TLS-8: it was cleared. TLS-10: it is current in some thread.
    /// TLS-13: a call of another thread uses it.
    pub fn thread_state_clear(&self, tstate: Tstate) -> Result<(), Refusal> {
        self.called(OpKind::ThreadStateClear, tstate);
        let result = self.clear(tstate);
        Ok(self.returned(result)?)
    }

    fn clear(&self, tstate: Tstate) -> Result<(), Rule> {
        let lists = self.inner().lists();
        self.listed(tstate)?;
        //= specs/rules/tls.md#tls-9
        //# A thread MUST be in the same interpreter, and hold its GIL, when it clears a thread state.
        let interp = self.interp_of(tstate)?;
        if !self.current().is_some_and(|current| current.belongs_to(interp)) {
            return Err(Rule::Tls9);
        }
        //= specs/rules/tls.md#tls-8
        //# A thread state MUST be alive when it is cleared.
        if !tstate.alive() {
            return Err(Rule::Tls8);
        }
        //= specs/rules/tls.md#tls-10
        //# A thread state MUST NOT be active when it is cleared by ThreadStateClear.
        let status = tstate.slot.status();
        if status.contains(StatusBits::ACTIVE) {
            return Err(Rule::Tls10);
        }
        if self.used_by_another(tstate) && !self.seeded(Seeded::ClearIgnoresUse) {
            return Err(Rule::Tls13);
        }
        //= specs/rules/tls.md#tls-17
        //# The status bits of a thread state MUST be set in the order of its life: initialized, bound,
        //# active, finalizing, cleared.
        tstate.slot.set_status(status | StatusBits::FINALIZING | StatusBits::CLEARED);
        self.effect(Effect::Cleared(tstate.serial));
        drop(lists);
        Ok(())
    }

    //= specs/rules/tls.md#tls-13
    //# A thread state MUST NOT be cleared or deleted while a call of another thread still uses it.
    fn used_by_another(&self, tstate: Tstate) -> bool {
        let used =
            tstate.slot.in_use.load(Ordering::Acquire) || tstate.slot.runs_calls.load(Ordering::Acquire);
        used && !tstate.slot.thread.is(self.serial())
    }

    /// `PyThreadState_Delete`: the thread state is no more, and no gilstate slot names it.
    ///
    /// # Errors
    ///
    /// GIL-12: it was deleted. TLS-12: it is current in some thread. TLS-11: it was not
    /// cleared. TLS-13: a call of another thread uses it. LIFE-13: its interpreter is not
    /// live.
    pub fn thread_state_delete(&self, tstate: Tstate) -> Result<(), Refusal> {
        self.called(OpKind::ThreadStateDelete, tstate);
        let result = self.delete_cleared(tstate);
        Ok(self.returned(result)?)
    }

    fn delete_cleared(&self, tstate: Tstate) -> Result<(), Rule> {
        let mut lists = self.inner().lists();
        self.listed(tstate)?;
        //= specs/rules/tls.md#tls-12
        //# A thread state MUST NOT be current in any thread when it is deleted.
        let status = tstate.slot.status();
        if status.contains(StatusBits::ACTIVE) {
            return Err(Rule::Tls12);
        }
        //= specs/rules/tls.md#tls-11
        //# A thread state MUST be cleared before it is deleted.
        if !status.contains(StatusBits::CLEARED) {
            return Err(Rule::Tls11);
        }
        if self.used_by_another(tstate) {
            return Err(Rule::Tls13);
        }
        if !self.interp_of(tstate)?.slot.live() {
            return Err(Rule::Life13);
        }
        self.unbind_gilstate(tstate);
        lists.delete(tstate);
        self.effect(Effect::Deleted(tstate.serial));
        Ok(())
    }

    /// `PyThreadState_Clear` of the current thread state and `PyThreadState_DeleteCurrent`:
    /// it is no more, and its GIL is dropped. Never waits.
    ///
    /// # Errors
    ///
    /// TLS-21: there is no current thread state.
    pub fn thread_state_delete_current(&self) -> Result<(), Refusal> {
        self.called(OpKind::ThreadStateDeleteCurrent, ());
        //= specs/rules/tls.md#tls-21
        //# A thread MUST have a current thread state when it deletes its current one.
        let tstate = self.current().ok_or(Rule::Tls21);
        let result = tstate.and_then(|t| self.delete_own(t));
        Ok(self.returned(result)?)
    }

    /// Clears and deletes the current thread state, and drops its GIL.
    //= specs/rules/tls.md#tls-22
    //# DeleteCurrent MUST leave the thread without a thread state in either place, current or named, and
    //# have dropped its GIL.
    pub(super) fn delete_own(&self, tstate: Tstate) -> Result<(), Rule> {
        let gil = self.gil_of(tstate)?;
        let lists = self.inner().lists();
        self.finalize(tstate);
        self.use_held(tstate);
        self.effect(Effect::Cleared(tstate.serial));
        drop(lists);

        self.leave(tstate);
        if !self.seeded(Seeded::DeleteCurrentKeepsGil) {
            gil.drop(self, tstate, true);
        }

        let mut lists = self.inner().lists();
        self.unbind_gilstate(tstate);
        lists.delete(tstate);
        self.effect(Effect::Deleted(tstate.serial));
        Ok(())
    }

    /// Empties the gilstate slot that names a thread state which is about to go, whosever
    /// it is.
    pub(super) fn unbind_gilstate(&self, tstate: Tstate) {
        if self.seeded(Seeded::DeleteEmptiesCallers) {
            self.slot.gilstate.store(None);
        } else if let Some(owner) = tstate.slot.thread_slot.load() {
            owner.gilstate.forget(tstate.serial);
        }
    }
}
