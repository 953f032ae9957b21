//! Ids of interpreters, references to them, and who runs an interpreter.

use super::finish::Left;
use crate::error::{CallError, GateError};
use crate::faults::Seeded;
use crate::interp::Interp;
use crate::sync::atomic::Ordering;
use crate::thread::Thread;
use crate::trace::{Argument, Effect};
use crate::tstate::Tstate;
use cloister_specs::{Denied, OpKind, Refusal, Rule};

impl Thread {
    /// `_PyInterpreterState_LookUpID`: the interpreter that has this id.
    ///
    /// # Errors
    ///
    /// There is none.
    //= specs/rules/id.md#id-3
    //# A look-up MUST find the interpreter that has the id, if there is one, and no other.
    pub fn interpreter_look_up_id(&self, id: i64) -> Result<Interp, Denied> {
        self.called(OpKind::InterpreterLookUpId, Argument::Id(id));
        let lists = self.inner().lists();
        let any = self.seeded(Seeded::LookUpFindsMain);
        let found = lists.interps().iter().find(|slot| any || slot.id() == id);
        let result = found.and_then(|slot| slot.handle()).ok_or(Denied::UnknownId);
        drop(lists);
        self.returned(result)
    }

    /// `_PyInterpreterState_RequireIDRef`: is the interpreter to end with the last reference to
    /// its id?
    ///
    /// # Errors
    ///
    /// GIL-12: it has ended.
    pub fn interpreter_require_idref(&self, interp: Interp, required: bool) -> Result<(), Refusal> {
        self.called(OpKind::InterpreterRequireIdRef, Argument::Required(interp.serial(), required));
        let lists = self.inner().lists();
        let result = self.listed_interp(interp);
        if result.is_ok() {
            interp.slot.requires_idref.store(required, Ordering::Relaxed);
            self.effect(Effect::Requires { interp: interp.serial(), required });
        }
        drop(lists);
        Ok(self.returned(result)?)
    }

    /// `_PyInterpreterState_IDIncref`: takes a reference to the id of an interpreter.
    ///
    /// # Errors
    ///
    /// GIL-12: it has ended.
    pub fn interpreter_id_incref(&self, interp: Interp) -> Result<(), Refusal> {
        self.called(OpKind::InterpreterIdIncref, interp);
        let lists = self.inner().lists();
        let result = self.listed_interp(interp);
        if result.is_ok() {
            interp.slot.id_refs.fetch_add(1, Ordering::Relaxed);
            self.effect(Effect::Referenced(interp.serial()));
        }
        drop(lists);
        Ok(self.returned(result)?)
    }

    /// `_PyInterpreterState_IDDecref`: gives a reference to the id of an interpreter back. With
    /// the last one the interpreter is ended, if it requires references: in this thread, with
    /// its only thread state.
    ///
    /// # Errors
    ///
    /// GIL-12: it has ended. ID-4: no reference was taken. If it is to be ended, LIFE-11: it is
    /// the main interpreter; ID-8: it is the current one; LIFE-13: it is not live; LIFE-10: it has
    /// several thread states; ID-6: it has none, or one that is not bound to this thread; TLS-6:
    /// that was cleared. Or the runtime was finalized while this thread waited to come back.
    pub fn interpreter_id_decref(&self, interp: Interp) -> Result<(), CallError> {
        self.called(OpKind::InterpreterIdDecref, interp);
        let result = self.give_back_reference(interp);
        let told = self.returned(result.as_ref().map(|_| ()).map_err(|error| *error));
        drop(result);
        told
    }

    fn give_back_reference(&self, interp: Interp) -> Result<Left, CallError> {
        let lists = self.inner().lists();
        self.listed_interp(interp)?;
        //= specs/rules/id.md#id-4
        //# A reference MUST have been taken when it is given back.
        let refs = interp.slot.id_refs.load(Ordering::Relaxed);
        let left = refs.checked_sub(1).ok_or(Rule::Id4)?;
        //= specs/rules/id.md#id-5
        //# An interpreter that requires references MUST be ended when the last one is given back, and only
        //# then.
        let last = left == 0 || self.seeded(Seeded::DecrefEndsEarly);
        let give_back = || {
            interp.slot.id_refs.store(left, Ordering::Relaxed);
            self.effect(Effect::Dereferenced(interp.serial()));
        };
        if !last || !interp.slot.requires_idref.load(Ordering::Relaxed) {
            give_back();
            return Ok(Left::new());
        }
        if self.is_main(interp) {
            return Err(Rule::Life11.into());
        }
        if self.is_current(interp) {
            return Err(Rule::Id8.into());
        }
        let head = self.way_in(&lists, interp)?;
        give_back();
        self.end_from_outside(lists, interp, head)
    }

    /// `_PyInterpreterState_SetRunningMain`: the current thread state runs its interpreter,
    /// which cannot be destroyed meanwhile.
    ///
    /// # Errors
    ///
    /// ID-12: there is no current thread state. Or the interpreter is run already.
    pub fn set_running_main(&self) -> Result<(), GateError> {
        self.called(OpKind::SetRunningMain, ());
        let result = self.begin_running();
        self.returned(result)
    }

    fn begin_running(&self) -> Result<(), GateError> {
        let tstate = self.says()?;
        let interp = self.interp_of(tstate)?;
        let lists = self.inner().lists();
        //= specs/rules/id.md#id-11
        //# An interpreter MUST NOT be run by two at a time.
        if interp.slot.running.load().is_some() && !self.seeded(Seeded::RunsBesides) {
            return Err(Denied::AlreadyRunning.into());
        }
        interp.slot.running.store(Some(tstate.serial));
        self.effect(Effect::Running(tstate.serial));
        drop(lists);
        Ok(())
    }

    /// `_PyInterpreterState_SetNotRunningMain`: the current thread state no longer runs its
    /// interpreter.
    ///
    /// # Errors
    ///
    /// ID-12: there is no current thread state. ID-13: it did not run it.
    pub fn set_not_running_main(&self) -> Result<(), Refusal> {
        self.called(OpKind::SetNotRunningMain, ());
        let result = self.stop_running();
        Ok(self.returned(result)?)
    }

    fn stop_running(&self) -> Result<(), Rule> {
        let tstate = self.says()?;
        let interp = self.interp_of(tstate)?;
        let lists = self.inner().lists();
        //= specs/rules/id.md#id-13
        //# A thread MUST say of itself alone that it no longer runs an interpreter.
        if !interp.slot.running.is(tstate.serial) {
            return Err(Rule::Id13);
        }
        interp.slot.running.store(None);
        self.effect(Effect::NotRunning(tstate.serial));
        drop(lists);
        Ok(())
    }

    //= specs/rules/id.md#id-12
    //# A thread MUST have a current thread state when it says that it runs, has run or destroys an
    //# interpreter.
    pub(super) fn says(&self) -> Result<Tstate, Rule> {
        self.current().ok_or(Rule::Id12)
    }

    pub(super) fn listed_interp(&self, interp: Interp) -> Result<(), Rule> {
        if interp.listed_in(self.inner().serial()) { Ok(()) } else { Err(Rule::Gil12) }
    }

    /// Is this interpreter that of the current thread state?
    pub(super) fn is_current(&self, interp: Interp) -> bool {
        self.current().is_some_and(|current| current.belongs_to(interp))
    }
}
