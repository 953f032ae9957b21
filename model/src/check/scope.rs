//! A scope: which calls, how many of everything, in which grain.

use cloister_specs::{
    Client, Fault, GilState, InterpId, InterpreterConfig, Move, Op, OpKind, PendingCall, Phase, RING, Rule,
    Start, ThreadId, TstateId, memory_kinds,
};

use crate::design::Design;
use crate::label::Label;
use crate::runtime::{INTERPS, Runtime, THREADS, TSTATES, Thread};
use cloister_specs::text::Grain;

/// How many of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// OS threads, `T0` included.
    pub threads: u8,
    /// Interpreters, main included.
    pub interps: u8,
    /// Thread states, `t0` included.
    pub tstates: u8,
}

impl Bounds {
    /// These many, and never more than the model has slots for.
    pub const fn new(threads: u8, interps: u8, tstates: u8) -> Bounds {
        const fn min(a: u8, b: usize) -> u8 {
            if (a as usize) < b { a } else { b as u8 }
        }
        Bounds {
            threads: min(threads, THREADS),
            interps: min(interps, INTERPS),
            tstates: min(tstates, TSTATES),
        }
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.threads, self.interps, self.tstates)
    }
}

/// What is explored.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Its name in reports.
    pub name: String,
    /// Under this design.
    pub design: Design,
    /// In this grain.
    pub grain: Grain,
    /// How many of everything.
    pub bounds: Bounds,
    /// Which calls.
    pub ops: Vec<OpKind>,
    /// With which settings interpreters are created.
    pub configs: Vec<InterpreterConfig>,
    /// Where creations fail; `None`: nowhere.
    pub faults: Vec<Option<Fault>>,
    /// May a thread in the forced switch be woken for no reason?
    pub spurious: bool,
    /// May a new thread state get the address of a freed one that something still names?
    pub reuse: bool,
    /// Are states that differ in names alone taken as one?
    pub symmetry: bool,
    /// What pending calls do.
    pub pending: Vec<PendingCall>,
    /// How many Ensures nest.
    pub ensures: u8,
    /// How many calls are added to a ring at most.
    pub queued: u8,
    /// How many calls a run has made at most when another one is added.
    pub ran: u8,
    /// How many references to an id are held at most.
    pub references: u8,
    /// How large blocks are, in bytes.
    pub sizes: Vec<u16>,
    /// How many blocks are live, or were left, at most.
    pub blocks: u8,
    /// How many references `SetRefCnt` makes there be.
    pub counts: Vec<u32>,
    /// How far counts and totals move at most.
    pub refs: u8,
    /// Who counts.
    pub clients: Vec<Client>,
    /// Only this rule counts; `None`: all.
    pub only: Option<Rule>,
}

impl Scope {
    /// Every call of the engine with its faults, under this design.
    pub fn whole(name: &str, design: Design, grain: Grain, bounds: Bounds) -> Scope {
        let hole = InterpreterConfig { use_main_obmalloc: true, ..InterpreterConfig::ISOLATED };
        let bad_settings =
            InterpreterConfig { check_multi_interp_extensions: false, ..InterpreterConfig::ISOLATED };
        let bad_gil = InterpreterConfig { gil: 7, ..InterpreterConfig::LEGACY };
        let both = InterpreterConfig { gil: 7, ..bad_settings };
        Scope {
            name: name.to_string(),
            design,
            grain,
            bounds,
            ops: OpKind::CORE.to_vec(),
            configs: vec![
                InterpreterConfig::ISOLATED,
                InterpreterConfig::LEGACY,
                bad_settings,
                bad_gil,
                both,
                hole,
            ],
            faults: std::iter::once(None).chain(Fault::ALL.map(Some)).collect(),
            spurious: true,
            reuse: true,
            symmetry: true,
            pending: PendingCall::ALL.to_vec(),
            ensures: 2,
            queued: RING as u8 + 1,
            ran: 2,
            references: 1,
            sizes: vec![64, 600],
            blocks: 1,
            counts: vec![i32::MAX as u32],
            refs: 2,
            clients: vec![Client::Aware, Client::Unaware],
            only: None,
        }
    }

    /// The same with these calls alone.
    pub fn with_ops(mut self, ops: &[OpKind]) -> Scope {
        self.ops = ops.to_vec();
        self
    }

    /// Every move that can be made in this state; `refused` is told of every call that cannot.
    pub fn moves(&self, r: &Runtime, out: &mut Vec<Move>, mut refused: impl FnMut(OpKind, Rule)) {
        if r.dead.is_some() || r.forked {
            return;
        }
        let mut blank_before = false;
        for h in (0..self.bounds.threads).map(ThreadId) {
            if r.thread(h).gone {
                continue;
            }
            let blank = self.symmetry && is_blank(r, h) && !(self.sight().main_thread && h == r.main_thread);
            if blank && std::mem::replace(&mut blank_before, true) {
                continue;
            }
            for prefer in Preferences::of(r) {
                if r.thread(h).idle() {
                    self.calls(r, h, prefer, out, &mut refused);
                } else if let Some(mv) = r.next_move(&self.design, h, prefer) {
                    out.push(mv);
                } else if self.spurious
                    && matches!(r.thread(h).top(), Label::DropWait { signalled: false, .. })
                {
                    out.push(Move::Spurious { thread: h, prefer });
                }
            }
        }
    }

