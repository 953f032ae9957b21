//! Guards: may this thread make this call now?
//!
//! Pure, so that a refused call cannot touch the state. The order of the questions is
//! part of the contract: it decides which rule a refusal names.

use cloister_specs::{
    Domain, GilState, InterpId, MAIN, Op, Phase, Rule, StatusBits, ThreadId, TstateId, memory_ops,
};

use crate::design::{Design, TstateInUse};
use crate::runtime::{Ensures, INTERPS, Runtime, Started, TSTATES};

pub(super) fn require(holds: bool, rule: Rule) -> Result<(), Rule> {
    if holds { Ok(()) } else { Err(rule) }
}

impl Runtime {
    /// May this thread make this call now? If not, which rule forbids it?
    pub fn check(&self, d: &Design, h: ThreadId, op: &Op) -> Result<(), Rule> {
        match *op {
            Op::NewInterpreterFromConfig { .. } | Op::NewInterpreter { .. } => {
                //= specs/rules/fin.md#fin-19
                //# An interpreter MUST NOT be created before the runtime is initialized, or after its
                //# end has begun.
                require(self.is_live(MAIN), Rule::Fin19)
            }
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
            Op::GilStateCheck => Ok(()),
            Op::AddPendingCall { interp: None, .. } => {
                require(self.initialized(), Rule::Gil12)?;
                require(self.usable(MAIN), Rule::Life13)
            }
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
            Op::Initialize => Ok(()),
            Op::Finalize => self.may_finalize(d, h),
            Op::StartThread { .. } => {
                //= specs/rules/fin.md#fin-16
                //# A thread MUST have a current thread state when it starts another thread.
                require(self.own_current(d, h).is_some(), Rule::Fin16)
            }
            Op::RunThread(t) => self.may_run(d, h, t),
            Op::ThreadStateDeleteExcept(t) => self.may_delete_others(d, h, t),
            Op::InterpreterLookUpId(_) => Ok(()),
            Op::InterpreterRequireIdRef { interp: i, .. } | Op::InterpreterIdIncref(i) => {
                require(self.interp_listed(i), Rule::Gil12)
            }
            Op::InterpreterIdDecref(i) => self.may_decref(d, h, i),
            Op::SetRunningMain => self.may_say(d, h).map(|_| ()),
            Op::SetNotRunningMain => {
                let t = self.may_say(d, h)?;
                //= specs/rules/id.md#id-13
                //# A thread MUST say of itself alone that it no longer runs an interpreter.
                require(self.interp(self.tstate(t).interp).running == Some(t), Rule::Id13)
            }
            Op::DestroyInterpreter(i) => self.may_destroy(d, h, i),
            Op::Malloc { domain, .. } | Op::Calloc { domain, .. } | Op::Free { domain, block: None } => {
                self.may_allocate(d, h, domain)
            }
            Op::Realloc { domain, block, .. } | Op::Free { domain, block: Some(block) } => {
                self.may_use_block(d, h, domain, block)
            }
            Op::AllocatedBlocks(i) => self.may_count_blocks(d, h, i),
            Op::RefTotal(i) => self.may_count_refs(d, h, i),
            Op::GlobalAllocatedBlocks => {
                self.may_allocate(d, h, Domain::Obj)?;
                self.may_count_all(d, h)
            }
            Op::GlobalRefTotal => {
                self.works_with(d, h)?;
                self.may_count_all(d, h)
            }
            Op::ObjectNew { .. } => self.works_with(d, h).map(|_| ()),
            Op::SetRefCnt { .. }
            | Op::IncRef { .. }
            | Op::DecRef { .. }
            | Op::SetImmortal(_)
            | Op::ClearImmortal(_)
            | Op::PassRef { .. } => self.may_count(d, h, op),
            Op::Fork | Op::Exec => {
                //= specs/rules/fork.md#fork-5
                //# A thread MUST have a current thread state when it forks, or replaces the process.
                require(self.own_current(d, h).is_some(), Rule::Fork5)
            }
        }
    }

    fn may_finalize(&self, d: &Design, h: ThreadId) -> Result<(), Rule> {
        if !self.initialized() {
            return Ok(());
        }
        //= specs/rules/fin.md#fin-1
        //# A thread MUST have a thread state of the main interpreter current when it finalizes the
        //# runtime.
        require(self.is_current(d, h, MAIN), Rule::Fin1)?;
        //= specs/rules/fin.md#fin-2
        //# The runtime MUST be finalized by its main thread.
        require(h == self.main_thread, Rule::Fin2)?;
        //= specs/rules/fin.md#fin-3
        //# The runtime MUST NOT be finalized while it has a sub-interpreter.
        require(self.interps[1..].iter().all(|i| i.phase.is_none()), Rule::Fin3)?;
        self.own_current(d, h).map_or(Ok(()), |t| self.not_waited_for(t))
    }

    /// Is this a thread state that may end its interpreter?
    pub(crate) fn not_waited_for(&self, t: TstateId) -> Result<(), Rule> {
        //= specs/rules/fin.md#fin-20
        //# A thread that the end of its interpreter would wait for MUST NOT end it.
        require(self.tstate(t).started != Some(Started::Joined), Rule::Fin20)
    }

