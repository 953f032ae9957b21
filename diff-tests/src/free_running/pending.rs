//! What each event of pending calls means in the model.
//!
//! What a pending call does is its kind ([`PendingCall`]): the calls that it makes have events
//! of their own, and are a part of the run in the model.

use cloister_model::label::{Label, Pass, Run};
use cloister_model::{INTERPS, Runtime};
use cloister_specs::{MAIN, Move, OpKind, PendingCall, Start, ThreadId};
use cloister_traced::trace::{Answer, Argument, Effect, Event};
use cloister_traced::{Ran, Serial};

use super::quietly::quiet;
use super::rejection::Reason;
use super::replay::{Call, Inner, Progress, Replay};

/// The calls that a pending call of this kind makes.
const fn makes(call: PendingCall) -> &'static [OpKind] {
    match call {
        PendingCall::Succeeds | PendingCall::Fails => &[],
        PendingCall::Makes => &[OpKind::MakePendingCalls],
        PendingCall::Adds => &[OpKind::AddPendingCall],
        PendingCall::Blocks => &[OpKind::SaveThread, OpKind::RestoreThread],
    }
}

const fn at_next(label: &Label) -> bool {
    matches!(label, Label::PendNext(_))
}

const fn at_next_of_main(label: &Label) -> bool {
    matches!(label, Label::PendNext(Run { pass: Pass::Main, .. }))
}

impl Replay {
    /// A call was added.
    pub(super) fn added(&mut self, h: ThreadId, ring: Option<Serial>) -> Result<(), Reason> {
        self.pass_by(h)?;
        let call = self.call(h).ok_or(Reason::Outside)?;
        match (call.inner.open, call.kind) {
            (Some(OpKind::AddPendingCall), _) if call.inner.adds => {
                let Label::PendNext(run) = self.model.thread(h).top() else { return Err(Reason::Other) };
                self.expect(self.is_ring(run, ring))?;
                self.note(h, |call| call.inner.adds = false);
                self.step(h).map(drop)
            }
            (None, OpKind::AddPendingCall) => {
                let of_call = match call.argument {
                    Argument::Interp(i) => Some(i),
                    _ => None,
                };
                self.expect(of_call == ring)?;
                self.begin(h).map(drop)
            }
            _ => Err(Reason::Other),
        }
    }

    /// Runs that found nothing more in a ring, as their next event says, have gone on before
    /// something is added.
    fn pass_by(&mut self, adder: ThreadId) -> Result<(), Reason> {
        for h in Runtime::thread_ids().filter(|h| *h != adder) {
            while let Label::PendNext(run) = self.model.thread(h).top() {
                let goes_on = match self.ahead(h) {
                    Some(Event::Effect(Effect::RunEnded { .. })) => true,
                    Some(Event::Effect(Effect::Popped { ring })) => !self.is_ring(run, ring),
                    _ => false,
                };
                let mv = quiet(&self.design, &self.model, self.call(h), h);
                match mv.filter(|_| goes_on) {
                    Some(mv) => self.make(&mv)?,
                    None => break,
                };
            }
        }
        Ok(())
    }

    /// Is this the ring that the run takes its next call from?
    fn is_ring(&self, run: Run, ring: Option<Serial>) -> bool {
        match (run.pass, ring) {
            (Pass::Main, None) => true,
            (Pass::Interp, Some(owner)) => {
                self.names.interp(owner) == Some(self.model.tstate(run.tstate).interp)
            }
            (Pass::Main, Some(_)) | (Pass::Interp, None) => false,
        }
    }

    fn nothing_open(&self, h: ThreadId) -> Result<(), Reason> {
        self.expect(self.call(h).is_some_and(|call| call.inner == Inner::default()))
    }

    /// A run begins.
    pub(super) fn run_began(&mut self, h: ThreadId, interp: Serial) -> Result<(), Reason> {
        let i = self.names.interp(interp).ok_or(Reason::Other)?;
        self.ends_look(h, i);
        let called = |c: Call| c.progress == Progress::Called && c.kind == OpKind::MakePendingCalls;
        if self.call(h).is_some_and(called) {
            self.begin(h)?;
        }
        match self.reach(h, |l| matches!(l, Label::PendBegin(_)))? {
            Label::PendBegin(run) if self.model.tstate(run.tstate).interp == i => {}
            _ => return Err(Reason::Other),
        }
        if self.model.interp(i).busy {
            return Err(Reason::Busy);
        }
        self.report.pending_runs += 1;
        self.step(h).map(drop)
    }

