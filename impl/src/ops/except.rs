//! Deleting the thread states of others.

use crate::faults::Seeded;
use crate::thread::Thread;
use crate::tstate::Tstate;
use cloister_specs::{OpKind, Refusal, Rule};

impl Thread {
    /// `_PyThreadState_DeleteExcept`: deletes every other thread state of the interpreter of
    /// the current one.
    ///
    /// # Errors
    ///
    /// GIL-12: the thread state was deleted. FIN-17: it is not this thread's current one, or a
    /// call of another thread, or an end, uses a thread state of its interpreter.
    pub fn thread_state_delete_except(&self, tstate: Tstate) -> Result<(), Refusal> {
        self.called(OpKind::ThreadStateDeleteExcept, tstate);
        let result = self.delete_except(tstate);
        Ok(self.returned(result)?)
    }

    //= specs/rules/fin.md#fin-17
    //# DeleteExcept MUST be given the caller's current thread state, leave no other one in its
    //# interpreter, and free none that a call uses.
    fn delete_except(&self, tstate: Tstate) -> Result<(), Rule> {
        let mut lists = self.inner().lists();
        self.listed(tstate)?;
        if self.current() != Some(tstate) {
            return Err(Rule::Fin17);
        }
        let interp = self.interp_of(tstate)?;
        let in_use = lists.tstates_of(interp).any(|t| t.slot.in_use_beside(self.serial()));
        if in_use && !self.seeded(Seeded::DeleteExceptIgnoresUse) {
            return Err(Rule::Fin17);
        }
        self.delete_others(&mut lists, tstate);
        Ok(())
    }
}
