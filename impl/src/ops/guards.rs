//! Guards that several operations share, and the marks of use.

use crate::faults::Seeded;
use crate::gil::Gil;
use crate::interp::Interp;
use crate::sync::atomic::Ordering;
use crate::thread::Thread;
use crate::tstate::Tstate;
use cloister_specs::Rule;

impl Thread {
    /// May this thread make this thread state current?
    #[inline]
    pub(super) fn may_enter(&self, tstate: Tstate) -> Result<(), Rule> {
        if !tstate.listed() {
            return Err(Rule::Gil12);
        }
        match self.fit_to_enter(tstate) {
            Err(rule) if tstate.listed_in(self.inner().serial()) => Err(rule),
            Err(_) => Err(Rule::Gil12),
            Ok(()) => Ok(()),
        }
    }

    #[inline]
    fn fit_to_enter(&self, tstate: Tstate) -> Result<(), Rule> {
        //= specs/rules/tls.md#tls-4
        //# A thread state MUST be bound to the calling thread when it is made current.
        if !tstate.slot.thread.is(self.serial()) && !self.seeded(Seeded::SwapIgnoresThread) {
            return Err(Rule::Tls4);
        }
        //= specs/rules/tls.md#tls-6
        //# A thread state MUST be alive when it is made current.
        if !tstate.alive() {
            return Err(Rule::Tls6);
        }
        //= specs/rules/life.md#life-13
        //# A thread state MUST NOT be created, bound or made current in an interpreter that is not live,
        //# except by the call that creates it.
        if !tstate.slot.interp().is_some_and(|interp| interp.slot.live()) {
            return Err(Rule::Life13);
        }
        Ok(())
    }

    /// Was a thread state cleared between [`Thread::may_enter`] and the claim of its GIL?
    ///
    /// Whoever clears it needs this GIL: if it lives now, it lived all along, and will.
    #[inline]
    pub(super) fn recheck(&self, tstate: Tstate, claimed: &Gil) -> Result<(), Rule> {
        if tstate.alive() && tstate.listed() {
            return Ok(());
        }
        claimed.give_back();
        self.may_enter(tstate).and(Err(Rule::Gil12))
    }

    //= specs/rules/gil.md#gil-12
    //# A thread MUST NOT touch an interpreter, a GIL or a thread state after it has been freed.
    pub(super) fn listed(&self, tstate: Tstate) -> Result<(), Rule> {
        if tstate.listed_in(self.inner().serial()) { Ok(()) } else { Err(Rule::Gil12) }
    }

    /// The interpreter of a listed thread state.
    pub(super) fn interp_of(&self, tstate: Tstate) -> Result<Interp, Rule> {
        tstate.slot.interp().ok_or(Rule::Gil12)
    }

    /// The GIL of the interpreter of a listed thread state.
    //= specs/rules/gil.md#gil-5
    //# A live interpreter MUST have a GIL: one that it created itself, or the main interpreter's.
    #[inline]
    pub(super) fn gil_of(&self, tstate: Tstate) -> Result<&'static Gil, Rule> {
        tstate.slot.gil.load().ok_or(Rule::Life13)
    }

    /// The GIL of a thread state that [`Thread::may_enter`] let pass.
    ///
    /// It may have been deleted since, and its slot be that of a creation which has no GIL yet.
    #[inline]
    pub(super) fn gil_to_enter(&self, tstate: Tstate) -> Result<&'static Gil, Rule> {
        tstate.slot.gil.load().ok_or_else(|| self.no_gil_to_enter(tstate))
    }

    #[cold]
    fn no_gil_to_enter(&self, tstate: Tstate) -> Rule {
        self.may_enter(tstate).err().unwrap_or(Rule::Life13)
    }

    /// Marks a thread state whose GIL this thread does not hold, before it waits; fails
    /// if it was cleared or deleted since [`Thread::may_enter`].
    pub(super) fn use_to_wait(&self, tstate: Tstate) -> Result<(), Rule> {
        let lists = self.inner().lists();
        self.may_enter(tstate)?;
        tstate.slot.in_use.store(true, Ordering::Relaxed);
        drop(lists);
        Ok(())
    }

    /// Marks a thread state whose GIL this thread holds.
    #[inline]
    pub(super) fn use_held(&self, tstate: Tstate) {
        tstate.slot.in_use.store(true, Ordering::Relaxed);
    }

    /// Takes the mark away.
    #[inline]
    pub(super) fn done_with(&self, tstate: Tstate) {
        tstate.slot.in_use.store(false, Ordering::Release);
    }
}
