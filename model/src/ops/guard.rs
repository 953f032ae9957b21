//! Guards: may this thread make this call now?
//!
//! Pure, so that a refused call cannot touch the state. The order of the questions is
//! part of the contract: it decides which rule a refusal names.

use cloister_specs::{GilState, InterpId, Op, Phase, Rule, StatusBits, ThreadId, TstateId};

use crate::design::{Design, TstateInUse};
use crate::runtime::{Ensures, INTERPS, Runtime, TSTATES};

fn require(holds: bool, rule: Rule) -> Result<(), Rule> {
    if holds { Ok(()) } else { Err(rule) }
}

impl Runtime {
    /// May this thread make this call now? If not, which rule forbids it?
    pub fn check(&self, d: &Design, h: ThreadId, op: &Op) -> Result<(), Rule> {
        match *op {
            Op::NewInterpreterFromConfig { .. } | Op::NewInterpreter { .. } => Ok(()),
            Op::EndInterpreter(t) => self.may_end(d, h, t),
            Op::ThreadStateNew(i) => {
                require(self.interp_listed(i), Rule::Gil12)?;
                //= specs/rules/life.md#life-13
                //# A thread state MUST NOT be created, bound or made current in an
                //# interpreter that is not live, except by the call that creates it.
                require(self.is_live(i), Rule::Life13)
            }
            Op::ThreadStateBind(t) => {
                require(self.listed(t), Rule::Gil12)?;
                //= specs/rules/tls.md#tls-3
                //# A thread state MUST be alive and not yet bound when it is bound.
                require(self.alive(t) && !self.has(t, StatusBits::BOUND), Rule::Tls3)?;
                require(self.is_live(self.tstate(t).interp), Rule::Life13)
            }
            Op::ThreadStateSwap(None) => Ok(()),
            Op::ThreadStateSwap(Some(t)) => self.may_become_current(h, t),
            Op::ThreadStateClear(t) => self.may_clear(d, h, t),
            Op::ThreadStateDelete(t) => self.may_delete(d, h, t),
            Op::SaveThread => {
                //= specs/rules/tls.md#tls-7
                //# A thread MUST have a current thread state when it saves it.
                require(self.own_current(d, h).is_some(), Rule::Tls7)
            }
            Op::RestoreThread(t) => {
                //= specs/rules/tls.md#tls-5
                //# A thread MUST NOT restore a thread state while it has a current one.
                require(self.own_current(d, h).is_none(), Rule::Tls5)?;
                self.may_become_current(h, t)
            }
            Op::EvalBreakerPoll => {
                //= specs/rules/tls.md#tls-18
                //# A thread MUST have a current thread state, and hold its GIL, when it polls
                //# the eval breaker.
                require(self.own_current(d, h).is_some(), Rule::Tls18)
            }
            Op::ThreadStateDeleteCurrent => {
                //= specs/rules/tls.md#tls-21
                //# A thread MUST have a current thread state when it deletes its current one.
                require(self.own_current(d, h).is_some(), Rule::Tls21)
            }
            Op::AcquireThread(t) => {
                //= specs/rules/gil.md#gil-17
                //# A thread MUST NOT acquire a thread state while it has a current one.
                require(self.own_current(d, h).is_none(), Rule::Gil17)?;
                self.may_become_current(h, t)
            }
            Op::ReleaseThread(t) => {
                require(self.listed(t), Rule::Gil12)?;
                //= specs/rules/gil.md#gil-19
                //# A thread MUST release the thread state that is current.
                require(self.own_current(d, h) == Some(t), Rule::Gil19)
            }
            Op::GilStateEnsure { interp, .. } => self.may_ensure(d, h, interp),
            Op::GilStateRelease(state) => self.may_release(d, h, state),
            Op::GilStateCheck | Op::AddPendingCall { interp: None, .. } => Ok(()),
            Op::AddPendingCall { interp: Some(i), .. } => {
                require(self.interp_listed(i), Rule::Gil12)?;
                require(self.is_live(i), Rule::Life13)
            }
            Op::MakePendingCalls => {
                //= specs/rules/pend.md#pend-10
                //# A thread MUST have a current thread state, and hold its GIL, when it makes
                //# pending calls.
                require(self.own_current(d, h).is_some(), Rule::Pend10)
            }
        }
    }

    fn may_ensure(&self, d: &Design, h: ThreadId, interp: InterpId) -> Result<(), Rule> {
        require(self.interp_listed(interp), Rule::Gil12)?;
        let Some(t) = self.thread(h).gilstate else {
            return require(self.is_live(Runtime::ensure_target(d, interp)), Rule::Life13);
        };
        require(self.listed(t), Rule::Gil12)?;
        //= specs/rules/gilstate.md#gilstate-12
        //# A thread MUST NOT ensure for one interpreter while its gilstate slot names a thread
        //# state of another.
        require(self.tstate(t).interp == interp, Rule::Gilstate12)?;
        if self.own_current(d, h) == Some(t) { Ok(()) } else { self.may_become_current(h, t) }
    }

