//! Pending calls: adding them, and running them.

use cloister_specs::{InterpId, MAIN, PendingCall, Reply, Rule, ThreadId, TstateId};

use super::eval::{attach, detach};
use crate::design::Design;
use crate::label::{Label, Pass, Run};
use crate::machine::Flow;
use crate::ring::Ring;
use crate::runtime::Runtime;

impl Runtime {
    fn ring_mut(&mut self, interp: Option<InterpId>) -> &mut Ring {
        match interp {
            Some(i) => &mut self.interp_mut(i).pending,
            None => &mut self.pending_main,
        }
    }

    pub(crate) fn add_pending(&mut self, interp: Option<InterpId>, call: PendingCall) -> Flow {
        //= specs/rules/pend.md#pend-1
        //# Adding a pending call MUST queue it behind those of its ring, or be answered as full
        //# and change nothing.
        let ring = self.ring_mut(interp);
        if !ring.push(call) {
            return Flow::Answer(Reply::Full);
        }
        //= specs/rules/pend.md#pend-9
        //# A ring that has calls MUST be signalled, unless a thread is running it.
        ring.signalled = true;
        Flow::Answer(Reply::Done)
    }

    /// May this thread, with this one current, run the calls of the main thread?
    pub(crate) fn runs_main_ring(&self, h: ThreadId, t: TstateId) -> bool {
        //= specs/rules/pend.md#pend-2
        //# A call in the ring of the main thread MUST be run by the main thread, in the main
        //# interpreter.
        h == self.main_thread && self.tstate(t).interp == MAIN
    }

    /// Does a poll see a signalled ring that it may run?
    pub(crate) fn sees_pending(&self, h: ThreadId, t: TstateId) -> bool {
        self.interp(self.tstate(t).interp).pending.signalled
            || (self.runs_main_ring(h, t) && self.pending_main.signalled)
    }

    /// `Py_MakePendingCalls`.
    pub(crate) fn make_pending_calls(&mut self, d: &Design, h: ThreadId) -> Flow {
        let Some(t) = self.own_current(d, h) else { return Flow::Died(Rule::Pend10) };
        //= specs/rules/pend.md#pend-8
        //# MakePendingCalls MUST NOT run anything but in the main thread and the main
        //# interpreter.
        if !self.runs_main_ring(h, t) {
            return self.make_done(h);
        }
        Flow::Call(Label::MakeDone(t), Label::PendBegin(Run { tstate: t, pass: Pass::Interp }))
    }

    pub(crate) fn make_done(&self, h: ThreadId) -> Flow {
        let thread = self.thread(h);
        Flow::Answer(Reply::Ran { calls: thread.ran, failed: thread.ran_failed })
    }

    pub(crate) fn pend_begin(&mut self, h: ThreadId, run: Run) -> Flow {
        let i = self.tstate(run.tstate).interp;
        //= specs/rules/pend.md#pend-6
        //# The pending calls of an interpreter MUST NOT be run by two at a time, be it two
        //# threads or a call inside a call.
        if self.interp(i).busy {
            return Flow::Return;
        }
        self.interp_mut(i).busy = true;
        self.interp_mut(i).pending.signalled = false;
        if self.runs_main_ring(h, run.tstate) {
            self.pending_main.signalled = false;
        }
        Flow::Goto(Label::PendNext(run))
    }

    pub(crate) fn pend_next(&mut self, h: ThreadId, run: Run) -> Flow {
        let i = self.tstate(run.tstate).interp;
        //= specs/rules/pend.md#pend-3
        //# A call in the ring of an interpreter MUST be run in that interpreter, by a thread that
        //# holds its GIL.
        let ring = match run.pass {
            Pass::Interp => Some(i),
            Pass::Main => None,
        };
        //= specs/rules/pend.md#pend-4
        //# The calls of a ring MUST be run in the order in which they were added, the
        //# interpreter's ring before that of the main thread.
        let Some(call) = self.ring_mut(ring).pop() else {
            return match run.pass {
                Pass::Interp if self.runs_main_ring(h, run.tstate) => {
                    Flow::Goto(Label::PendNext(Run { pass: Pass::Main, ..run }))
                }
                Pass::Interp | Pass::Main => Flow::Goto(Label::PendEnd(run, false)),
            };
        };
        self.thread_mut(h).ran.push(call);
        match call {
            PendingCall::Succeeds => Flow::Goto(Label::PendNext(run)),
            PendingCall::Fails => Flow::Goto(Label::PendEnd(run, true)),
            PendingCall::Makes if self.runs_main_ring(h, run.tstate) => {
                Flow::Call(Label::PendNext(run), Label::PendBegin(Run { pass: Pass::Interp, ..run }))
            }
            PendingCall::Makes => Flow::Goto(Label::PendNext(run)),
            PendingCall::Adds => {
                let ring = self.ring_mut(ring);
                ring.signalled |= ring.push(PendingCall::Succeeds);
                Flow::Goto(Label::PendNext(run))
            }
            PendingCall::Blocks => Flow::Call(Label::PendDrop(run), detach(run.tstate)),
        }
    }

    pub(crate) fn pend_drop(&self, run: Run) -> Flow {
        Flow::Call(Label::PendTake(run), Label::DropHolder { tstate: run.tstate, last: false })
    }

    pub(crate) fn pend_take(&self, run: Run) -> Flow {
        Flow::Call(Label::PendAttach(run), Label::TakeLock(run.tstate))
    }

    pub(crate) fn pend_attach(&self, run: Run) -> Flow {
        Flow::Call(Label::PendNext(run), attach(run.tstate))
    }

    pub(crate) fn pend_end(&mut self, h: ThreadId, run: Run, failed: bool) -> Flow {
        let i = self.tstate(run.tstate).interp;
        self.interp_mut(i).busy = false;
        //= specs/rules/pend.md#pend-7
        //# A pending call that fails MUST end the run, and leave those behind it queued and
        //# signalled.
        if failed {
            self.thread_mut(h).ran_failed = true;
            let ring = match run.pass {
                Pass::Interp => Some(i),
                Pass::Main => None,
            };
            self.ring_mut(ring).signalled = true;
            if self.runs_main_ring(h, run.tstate) && !self.pending_main.is_empty() {
                self.pending_main.signalled = true;
            }
        }
        Flow::Return
    }
}
