//! Random moves, made from the model's guards: uniformly random calls are refused most of
//! the time, and then nothing happens.

use cloister_model::label::Label;
use cloister_model::{Design, INTERPS, Runtime, TSTATES};
use cloister_specs::{
    Fault, GilState, InterpId, InterpreterConfig, MAIN, Move, Op, OpKind, PendingCall, Start, ThreadId,
    TstateId, memory_kinds,
};
use fastrand::Rng;

mod memory;

pub use memory::Draw;

/// Is this call left out, for this thread in this state?
pub type LeftOut = fn(&Design, &Runtime, ThreadId, &Op) -> bool;

/// Leaves nothing out.
pub const NOTHING: LeftOut = |_, _, _, _| false;

/// What is generated.
#[derive(Clone, Debug)]
pub struct Mix {
    /// OS threads.
    pub threads: u8,
    /// How often each kind of call is tried, in the order of `OpKind::ALL`.
    pub weights: [u32; OpKind::ALL.len()],
    /// With which settings interpreters are created.
    pub configs: Vec<InterpreterConfig>,
    /// Where creations may fail.
    pub faults: Vec<Fault>,
    /// One creation in so many fails by such a fault (0: none).
    pub faulty: u32,
    /// One call in so many is made though the model refuses it (0: none).
    pub refused: u32,
    /// Calls that would wait are left out.
    pub no_waits: bool,
    /// May threads in the forced switch be woken for no reason?
    pub spurious: bool,
    /// Are pending calls added to rings that are full?
    pub full_rings: bool,
    /// Calls that are not made.
    pub left_out: LeftOut,
}

/// Weights by kind; a kind that is not there is never tried.
pub fn weights(of: &[(OpKind, u32)]) -> [u32; OpKind::ALL.len()] {
    let mut all = [0; OpKind::ALL.len()];
    of.iter().for_each(|(kind, weight)| all[kind.index()] = *weight);
    all
}

impl Mix {
    /// For our own implementation: everything, with all settings.
    pub fn whole(threads: u8) -> Mix {
        Mix {
            threads,
            weights: weights(&WEIGHTS),
            configs: InterpreterConfig::all().collect(),
            faults: Fault::ALL.to_vec(),
            faulty: 4,
            refused: 8,
            no_waits: false,
            spurious: true,
            full_rings: true,
            left_out: NOTHING,
        }
    }
}

/// How often each kind of call is tried.
const WEIGHTS: [(OpKind, u32); OpKind::ALL.len()] = [
    (OpKind::NewInterpreterFromConfig, 5),
    (OpKind::NewInterpreter, 2),
    (OpKind::EndInterpreter, 8),
    (OpKind::ThreadStateNew, 10),
    (OpKind::ThreadStateBind, 12),
    (OpKind::ThreadStateSwap, 14),
    (OpKind::ThreadStateClear, 5),
    (OpKind::ThreadStateDelete, 6),
    (OpKind::ThreadStateDeleteCurrent, 3),
    (OpKind::SaveThread, 10),
    (OpKind::RestoreThread, 12),
    (OpKind::AcquireThread, 6),
    (OpKind::ReleaseThread, 5),
    (OpKind::EvalBreakerPoll, 9),
    (OpKind::GilStateEnsure, 10),
    (OpKind::GilStateRelease, 9),
    (OpKind::GilStateCheck, 2),
    (OpKind::AddPendingCall, 8),
    (OpKind::MakePendingCalls, 3),
    (OpKind::Initialize, 6),
    (OpKind::Finalize, 2),
    (OpKind::StartThread, 8),
    (OpKind::RunThread, 9),
    (OpKind::ThreadStateDeleteExcept, 2),
    (OpKind::InterpreterLookUpId, 2),
    (OpKind::InterpreterRequireIdRef, 3),
    (OpKind::InterpreterIdIncref, 3),
    (OpKind::InterpreterIdDecref, 4),
    (OpKind::SetRunningMain, 3),
    (OpKind::SetNotRunningMain, 3),
    (OpKind::DestroyInterpreter, 4),
    (OpKind::Fork, 1),
    (OpKind::Exec, 1),
    (OpKind::Malloc, 8),
    (OpKind::Calloc, 3),
    (OpKind::Realloc, 5),
    (OpKind::Free, 8),
    (OpKind::AllocatedBlocks, 3),
    (OpKind::GlobalAllocatedBlocks, 3),
    (OpKind::ObjectNew, 6),
    (OpKind::SetRefCnt, 2),
    (OpKind::IncRef, 6),
    (OpKind::DecRef, 7),
    (OpKind::SetImmortal, 2),
    (OpKind::ClearImmortal, 2),
    (OpKind::PassRef, 4),
    (OpKind::RefTotal, 3),
    (OpKind::GlobalRefTotal, 3),
];

