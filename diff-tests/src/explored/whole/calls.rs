//! The calls that need some care: what they make must have a slot in the model, and nobody must
//! wait for itself.

use super::pending;
use super::worker::Worker;
use cloister_shuttled::{CallError, CreateError, EnsureError, GateError, Interp};
use cloister_specs::{Fault, GilState, InterpreterConfig, PendingCall};

/// As many Ensures of one thread state as the model counts.
const ENSURES: usize = 8;

/// How a call ended.
pub(super) enum End {
    Done,
    Refused,
    CutOff,
    /// There was none.
    None,
}

pub(super) fn called<T>(result: &Result<T, CallError>) -> End {
    match result {
        Ok(_) => End::Done,
        Err(CallError::Refused(_)) => End::Refused,
        Err(CallError::Finalized) => End::CutOff,
    }
}

pub(super) fn gated<T>(result: &Result<T, GateError>) -> End {
    match result {
        Ok(_) => End::Done,
        Err(GateError::Refused(_) | GateError::Denied(_)) => End::Refused,
        Err(GateError::Finalized) => End::CutOff,
    }
}

pub(super) fn plain<T, E>(result: &Result<T, E>) -> End {
    if result.is_ok() { End::Done } else { End::Refused }
}

impl Worker<'_> {
    pub fn ensure(&mut self) -> End {
        if self.ensures.len() >= ENSURES {
            return End::None;
        }
        let interp = self.interp();
        let mut fault = if self.rng.u8(0..8) == 0 { Some(Fault::TstateAlloc) } else { None };
        let (world, thread, faults) = (self.world, self.thread, &mut self.faults);
        let result = world.make(thread, 0, || {
            let known = thread.current();
            faults.push(fault);
            let result = thread.gilstate_ensure_with(interp, &mut fault);
            let made = thread.current().filter(|t| known != Some(*t) && !world.known().tstates.contains(t));
            (result, None, made)
        });
        match result {
            Some(Ok(state)) => {
                self.ensures.push(state);
                self.own.extend(thread.current().filter(|t| !self.own.contains(t)));
                self.world.known().accounts.ensured += 1;
                End::Done
            }
            Some(Err(EnsureError::Finalized)) => End::CutOff,
            Some(Err(EnsureError::Refused(_) | EnsureError::NoMemory)) => End::Refused,
            None => End::None,
        }
    }

    pub fn release(&mut self) -> End {
        let state = self.ensures.last().copied().unwrap_or(GilState::Unlocked);
        let wrong = if self.rng.u8(0..16) == 0 { GilState::Locked } else { state };
        let end = plain(&self.thread.gilstate_release(wrong));
        if matches!(end, End::Done) {
            self.ensures.pop();
        }
        end
    }

    /// Adds a pending call of any kind.
    pub fn add(&mut self) -> End {
        let ring = if self.rng.bool() { None } else { Some(self.interp()) };
        let kind = match self.rng.choice(PendingCall::ALL) {
            Some(PendingCall::Adds) if !self.world.adds => PendingCall::Blocks,
            kind => kind.unwrap_or(PendingCall::Succeeds),
        };
        if !pending::keep_room(self.world, ring, kind) {
            return End::None;
        }
        self.pending.push(kind);
        plain(&pending::add(self.world, self.thread, ring, kind))
    }

    /// Creates an interpreter, goes back to what was current, and ends it from there.
    pub fn visit(&mut self) -> End {
        let before = self.thread.current();
        if !matches!(self.create(), End::Done) {
            return End::None;
        }
        let interp = self.thread.current().and(self.world.known().interps.last().copied());
        let back = called(&self.thread.thread_state_swap(before));
        let (Some(interp), End::Done, true) = (interp, back, self.started.is_empty()) else {
            return End::None;
        };
        let end = if self.rng.bool() {
            gated(&self.thread.destroy_interpreter(interp))
        } else {
            let _ = self.thread.interpreter_require_idref(interp, true);
            let _ = self.thread.interpreter_id_incref(interp);
            called(&self.thread.interpreter_id_decref(interp))
        };
        if interp.id().is_none() { self.ended_outside(end) } else { end }
    }

    pub fn create(&mut self) -> End {
        let config = match self.rng.u8(0..8) {
            0..3 => InterpreterConfig::ISOLATED,
            3..6 => InterpreterConfig::LEGACY,
            _ => {
                let all: Vec<_> = InterpreterConfig::all().collect();
                self.rng.choice(all).unwrap_or(InterpreterConfig::LEGACY)
            }
        };
        let mut fault = if self.rng.u8(0..5) == 0 { self.rng.choice(Fault::ALL) } else { None };
        let legacy = self.rng.u8(0..3) == 0;
        let (world, thread, faults) = (self.world, self.thread, &mut self.faults);
        let made = world.make(thread, 1, || {
            faults.push(fault);
            let made = if legacy {
                let made = thread.new_legacy_interpreter_with(&mut fault);
                made.map_err(|error| matches!(error, CallError::Finalized))
            } else {
                let made = thread.new_interpreter_with(&config, &mut fault).map(Some);
                made.map_err(|error| matches!(error, CreateError::Finalized))
            };
            let (interp, tstate) = made.ok().flatten().unzip();
            (made, interp, tstate)
        });
        match made {
            Some(Ok(Some((_, tstate)))) => {
                self.own.push(tstate);
                End::Done
            }
            Some(Err(true)) => End::CutOff,
            Some(Ok(None) | Err(false)) => End::Refused,
            None => End::None,
        }
    }

    pub fn end(&mut self) -> End {
        match self.thread.current().filter(|_| self.started.is_empty()) {
            Some(tstate) => called(&self.thread.end_interpreter(tstate)),
            None => End::None,
        }
    }

    pub fn destroy(&mut self) -> End {
        if !self.started.is_empty() {
            return End::None;
        }
        let interp = self.interp();
        let end = gated(&self.thread.destroy_interpreter(interp));
        self.ended_outside(end)
    }

    fn ended_outside(&mut self, end: End) -> End {
        if matches!(end, End::Done) {
            self.world.known().accounts.outside += 1;
        }
        end
    }

    /// References to the id of an interpreter.
    pub fn refer(&mut self) -> End {
        let interp = self.interp();
        let Some(id) = interp.id() else { return End::None };
        let id = if self.rng.u8(0..8) == 0 { id + 1 } else { id };
        let Ok(interp) = self.thread.interpreter_look_up_id(id) else { return End::Refused };
        let main = self.thread.runtime().main() == Some(interp);
        match self.rng.u8(0..4) {
            0 => plain(&self.thread.interpreter_require_idref(interp, !main)),
            1 => plain(&self.thread.interpreter_id_incref(interp)),
            _ if !self.started.is_empty() => End::None,
            _ => {
                let end = called(&self.thread.interpreter_id_decref(interp));
                if interp.id().is_none() { self.ended_outside(end) } else { end }
            }
        }
    }

    /// Says that it runs its interpreter, and perhaps that it no longer does.
    pub fn run_main(&mut self) -> End {
        let end = gated(&self.thread.set_running_main());
        if matches!(end, End::Done) && self.rng.bool() {
            return end;
        }
        plain(&self.thread.set_not_running_main())
    }

    /// A thread state of anybody, but none that was started: an end may wait for that.
    pub fn clear_or_delete(&mut self) -> End {
        let tstates = {
            let known = self.world.known();
            let other = |t: &_| !known.started.contains(t);
            known.tstates.iter().copied().filter(other).collect::<Vec<_>>()
        };
        let Some(tstate) = self.rng.choice(tstates) else { return End::None };
        let _ = self.thread.thread_state_clear(tstate);
        plain(&self.thread.thread_state_delete(tstate))
    }

    /// Starts a thread: one of the three will run it.
    pub fn start(&mut self) -> End {
        let daemon = self.rng.u8(0..4) == 0;
        let (world, thread) = (self.world, self.thread);
        let started = world.make(thread, 0, || {
            let spawn = |tstate| {
                world.start(tstate);
                Ok::<(), ()>(())
            };
            let result = thread.start_thread(daemon, spawn).map(|(tstate, ())| tstate);
            let tstate = result.as_ref().ok().copied();
            (result, None, tstate)
        });
        let Some(result) = started else { return End::None };
        if result.is_ok() {
            self.world.known().accounts.started += 1;
        }
        gated(&result)
    }

    /// Runs what was started.
    pub fn run_started(&mut self) -> End {
        if self.thread.current().is_some() {
            return End::None;
        }
        // Now and then what is not to be run.
        let own = if self.rng.u8(0..4) == 0 { self.own() } else { None };
        let Some(tstate) = own.or_else(|| self.world.take_started()) else { return End::None };
        let end = called(&self.thread.run_thread(tstate));
        if matches!(end, End::Done) && !self.started.contains(&tstate) {
            self.started.push(tstate);
            self.own.push(tstate);
        }
        end
    }

    /// Ends what is left of the runtime, or begins it again.
    pub fn finalize(&mut self) -> End {
        if !self.started.is_empty() {
            return End::None;
        }
        let (world, thread) = (self.world, self.thread);
        if !thread.runtime().is_initialized() {
            let made = world.make(thread, 1, || {
                let before = thread.current();
                let end = plain(&thread.initialize());
                let tstate = thread.current().filter(|_| before.is_none());
                let interp: Option<Interp> = tstate.and_then(|_| thread.runtime().main());
                ((end, tstate), interp, tstate)
            });
            let Some((end, tstate)) = made else { return End::None };
            self.own.extend(tstate);
            return end;
        }
        let before = thread.current();
        let end = called(&thread.finalize());
        if matches!(end, End::Done) && before.is_some() && thread.current().is_none() {
            world.known().accounts.finalized += 1;
        }
        end
    }
}