    fn calls(
        &self,
        r: &Runtime,
        h: ThreadId,
        prefer: ThreadId,
        out: &mut Vec<Move>,
        refused: &mut impl FnMut(OpKind, Rule),
    ) {
        let mut offer = |op: Op, at: Option<TstateId>| match r.check(&self.design, h, &op) {
            Ok(()) => out.push(Move::Start(Start { thread: h, op, at, prefer })),
            Err(rule) if self.design.mutant == Some(crate::mutant::Mutant::DropGuard(rule)) => {
                out.push(Move::Start(Start { thread: h, op, at, prefer }));
            }
            Err(rule) => refused(op.kind(), rule),
        };
        let interps = || (0..self.bounds.interps).map(InterpId);
        let tstates = || (0..self.bounds.tstates).map(TstateId);
        for kind in &self.ops {
            match kind {
                OpKind::NewInterpreterFromConfig => {
                    if interps().all(|i| r.interp_listed(i)) {
                        continue;
                    }
                    for at in self.slots(r) {
                        for config in &self.configs {
                            for fault in self.faults_of(config) {
                                offer(Op::NewInterpreterFromConfig { config: *config, fault }, Some(at));
                            }
                        }
                    }
                }
                OpKind::EndInterpreter => tstates().for_each(|t| offer(Op::EndInterpreter(t), None)),
                OpKind::ThreadStateNew => {
                    for at in self.slots(r) {
                        interps().for_each(|i| offer(Op::ThreadStateNew(i), Some(at)));
                    }
                }
                OpKind::ThreadStateBind => tstates().for_each(|t| offer(Op::ThreadStateBind(t), None)),
                OpKind::ThreadStateSwap => {
                    offer(Op::ThreadStateSwap(None), None);
                    tstates().for_each(|t| offer(Op::ThreadStateSwap(Some(t)), None));
                }
                OpKind::ThreadStateClear => tstates().for_each(|t| offer(Op::ThreadStateClear(t), None)),
                OpKind::ThreadStateDelete => tstates().for_each(|t| offer(Op::ThreadStateDelete(t), None)),
                OpKind::SaveThread => offer(Op::SaveThread, None),
                OpKind::RestoreThread => tstates().for_each(|t| offer(Op::RestoreThread(t), None)),
                OpKind::EvalBreakerPoll => offer(Op::EvalBreakerPoll, None),
                OpKind::NewInterpreter => {
                    if interps().all(|i| r.interp_listed(i)) {
                        continue;
                    }
                    for at in self.slots(r) {
                        self.faults.iter().for_each(|f| offer(Op::NewInterpreter { fault: *f }, Some(at)));
                    }
                }
                OpKind::ThreadStateDeleteCurrent => offer(Op::ThreadStateDeleteCurrent, None),
                OpKind::AcquireThread => tstates().for_each(|t| offer(Op::AcquireThread(t), None)),
                OpKind::ReleaseThread => tstates().for_each(|t| offer(Op::ReleaseThread(t), None)),
                OpKind::GilStateEnsure => interps().for_each(|interp| self.ensure(r, h, interp, &mut offer)),
                OpKind::GilStateRelease => [GilState::Locked, GilState::Unlocked]
                    .into_iter()
                    .for_each(|state| offer(Op::GilStateRelease(state), None)),
                OpKind::GilStateCheck => offer(Op::GilStateCheck, None),
                OpKind::AddPendingCall if r.threads.iter().any(|x| x.ran.len() > self.ran as usize) => {}
                OpKind::AddPendingCall => {
                    for call in &self.pending {
                        let rings = std::iter::once(None).chain(interps().map(Some));
                        let short = |i: Option<InterpId>| i.map_or(r.pending_main, |i| r.interp(i).pending);
                        let rings = rings.filter(|i| short(*i).len() < self.queued as usize);
                        rings.for_each(|interp| offer(Op::AddPendingCall { interp, call: *call }, None));
                    }
                }
                OpKind::MakePendingCalls => offer(Op::MakePendingCalls, None),
                OpKind::Initialize if r.initialized() => {}
                OpKind::Initialize => {
                    self.slots(r).into_iter().for_each(|at| offer(Op::Initialize, Some(at)));
                }
                OpKind::Finalize if !r.initialized() => {}
                OpKind::Finalize => offer(Op::Finalize, None),
                OpKind::StartThread => {
                    for at in self.slots(r) {
                        for (daemon, fails) in [(false, false), (true, false), (false, true)] {
                            offer(Op::StartThread { daemon, fails }, Some(at));
                        }
                    }
                }
                OpKind::RunThread => tstates().for_each(|t| offer(Op::RunThread(t), None)),
                OpKind::ThreadStateDeleteExcept => {
                    tstates().for_each(|t| offer(Op::ThreadStateDeleteExcept(t), None));
                }
                OpKind::InterpreterLookUpId => {
                    (0..=r.next_id).for_each(|id| offer(Op::InterpreterLookUpId(id), None));
                }
                OpKind::InterpreterRequireIdRef => {
                    let subs = interps().filter(|i| r.interp_listed(*i) && !r.interp(*i).requires_idref);
                    subs.for_each(|interp| {
                        offer(Op::InterpreterRequireIdRef { interp, required: true }, None);
                    });
                }
                OpKind::InterpreterIdIncref => {
                    let few = interps().filter(|i| r.interp(*i).id_refs < self.references);
                    few.for_each(|i| offer(Op::InterpreterIdIncref(i), None));
                }
                OpKind::InterpreterIdDecref => {
                    interps().for_each(|i| offer(Op::InterpreterIdDecref(i), None));
                }
                OpKind::SetRunningMain => offer(Op::SetRunningMain, None),
                OpKind::SetNotRunningMain => offer(Op::SetNotRunningMain, None),
                OpKind::DestroyInterpreter => interps().for_each(|i| offer(Op::DestroyInterpreter(i), None)),
                OpKind::Fork => offer(Op::Fork, None),
                OpKind::Exec => offer(Op::Exec, None),
                memory_kinds!() => self.memory_calls(r, *kind, |op| offer(op, None)),
            }
        }
    }