/// One fork that is drawn in so many is made.
const FORKS: u8 = 16;

/// One refused call in so many is made, if it is of a kind that is seldom legal.
const SELDOM: u8 = 16;

/// How much more often the calls of a favoured area are tried.
const FAVOUR: u32 = 5;

impl Mix {
    /// The same, with the calls of this area tried more often.
    pub fn favouring(mut self, area: &str) -> Mix {
        for kind in OpKind::ALL.into_iter().filter(|kind| kind.area() == area) {
            self.weights[kind.index()] *= FAVOUR;
        }
        self
    }
}

/// Makes random moves.
pub struct Generator {
    mix: Mix,
    rng: Rng,
    total: u32,
}

/// How often arguments are tried for a call before another call is.
const TRIES: u32 = 6;

impl Generator {
    /// The same moves for the same seed.
    pub fn new(mix: Mix, seed: u64) -> Generator {
        let total = mix.weights.iter().sum();
        Generator { mix, rng: Rng::with_seed(seed), total }
    }

    /// The next move in this state. `None`: no thread can move.
    pub fn next(&mut self, d: &Design, r: &Runtime) -> Option<Move> {
        let n = self.mix.threads;
        let first = self.rng.u8(0..n);
        let prefer = ThreadId(self.rng.u8(0..n));
        for k in 0..n {
            let h = ThreadId((first + k) % n);
            if let Some(mv) = self.of_thread(d, r, h, prefer) {
                return Some(mv);
            }
        }
        None
    }

    fn of_thread(&mut self, d: &Design, r: &Runtime, h: ThreadId, prefer: ThreadId) -> Option<Move> {
        if r.forked || r.thread(h).gone {
            return None;
        }
        if !r.thread(h).idle() {
            return self.go_on(d, r, h, prefer);
        }
        let refuse = self.mix.refused != 0 && self.rng.u32(0..self.mix.refused) == 0;
        for _ in 0..4 * TRIES {
            let op = self.call(r, h);
            let makes = makes_tstate(r, h, &op);
            let at = makes.then(|| r.free_tstate().filter(|t| !r.named(*t))).flatten();
            let left_out = self.is_full(r, &op) || (self.mix.left_out)(d, r, h, &op);
            if !r.has_room(h, &op) || (makes && at.is_none()) || left_out {
                continue;
            }
            let mv = Move::Start(Start { thread: h, op, at, prefer });
            match r.check(d, h, &op) {
                Ok(()) if self.waits(d, r, &mv) => {}
                Ok(()) => return Some(mv),
                Err(_) if refuse && !self.seldom(r, &op) => return Some(mv),
                Err(_) => {}
            }
        }
        None
    }

    /// Is this a call that is to be refused less often than others, since it seldom is legal?
    fn seldom(&mut self, r: &Runtime, op: &Op) -> bool {
        let one_in = match op {
            // One that was started, and runs already, is what a fault would run again.
            Op::RunThread(t) if r.tstate(*t).started.is_some() => SELDOM / 8,
            Op::RunThread(_) | Op::Finalize => SELDOM,
            _ => 1,
        };
        self.rng.u8(0..one_in) > 0
    }

