//! Making a thread state current, and taking it away.

use crate::faults::Seeded;
use crate::gil::Gil;
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
    /// bound to this thread. TLS-6: it was cleared. LIFE-13: its interpreter is not live.
    #[inline]
    pub fn restore_thread(&self, tstate: Tstate) -> Result<(), Refusal> {
        self.called(OpKind::RestoreThread, tstate);
        //= specs/rules/tls.md#tls-5
        //# A thread MUST NOT restore a thread state while it has a current one.
        let result = if self.current().is_some() { Err(Rule::Tls5) } else { self.attach(tstate) };
        Ok(self.returned(result)?)
    }

    /// `PyThreadState_Swap`: drops the GIL of the current thread state, if there is one,
    /// takes that of the given one, if one is given, makes it current, and answers the
    /// one that was.
    ///
    /// # Errors
    ///
    /// GIL-12: the given one was deleted. TLS-4: it is not bound to this thread. TLS-6: it
    /// was cleared. LIFE-13: its interpreter is not live.
    //= specs/rules/tls.md#tls-20
    //# Swap MUST answer with the thread state that was current before, and make the given one current.
    #[inline]
    pub fn thread_state_swap(&self, tstate: Option<Tstate>) -> Result<Option<Tstate>, Refusal> {
        self.called(OpKind::ThreadStateSwap, tstate);
        let old = self.current();
        let result = match (old, tstate) {
            (None, None) => Ok(()),
            (Some(old), None) => self.detach(old).map(|_| ()),
            (None, Some(new)) => self.attach(new),
            (Some(old), Some(new)) => self.exchange(old, new),
        };
        let result = result.map(|()| if self.seeded(Seeded::SwapAnswersNew) { tstate } else { old });
        Ok(self.returned(result)?)
    }

    /// `_Py_HandlePending`, behind the test of the eval breaker: if somebody asked for the
    /// GIL, hands it over and takes it back.
    ///
    /// # Errors
    ///
    /// TLS-18: there is no current thread state.
    #[inline]
    pub fn eval_breaker_poll(&self) -> Result<(), Refusal> {
        //= specs/rules/tls.md#tls-18
        //# A thread MUST have a current thread state, and hold its GIL, when it polls the eval breaker.
        let requested = match self.current() {
            None => Err(Rule::Tls18),
            Some(tstate) => self.gil_of(tstate).map(|gil| (tstate, gil, gil.requested())),
        };
        //= specs/rules/gil.md#gil-14
        //# A poll that sees no request MUST NOT change anything.
        match requested {
            Ok((_, _, false)) => Ok(()),
            Ok((tstate, gil, true)) => {
                self.hand_over(tstate, gil);
                Ok(())
            }
            Err(rule) => Err(rule.into()),
        }
    }

    //= specs/rules/gil.md#gil-13
    //# A poll that sees a request MUST hand the GIL over and come back with the same thread state current.
    #[cold]
    fn hand_over(&self, tstate: Tstate, gil: &'static Gil) {
        self.called(OpKind::EvalBreakerPoll, ());
        self.use_held(tstate);
        if !self.seeded(Seeded::PollStaysCurrent) {
            self.leave(tstate);
        }
        gil.drop(self, tstate, false);
        gil.take(self, tstate);
        self.enter(tstate);
        self.done_with(tstate);
        let _ = self.returned(Ok::<(), Rule>(()));
    }

    /// Takes the current thread state away, and drops its GIL.
    #[inline]
    fn detach(&self, tstate: Tstate) -> Result<Tstate, Rule> {
        let gil = self.gil_of(tstate)?;
        self.use_held(tstate);
        self.leave(tstate);
        gil.drop(self, tstate, false);
        self.done_with(tstate);
        Ok(tstate)
    }

    /// Takes the GIL of a thread state, and makes it current.
    //= specs/rules/gil.md#gil-15
    //# RestoreThread and Swap MUST NOT answer before the caller holds the GIL of the thread state they
    //# make current.
    #[inline]
    fn attach(&self, tstate: Tstate) -> Result<(), Rule> {
        self.may_enter(tstate)?;
        let gil = self.gil_of(tstate)?;
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

    #[cold]
    fn wait_to_attach(&self, tstate: Tstate, gil: &Gil) -> Result<(), Rule> {
        self.use_to_wait(tstate)?;
        gil.wait_and_take(self, tstate);
        self.done_with(tstate);
        Ok(())
    }

    /// Swaps from one thread state to another.
    #[inline]
    fn exchange(&self, old: Tstate, new: Tstate) -> Result<(), Rule> {
        // Looked up before the check: the slot may be used again at any time, and if it then
        // holds `new`, it held it here. Where both share this GIL there is no second check.
        let to = self.gil_of(new);
        self.may_enter(new)?;
        let (from, to) = (self.gil_of(old)?, to?);
        //= specs/rules/gil.md#gil-3
        //# Outside a call, a thread MUST NOT hold a GIL other than that of its current thread state.
        if std::ptr::eq(from, to) {
            self.use_held(new);
            self.leave_for(old, new);
            from.drop(self, old, false);
            to.take(self, new);
        } else if to.claim() {
            self.recheck(new, to)?;
            self.use_held(new);
            self.leave_for(old, new);
            match from.try_drop(self, old) {
                Ok(()) => to.settle(self, new),
                Err(queued) => {
                    // This may wait, and what is claimed is shut to others.
                    to.give_back();
                    from.drop_queued(self, old, false, queued);
                    to.take(self, new);
                }
            }
        } else {
            self.use_to_wait(new)?;
            self.leave_for(old, new);
            from.drop(self, old, false);
            to.take(self, new);
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
}