    /// A call was taken, and is called next.
    pub(super) fn popped(&mut self, h: ThreadId, ring: Option<Serial>) -> Result<(), Reason> {
        self.nothing_open(h)?;
        let wanted = if ring.is_some() { at_next } else { at_next_of_main };
        let Label::PendNext(run) = self.reach(h, wanted)? else { return Err(Reason::Other) };
        self.expect(self.is_ring(run, ring))?;
        let calls = match run.pass {
            Pass::Interp => self.model.interp(self.model.tstate(run.tstate).interp).pending.calls,
            Pass::Main => self.model.pending_main.calls,
        };
        let Some(call) = calls[0] else { return Err(Reason::Other) };
        let adds = call == PendingCall::Adds;
        self.note(h, |c| c.inner = Inner { due: makes(call), open: None, adds });
        self.report.pending += 1;
        if adds { Ok(()) } else { self.step(h).map(drop) }
    }

    /// The run has ended.
    pub(super) fn run_ended(&mut self, h: ThreadId, interp: Serial, failed: bool) -> Result<(), Reason> {
        self.nothing_open(h)?;
        match self.reach(h, |l| matches!(l, Label::PendEnd(..)))? {
            Label::PendEnd(run, fails) => {
                let i = self.names.interp(interp);
                self.expect(i == Some(self.model.tstate(run.tstate).interp) && failed == fails)?;
            }
            _ => return Err(Reason::Other),
        }
        self.step(h).map(drop)
    }

    /// A pending call makes a call.
    pub(super) fn called_inside(&mut self, h: ThreadId, call: Call, kind: OpKind) -> Result<(), Reason> {
        match call.inner {
            Inner { due: [first, rest @ ..], open: None, .. } if *first == kind => {
                self.report.inside += 1;
                self.note(h, |call| (call.inner.due, call.inner.open) = (rest, Some(kind)));
                Ok(())
            }
            _ => Err(Reason::Inside),
        }
    }

    /// That call returns.
    pub(super) fn returned_inside(&mut self, h: ThreadId, call: Call, answer: Answer) -> Result<(), Reason> {
        let right = match (call.inner.open, answer) {
            (Some(OpKind::SaveThread), Answer::Tstate(Some(t))) => {
                let own = |l: &Label| matches!(l, Label::TakeLock(_));
                match self.reach(h, own)? {
                    Label::TakeLock(saved) => self.names.tstate(t) == Some(saved),
                    _ => false,
                }
            }
            (Some(OpKind::RestoreThread), Answer::Done)
            | (Some(OpKind::MakePendingCalls), Answer::Ran(Ran { calls: 0, failed: false })) => {
                self.reach(h, at_next)?;
                true
            }
            (Some(OpKind::AddPendingCall), Answer::Done) => !call.inner.adds,
            _ => false,
        };
        self.expect(right)?;
        self.place(h).ahead.pop_front();
        self.note(h, |call| call.inner.open = None);
        Ok(())
    }

    /// A poll that looked for pending calls before they were signalled hands the GIL over.
    pub(super) fn poll_overlooking_calls(&mut self, h: ThreadId) -> Result<(), Reason> {
        let op = self.op(h)?;
        self.note(h, |call| call.progress = Progress::Begun);
        self.report.accepted += 1;
        self.report.kinds.count(op.kind());
        let Some(t) = self.model.own_current(&self.design, h) else { return self.begin(h).map(drop) };
        let i = self.model.tstate(t).interp;
        let mine = self.model.interp(i).pending.signalled;
        let mains = self.model.pending_main.signalled;
        let sees = mine || (mains && i == MAIN && h == self.model.main_thread);
        if sees && !self.model.interp(i).busy {
            self.report.overlooked += 1;
        }
        let k = i.index() % INTERPS;
        let signal = |model: &mut Runtime, mine, mains| {
            model.interps[k].pending.signalled = mine;
            model.pending_main.signalled = mains;
        };
        let start = Move::Start(Start { thread: h, op, at: None, prefer: h });
        self.make_unseen(&start, |model| signal(model, false, false), |model| signal(model, mine, mains))
            .map(drop)
    }

    /// A poll that ran pending calls returns, and did not see a request that was told before.
    pub(super) fn overlook_request(&mut self, h: ThreadId) -> Result<(), Reason> {
        let Label::PollRequest(t) = self.model.thread(h).top() else { return Ok(()) };
        let Some(g) = self.model.gil_of(t) else { return Ok(()) };
        let failed = self.model.thread(h).ran_failed;
        if failed || !self.model.request_seen_in(&self.design, self.model.tstate(t).interp) {
            return Ok(());
        }
        self.report.overlooked += 1;
        let ask = |model: &mut Runtime, on| model.gils[g.index() % INTERPS].drop_request = on;
        let step = Move::Step { thread: h, prefer: h };
        self.make_unseen(&step, |model| ask(model, false), |model| ask(model, true)).map(drop)
    }
}