    /// Is this a call for a full ring that is not to be made?
    fn is_full(&self, r: &Runtime, op: &Op) -> bool {
        let ring = match op {
            Op::AddPendingCall { interp: None, .. } => &r.pending_main,
            Op::AddPendingCall { interp: Some(i), .. } => &r.interp(*i).pending,
            _ => return false,
        };
        // A call that adds another one needs a place for it too.
        !self.mix.full_rings && ring.len() + 1 >= ring.calls.len()
    }

    fn waits(&self, d: &Design, r: &Runtime, mv: &Move) -> bool {
        self.mix.no_waits && {
            let mut ahead = *r;
            matches!(
                ahead.apply(d, cloister_model::Grain::Atomic, mv),
                Ok(cloister_model::Outcome::Parked(_)) | Err(_)
            )
        }
    }

    fn go_on(&mut self, d: &Design, r: &Runtime, h: ThreadId, prefer: ThreadId) -> Option<Move> {
        match r.next_move(d, h, prefer) {
            Some(mv) => Some(mv),
            None => {
                let waits = matches!(r.thread(h).top(), Label::DropWait { signalled: false, .. });
                let woken = self.mix.spurious && waits && self.rng.u8(0..16) == 0;
                woken.then_some(Move::Spurious { thread: h, prefer })
            }
        }
    }

