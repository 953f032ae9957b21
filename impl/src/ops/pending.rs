//! Adding pending calls, and running them.
//!
//! A *run* takes the calls of an interpreter's ring, and in the main thread and the main
//! interpreter after them those of the main thread's ring, one by one, and calls each
//! without any lock but the GIL. While it lasts the interpreter is *busy*, and no other run
//! begins in it, even if a call lets go of the GIL.

use crate::faults::Seeded;
use crate::interp::Interp;
use crate::pending::{Locked, NotAdded, PendingFn, Ran, Ring};
use crate::serial::Serial;
use crate::sync::atomic::Ordering;
use crate::sync::barrier;
use crate::thread::Thread;
use crate::trace::Effect;
use crate::tstate::Tstate;
use cloister_specs::{OpKind, Phase, Refusal, Rule};

/// A run takes one call more of a ring than the ring holds, or than this: 32, as in CPython.
const FEW: usize = 31;

/// What becomes of a call that breaks no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addition {
    Added,
    Full,
}

impl Thread {
    /// `_PyEval_AddPendingCall`: has a call run in this interpreter, by any thread that
    /// polls there; without one `Py_AddPendingCall`: in the main interpreter, by the main
    /// thread. Needs no thread state and no GIL, and never waits for one.
    ///
    /// # Errors
    ///
    /// GIL-12: the interpreter has ended, or the runtime is not initialized. LIFE-13: it is not
    /// live, unless this is one of its pending calls; or the runtime is being finalized. Or the
    /// ring is full.
    pub fn add_pending_call(&self, interp: Option<Interp>, call: PendingFn) -> Result<(), NotAdded> {
        self.called(OpKind::AddPendingCall, interp);
        let (ring, owner) = match interp {
            None => self.main_ring(),
            Some(interp) => (&interp.slot.ring, interp.serial),
        };
        let mut call = Some(call);
        let result = self.add(interp, ring.lock(), owner, &mut call);
        // Whatever is left has not been added, and is let go without the lock.
        match self.returned(result) {
            Ok(Addition::Added) => Ok(()),
            Ok(Addition::Full) => call.map_or(Ok(()), |call| Err(NotAdded::Full(call))),
            Err(rule) => Err(NotAdded::Refused(rule.into())),
        }
    }

    //= specs/rules/pend.md#pend-1
    //# Adding a pending call MUST queue it behind those of its ring, or be answered as full and change
    //# nothing.
    fn add(
        &self,
        interp: Option<Interp>,
        mut ring: Locked<'_>,
        owner: Serial,
        call: &mut Option<PendingFn>,
    ) -> Result<Addition, Rule> {
        let here = match interp {
            None => self.inner().main_interp().is_some(),
            Some(interp) => interp.listed_in(self.inner().serial()),
        };
        if !here {
            return Err(Rule::Gil12);
        }
        let takes = ring.takes(owner) || (ring.is_of(owner) && interp.is_some_and(|i| self.runs_calls_of(i)));
        if !takes {
            return Err(Rule::Life13);
        }
        let mut overwritten = None;
        if ring.len() >= self.inner().settings().pending_capacity {
            if !self.seeded(Seeded::FullRingOverwrites) {
                return Ok(Addition::Full);
            }
            overwritten = ring.pop();
        }
        if let Some(call) = call.take() {
            ring.push(call);
        }
        // Who sees the signal runs the call, and that comes later in the trace.
        self.effect(Effect::Added { ring: self.ring_name(owner) });
        if !self.seeded(Seeded::AddForgetsSignal) {
            ring.signal();
        }
        drop(ring);
        drop(overwritten);
        Ok(Addition::Added)
    }

    /// `Py_MakePendingCalls`: in the main thread and the main interpreter, runs the calls of
    /// both rings; elsewhere, and while they are being run, nothing.
    ///
    /// # Errors
    ///
    /// PEND-10: there is no current thread state.
    pub fn make_pending_calls(&self) -> Result<Ran, Refusal> {
        self.called(OpKind::MakePendingCalls, ());
        let result = self.make_pending();
        Ok(self.returned(result)?)
    }

    fn make_pending(&self) -> Result<Ran, Rule> {
        //= specs/rules/pend.md#pend-10
        //# A thread MUST have a current thread state, and hold its GIL, when it makes pending calls.
        let tstate = self.current().ok_or(Rule::Pend10)?;
        let interp = self.interp_of(tstate)?;
        //= specs/rules/pend.md#pend-8
        //# MakePendingCalls MUST NOT run anything but in the main thread and the main interpreter.
        let main = self.is_main_thread() && self.is_main(interp);
        if !main && !self.seeded(Seeded::MakeRunsAnywhere) {
            return Ok(Ran::NOTHING);
        }
        Ok(self.run_pending(tstate, interp))
    }

    /// Does this thread run the pending calls of this interpreter? Then they may add others even
    /// to a ring that is shut, since the run goes on.
    pub(super) fn runs_calls_of(&self, interp: Interp) -> bool {
        let current = self.current().filter(|current| current.belongs_to(interp));
        interp.slot.busy() && current.is_some_and(|current| current.slot.held.load(Ordering::Relaxed))
    }

