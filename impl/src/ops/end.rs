//! The end of an interpreter.

use crate::faults::Seeded;
use crate::pending::PendingFn;
use crate::sync::atomic::Ordering;
use crate::thread::Thread;
use crate::trace::Effect;
use crate::tstate::Tstate;
use cloister_specs::{OpKind, Phase, Refusal, Rule, StatusBits};
use std::collections::VecDeque;

impl Thread {
    /// `Py_EndInterpreter`: ends the interpreter of the current thread state, which must
    /// be its only one. Its pending calls are dropped. Never waits.
    ///
    /// # Errors
    ///
    /// GIL-12: the thread state was deleted. LIFE-9: it is not this thread's current one.
    /// LIFE-11: its interpreter is the main one. LIFE-10: its interpreter has others.
    pub fn end_interpreter(&self, tstate: Tstate) -> Result<(), Refusal> {
        self.called(OpKind::EndInterpreter, tstate);
        let result = self.end(tstate);
        let told = self.returned(result.as_ref().map(|_| ()).map_err(|rule| *rule));
        // What is left of its pending calls may call anything when it is let go.
        drop(result);
        Ok(told?)
    }

    fn end(&self, tstate: Tstate) -> Result<VecDeque<PendingFn>, Rule> {
        let lists = self.inner().lists();
        self.listed(tstate)?;
        //= specs/rules/life.md#life-9
        //# An interpreter MUST be ended by a thread whose current thread state is the one given.
        if self.current() != Some(tstate) {
            return Err(Rule::Life9);
        }
        //= specs/rules/life.md#life-11
        //# The main interpreter MUST NOT be ended by EndInterpreter.
        let interp = self.interp_of(tstate)?;
        if std::ptr::eq(interp.slot, self.inner().main()) {
            return Err(Rule::Life11);
        }
        //= specs/rules/life.md#life-10
        //# An interpreter MUST NOT be ended while it has another thread state.
        if interp.slot.tstates.load(Ordering::Relaxed) > 1 {
            return Err(Rule::Life10);
        }
        let gil = self.gil_of(tstate)?;
        let mut ring = interp.slot.ring.lock();
        let left = ring.close();
        interp.slot.set_phase(Phase::Finalizing);
        self.finalize(tstate);
        self.use_held(tstate);
        self.effect(Effect::Ending { interp: interp.serial, tstate: tstate.serial });
        drop(ring);
        drop(lists);

        self.leave(tstate);
        if !self.seeded(Seeded::EndKeepsGil) {
            gil.drop(self, tstate, true);
        }

        //= specs/rules/life.md#life-12
        //# An ended interpreter MUST leave nothing behind: it, its thread state and its own GIL are gone,
        //# and the caller has no current thread state.
        let mut lists = self.inner().lists();
        if !self.seeded(Seeded::EndLeavesTstate) {
            self.unbind_gilstate(tstate);
            lists.delete(tstate);
        }
        lists.free(interp);
        self.effect(Effect::Ended { interp: interp.serial, tstate: tstate.serial });
        Ok(left)
    }

    /// Clears the caller's own thread state, under the list lock.
    pub(super) fn finalize(&self, tstate: Tstate) {
        let slot = tstate.slot;
        slot.set_status(slot.status() | StatusBits::FINALIZING | StatusBits::CLEARED);
    }
}
