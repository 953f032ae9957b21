//! What each event of a GIL means in the model.

use cloister_model::label::{Asked, Label};
use cloister_model::{Outcome, Runtime};
use cloister_specs::{InterpId, MAIN, Move, OpKind, Parking, Reply, ThreadId, TstateId};
use cloister_traced::trace::Gil;

use super::rejection::Reason;
use super::replay::{Progress, Replay};

/// More moves than a waiter needs to ask: it looks again if it was signalled, once more if
/// the GIL was switched, and then asks.
const LOOKS: usize = 4;

/// The thread state that a label takes or drops a GIL for.
const fn subject(label: &Label) -> Option<TstateId> {
    match label {
        Label::DropHolder { tstate, .. }
        | Label::DropUnlock { tstate, .. }
        | Label::DropTest { tstate, .. }
        | Label::DropWait { tstate, .. }
        | Label::TakeLock(tstate)
        | Label::TakeWait { tstate, .. } => Some(*tstate),
        _ => None,
    }
}

const fn takes(label: &Label) -> bool {
    matches!(label, Label::TakeLock(_) | Label::TakeWait { .. })
}

impl Replay {
    /// Is an event about this GIL one that a thread at this label has? Answers the model's GIL.
    fn same(&self, label: &Label, gil: Gil) -> Result<InterpId, Reason> {
        let tstate = subject(label).filter(|t| self.names.tstate(gil.tstate) == Some(*t));
        let creator = gil.creator.and_then(|serial| self.names.interp(serial));
        let own = tstate.and_then(|t| self.model.gil_of(t));
        own.filter(|g| creator == Some(*g)).ok_or(Reason::Other)
    }

    /// It holds the GIL, and is about to unlock it.
    pub fn dropping(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        let called = |kind| self.call(h).is_some_and(|c| c.progress == Progress::Called && c.kind == kind);
        if called(OpKind::EvalBreakerPoll) {
            self.poll_overlooking_calls(h)?;
        }
        let label = self.reach(h, |l| matches!(l, Label::DropHolder { .. }))?;
        self.same(&label, gil)?;
        self.step(h).map(drop)
    }

    /// It has taken the GIL.
    pub fn took(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        if self.call(h).is_some_and(|call| call.kind == OpKind::Initialize) {
            return self.initialize(h, gil);
        }
        let label = self.reach(h, takes)?;
        let g = self.same(&label, gil)?;
        self.unlock(g)?;
        if let Some(holder) = self.model.gils[g.index()].holder {
            return Err(Reason::Held(holder));
        }
        // The unlock may have signalled it.
        let mv = match self.model.thread(h).top() {
            Label::TakeWait { signalled: false, .. } => Move::Expire { thread: h, prefer: h },
            _ => Move::Step { thread: h, prefer: h },
        };
        self.make(&mv)?;
        self.note(h, |call| call.late = false);
        self.late_waits(g)?;
        self.look_for_threads(h)
    }

    /// Unlocks a GIL that is being dropped.
    fn unlock(&mut self, g: InterpId) -> Result<(), Reason> {
        let drops = |k: &ThreadId| match self.model.thread(*k).top() {
            Label::DropUnlock { interp, .. } => self.model.interp(interp).gil == Some(g),
            _ => false,
        };
        match Runtime::thread_ids().find(drops) {
            Some(dropper) => self.step(dropper).map(drop),
            None => Ok(()),
        }
    }

    /// Whoever told that it waits for this GIL begins to, now that it is taken.
    fn late_waits(&mut self, g: InterpId) -> Result<(), Reason> {
        for h in Runtime::thread_ids() {
            let of_it = match self.model.thread(h).top() {
                Label::TakeLock(t) => self.model.gil_of(t) == Some(g),
                _ => false,
            };
            if of_it && self.call(h).is_some_and(|call| call.late) {
                self.step(h)?;
                self.note(h, |call| call.late = false);
            }
        }
        Ok(())
    }

    /// It begins to wait for the GIL.
    pub fn wait_begins(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        if self.call(h).is_some_and(|call| call.kind == OpKind::Initialize) {
            // Somebody who came with the name of what is gone has claimed it, and gives it back.
            self.report.waits += 1;
            self.report.reordered += 1;
            return self.expect(gil.creator.and_then(|creator| self.names.interp(creator)) == Some(MAIN));
        }
        let label = self.reach(h, |l| matches!(l, Label::TakeLock(_)))?;
        let g = self.same(&label, gil)?;
        self.report.waits += 1;
        if self.model.gils[g.index()].locked && !self.must_give_up(&label) {
            return self.step(h).map(drop);
        }
        self.report.reordered += 1;
        self.note(h, |call| call.late = true);
        Ok(())
    }

    /// It asks for the GIL.
    pub fn requested(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        let label = self.reach(h, takes)?;
        let g = self.same(&label, gil)?;
        if !self.model.gils[g.index()].locked {
            return Err(Reason::Free);
        }
        self.report.requests += 1;
        if self.must_give_up(&label) {
            return Ok(());
        }
        for _ in 0..LOOKS {
            let Label::TakeWait { signalled, .. } = self.model.thread(h).top() else {
                return Err(Reason::Stuck(Some(label)));
            };
            if signalled {
                self.step(h)?;
                continue;
            }
            self.make(&Move::Expire { thread: h, prefer: h })?;
            if matches!(self.model.thread(h).top(), Label::TakeWait { asked: Asked::Yes, .. }) {
                return Ok(());
            }
        }
        Err(Reason::Stuck(Some(label)))
    }

    /// Is the interpreter finalizing whose GIL a thread at this label waits for?
    fn must_give_up(&self, label: &Label) -> bool {
        subject(label).is_some_and(|t| {
            let ender = self.model.interp(self.model.tstate(t).interp).finalizing;
            ender.is_some_and(|ender| ender != t)
        })
    }

    /// It gives up waiting for the GIL.
    pub fn gave_up(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        let label = self.reach(h, takes)?;
        self.same(&label, gil)?;
        if !self.must_give_up(&label) {
            return Err(Reason::Stuck(Some(label)));
        }
        self.report.gave_up += 1;
        let mv = match label {
            Label::TakeWait { signalled: false, .. } => Move::Expire { thread: h, prefer: h },
            _ => Move::Step { thread: h, prefer: h },
        };
        match self.make(&mv)? {
            Outcome::Replied(Reply::Finalized) => Ok(()),
            _ => Err(Reason::Other),
        }
    }

    /// It has unlocked the GIL, and waits for another thread state to take it.
    pub fn switch_begins(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        let label = self.reach(h, |l| matches!(l, Label::DropUnlock { .. }))?;
        self.same(&label, gil)?;
        self.report.switches += 1;
        self.step(h)?;
        match self.step(h)? {
            Outcome::Parked(Parking::Switch) => Ok(()),
            _ => Err(Reason::NoSwitch),
        }
    }

    /// It waited for that long enough.
    pub fn switch_ends(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        let label = self.reach(h, |l| matches!(l, Label::DropWait { .. }))?;
        self.same(&label, gil)?;
        if matches!(label, Label::DropWait { signalled: true, .. }) {
            return self.step(h).map(drop);
        }
        self.report.spurious += 1;
        self.make(&Move::Spurious { thread: h, prefer: h }).map(drop)
    }
}