    /// An Ensure that finds a thread state, or makes one in each slot that there is, or cannot.
    fn ensure(
        &self,
        r: &Runtime,
        h: ThreadId,
        interp: InterpId,
        offer: &mut impl FnMut(Op, Option<TstateId>),
    ) {
        let op = |fails| Op::GilStateEnsure { interp, fails };
        match r.thread(h).gilstate {
            Some(t) if r.tstate(t).ensures.depth >= self.ensures => {}
            Some(_) => offer(op(false), None),
            None => {
                self.slots(r).into_iter().for_each(|at| offer(op(false), Some(at)));
                offer(op(true), None);
            }
        }
    }

    /// The slots that a new thread state may get: the first free one that nothing names,
    /// and, for the reuse of an address, every free one that something names.
    fn slots(&self, r: &Runtime) -> Vec<TstateId> {
        let free: Vec<TstateId> = (0..self.bounds.tstates).map(TstateId).filter(|t| !r.listed(*t)).collect();
        let unnamed = free.iter().find(|t| !r.named(**t)).copied();
        let named = free.iter().filter(|t| r.named(**t)).copied().filter(|_| self.reuse || unnamed.is_none());
        unnamed.into_iter().chain(named).collect()
    }

    /// A fault matters only to a creation that reaches it.
    fn faults_of(&self, config: &InterpreterConfig) -> impl Iterator<Item = Option<Fault>> {
        let good = config.gil <= 2 && (config.use_main_obmalloc || config.check_multi_interp_extensions);
        let first = |f: &Option<Fault>| matches!(f, None | Some(Fault::InterpAlloc | Fault::TstateAlloc));
        self.faults.iter().copied().filter(move |f| good || first(f))
    }

    /// Is the state inside the scope? (A run that was not made by it may leave it.)
    pub fn contains(&self, r: &Runtime) -> bool {
        r.interps[self.bounds.interps as usize..].iter().all(|i| i.phase != Some(Phase::Live))
            && r.tstates[self.bounds.tstates as usize..].iter().all(|t| t.status.is_empty())
            && r.threads[self.bounds.threads as usize..].iter().all(|t| t.idle())
    }
}

/// Has this thread nothing of its own? Then it is as good as any other that has nothing.
fn is_blank(r: &Runtime, h: ThreadId) -> bool {
    *r.thread(h) == Thread::FRESH
        && r.tstates.iter().all(|x| x.thread != Some(h))
        && r.gils.iter().all(|g| g.holder != Some(h))
}

/// Which wake-up preferences make a difference: every waiter, where two wait for one
/// signal; otherwise one will do.
struct Preferences {
    waiters: [bool; THREADS],
    next: usize,
    any: bool,
}

impl Preferences {
    fn of(r: &Runtime) -> Preferences {
        let condition = |k: usize| match r.threads[k].top() {
            Label::TakeWait { gil, signalled: false, .. } => Some((false, gil)),
            Label::DropWait { gil, signalled: false, .. } => Some((true, gil)),
            _ => None,
        };
        let waiters = std::array::from_fn(|k| {
            let here = condition(k);
            here.is_some() && (0..THREADS).any(|o| o != k && condition(o) == here)
        });
        Preferences { waiters, next: 0, any: false }
    }
}

impl Iterator for Preferences {
    type Item = ThreadId;

    fn next(&mut self) -> Option<ThreadId> {
        while self.next < THREADS {
            self.next += 1;
            if self.waiters[self.next - 1] {
                self.any = true;
                return Some(ThreadId(self.next as u8 - 1));
            }
        }
        if self.any {
            return None;
        }
        self.any = true;
        Some(ThreadId(0))
    }
}
