//! Which slot of the model an identity of the implementation stands for.

use cloister_model::{INTERPS, Runtime, TSTATES};
use cloister_specs::{
    Calls, Fault, GilView, InterpId, InterpView, Observation, Op, OpKind, Reply, ThreadId, ThreadView,
    TstateId, TstateView,
};
use cloister_traced::Ran;
use cloister_traced::Serial;
use cloister_traced::trace::{Answer, Argument};

use super::recording::{HeldGil, HeldTstate, Recording, Rest, THREADS};
use super::replay::Call;

/// A slot that is never taken: what a stale or unknown identity stands for.
const NOWHERE: u8 = u8::MAX;

/// Who is in each slot.
#[derive(Clone, Debug)]
pub(super) struct Names {
    threads: [Serial; THREADS],
    interps: [Option<Serial>; INTERPS],
    tstates: [Option<Serial>; TSTATES],
    /// Every identity that was ever in a slot, for reports.
    past: Vec<(Serial, String)>,
}

fn place(slots: &[Option<Serial>], serial: Serial) -> Option<u8> {
    (0..).zip(slots).find(|(_, s)| **s == Some(serial)).map(|(slot, _)| slot)
}

impl Names {
    pub fn new(recording: &Recording) -> Self {
        let mut names = Names {
            threads: recording.threads,
            interps: [None; INTERPS],
            tstates: [None; TSTATES],
            past: Vec::new(),
        };
        names.put_interp(InterpId(0), recording.main);
        names.put_tstate(TstateId(0), recording.first);
        names
    }

    pub fn thread(&self, serial: Serial) -> Option<ThreadId> {
        (0..).zip(self.threads).find(|(_, s)| *s == serial).map(|(k, _)| ThreadId(k))
    }

    pub fn tstate(&self, serial: Serial) -> Option<TstateId> {
        place(&self.tstates, serial).map(TstateId)
    }

    pub fn interp(&self, serial: Serial) -> Option<InterpId> {
        place(&self.interps, serial).map(InterpId)
    }

    pub fn put_tstate(&mut self, slot: TstateId, serial: Serial) {
        self.tstates[slot.index() % TSTATES] = Some(serial);
        self.past.push((serial, slot.to_string()));
    }

    pub fn put_interp(&mut self, slot: InterpId, serial: Serial) {
        self.interps[slot.index() % INTERPS] = Some(serial);
        self.past.push((serial, slot.to_string()));
    }

    /// Empties the slots that the model has freed.
    pub fn forget(&mut self, model: &Runtime) {
        for (slot, id) in self.tstates.iter_mut().zip(Runtime::tstate_ids()) {
            *slot = slot.filter(|_| model.listed(id));
        }
        for (slot, id) in self.interps.iter_mut().zip(Runtime::interp_ids()) {
            *slot = slot.filter(|_| model.interp_listed(id));
        }
    }

    /// How an identity is written in a report.
    pub fn written(&self, serial: Serial) -> String {
        let found = self.past.iter().rfind(|(s, _)| *s == serial);
        found.map_or_else(|| format!("#{}", serial.get()), |(_, name)| name.clone())
    }

    /// The operation that a call is, as things are now; `None` if its argument does not fit.
    pub fn op(&self, call: &Call) -> Option<Op> {
        let Call { kind, argument, fault, pending, .. } = *call;
        let tstate = |serial| self.tstate(serial).unwrap_or(TstateId(NOWHERE));
        let interp = |serial| self.interp(serial).unwrap_or(InterpId(NOWHERE));
        Some(match (kind, argument) {
            (OpKind::NewInterpreterFromConfig, Argument::Config(config)) => {
                Op::NewInterpreterFromConfig { config, fault }
            }
            (OpKind::EndInterpreter, Argument::Tstate(t)) => Op::EndInterpreter(tstate(t)),
            (OpKind::ThreadStateNew, Argument::Interp(i)) => Op::ThreadStateNew(interp(i)),
            (OpKind::ThreadStateBind, Argument::Tstate(t)) => Op::ThreadStateBind(tstate(t)),
            (OpKind::ThreadStateSwap, Argument::None) => Op::ThreadStateSwap(None),
            (OpKind::ThreadStateSwap, Argument::Tstate(t)) => Op::ThreadStateSwap(Some(tstate(t))),
            (OpKind::ThreadStateClear, Argument::Tstate(t)) => Op::ThreadStateClear(tstate(t)),
            (OpKind::ThreadStateDelete, Argument::Tstate(t)) => Op::ThreadStateDelete(tstate(t)),
            (OpKind::SaveThread, Argument::None) => Op::SaveThread,
            (OpKind::RestoreThread, Argument::Tstate(t)) => Op::RestoreThread(tstate(t)),
            (OpKind::EvalBreakerPoll, Argument::None) => Op::EvalBreakerPoll,
            (OpKind::NewInterpreter, Argument::None) => Op::NewInterpreter { fault },
            (OpKind::ThreadStateDeleteCurrent, Argument::None) => Op::ThreadStateDeleteCurrent,
            (OpKind::AcquireThread, Argument::Tstate(t)) => Op::AcquireThread(tstate(t)),
            (OpKind::ReleaseThread, Argument::Tstate(t)) => Op::ReleaseThread(tstate(t)),
            (OpKind::GilStateEnsure, Argument::Interp(i)) => {
                Op::GilStateEnsure { interp: interp(i), fails: fault == Some(Fault::TstateAlloc) }
            }
            (OpKind::GilStateRelease, Argument::GilState(state)) => Op::GilStateRelease(state),
            (OpKind::GilStateCheck, Argument::None) => Op::GilStateCheck,
            (OpKind::AddPendingCall, Argument::None) => Op::AddPendingCall { interp: None, call: pending? },
            (OpKind::AddPendingCall, Argument::Interp(i)) => {
                Op::AddPendingCall { interp: Some(interp(i)), call: pending? }
            }
            (OpKind::MakePendingCalls, Argument::None) => Op::MakePendingCalls,
            (OpKind::Initialize, Argument::None) => Op::Initialize,
            (OpKind::Finalize, Argument::None) => Op::Finalize,
            (OpKind::StartThread, Argument::Daemon(daemon)) => Op::StartThread { daemon, fails: false },
            (OpKind::RunThread, Argument::Tstate(t)) => Op::RunThread(tstate(t)),
            (OpKind::ThreadStateDeleteExcept, Argument::Tstate(t)) => Op::ThreadStateDeleteExcept(tstate(t)),
            (OpKind::InterpreterLookUpId, Argument::Id(id)) => {
                Op::InterpreterLookUpId(u8::try_from(id).unwrap_or(NOWHERE))
            }
            (OpKind::InterpreterRequireIdRef, Argument::Required(i, required)) => {
                Op::InterpreterRequireIdRef { interp: interp(i), required }
            }
            (OpKind::InterpreterIdIncref, Argument::Interp(i)) => Op::InterpreterIdIncref(interp(i)),
            (OpKind::InterpreterIdDecref, Argument::Interp(i)) => Op::InterpreterIdDecref(interp(i)),
            (OpKind::SetRunningMain, Argument::None) => Op::SetRunningMain,
            (OpKind::SetNotRunningMain, Argument::None) => Op::SetNotRunningMain,
            (OpKind::DestroyInterpreter, Argument::Interp(i)) => Op::DestroyInterpreter(interp(i)),
            _ => return None,
        })
    }

