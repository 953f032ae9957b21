//! Taking up an interpreter from any thread: `PyGILState_*`.
//!
//! Every thread state keeps how many Ensures are outstanding on it, what each of them
//! answered, and whether it was an Ensure that made it.

use super::create::CreationFaults;
use crate::error::EnsureError;
use crate::faults::Seeded;
use crate::interp::Interp;
use crate::pool::NoMemory;
use crate::thread::Thread;
use crate::trace::Effect;
use crate::tstate::Tstate;
use cloister_specs::{GilState, OpKind, Refusal, Rule};

impl Thread {
    /// `PyGILState_Ensure`, told for which interpreter the caller works: makes the thread
    /// state that the gilstate slot names current, or a new one of that interpreter if it
    /// names none. Answers whether it was current before (`Locked`); the matching
    /// [`Thread::gilstate_release`] is to be given that.
    ///
    /// # Errors
    ///
    /// GIL-12: the interpreter has ended. GILSTATE-12: the thread state is of another one.
    /// TLS-4: it is not bound to this thread. TLS-6: it was cleared. LIFE-13: the
    /// interpreter is not live. Or memory ran out, or the runtime was finalized meanwhile.
    //= specs/rules/gilstate.md#gilstate-1
    //# Ensure MUST answer with a thread state current in the calling thread and its GIL held.
    pub fn gilstate_ensure(&self, interp: Interp) -> Result<GilState, EnsureError> {
        self.gilstate_ensure_with(interp, &mut ())
    }

