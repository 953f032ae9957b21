//! What each event inside a call means in the model.

use cloister_model::Outcome;
use cloister_model::Runtime;
use cloister_model::label::{Asked, Label};
use cloister_specs::{InterpId, Move, OpKind, Parking, ThreadId, TstateId};
use cloister_traced::Serial;
use cloister_traced::trace::{Argument, Effect, Gil};

use super::rejection::Reason;
use super::replay::Replay;

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

    fn expect(&self, same: bool) -> Result<(), Reason> {
        if same { Ok(()) } else { Err(Reason::Other) }
    }

    fn is(&self, t: TstateId, serial: Serial) -> Result<(), Reason> {
        self.expect(self.names.tstate(serial) == Some(t))
    }

    /// Follows a change of the lists.
    pub fn effect(&mut self, h: ThreadId, effect: Effect) -> Result<(), Reason> {
        let kind = self.call(h).map(|call| call.kind);
        let may = |kinds: &[OpKind]| kind.is_some_and(|k| kinds.contains(&k));
        match effect {
            Effect::Listed { tstate, interp } if may(&[OpKind::ThreadStateNew]) => {
                let (slot, at) = (self.next_tstate()?, self.names.interp(interp));
                self.names.put_tstate(slot, tstate);
                self.begin(h)?;
                self.expect(Some(self.model.tstate(slot).interp) == at)
            }
            Effect::Bound(t) if may(&[OpKind::ThreadStateBind]) => self.change(h, t),
            Effect::Cleared(t) if may(&[OpKind::ThreadStateClear]) => {
                self.change(h, t)?;
                self.step(h).map(drop)
            }
            Effect::Deleted(t) if may(&[OpKind::ThreadStateDelete]) => self.change(h, t),
            Effect::Begun { interp, tstate } if may(&[OpKind::NewInterpreterFromConfig]) => {
                let (i, t) = (self.next_interp()?, self.next_tstate()?);
                self.names.put_interp(i, interp);
                self.names.put_tstate(t, tstate);
                self.begin(h)?;
                self.reach(h, |l| matches!(l, Label::CreateBind(_)))?;
                self.step(h).map(drop)
            }
            Effect::Live(interp) => match self.reach(h, |l| matches!(l, Label::CreateLive(_)))? {
                Label::CreateLive(c) if self.names.interp(interp) == Some(c.interp) => {
                    self.note(h, |call| call.live = true);
                    Ok(())
                }
                _ => Err(Reason::Other),
            },
            Effect::Undone { interp, tstate } => {
                match self.reach(h, |l| matches!(l, Label::UndoDelete(_)))? {
                    Label::UndoDelete(c) if self.names.interp(interp) == Some(c.interp) => {
                        self.is(c.tstate, tstate)?;
                    }
                    _ => return Err(Reason::Other),
                }
                self.step(h)?;
                self.names.forget(&self.model);
                Ok(())
            }
            Effect::Ending { interp, tstate } if may(&[OpKind::EndInterpreter]) => {
                let ends = self.names.tstate(tstate).map(|t| self.model.tstate(t).interp);
                self.expect(ends == self.names.interp(interp))?;
                self.change(h, tstate)?;
                self.step(h).map(drop)
            }
            Effect::Ended { tstate, .. } => {
                match self.reach(h, |l| matches!(l, Label::EndDelete(_)))? {
                    Label::EndDelete(t) => self.is(t, tstate)?,
                    _ => return Err(Reason::Other),
                }
                self.step(h)?;
                self.step(h)?;
                self.names.forget(&self.model);
                Ok(())
            }
            Effect::Listed { .. }
            | Effect::Bound(_)
            | Effect::Cleared(_)
            | Effect::Deleted(_)
            | Effect::Begun { .. }
            | Effect::Ending { .. }
            | Effect::Ensured { .. }
            | Effect::Added { .. }
            | Effect::Popped { .. }
            | Effect::RunBegan { .. }
            | Effect::RunEnded { .. } => Err(Reason::Other),
        }
    }

    /// The slot that the model gives to the next thread state.
    fn next_tstate(&self) -> Result<TstateId, Reason> {
        self.model.free_tstate().ok_or(Reason::NoRoom)
    }

    /// The slot that the model gives to the next interpreter.
    fn next_interp(&self) -> Result<InterpId, Reason> {
        Runtime::interp_ids().find(|i| !self.model.interp_listed(*i)).ok_or(Reason::NoRoom)
    }

    /// Begins a call whose first label changes this thread state.
    fn change(&mut self, h: ThreadId, serial: Serial) -> Result<(), Reason> {
        let of_call = self.call(h).map(|call| call.argument);
        self.expect(of_call == Some(Argument::Tstate(serial)))?;
        self.begin(h)?;
        self.names.forget(&self.model);
        Ok(())
    }

    /// It holds the GIL, and is about to unlock it.
    pub fn dropping(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
        let label = self.reach(h, |l| matches!(l, Label::DropHolder { .. }))?;
        self.same(&label, gil)?;
        self.step(h).map(drop)
    }

    /// It has taken the GIL.
    pub fn took(&mut self, h: ThreadId, gil: Gil) -> Result<(), Reason> {
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
        self.late_waits(g)
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
        let label = self.reach(h, |l| matches!(l, Label::TakeLock(_)))?;
        let g = self.same(&label, gil)?;
        self.report.waits += 1;
        if self.model.gils[g.index()].locked {
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
