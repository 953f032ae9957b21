//! Making a thread state current, and taking it away.

use crate::error::CallError;
use crate::faults::Seeded;
use crate::gil::{Gil, Queued};
use crate::pending::Ran;
use crate::thread::Thread;
use crate::tstate::Tstate;
use cloister_specs::{OpKind, Refusal, Rule};

impl Thread {
    /// `PyEval_SaveThread`: takes the current thread state away, drops its GIL, and
    /// answers it. If another thread asked for the GIL, waits until it was taken.
    ///
    /// # Errors
    ///
    /// TLS-7: there is no current thread state.
    //= specs/rules/gil.md#gil-16
    //# SaveThread MUST answer with the thread state that was current, leave none current, and have
    //# dropped its GIL.
    #[inline]
    pub fn save_thread(&self) -> Result<Tstate, Refusal> {
        self.called(OpKind::SaveThread, ());
        //= specs/rules/tls.md#tls-7
        //# A thread MUST have a current thread state when it saves it.
        let tstate = self.current().ok_or(Rule::Tls7);
        let result = tstate.and_then(|t| self.detach(t));
        Ok(self.returned(result)?)
    }

    /// `PyEval_RestoreThread`: takes the GIL of a thread state, and makes it current.
    ///
    /// # Errors
    ///
    /// TLS-5: there is a current thread state. GIL-12: it was deleted. TLS-4: it is not
    /// bound to this thread. TLS-6: it was cleared. LIFE-13: its interpreter cannot be used.
    /// Or the runtime was finalized meanwhile.
    #[inline]
    pub fn restore_thread(&self, tstate: Tstate) -> Result<(), CallError> {
        self.called(OpKind::RestoreThread, tstate);
        //= specs/rules/tls.md#tls-5
        //# A thread MUST NOT restore a thread state while it has a current one.
        let result = if self.current().is_some() { Err(Rule::Tls5.into()) } else { self.attach(tstate) };
        self.returned(result)
    }

    /// `PyEval_AcquireThread`: takes the GIL of a thread state, and makes it current.
    ///
    /// # Errors
    ///
    /// GIL-17: there is a current thread state. GIL-12: it was deleted. TLS-4: it is not
    /// bound to this thread. TLS-6: it was cleared. LIFE-13: its interpreter cannot be used.
    /// Or the runtime was finalized meanwhile.
    //= specs/rules/gil.md#gil-18
    //# AcquireThread MUST NOT answer before the caller holds the GIL of the thread state, and MUST make
    //# it current.
    pub fn acquire_thread(&self, tstate: Tstate) -> Result<(), CallError> {
        self.called(OpKind::AcquireThread, tstate);
        //= specs/rules/gil.md#gil-17
        //# A thread MUST NOT acquire a thread state while it has a current one.
        let result = if self.current().is_some() { Err(Rule::Gil17.into()) } else { self.attach(tstate) };
        self.returned(result)
    }

    /// `PyEval_ReleaseThread`: takes the current thread state away, which must be this one,
    /// and drops its GIL. If another thread asked for the GIL, waits until it was taken.
    ///
    /// # Errors
    ///
    /// GIL-12: it was deleted. GIL-19: it is not this thread's current one.
    pub fn release_thread(&self, tstate: Tstate) -> Result<(), Refusal> {
        self.called(OpKind::ReleaseThread, tstate);
        let result = self.release_current(tstate);
        Ok(self.returned(result)?)
    }

    //= specs/rules/gil.md#gil-20
    //# ReleaseThread MUST leave no thread state current, and have dropped its GIL.
    fn release_current(&self, tstate: Tstate) -> Result<(), Rule> {
        self.listed(tstate)?;
        //= specs/rules/gil.md#gil-19
        //# A thread MUST release the thread state that is current.
        let current = self.current().ok_or(Rule::Gil19)?;
        if current != tstate && !self.seeded(Seeded::ReleaseTakesAny) {
            return Err(Rule::Gil19);
        }
        self.detach(current).map(|_| ())
    }

