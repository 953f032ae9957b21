//! Ending an interpreter from outside: by its last reference, or by `destroy`.
//!
//! The thread enters it with its only thread state, ends it, and comes back. The guards and
//! the beginning of the end are one step under the list lock.

use super::finish::Left;
use crate::error::{CallError, GateError};
use crate::faults::Seeded;
use crate::interp::Interp;
use crate::lists::Lists;
use crate::sync::Guard;
use crate::sync::atomic::Ordering;
use crate::thread::Thread;
use crate::tstate::Tstate;
use cloister_specs::{Denied, OpKind, Rule};

/// The thread state to come back to, which others leave alone meanwhile.
struct Away {
    save: Tstate,
    held: bool,
}

impl Away {
    fn from(save: Tstate) -> Self {
        Away { save, held: save.slot.held.swap(true, Ordering::Relaxed) }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if self.save.listed() {
            self.save.slot.held.store(self.held, Ordering::Release);
        }
    }
}

impl Thread {
    /// `_xxsubinterpreters.destroy`: ends an interpreter in which nobody runs anything, in this
    /// thread, with its only thread state.
    ///
    /// # Errors
    ///
    /// GIL-12: it has ended. ID-12: there is no current thread state. LIFE-11: it is the main
    /// interpreter. LIFE-13: it is not live. LIFE-10: it has several thread states. ID-6: it has
    /// none, or one that is not bound to this thread. TLS-6: that was cleared. Or it is the
    /// current one, or run; or the runtime was finalized while this thread waited to come back.
    pub fn destroy_interpreter(&self, interp: Interp) -> Result<(), GateError> {
        self.called(OpKind::DestroyInterpreter, interp);
        let result = self.destroy(interp);
        let told = self.returned(result.as_ref().map(|_| ()).map_err(|error| *error));
        drop(result);
        told
    }

    fn destroy(&self, interp: Interp) -> Result<Left, GateError> {
        let lists = self.inner().lists();
        self.listed_interp(interp)?;
        self.says()?;
        if self.is_main(interp) {
            return Err(Rule::Life11.into());
        }
        //= specs/rules/id.md#id-8
        //# An interpreter MUST NOT be destroyed from within.
        if self.is_current(interp) {
            return Err(Denied::DestroyCurrent.into());
        }
        //= specs/rules/id.md#id-9
        //# An interpreter MUST NOT be destroyed while code runs in it.
        if interp.slot.running.load().is_some() && !self.seeded(Seeded::DestroyIgnoresRunning) {
            return Err(Denied::Running.into());
        }
        let head = self.way_in(&lists, interp)?;
        Ok(self.end_from_outside(lists, interp, head)?)
    }

    /// The thread state with which this thread may end an interpreter from outside.
    //= specs/rules/id.md#id-6
    //# An interpreter MUST NOT be ended from outside through a thread state of another thread.
    pub(super) fn way_in(&self, lists: &Lists, interp: Interp) -> Result<Tstate, Rule> {
        if !interp.slot.live() {
            return Err(Rule::Life13);
        }
        let mut tstates = lists.tstates_of(interp);
        let head = tstates.next().ok_or(Rule::Id6)?;
        if tstates.next().is_some() {
            return Err(Rule::Life10);
        }
        if !head.slot.thread.is(self.serial()) {
            if !self.seeded(Seeded::BorrowsHead) {
                return Err(Rule::Id6);
            }
            head.slot.thread.store(Some(self.serial()));
        }
        self.may_enter(head)?;
        self.not_waited_for(head)?;
        Ok(head)
    }

    //= specs/rules/id.md#id-10
    //# Between the test whether an interpreter can be destroyed and the beginning of its end, nothing
    //# MUST be able to change the answer.
    pub(super) fn end_from_outside(
        &self,
        lists: Guard<'_, Lists>,
        interp: Interp,
        head: Tstate,
    ) -> Result<Left, CallError> {
        let late = self.seeded(Seeded::DestroyInTwoSteps);
        if !late {
            self.begin_end(&lists, interp, head);
        }
        drop(lists);
        let save = self.current();
        let away = save.map(Away::from);
        match save {
            Some(save) => self.exchange(save, head)?,
            None => self.attach_again(head)?,
        }
        if late {
            self.begin_end(&self.inner().lists(), interp, head);
        }
        let left = self.end_begun(None, interp, head)?;
        //= specs/rules/id.md#id-7
        //# A thread that ends an interpreter from outside MUST be as it was afterwards.
        let back = match save {
            Some(save) if !self.seeded(Seeded::OutsideStaysAway) => self.come_back_to(save),
            _ => Ok(()),
        };
        drop(away);
        match back {
            Err(CallError::Finalized) => {
                self.inner().wake_finalizer();
                Err(CallError::Finalized)
            }
            // A pending call may have deleted what there was to come back to.
            Err(CallError::Refused(_)) | Ok(()) => Ok(left),
        }
    }

    /// Makes current again what was current before. Others leave it alone, and whoever finalizes
    /// the runtime waits for this call, which then finds the GIL shut.
    fn come_back_to(&self, save: Tstate) -> Result<(), CallError> {
        match self.may_enter(save) {
            Ok(()) | Err(Rule::Life13) => {}
            Err(rule) => return Err(rule.into()),
        }
        self.gil_of(save)?.take(self, save)?;
        self.enter(save);
        Ok(())
    }
}
