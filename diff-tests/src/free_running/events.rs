//! What each change of the lists means in the model.

use cloister_model::Runtime;
use cloister_model::label::Label;
use cloister_specs::{InterpId, OpKind, ThreadId, TstateId};
use cloister_traced::Serial;
use cloister_traced::trace::{Argument, Effect, Event};

use super::rejection::Reason;
use super::replay::{Progress, Replay};

impl Replay {
    pub(super) fn expect(&self, same: bool) -> Result<(), Reason> {
        if same { Ok(()) } else { Err(Reason::Other) }
    }

    pub(super) fn is(&self, t: TstateId, serial: Serial) -> Result<(), Reason> {
        self.expect(self.names.tstate(serial) == Some(t))
    }

    /// Follows a change of the lists, or of a ring.
    pub fn effect(&mut self, h: ThreadId, effect: Effect) -> Result<(), Reason> {
        let kind = self.call(h).map(|call| call.kind).ok_or(Reason::Outside)?;
        let current = self.model.own_current(&self.design, h);
        match (effect, kind) {
            (Effect::Listed { tstate, interp }, OpKind::ThreadStateNew)
            | (Effect::Started { tstate, interp, .. }, OpKind::StartThread)
            | (Effect::Ensured { tstate, interp }, OpKind::GilStateEnsure) => self.listed(h, tstate, interp),
            (Effect::Bound(t), OpKind::ThreadStateBind | OpKind::RunThread)
            | (Effect::Deleted(t), OpKind::ThreadStateDelete) => self.change(h, t),
            (Effect::Cleared(t), OpKind::ThreadStateClear) => {
                self.change(h, t)?;
                self.step(h).map(drop)
            }
            (Effect::Cleared(t), OpKind::ThreadStateDeleteCurrent | OpKind::GilStateRelease) => {
                self.expect(current.is_some_and(|current| self.names.tstate(t) == Some(current)))?;
                self.begin(h).map(drop)
            }
            (Effect::Deleted(t), OpKind::ThreadStateDeleteCurrent | OpKind::GilStateRelease) => {
                match self.reach(h, |l| matches!(l, Label::LeaveDelete(..)))? {
                    Label::LeaveDelete(leaving, _) => self.is(leaving, t)?,
                    _ => return Err(Reason::Other),
                }
                self.step(h)?;
                self.names.forget(&self.model);
                Ok(())
            }
            (Effect::Begun { interp, tstate }, OpKind::NewInterpreterFromConfig | OpKind::NewInterpreter) => {
                let (i, t) = (self.next_interp()?, self.next_tstate()?);
                self.names.put_interp(i, interp);
                self.names.put_tstate(t, tstate);
                self.begin(h)?;
                self.reach(h, |l| matches!(l, Label::CreateBind(_)))?;
                self.step(h).map(drop)
            }
            (Effect::Live(interp), OpKind::NewInterpreterFromConfig | OpKind::NewInterpreter) => {
                match self.reach(h, |l| matches!(l, Label::CreateLive(_)))? {
                    Label::CreateLive(c) if self.names.interp(interp) == Some(c.interp) => {
                        self.note(h, |call| call.live = true);
                        Ok(())
                    }
                    _ => Err(Reason::Other),
                }
            }
            (
                Effect::Undone { interp, tstate },
                OpKind::NewInterpreterFromConfig | OpKind::NewInterpreter,
            ) => {
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
            (Effect::Requires { interp, .. }, OpKind::InterpreterRequireIdRef)
            | (Effect::Referenced(interp), OpKind::InterpreterIdIncref)
            | (Effect::Dereferenced(interp), OpKind::InterpreterIdDecref) => {
                let of_call = match self.call(h).map(|call| call.argument) {
                    Some(Argument::Interp(i) | Argument::Required(i, _)) => i == interp,
                    _ => false,
                };
                self.expect(of_call)?;
                // The last reference is one step with the beginning of the end, which is told next.
                match self.ahead(h) {
                    Some(Event::Effect(Effect::Ending { .. })) => {
                        self.note(h, |call| call.told += 1);
                        Ok(())
                    }
                    _ => {
                        self.begin(h)?;
                        let over = self.call(h).is_some_and(|call| call.progress == Progress::Over);
                        if over { Ok(()) } else { Err(Reason::Untold) }
                    }
                }
            }
            (Effect::Running(t), OpKind::SetRunningMain)
            | (Effect::NotRunning(t), OpKind::SetNotRunningMain) => {
                self.expect(current.is_some_and(|current| self.names.tstate(t) == Some(current)))?;
                self.begin(h).map(drop)
            }
            (Effect::Ending { interp, tstate }, kind) => self.ending(h, kind, interp, tstate),
            (Effect::Finalizing { tstate, .. }, kind) => self.finalizing(h, kind, tstate),
            (Effect::Cleared(t), kind) => self.end_clears(h, kind, t),
            (Effect::Deleted(t), OpKind::ThreadStateDeleteExcept | OpKind::Finalize) => {
                self.deleted_beside(h, t)
            }
            (Effect::Ended { tstate, .. }, kind) => self.ended(h, kind, tstate),
            (Effect::Finalized { tstate, .. }, OpKind::Finalize) => self.finalized(h, tstate),
            (Effect::Initialized { interp, tstate }, OpKind::Initialize) => self.initialized(interp, tstate),
            (Effect::Added { ring }, _) => self.added(h, ring),
            (Effect::Popped { ring }, _) => self.popped(h, ring),
            (Effect::RunBegan { interp }, _) => self.run_began(h, interp),
            (Effect::RunEnded { interp, failed }, _) => self.run_ended(h, interp, failed),
            (
                Effect::Listed { .. }
                | Effect::Started { .. }
                | Effect::Ensured { .. }
                | Effect::Bound(_)
                | Effect::Deleted(_)
                | Effect::Begun { .. }
                | Effect::Live(_)
                | Effect::Undone { .. }
                | Effect::Requires { .. }
                | Effect::Referenced(_)
                | Effect::Dereferenced(_)
                | Effect::Running(_)
                | Effect::NotRunning(_)
                | Effect::Finalized { .. }
                | Effect::Initialized { .. }
                | Effect::Unstarted(_)
                | Effect::Forked,
                _,
            ) => Err(Reason::Other),
        }
    }

    /// The slot that the model gives to the next thread state.
    pub(super) fn next_tstate(&self) -> Result<TstateId, Reason> {
        self.model.free_tstate().ok_or(Reason::NoRoom)
    }

    /// The slot that the model gives to the next interpreter.
    fn next_interp(&self) -> Result<InterpId, Reason> {
        Runtime::interp_ids().find(|i| !self.model.interp_listed(*i)).ok_or(Reason::NoRoom)
    }

    /// Begins a call whose first label lists this thread state.
    fn listed(&mut self, h: ThreadId, tstate: Serial, interp: Serial) -> Result<(), Reason> {
        let (slot, at) = (self.next_tstate()?, self.names.interp(interp));
        self.names.put_tstate(slot, tstate);
        self.begin(h)?;
        self.expect(Some(self.model.tstate(slot).interp) == at)
    }

    /// Begins a call whose first label changes this thread state.
    pub(super) fn change(&mut self, h: ThreadId, serial: Serial) -> Result<(), Reason> {
        let of_call = self.call(h).map(|call| call.argument);
        self.expect(of_call == Some(Argument::Tstate(serial)))?;
        self.begin(h)?;
        self.names.forget(&self.model);
        Ok(())
    }
}