    /// `PyThreadState_Swap`: drops the GIL of the current thread state, if there is one,
    /// takes that of the given one, if one is given, makes it current, and answers the
    /// one that was.
    ///
    /// # Errors
    ///
    /// GIL-12: the given one was deleted. TLS-4: it is not bound to this thread. TLS-6: it
    /// was cleared. LIFE-13: its interpreter cannot be used. Or the runtime was finalized
    /// meanwhile.
    //= specs/rules/tls.md#tls-20
    //# Swap MUST answer with the thread state that was current before, and make the given one current.
    #[inline]
    pub fn thread_state_swap(&self, tstate: Option<Tstate>) -> Result<Option<Tstate>, CallError> {
        self.called(OpKind::ThreadStateSwap, tstate);
        let old = self.current();
        let result = match (old, tstate) {
            (None, None) => Ok(()),
            (Some(old), None) => self.detach(old).map(|_| ()).map_err(CallError::from),
            (None, Some(new)) => self.attach(new),
            (Some(old), Some(new)) => self.exchange(old, new),
        };
        let result = result.map(|()| if self.seeded(Seeded::SwapAnswersNew) { tstate } else { old });
        self.returned(result)
    }

    /// `_Py_HandlePending`, behind the test of the eval breaker: if there are pending calls
    /// that this thread may run here, runs them; if then somebody asked for the GIL, hands
    /// it over and takes it back. A pending call that failed is answered at once.
    ///
    /// # Errors
    ///
    /// TLS-18: there is no current thread state. Or the runtime was finalized meanwhile.
    #[inline]
    pub fn eval_breaker_poll(&self) -> Result<Ran, CallError> {
        //= specs/rules/tls.md#tls-18
        //# A thread MUST have a current thread state, and hold its GIL, when it polls the eval breaker.
        let disturbed = match self.current() {
            None => Err(Rule::Tls18),
            Some(tstate) => self.gil_of(tstate).map(|gil| (tstate, gil, gil.disturbed())),
        };
        //= specs/rules/gil.md#gil-14
        //# A poll that sees no request MUST NOT change anything.
        match disturbed {
            Ok((_, _, false)) => Ok(Ran::NOTHING),
            Ok((tstate, gil, true)) => self.handle_pending(tstate, gil),
            Err(rule) => Err(rule.into()),
        }
    }

    /// A poll that has something to look at, though it need not concern this thread.
    #[cold]
    #[inline(never)]
    fn handle_pending(&self, tstate: Tstate, gil: &'static Gil) -> Result<Ran, CallError> {
        let pending = tstate.slot.interp().filter(|interp| self.sees_pending(*interp));
        if pending.is_none() && !gil.requested() {
            return Ok(Ran::NOTHING);
        }
        self.called(OpKind::EvalBreakerPoll, ());
        let ran = pending.map_or(Ran::NOTHING, |interp| self.run_pending(tstate, interp));
        let result = if !ran.failed && gil.requested() { self.hand_over(tstate, gil) } else { Ok(()) };
        self.returned(result.map(|()| ran))
    }

    //= specs/rules/gil.md#gil-13
    //# A poll that sees a request MUST hand the GIL over and come back with the same thread state current.
    fn hand_over(&self, tstate: Tstate, gil: &'static Gil) -> Result<(), CallError> {
        self.use_held(tstate);
        if !self.seeded(Seeded::PollStaysCurrent) {
            self.leave(tstate);
        }
        gil.drop(self, tstate, false);
        self.take_and_enter(tstate, gil)
    }

    /// Takes the GIL of a thread state that this call has marked, and makes it current.
    pub(super) fn take_and_enter(&self, tstate: Tstate, gil: &Gil) -> Result<(), CallError> {
        let taken = gil.take(self, tstate);
        match taken {
            Ok(()) => {
                self.enter(tstate);
                self.done_with(tstate);
            }
            Err(_) => self.let_go(tstate),
        }
        Ok(taken?)
    }

    /// Takes the current thread state away, and drops its GIL.
    #[inline]
    pub(super) fn detach(&self, tstate: Tstate) -> Result<Tstate, Rule> {
        let gil = self.gil_of(tstate)?;
        self.use_held(tstate);
        self.leave(tstate);
        if let Err(queued) = gil.try_drop(self, tstate) {
            self.wait_to_detach(tstate, gil, queued);
        }
        self.done_with(tstate);
        Ok(tstate)
    }