    /// Is there a run for a poll in this interpreter to begin?
    //= specs/rules/pend.md#pend-5
    //# A poll that sees a signalled ring which it may run MUST run it, unless calls of this interpreter
    //# are being run already.
    pub(super) fn sees_pending(&self, interp: Interp) -> bool {
        let main = || self.runs_main_ring(interp) && self.inner().main_ring.signalled();
        (interp.slot.ring.signalled() || main()) && self.may_run(interp)
    }

    /// Are there calls for an end by this thread to run?
    pub(super) fn has_calls(&self, interp: Interp) -> bool {
        let main = || self.runs_main_ring(interp) && self.inner().main_ring.lock().len() > 0;
        interp.slot.ring.lock().len() > 0 || main()
    }

    /// Runs the pending calls of an interpreter whose GIL this thread holds with this
    /// thread state, unless it is busy.
    pub(super) fn run_pending(&self, tstate: Tstate, interp: Interp) -> Ran {
        if !self.may_run(interp) {
            return Ran::NOTHING;
        }
        let mut run = Run { thread: self, tstate, interp, ran: Ran::NOTHING, failing: None };
        run.begin();
        run.go();
        run.ran
    }

    //= specs/rules/pend.md#pend-6
    //# The pending calls of an interpreter MUST NOT be run by two at a time, be it two threads or a call
    //# inside a call.
    fn may_run(&self, interp: Interp) -> bool {
        !interp.slot.busy() || self.seeded(Seeded::RunIgnoresBusy)
    }

    //= specs/rules/pend.md#pend-2
    //# A call in the ring of the main thread MUST be run by the main thread, in the main interpreter.
    fn runs_main_ring(&self, interp: Interp) -> bool {
        self.is_main(interp) && (self.is_main_thread() || self.seeded(Seeded::AnyThreadRunsMainRing))
    }

    /// How the trace names a ring.
    fn ring_name(&self, owner: Serial) -> Option<Serial> {
        (owner != self.inner().serial()).then_some(owner)
    }

    fn main_ring(&self) -> (&Ring, Serial) {
        (&self.inner().main_ring, self.inner().serial())
    }
}

/// A run. However it ends, also by a call that panics, its interpreter is left idle.
struct Run<'a> {
    thread: &'a Thread,
    tstate: Tstate,
    interp: Interp,
    ran: Ran,
    /// The ring whose call has not come back, or has failed.
    failing: Option<Serial>,
}

impl<'a> Run<'a> {
    fn begin(&self) {
        self.interp.set_busy();
        self.tstate.slot.held.store(true, Ordering::Relaxed);
        self.thread.effect(Effect::RunBegan { interp: self.interp.serial });
        for (ring, owner) in self.rings() {
            let mut ring = ring.lock();
            if ring.is_of(owner) {
                ring.unsignal();
            }
        }
    }

    /// The rings that it runs, in this order.
    //= specs/rules/pend.md#pend-4
    //# The calls of a ring MUST be run in the order in which they were added, the interpreter's ring
    //# before that of the main thread.
    fn rings(&self) -> impl Iterator<Item = (&'a Ring, Serial)> + use<'a> {
        let own = (&self.interp.slot.ring, self.interp.serial);
        let main = self.thread.runs_main_ring(self.interp).then(|| self.thread.main_ring());
        [Some(own), main].into_iter().flatten()
    }

    fn go(&mut self) {
        // Calls may add calls for ever.
        let most = self.thread.inner().settings().pending_capacity.max(FEW).saturating_add(1);
        for (ring, owner) in self.rings() {
            for _ in 0..most {
                let Some(call) = self.next(ring, owner) else { break };
                self.failing = Some(owner);
                self.ran = Ran { calls: self.ran.calls.saturating_add(1), failed: true };
                //= specs/rules/pend.md#pend-3
                //# A call in the ring of an interpreter MUST be run in that interpreter, by a thread that holds
                //# its GIL.
                let result = call(self.thread);
                if result.is_err() || self.thread.current() != Some(self.tstate) {
                    return;
                }
                self.failing = None;
                self.ran.failed = false;
            }
        }
    }

    fn next(&self, ring: &Ring, owner: Serial) -> Option<PendingFn> {
        let mut ring = ring.lock();
        if !ring.is_of(owner) {
            return None;
        }
        let last = self.thread.seeded(Seeded::RunTakesLast);
        let call = if last { ring.pop_last() } else { ring.pop() };
        if call.is_some() {
            self.thread.effect(Effect::Popped { ring: self.thread.ring_name(owner) });
        }
        call
    }
}

impl Drop for Run<'_> {
    //= specs/rules/pend.md#pend-7
    //# A pending call that fails MUST end the run, and leave those behind it queued and signalled.
    fn drop(&mut self) {
        for (ring, owner) in self.rings() {
            let mut ring = ring.lock();
            let failed = self.failing == Some(owner);
            let lost = failed && self.thread.seeded(Seeded::FailureLosesSignal);
            if ring.is_of(owner) && (failed || ring.len() > 0) && !lost {
                ring.signal();
            }
        }
        // Others may not delete it meanwhile, but its own thread may have.
        if self.tstate.listed() {
            self.tstate.slot.held.store(false, Ordering::Release);
        }
        let failed = self.failing.is_some();
        self.thread.effect(Effect::RunEnded { interp: self.interp.serial, failed });
        self.interp.set_idle();
        barrier::light();
        if self.interp.slot.phase() == Phase::Ending {
            self.thread.inner().wake_end(&self.thread.inner().lists(), self.interp);
        }
    }
}