    /// Is this answer that reply of the model?
    pub fn same(&self, answer: Answer, model: Reply) -> bool {
        match (answer, model) {
            // A poll that runs nothing answers nothing more in the model.
            (Answer::Ran(ran), Reply::Done) => ran == Ran::NOTHING,
            (Answer::Ran(ran), Reply::Ran { calls, failed }) => {
                let told = usize::try_from(ran.calls).map_or(Calls::TOLD, |n| n.min(Calls::TOLD));
                ran.failed == failed && calls.len() == told
            }
            (answer, model) => self.reply(answer) == Some(model),
        }
    }

    /// The reply that an answer is; `None` if it names what is not there, is a refusal, or is no
    /// single one.
    fn reply(&self, answer: Answer) -> Option<Reply> {
        Some(match answer {
            Answer::Done => Reply::Done,
            Answer::Tstate(None) => Reply::Tstate(None),
            Answer::Tstate(Some(t)) => Reply::Tstate(Some(self.tstate(t)?)),
            Answer::Created(i, t) => Reply::Created { interp: self.interp(i)?, tstate: self.tstate(t)? },
            Answer::Failed(error) => Reply::Failed(error),
            Answer::Ensured(state) => Reply::Ensured(state),
            Answer::NotEnsured => Reply::NotEnsured,
            Answer::Is(yes) => Reply::Is(yes),
            Answer::Full => Reply::Full,
            Answer::Ran(_) => return None,
            Answer::Interp(i) => Reply::Interp(self.interp(i)?),
            Answer::Denied(denied) => Reply::Denied(denied),
            Answer::Finalized => Reply::Finalized,
            Answer::Forked(_) | Answer::NotForked => return None,
            Answer::Refused(_) => return None,
        })
    }

    /// The state at the end, by slots.
    pub fn observation(&self, rest: &Rest) -> Observation {
        let tstate = |serial| self.tstate(serial).unwrap_or(TstateId(NOWHERE));
        let interp = |serial| self.interp(serial).unwrap_or(InterpId(NOWHERE));
        let bound = |serial: Option<Serial>| serial.and_then(|s| self.thread(s));
        let gil_view = |id, gil: &HeldGil| {
            let last = |t: &&HeldTstate| Some(t.tstate) == gil.last_holder;
            let holder = rest.held.tstates.iter().find(last).and_then(|t| bound(t.thread));
            GilView {
                id,
                locked: gil.locked,
                last_holder: gil.last_holder.map(tstate),
                drop_request: gil.drop_request,
                holder: holder.filter(|_| gil.locked),
            }
        };
        let mut seen = Observation::default();
        for info in &rest.held.interps {
            let id = interp(info.interp);
            let view = InterpView { id, phase: Some(info.phase), flags: info.flags, own_gil: info.own_gil };
            seen.interps.push(view);
            seen.gils.extend(info.gil.as_ref().map(|gil| gil_view(id, gil)));
        }
        seen.tstates.extend(rest.held.tstates.iter().map(|info| TstateView {
            id: tstate(info.tstate),
            interp: interp(info.interp),
            status: info.status,
            thread: bound(info.thread),
        }));
        seen.interps.sort_unstable_by_key(|i| i.id);
        seen.gils.sort_unstable_by_key(|g| g.id);
        seen.tstates.sort_unstable_by_key(|t| t.id);
        seen.threads.extend(self.threads.iter().zip(rest.current).map(|(thread, current)| {
            let info = rest.held.threads.iter().find(|t| t.thread == *thread);
            let gilstate = info.and_then(|t| t.gilstate).map(tstate);
            ThreadView { current: current.map(tstate), gilstate, parked: None }
        }));
        seen
    }
}
