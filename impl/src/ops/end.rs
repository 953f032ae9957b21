//! The end of an interpreter.

use super::finish::Left;
use crate::error::CallError;
use crate::faults::Seeded;
use crate::interp::Interp;
use crate::lists::Lists;
use crate::sync::Guard;
use crate::sync::atomic::Ordering;
use crate::thread::Thread;
use crate::trace::Effect;
use crate::tstate::{Started, Tstate};
use cloister_specs::{OpKind, Rule, StatusBits};

impl Thread {
    /// `Py_EndInterpreter`: ends the interpreter of the current thread state. Waits until every
    /// thread that was started in it and is no daemon has deleted its thread state, and runs
    /// the pending calls that are left.
    ///
    /// A thread state that was started does not end its own interpreter: it would wait for
    /// itself.
    ///
    /// # Errors
    ///
    /// GIL-12: the thread state was deleted. LIFE-9: it is not this thread's current one.
    /// LIFE-11: its interpreter is the main one. LIFE-10: its interpreter has others, which
    /// are not waited for. LIFE-13: it is not live. PEND-6: this thread runs pending calls in it.
    pub fn end_interpreter(&self, tstate: Tstate) -> Result<(), CallError> {
        self.called(OpKind::EndInterpreter, tstate);
        let result = self.end(tstate);
        let told = self.returned(result.as_ref().map(|_| ()).map_err(|error| *error));
        drop(result);
        told
    }

    fn end(&self, tstate: Tstate) -> Result<Left, CallError> {
        let lists = self.inner().lists();
        self.listed(tstate)?;
        //= specs/rules/life.md#life-9
        //# An interpreter MUST be ended by a thread whose current thread state is the one given.
        if self.current() != Some(tstate) {
            return Err(Rule::Life9.into());
        }
        //= specs/rules/life.md#life-11
        //# The main interpreter MUST NOT be ended by EndInterpreter.
        let interp = self.interp_of(tstate)?;
        if self.is_main(interp) {
            return Err(Rule::Life11.into());
        }
        //= specs/rules/life.md#life-10
        //# An interpreter MUST NOT be ended while it has another thread state.
        let slot = interp.slot;
        let own = usize::from(tstate.slot.started() != Some(Started::Joined));
        if slot.tstates.load(Ordering::Relaxed) - slot.joined.load(Ordering::Relaxed) > own {
            return Err(Rule::Life10.into());
        }
        if !slot.live() {
            return Err(Rule::Life13.into());
        }
        self.not_waited_for(tstate)?;
        self.runs_none(tstate)?;
        self.begin_end(&lists, interp, tstate);
        self.end_begun(Some(lists), interp, tstate)
    }

    /// Goes on with an end that has begun, perhaps under the list lock.
    pub(super) fn end_begun(
        &self,
        begun: Option<Guard<'_, Lists>>,
        interp: Interp,
        tstate: Tstate,
    ) -> Result<Left, CallError> {
        let gil = self.gil_of(tstate)?;
        let (lists, left) = self.finish(begun, interp, tstate)?;
        self.finalize_tstate(tstate);
        self.use_held(tstate);
        self.effect(Effect::Cleared(tstate.serial));
        drop(lists);

        self.close_home(interp);
        self.leave(tstate);
        if !self.seeded(Seeded::EndKeepsGil) {
            gil.drop(self, tstate, true);
        }

        //= specs/rules/life.md#life-12
        //# An ended interpreter MUST leave nothing behind: it, its thread state and its own GIL are gone,
        //# and the caller has no current thread state.
        let mut lists = self.inner().lists();
        if !self.seeded(Seeded::EndLeavesTstate) {
            self.delete(&mut lists, tstate);
        }
        lists.free(interp);
        self.effect(Effect::Ended { interp: interp.serial, tstate: tstate.serial });
        Ok(left)
    }

    /// Clears the caller's own thread state, under the list lock.
    pub(super) fn finalize_tstate(&self, tstate: Tstate) {
        let slot = tstate.slot;
        slot.set_status(slot.status() | StatusBits::FINALIZING | StatusBits::CLEARED);
    }
}
