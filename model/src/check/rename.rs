//! The same state and the same move under other names.

use cloister_specs::{InterpId, Move, Op, Start, ThreadId, TstateId};

use crate::label::Visitor;
use crate::runtime::{Gil, INTERPS, Interp, Runtime, THREADS, TSTATES, Thread, Tstate};

/// Where every slot goes: `interps[old] == new`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renaming {
    /// For interpreters and their GILs.
    pub interps: [u8; INTERPS],
    /// For thread states.
    pub tstates: [u8; TSTATES],
    /// For OS threads.
    pub threads: [u8; THREADS],
}

impl Renaming {
    /// Everything keeps its name.
    pub const IDENTITY: Renaming = Renaming { interps: [0, 1, 2], tstates: [0, 1, 2, 3], threads: [0, 1, 2] };

    /// The renaming that undoes this one.
    pub fn inverse(&self) -> Renaming {
        let mut back = Renaming::IDENTITY;
        for (old, new) in self.interps.iter().enumerate() {
            back.interps[*new as usize] = old as u8;
        }
        for (old, new) in self.tstates.iter().enumerate() {
            back.tstates[*new as usize] = old as u8;
        }
        for (old, new) in self.threads.iter().enumerate() {
            back.threads[*new as usize] = old as u8;
        }
        back
    }

    /// The new name of an interpreter.
    pub fn interp(&self, i: InterpId) -> InterpId {
        self.interps.get(i.index()).map_or(i, |k| InterpId(*k))
    }

    /// The new name of a thread state.
    pub fn tstate(&self, t: TstateId) -> TstateId {
        self.tstates.get(t.index()).map_or(t, |k| TstateId(*k))
    }

    /// The new name of a thread.
    pub fn thread(&self, h: ThreadId) -> ThreadId {
        self.threads.get(h.index()).map_or(h, |k| ThreadId(*k))
    }
}

impl Visitor for &Renaming {
    fn tstate(&mut self, id: &mut TstateId) {
        *id = Renaming::tstate(self, *id);
    }
    fn interp(&mut self, id: &mut InterpId) {
        *id = Renaming::interp(self, *id);
    }
}

impl Thread {
    pub(super) fn visit(&mut self, v: &mut impl Visitor) {
        let named = [&mut self.current, &mut self.gilstate, &mut self.entry, &mut self.entry_gilstate];
        named.into_iter().flatten().for_each(|t| v.tstate(t));
        for label in &mut self.stack {
            label.visit(v);
        }
    }
}

/// The same state under other names.
pub fn rename(r: &Runtime, names: &Renaming) -> Runtime {
    let mut out = *r;
    let mut visitor = names;
    for k in 0..INTERPS {
        let new = names.interps[k] as usize;
        let x = r.interps[k];
        out.interps[new] = Interp {
            gil: x.gil.map(|g| names.interp(g)),
            finalizing: x.finalizing.map(|t| names.tstate(t)),
            running: x.running.map(|t| names.tstate(t)),
            ..x
        };
        out.gils[new] = Gil {
            last_holder: r.gils[k].last_holder.map(|t| names.tstate(t)),
            holder: r.gils[k].holder.map(|h| names.thread(h)),
            ..r.gils[k]
        };
    }
    for k in 0..TSTATES {
        let x = r.tstates[k];
        let renamed =
            Tstate { interp: names.interp(x.interp), thread: x.thread.map(|h| names.thread(h)), ..x };
        out.tstates[names.tstates[k] as usize] = if x.status.is_empty() { Tstate::FREE } else { renamed };
    }
    for k in 0..THREADS {
        let mut x = r.threads[k];
        x.visit(&mut visitor);
        out.threads[names.threads[k] as usize] = x;
    }
    for block in &mut out.blocks {
        block.owner = block.owner.map(|i| names.interp(i));
    }
    for object in &mut out.objects {
        let away = object.away;
        object.owner = object.owner.map(|i| names.interp(i));
        for (k, n) in away.into_iter().enumerate() {
            object.away[names.interps[k] as usize] = n;
        }
    }
    out.current = r.current.map(|t| names.tstate(t));
    out.main_thread = names.thread(r.main_thread);
    out
}