    #[cold]
    #[inline(never)]
    fn wait_to_detach(&self, tstate: Tstate, gil: &Gil, queued: Queued) {
        gil.drop_queued(self, tstate, false, queued);
        self.let_go(tstate);
    }

    /// Takes the GIL of a thread state, and makes it current.
    //= specs/rules/gil.md#gil-15
    //# RestoreThread and Swap MUST NOT answer before the caller holds the GIL of the thread state they
    //# make current.
    #[inline(always)]
    pub(super) fn attach(&self, tstate: Tstate) -> Result<(), CallError> {
        self.may_enter(tstate)?;
        let gil = self.gil_to_enter(tstate)?;
        if gil.claim() {
            self.recheck(tstate, gil)?;
            gil.settle(self, tstate);
        } else {
            self.wait_to_attach(tstate, gil)?;
        }
        //= specs/rules/gil.md#gil-2
        //# Outside a call, a thread with a current thread state MUST hold the GIL of its interpreter.
        self.enter(tstate);
        Ok(())
    }

    /// The same, where it matters less how long it takes.
    #[cold]
    #[inline(never)]
    pub(super) fn attach_again(&self, tstate: Tstate) -> Result<(), CallError> {
        self.attach(tstate)
    }

    #[cold]
    #[inline(never)]
    fn wait_to_attach(&self, tstate: Tstate, gil: &Gil) -> Result<(), CallError> {
        self.use_to_wait(tstate)?;
        let taken = gil.wait_and_take(self, tstate);
        match taken {
            Ok(()) => self.done_with(tstate),
            Err(_) => self.let_go(tstate),
        }
        Ok(taken?)
    }

    /// Swaps from one thread state to another.
    #[inline]
    pub(super) fn exchange(&self, old: Tstate, new: Tstate) -> Result<(), CallError> {
        self.may_enter(new)?;
        let (from, to) = (self.gil_of(old)?, self.gil_to_enter(new)?);
        //= specs/rules/gil.md#gil-3
        //# Outside a call, a thread MUST NOT hold a GIL other than that of its current thread state.
        let taken = if std::ptr::eq(from, to) {
            // It may have gone before its GIL was looked at, which is then another's.
            if !new.listed() {
                return Err(Rule::Gil12.into());
            }
            self.use_held(new);
            self.leave_for(old, new);
            from.drop(self, old, false);
            to.take(self, new)
        } else if to.claim() {
            self.recheck(new, to)?;
            self.use_held(new);
            self.leave_for(old, new);
            match from.try_drop(self, old) {
                Ok(()) => {
                    to.settle(self, new);
                    Ok(())
                }
                Err(queued) => {
                    // This may wait, and what is claimed is shut to others.
                    to.give_back();
                    from.drop_queued(self, old, false, queued);
                    to.take(self, new)
                }
            }
        } else {
            self.use_to_wait(new)?;
            self.leave_for(old, new);
            from.drop(self, old, false);
            to.take(self, new)
        };
        if let Err(gone) = taken {
            self.done_with(old);
            self.let_go(new);
            return Err(gone.into());
        }
        self.enter(new);
        self.done_with(old);
        self.done_with(new);
        Ok(())
    }

    #[inline]
    fn leave_for(&self, old: Tstate, new: Tstate) {
        self.use_held(old);
        self.leave(if self.seeded(Seeded::SwapLeavesWrong) { new } else { old });
    }

    /// [`Thread::restore_thread`] of a thread state that was made and bound by this thread
    /// through the safe face, for when that need not wait: answers whether it is current now.
    ///
    /// Who clears it, or ends its interpreter, takes this GIL with another thread state first.
    #[inline]
    pub(crate) fn restore_own(&self, tstate: Tstate) -> bool {
        let Some(gil) = tstate.slot.gil.load() else { return false };
        if self.current().is_some() || !gil.claim() {
            return false;
        }
        let usable = gil.was_last_taken_by(tstate) || (tstate.alive() && tstate.listed());
        if !usable {
            gil.give_back();
            return false;
        }
        self.called(OpKind::RestoreThread, tstate);
        gil.settle(self, tstate);
        self.enter(tstate);
        self.returned(Ok::<(), Rule>(())).is_ok()
    }
}