    fn may_run(&self, d: &Design, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        require(self.listed(t), Rule::Gil12)?;
        //= specs/rules/fin.md#fin-14
        //# A started thread state MUST be run, once, by a thread that has no current one.
        let fresh = self.tstate(t).started.is_some() && !self.has(t, StatusBits::BOUND);
        require(fresh && self.alive(t) && self.own_current(d, h).is_none(), Rule::Fin14)?;
        require(self.usable(self.tstate(t).interp), Rule::Life13)
    }

    fn may_delete_others(&self, d: &Design, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        require(self.listed(t), Rule::Gil12)?;
        //= specs/rules/fin.md#fin-17
        //# DeleteExcept MUST be given the caller's current thread state, leave no other one in its
        //# interpreter, and free none that a call uses.
        require(self.own_current(d, h) == Some(t), Rule::Fin17)?;
        let in_use = self.interp_in_use_by_another(h, self.tstate(t).interp);
        match d.tstate_in_use {
            TstateInUse::Unguarded => Ok(()),
            TstateInUse::Guarded => require(!in_use, Rule::Fin17),
        }
    }

    fn may_decref(&self, d: &Design, h: ThreadId, i: InterpId) -> Result<(), Rule> {
        require(self.interp_listed(i), Rule::Gil12)?;
        //= specs/rules/id.md#id-4
        //# A reference MUST have been taken when it is given back.
        require(self.interp(i).id_refs > 0, Rule::Id4)?;
        if !self.last_reference(i) {
            return Ok(());
        }
        require(i != MAIN, Rule::Life11)?;
        require(!self.is_current(d, h, i), Rule::Id8)?;
        require(self.is_live(i), Rule::Life13)?;
        self.way_in(d, h, i).map(|_| ())
    }

    fn may_say(&self, d: &Design, h: ThreadId) -> Result<TstateId, Rule> {
        //= specs/rules/id.md#id-12
        //# A thread MUST have a current thread state when it says that it runs, has run or destroys
        //# an interpreter.
        self.own_current(d, h).ok_or(Rule::Id12)
    }

    fn may_destroy(&self, d: &Design, h: ThreadId, i: InterpId) -> Result<(), Rule> {
        require(self.interp_listed(i), Rule::Gil12)?;
        self.may_say(d, h)?;
        require(i != MAIN, Rule::Life11)?;
        if self.is_current(d, h, i) || self.interp(i).running.is_some() {
            return Ok(());
        }
        require(self.is_live(i), Rule::Life13)?;
        self.way_in(d, h, i).map(|_| ())
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

    pub(super) fn is_live(&self, i: InterpId) -> bool {
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
        require(i != MAIN, Rule::Life11)?;
        //= specs/rules/life.md#life-10
        //# An interpreter MUST NOT be ended while it has another thread state.
        let waited_for = |x| self.tstate(x).started == Some(Started::Joined);
        require(self.tstates_of(i).all(|x| x == t || waited_for(x)), Rule::Life10)?;
        require(self.is_live(i), Rule::Life13)?;
        self.not_waited_for(t)
    }

    pub(crate) fn may_become_current(&self, h: ThreadId, t: TstateId) -> Result<(), Rule> {
        require(self.listed(t), Rule::Gil12)?;
        let x = self.tstate(t);
        //= specs/rules/tls.md#tls-4
        //# A thread state MUST be bound to the calling thread when it is made current.
        require(x.status.contains(StatusBits::BOUND) && x.thread == Some(h), Rule::Tls4)?;
        //= specs/rules/tls.md#tls-6
        //# A thread state MUST be alive when it is made current.
        require(self.alive(t), Rule::Tls6)?;
        require(self.usable(x.interp), Rule::Life13)
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

    /// How many references to an id the model counts.
    pub const MOST_REFERENCES: u8 = 8;

    /// Is there room in the model's slots for what this call makes? A bound of the
    /// model, not a rule: without room the creation runs out of memory.
    pub fn has_room(&self, h: ThreadId, op: &Op) -> bool {
        let tstate = self.tstates[..TSTATES].iter().any(|x| x.status.is_empty());
        let interp = self.interps[..INTERPS].iter().any(|x| x.phase.is_none());
        match op {
            Op::NewInterpreterFromConfig { .. } | Op::NewInterpreter { .. } => {
                tstate && interp && self.next_id < u8::MAX
            }
            Op::ThreadStateNew(_) | Op::StartThread { .. } => tstate,
            Op::Initialize => tstate || self.initialized(),
            Op::InterpreterIdIncref(i) => self.interp(*i).id_refs < Runtime::MOST_REFERENCES,
            Op::GilStateEnsure { .. } => match self.thread(h).gilstate {
                Some(t) => self.tstate(t).ensures.depth < Ensures::MOST,
                None => tstate,
            },
            memory_ops!() => self.has_room_for(op),
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
            | Op::MakePendingCalls
            | Op::Finalize
            | Op::RunThread(_)
            | Op::ThreadStateDeleteExcept(_)
            | Op::InterpreterLookUpId(_)
            | Op::InterpreterRequireIdRef { .. }
            | Op::InterpreterIdDecref(_)
            | Op::SetRunningMain
            | Op::SetNotRunningMain
            | Op::DestroyInterpreter(_)
            | Op::Fork
            | Op::Exec => true,
        }
    }
}