    fn may_release(&self, d: &Design, h: ThreadId, state: GilState) -> Result<(), Rule> {
        //= specs/rules/gilstate.md#gilstate-7
        //# A thread whose gilstate slot is empty MUST NOT release.
        let t = self.thread(h).gilstate.ok_or(Rule::Gilstate7)?;
        require(self.listed(t), Rule::Gil12)?;
        //= specs/rules/gilstate.md#gilstate-8
        //# The thread state that the gilstate slot names MUST be current when it is released.
        require(self.own_current(d, h) == Some(t), Rule::Gilstate8)?;
        let ensures = self.tstate(t).ensures;
        //= specs/rules/gilstate.md#gilstate-5
        //# A Release MUST match an Ensure of the same thread that has not been released.
        let last = ensures.last().ok_or(Rule::Gilstate5)?;
        //= specs/rules/gilstate.md#gilstate-6
        //# A Release MUST be given what its Ensure answered.
        require(last == state, Rule::Gilstate6)
    }

    fn is_live(&self, i: InterpId) -> bool {
        self.interp(i).phase == Some(Phase::Live)
    }

    fn may_end(&self, d: &Design, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        require(self.listed(t), Rule::Gil12)?;
        //= specs/rules/life.md#life-9
        //# An interpreter MUST be ended by a thread whose current thread state is the one
        //# given.
        require(self.own_current(d, h) == Some(t), Rule::Life9)?;
        let i = self.tstate(t).interp;
        //= specs/rules/life.md#life-11
        //# The main interpreter MUST NOT be ended by EndInterpreter.
        require(i != cloister_specs::MAIN, Rule::Life11)?;
        //= specs/rules/life.md#life-10
        //# An interpreter MUST NOT be ended while it has another thread state.
        require(
            Runtime::tstate_ids().all(|x| x == t || !self.listed(x) || self.tstate(x).interp != i),
            Rule::Life10,
        )
    }

    fn may_become_current(&self, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        require(self.listed(t), Rule::Gil12)?;
        let x = self.tstate(t);
        //= specs/rules/tls.md#tls-4
        //# A thread state MUST be bound to the calling thread when it is made current.
        require(x.status.contains(StatusBits::BOUND) && x.thread == Some(h), Rule::Tls4)?;
        //= specs/rules/tls.md#tls-6
        //# A thread state MUST be alive when it is made current.
        require(self.alive(t), Rule::Tls6)?;
        require(self.is_live(x.interp), Rule::Life13)
    }

    fn may_clear(&self, d: &Design, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        require(self.listed(t), Rule::Gil12)?;
        //= specs/rules/tls.md#tls-9
        //# A thread MUST be in the same interpreter, and hold its GIL, when it clears a
        //# thread state.
        let here = self.own_current(d, h).is_some_and(|c| self.tstate(c).interp == self.tstate(t).interp);
        require(here, Rule::Tls9)?;
        //= specs/rules/tls.md#tls-8
        //# A thread state MUST be alive when it is cleared.
        require(self.alive(t), Rule::Tls8)?;
        //= specs/rules/tls.md#tls-10
        //# A thread state MUST NOT be active when it is cleared by ThreadStateClear.
        require(!self.has(t, StatusBits::ACTIVE), Rule::Tls10)?;
        self.not_in_use(d, h, t)
    }

    fn may_delete(&self, d: &Design, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        require(self.listed(t), Rule::Gil12)?;
        //= specs/rules/tls.md#tls-12
        //# A thread state MUST NOT be current in any thread when it is deleted.
        require(!self.has(t, StatusBits::ACTIVE), Rule::Tls12)?;
        //= specs/rules/tls.md#tls-11
        //# A thread state MUST be cleared before it is deleted.
        require(self.has(t, StatusBits::CLEARED), Rule::Tls11)?;
        self.not_in_use(d, h, t)?;
        require(self.is_live(self.tstate(t).interp), Rule::Life13)
    }

    fn not_in_use(&self, d: &Design, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        match d.tstate_in_use {
            TstateInUse::Unguarded => Ok(()),
            //= specs/rules/tls.md#tls-13
            //# A thread state MUST NOT be cleared or deleted while a call of another thread
            //# still uses it.
            TstateInUse::Guarded => require(!self.in_use_by_another(h, t), Rule::Tls13),
        }
    }

    /// Is there room in the model's slots for what this call makes? A bound of the
    /// model, not a rule: without room the creation runs out of memory.
    pub fn has_room(&self, h: ThreadId, op: &Op) -> bool {
        let tstate = self.tstates[..TSTATES].iter().any(|x| x.status.is_empty());
        let interp = self.interps[..INTERPS].iter().any(|x| x.phase.is_none());
        match op {
            Op::NewInterpreterFromConfig { .. } | Op::NewInterpreter { .. } => tstate && interp,
            Op::ThreadStateNew(_) => tstate,
            Op::GilStateEnsure { .. } => match self.thread(h).gilstate {
                Some(t) => self.tstate(t).ensures.depth < Ensures::MOST,
                None => tstate,
            },
            Op::EndInterpreter(_)
            | Op::ThreadStateBind(_)
            | Op::ThreadStateSwap(_)
            | Op::ThreadStateClear(_)
            | Op::ThreadStateDelete(_)
            | Op::SaveThread
            | Op::RestoreThread(_)
            | Op::EvalBreakerPoll
            | Op::ThreadStateDeleteCurrent
            | Op::AcquireThread(_)
            | Op::ReleaseThread(_)
            | Op::GilStateRelease(_)
            | Op::GilStateCheck
            | Op::AddPendingCall { .. }
            | Op::MakePendingCalls => true,
        }
    }
}