    fn call(&mut self, r: &Runtime, h: ThreadId) -> Op {
        match self.kind() {
            OpKind::NewInterpreterFromConfig => {
                let config = match self.rng.u8(0..8) {
                    0..3 => InterpreterConfig::ISOLATED,
                    3..6 => InterpreterConfig::LEGACY,
                    _ => self.rng.choice(&self.mix.configs).copied().unwrap_or(InterpreterConfig::LEGACY),
                };
                Op::NewInterpreterFromConfig { config, fault: self.fault() }
            }
            OpKind::EndInterpreter => {
                Op::EndInterpreter(r.thread(h).current.unwrap_or_else(|| self.tstate()))
            }
            OpKind::ThreadStateNew => Op::ThreadStateNew(self.interp()),
            OpKind::ThreadStateBind => Op::ThreadStateBind(self.tstate()),
            OpKind::ThreadStateSwap => {
                let none = self.rng.u8(0..3) == 0;
                Op::ThreadStateSwap((!none).then(|| self.own_tstate(r, h)))
            }
            OpKind::ThreadStateClear => Op::ThreadStateClear(self.tstate()),
            OpKind::ThreadStateDelete => Op::ThreadStateDelete(self.tstate()),
            OpKind::SaveThread => Op::SaveThread,
            OpKind::RestoreThread => Op::RestoreThread(self.own_tstate(r, h)),
            OpKind::EvalBreakerPoll => Op::EvalBreakerPoll,
            OpKind::NewInterpreter => Op::NewInterpreter { fault: self.fault() },
            OpKind::ThreadStateDeleteCurrent => Op::ThreadStateDeleteCurrent,
            OpKind::AcquireThread => Op::AcquireThread(self.own_tstate(r, h)),
            OpKind::ReleaseThread => {
                let any = self.tstate();
                let current = r.thread(h).current.filter(|_| self.rng.u8(0..8) != 0);
                Op::ReleaseThread(current.unwrap_or(any))
            }
            OpKind::GilStateEnsure => {
                let named = r.thread(h).gilstate.map(|t| r.tstate(t).interp);
                let any = self.interp();
                let interp = named.filter(|_| self.rng.u8(0..8) != 0).unwrap_or(any);
                let fails = self.mix.faulty != 0 && self.rng.u32(0..2 * self.mix.faulty) == 0;
                Op::GilStateEnsure { interp, fails }
            }
            OpKind::GilStateRelease => {
                let last = r.thread(h).gilstate.and_then(|t| r.tstate(t).ensures.last());
                let any = if self.rng.bool() { GilState::Locked } else { GilState::Unlocked };
                Op::GilStateRelease(last.filter(|_| self.rng.u8(0..8) != 0).unwrap_or(any))
            }
            OpKind::GilStateCheck => Op::GilStateCheck,
            OpKind::AddPendingCall => {
                let here = r.thread(h).current.map(|t| r.tstate(t).interp);
                let interp = match self.rng.u8(0..4) {
                    0 => Some(self.interp()),
                    1 => here,
                    _ => None,
                };
                let call = self.rng.choice(PendingCall::ALL).unwrap_or(PendingCall::Succeeds);
                Op::AddPendingCall { interp, call }
            }
            OpKind::MakePendingCalls => Op::MakePendingCalls,
            OpKind::Initialize => Op::Initialize,
            OpKind::Finalize => Op::Finalize,
            OpKind::StartThread => {
                let fails = self.mix.faulty != 0 && self.rng.u32(0..self.mix.faulty) == 0;
                Op::StartThread { daemon: self.rng.bool(), fails }
            }
            OpKind::RunThread => {
                let fresh = |t: &TstateId| {
                    r.listed(*t) && r.tstate(*t).started.is_some() && r.tstate(*t).thread.is_none()
                };
                let any = self.tstate();
                let other = if self.rng.bool() { any } else { self.own_tstate(r, h) };
                Op::RunThread(Runtime::tstate_ids().find(fresh).unwrap_or(other))
            }
            OpKind::ThreadStateDeleteExcept => {
                Op::ThreadStateDeleteExcept(r.thread(h).current.unwrap_or_else(|| self.tstate()))
            }
            OpKind::InterpreterLookUpId => Op::InterpreterLookUpId(self.rng.u8(0..=r.next_id)),
            OpKind::InterpreterRequireIdRef => {
                Op::InterpreterRequireIdRef { interp: self.interp(), required: self.rng.u8(0..4) != 0 }
            }
            OpKind::InterpreterIdIncref => Op::InterpreterIdIncref(self.interp()),
            OpKind::InterpreterIdDecref => Op::InterpreterIdDecref(self.interp()),
            OpKind::SetRunningMain => Op::SetRunningMain,
            OpKind::SetNotRunningMain => Op::SetNotRunningMain,
            OpKind::DestroyInterpreter => Op::DestroyInterpreter(self.interp()),
            // It is the last move of a run.
            OpKind::Fork if self.rng.u8(0..FORKS) > 0 => Op::GilStateCheck,
            OpKind::Fork => Op::Fork,
            OpKind::Exec => Op::Exec,
            kind @ (memory_kinds!()) => {
                let fails = self.mix.faulty != 0 && self.rng.u32(0..2 * self.mix.faulty) == 0;
                let here = r.thread(h).current.map_or(MAIN, |t| r.tstate(t).interp);
                let interps = INTERPS as u8;
                Draw { rng: &mut self.rng, model: r, here, interps }.call(kind, fails)
            }
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        let fails = self.mix.faulty != 0 && self.rng.u32(0..self.mix.faulty) == 0;
        if fails { self.rng.choice(&self.mix.faults).copied() } else { None }
    }

    fn interp(&mut self) -> InterpId {
        InterpId(self.rng.u8(0..INTERPS as u8))
    }

    fn kind(&mut self) -> OpKind {
        let mut left = self.rng.u32(0..self.total.max(1));
        for (kind, weight) in OpKind::ALL.into_iter().zip(self.mix.weights) {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return kind,
            }
        }
        OpKind::EvalBreakerPoll
    }

    fn tstate(&mut self) -> TstateId {
        TstateId(self.rng.u8(0..TSTATES as u8))
    }

    /// Mostly one that is bound to this thread.
    fn own_tstate(&mut self, r: &Runtime, h: ThreadId) -> TstateId {
        let any = self.tstate();
        (0..TSTATES as u8)
            .map(|k| TstateId((any.0 + k) % TSTATES as u8))
            .find(|t| r.listed(*t) && r.tstate(*t).thread == Some(h))
            .unwrap_or(any)
    }
}

/// Does this call make a thread state, if it succeeds?
fn makes_tstate(r: &Runtime, h: ThreadId, op: &Op) -> bool {
    match op {
        Op::GilStateEnsure { fails, .. } => !fails && r.thread(h).gilstate.is_none(),
        other => other.makes_tstate(),
    }
}