impl Renaming {
    /// The same move under other names.
    pub fn rename_move(&self, mv: &Move) -> Move {
        match *mv {
            Move::Start(s) => Move::Start(Start {
                thread: self.thread(s.thread),
                op: self.rename_op(&s.op),
                at: s.at.map(|t| self.tstate(t)),
                prefer: self.thread(s.prefer),
            }),
            Move::Step { thread, prefer } => {
                Move::Step { thread: self.thread(thread), prefer: self.thread(prefer) }
            }
            Move::Expire { thread, prefer } => {
                Move::Expire { thread: self.thread(thread), prefer: self.thread(prefer) }
            }
            Move::Spurious { thread, prefer } => {
                Move::Spurious { thread: self.thread(thread), prefer: self.thread(prefer) }
            }
        }
    }

    fn rename_op(&self, op: &Op) -> Op {
        match *op {
            Op::NewInterpreterFromConfig { config, fault } => Op::NewInterpreterFromConfig { config, fault },
            Op::EndInterpreter(t) => Op::EndInterpreter(self.tstate(t)),
            Op::ThreadStateNew(i) => Op::ThreadStateNew(self.interp(i)),
            Op::ThreadStateBind(t) => Op::ThreadStateBind(self.tstate(t)),
            Op::ThreadStateSwap(t) => Op::ThreadStateSwap(t.map(|t| self.tstate(t))),
            Op::ThreadStateClear(t) => Op::ThreadStateClear(self.tstate(t)),
            Op::ThreadStateDelete(t) => Op::ThreadStateDelete(self.tstate(t)),
            Op::SaveThread => Op::SaveThread,
            Op::RestoreThread(t) => Op::RestoreThread(self.tstate(t)),
            Op::AcquireThread(t) => Op::AcquireThread(self.tstate(t)),
            Op::ReleaseThread(t) => Op::ReleaseThread(self.tstate(t)),
            Op::GilStateEnsure { interp, fails } => Op::GilStateEnsure { interp: self.interp(interp), fails },
            Op::AddPendingCall { interp, call } => {
                Op::AddPendingCall { interp: interp.map(|i| self.interp(i)), call }
            }
            Op::RunThread(t) => Op::RunThread(self.tstate(t)),
            Op::ThreadStateDeleteExcept(t) => Op::ThreadStateDeleteExcept(self.tstate(t)),
            Op::InterpreterRequireIdRef { interp, required } => {
                Op::InterpreterRequireIdRef { interp: self.interp(interp), required }
            }
            Op::InterpreterIdIncref(i) => Op::InterpreterIdIncref(self.interp(i)),
            Op::InterpreterIdDecref(i) => Op::InterpreterIdDecref(self.interp(i)),
            Op::DestroyInterpreter(i) => Op::DestroyInterpreter(self.interp(i)),
            Op::AllocatedBlocks(i) => Op::AllocatedBlocks(self.interp(i)),
            Op::RefTotal(i) => Op::RefTotal(self.interp(i)),
            Op::PassRef { object, to } => Op::PassRef { object, to: self.interp(to) },
            Op::Malloc { .. }
            | Op::Calloc { .. }
            | Op::Realloc { .. }
            | Op::Free { .. }
            | Op::GlobalAllocatedBlocks
            | Op::ObjectNew { .. }
            | Op::SetRefCnt { .. }
            | Op::IncRef { .. }
            | Op::DecRef { .. }
            | Op::SetImmortal(_)
            | Op::ClearImmortal(_)
            | Op::GlobalRefTotal => *op,
            Op::NewInterpreter { .. }
            | Op::Initialize
            | Op::Finalize
            | Op::StartThread { .. }
            | Op::InterpreterLookUpId(_)
            | Op::SetRunningMain
            | Op::SetNotRunningMain
            | Op::Fork
            | Op::Exec
            | Op::ThreadStateDeleteCurrent
            | Op::EvalBreakerPoll
            | Op::GilStateRelease(_)
            | Op::GilStateCheck
            | Op::MakePendingCalls => *op,
        }
    }
}