    /// [`Thread::gilstate_ensure`], with faults: it may meet `TstateAlloc`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn gilstate_ensure_with(
        &self,
        interp: Interp,
        faults: &mut impl CreationFaults,
    ) -> Result<GilState, EnsureError> {
        self.called(OpKind::GilStateEnsure, interp);
        let result = self.ensure(interp, faults);
        self.returned(result)
    }

    //= specs/rules/gilstate.md#gilstate-2
    //# Ensure MUST take up the thread state that the gilstate slot names, and MUST NOT make another one
    //# beside it.
    fn ensure(&self, interp: Interp, faults: &mut impl CreationFaults) -> Result<GilState, EnsureError> {
        if !interp.listed_in(self.inner().serial()) {
            return Err(Rule::Gil12.into());
        }
        let second = self.current().is_none() && self.seeded(Seeded::EnsureMakesSecond);
        let Some(tstate) = self.gilstate().filter(|_| !second) else {
            return self.ensure_new(interp, faults);
        };
        match self.ensure_named(interp, tstate) {
            // Another thread deleted it meanwhile.
            Err(EnsureError::Refused(Refusal { rule: Rule::Gil12 })) if self.gilstate().is_none() => {
                self.ensure_new(interp, faults)
            }
            result => result,
        }
    }

    /// Takes up the thread state that the slot names.
    fn ensure_named(&self, interp: Interp, tstate: Tstate) -> Result<GilState, EnsureError> {
        let elsewhere = !tstate.belongs_to(interp);
        if !tstate.listed() {
            return Err(Rule::Gil12.into());
        }
        //= specs/rules/gilstate.md#gilstate-12
        //# A thread MUST NOT ensure for one interpreter while its gilstate slot names a thread state of
        //# another.
        if elsewhere && !self.seeded(Seeded::EnsureTargetsMain) {
            return Err(Rule::Gilstate12.into());
        }
        let ensures = &tstate.slot.ensures;
        let reserve = || ensures.reserve(|| self.inner().allocates());
        if self.current() == Some(tstate) {
            reserve()?;
            ensures.push(GilState::Locked);
            return Ok(GilState::Locked);
        }
        self.may_enter(tstate)?;
        reserve()?;
        self.attach(tstate)?;
        ensures.push(GilState::Unlocked);
        Ok(GilState::Unlocked)
    }

    /// Makes a thread state, and makes it current.
    //= specs/rules/gilstate.md#gilstate-3
    //# Ensure MUST lead into the interpreter that the caller works for.
    fn ensure_new(&self, interp: Interp, faults: &mut impl CreationFaults) -> Result<GilState, EnsureError> {
        let main = self.seeded(Seeded::EnsureTargetsMain).then(|| self.inner().main().handle());
        let interp = main.flatten().unwrap_or(interp);
        let mut lists = self.inner().lists();
        //= specs/rules/gilstate.md#gilstate-4
        //# An Ensure that cannot make a thread state MUST be answered with an error, and MUST NOT end the
        //# process.
        let tstate = self.list_in(&mut lists, interp, faults)?.ok_or(NoMemory)?;
        self.bind(tstate);
        tstate.slot.ensures.set_made();
        tstate.slot.ensures.push(GilState::Unlocked);
        self.use_held(tstate);
        self.effect(Effect::Ensured { tstate: tstate.serial, interp: interp.serial });
        drop(lists);
        let gil = self.gil_of(tstate)?;
        self.take_and_enter(tstate, gil)?;
        Ok(GilState::Unlocked)
    }

    /// `PyGILState_Release` of the innermost [`Thread::gilstate_ensure`] that is
    /// outstanding, with what that answered. The thread is then as it was before; a thread
    /// state that an Ensure made is deleted with its last one. If another thread asked for
    /// the GIL, and it is dropped, this may wait until it was taken.
    ///
    /// # Errors
    ///
    /// GILSTATE-7: the gilstate slot is empty. GILSTATE-8: what it names is not current.
    /// GILSTATE-5: no Ensure is outstanding. GILSTATE-6: it answered something else. TLS-13: this
    /// is the last one, and an end uses the thread state that an Ensure made.
    pub fn gilstate_release(&self, state: GilState) -> Result<(), Refusal> {
        self.called(OpKind::GilStateRelease, state);
        let result = self.release(state);
        Ok(self.returned(result)?)
    }

    fn release(&self, state: GilState) -> Result<(), Rule> {
        //= specs/rules/gilstate.md#gilstate-7
        //# A thread whose gilstate slot is empty MUST NOT release.
        let tstate = self.gilstate().ok_or(Rule::Gilstate7)?;
        //= specs/rules/gilstate.md#gilstate-8
        //# The thread state that the gilstate slot names MUST be current when it is released.
        if self.current() != Some(tstate) {
            return Err(Rule::Gilstate8);
        }
        //= specs/rules/gilstate.md#gilstate-5
        //# A Release MUST match an Ensure of the same thread that has not been released.
        let ensures = &tstate.slot.ensures;
        let answered = ensures.innermost().ok_or(Rule::Gilstate5)?;
        //= specs/rules/gilstate.md#gilstate-6
        //# A Release MUST be given what its Ensure answered.
        if state != answered && !self.seeded(Seeded::ReleaseIgnoresState) {
            return Err(Rule::Gilstate6);
        }
        if ensures.count() == 1 && ensures.made() {
            self.not_ending(tstate)?;
        }
        let last = ensures.pop();
        //= specs/rules/gilstate.md#gilstate-9
        //# The last Release of a thread state that Ensure made MUST delete it, and leave the thread with
        //# none.
        if last && ensures.made() && !self.seeded(Seeded::ReleaseKeepsMade) {
            return self.delete_own(tstate);
        }
        //= specs/rules/gilstate.md#gilstate-10
        //# Any other Release MUST leave the thread as it was before its Ensure.
        if state == GilState::Unlocked || self.seeded(Seeded::ReleaseDetaches) {
            self.detach(tstate)?;
        }
        Ok(())
    }

    /// `PyGILState_Check`: has this thread a current thread state that its gilstate slot
    /// names?
    //= specs/rules/gilstate.md#gilstate-11
    //# Check MUST answer yes exactly where the calling thread has a current thread state and its
    //# gilstate slot names it.
    pub fn gilstate_check(&self) -> bool {
        self.called(OpKind::GilStateCheck, ());
        let current = self.current();
        let named = current.is_some() && current == self.gilstate();
        let result = Ok::<bool, Rule>(named || self.seeded(Seeded::CheckSaysYes));
        self.returned(result) == Ok(true)
    }
}
