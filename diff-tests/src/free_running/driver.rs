//! Three OS threads that make random calls, and leave a recording.
//!
//! A thread chooses among the calls that make sense as far as it can tell: others run
//! meanwhile, so some of them are refused. One choice in so many is *wild*: any call, on
//! anything that is or was there. What may be made is *budgeted*, so that the model has a
//! slot for it. Between calls a thread *works*: it keeps the GIL for longer than the
//! switch interval, and polls.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use cloister_model::{INTERPS, TSTATES};
use cloister_specs::{Fault, InterpreterConfig, OpKind};
use cloister_traced::faults::Seeded;
use cloister_traced::{Interp, Runtime, Serial, Settings, Thread, Tstate};
use fastrand::Rng;

use super::recording::{RecordError, Recording, Rest, THREADS};

/// What is to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What the threads try depends on it.
    pub seed: u64,
    /// Calls by each thread.
    pub calls: u32,
    /// A fault that is switched on.
    pub seeded: Option<Seeded>,
    /// How long a thread waits for a GIL before it asks.
    pub switch_interval: Duration,
}

impl Plan {
    /// A short run with a short switch interval and no fault.
    pub const fn new(seed: u64) -> Self {
        Plan { seed, calls: 30, seeded: None, switch_interval: Duration::from_micros(20) }
    }
}

/// How often each kind of call is tried, in the order of `OpKind::ALL`.
const WEIGHTS: [u32; OpKind::ALL.len()] = [8, 6, 9, 14, 14, 4, 6, 10, 16, 8];
/// One choice in so many is wild.
const WILD: u32 = 6;
/// How often a thread chooses again before it makes no call at all.
const TRIES: u32 = 8;
/// One call in so many is followed by work.
const WORK: u32 = 3;
/// The most polls in one piece of work, and the looks at nothing between two.
const POLLS: u32 = 20;
const SPINS: u32 = 400;
/// How long a thread that has made its calls sleeps between two polls.
const REST: Duration = Duration::from_micros(100);
/// How many dead thread states and interpreters are remembered for wild calls.
const STALE: usize = 3;

/// A thread state that the threads know of. What it says may be out of date.
#[derive(Clone, Copy)]
struct Known {
    tstate: Tstate,
    interp: Interp,
    bound: Option<usize>,
    cleared: bool,
}

#[derive(Default)]
struct Registry {
    tstates: Vec<Known>,
    interps: Vec<Interp>,
    dead_tstates: Vec<Tstate>,
    dead_interps: Vec<Interp>,
}

/// What the threads share.
struct Shared {
    registry: Mutex<Registry>,
    /// How many may still be made.
    interps: AtomicU8,
    tstates: AtomicU8,
    gate: Barrier,
    /// How many threads have made all their calls.
    finished: AtomicUsize,
    /// How many of them are inside a poll.
    polling: AtomicUsize,
    calls: u32,
}

/// What a thread leaves.
struct Left {
    serial: Serial,
    current: Option<Serial>,
    faults: Vec<Option<Fault>>,
}

/// Records what three OS threads do.
///
/// # Errors
///
/// A thread could not be attached, or panicked.
pub fn record(plan: &Plan) -> Result<Recording, RecordError> {
    thread::scope(|scope| scope.spawn(|| first_thread(plan)).join().map_err(|_| RecordError::Panicked)?)
}

fn first_thread(plan: &Plan) -> Result<Recording, RecordError> {
    let settings = Settings::default().with_switch_interval(plan.switch_interval);
    let (runtime, first) = Runtime::start(settings)?;
    let main = runtime.main().ok_or(RecordError::NoMain)?;
    let tstate = first.current().ok_or(RecordError::NoMain)?;
    runtime.seed(plan.seeded);
    runtime.trace(true);
    let shared = Shared::new(plan.calls, main, tstate);
    let mut rng = Rng::with_seed(plan.seed);
    let rngs: [Rng; THREADS] = std::array::from_fn(|_| rng.fork());
    let (runtime, shared) = (&runtime, &shared);
    thread::scope(|scope| {
        let [rng, others @ ..] = rngs;
        let others = (1..).zip(others).map(|(me, rng)| {
            scope.spawn(move || {
                let attached = runtime.attach();
                let left = attached.as_ref().map(|thread| run(shared, thread, me, rng));
                if left.is_err() {
                    shared.absent();
                }
                shared.gate.wait();
                left.map_err(|error| RecordError::Attach(*error))
            })
        });
        let others: Vec<_> = others.collect();
        let mut lefts = vec![run(shared, &first, 0, rng)];
        let snapshot = runtime.snapshot();
        runtime.trace(false);
        let events = runtime.drain();
        shared.gate.wait();
        for other in others {
            lefts.push(other.join().map_err(|_| RecordError::Panicked)??);
        }
        let [a, b, c] = <[Left; THREADS]>::try_from(lefts).map_err(|_| RecordError::Panicked)?;
        Ok(Recording {
            threads: [a.serial, b.serial, c.serial],
            main: main.serial(),
            first: tstate.serial(),
            events,
            rest: Rest { snapshot, current: [a.current, b.current, c.current] },
            faults: [a.faults, b.faults, c.faults],
        })
    })
}

/// What one thread does, until all are at rest.
fn run(shared: &Shared, thread: &Thread, me: usize, rng: Rng) -> Left {
    let mut worker = Worker { shared, thread, me, rng, faults: Vec::new() };
    shared.gate.wait();
    for _ in 0..shared.calls {
        worker.call();
        if worker.rng.u32(0..WORK) == 0 {
            worker.work();
        }
    }
    shared.rest(thread);
    shared.gate.wait();
    let current = thread.current().map(|t| t.serial());
    Left { serial: thread.serial(), current, faults: worker.faults }
}

impl Shared {
    fn new(calls: u32, main: Interp, first: Tstate) -> Self {
        let known = Known { tstate: first, interp: main, bound: Some(0), cleared: false };
        let registry = Registry { tstates: vec![known], interps: vec![main], ..Registry::default() };
        Shared {
            registry: Mutex::new(registry),
            interps: AtomicU8::new(INTERPS as u8 - 1),
            tstates: AtomicU8::new(TSTATES as u8 - 1),
            gate: Barrier::new(THREADS),
            finished: AtomicUsize::new(0),
            polling: AtomicUsize::new(0),
            calls,
        }
    }

    /// This thread has made its calls: it polls until all have, so that whoever waits for
    /// its GIL gets it. In the end it keeps it only if nobody can be waiting.
    fn rest(&self, thread: &Thread) {
        self.finished.fetch_add(1, SeqCst);
        while self.finished.load(SeqCst) < THREADS {
            self.polling.fetch_add(1, SeqCst);
            let _ = thread.eval_breaker_poll();
            self.polling.fetch_sub(1, SeqCst);
            thread::sleep(REST);
        }
        if self.polling.load(SeqCst) > 0 && thread.current().is_some() {
            let _ = thread.save_thread();
        }
    }

    /// A thread that could not be attached passes the gates all the same.
    fn absent(&self) {
        self.gate.wait();
        self.finished.fetch_add(1, SeqCst);
        self.gate.wait();
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reserve(budget: &AtomicU8) -> bool {
    budget.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn release(budget: &AtomicU8) {
    budget.fetch_add(1, SeqCst);
}

impl Registry {
    fn interp_of(&self, tstate: Tstate) -> Option<Interp> {
        self.tstates.iter().find(|k| k.tstate == tstate).map(|k| k.interp)
    }

    fn change(&mut self, tstate: Tstate, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.tstates.iter_mut().find(|k| k.tstate == tstate) {
            change(known);
        }
    }

    fn remove(&mut self, tstate: Tstate) {
        self.tstates.retain(|k| k.tstate != tstate);
        self.dead_tstates.insert(0, tstate);
        self.dead_tstates.truncate(STALE);
    }

    fn remove_interp(&mut self, interp: Interp) {
        self.interps.retain(|i| *i != interp);
        self.dead_interps.insert(0, interp);
        self.dead_interps.truncate(STALE);
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    thread: &'a Thread,
    me: usize,
    rng: Rng,
    /// Those of the creations so far.
    faults: Vec<Option<Fault>>,
}

impl Worker<'_> {
    /// Keeps the GIL for a while, and polls.
    fn work(&mut self) {
        for _ in 0..self.rng.u32(1..=POLLS) {
            (0..SPINS).for_each(|_| std::hint::spin_loop());
            if self.thread.eval_breaker_poll().is_err() {
                return thread::yield_now();
            }
        }
    }

    /// Makes a call, if there is one to make.
    fn call(&mut self) {
        let wild = self.rng.u32(0..WILD) == 0;
        for _ in 0..TRIES {
            let kind = self.kind();
            let made = match kind {
                OpKind::NewInterpreterFromConfig => self.create(),
                OpKind::ThreadStateNew => self.new_tstate(wild),
                OpKind::SaveThread if wild || self.thread.current().is_some() => {
                    let _ = self.thread.save_thread();
                    true
                }
                OpKind::SaveThread => false,
                OpKind::EvalBreakerPoll => self.thread.eval_breaker_poll().is_ok(),
                OpKind::ThreadStateSwap if self.rng.u8(0..3) == 0 => {
                    let _ = self.thread.thread_state_swap(None);
                    true
                }
                OpKind::EndInterpreter
                | OpKind::ThreadStateBind
                | OpKind::ThreadStateSwap
                | OpKind::ThreadStateClear
                | OpKind::ThreadStateDelete
                | OpKind::RestoreThread => match self.tstate(kind, wild) {
                    Some(tstate) => {
                        self.use_tstate(kind, tstate);
                        true
                    }
                    None => false,
                },
            };
            if made {
                return;
            }
        }
    }

    fn kind(&mut self) -> OpKind {
        let mut left = self.rng.u32(0..WEIGHTS.iter().sum());
        for (kind, weight) in OpKind::ALL.into_iter().zip(WEIGHTS) {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return kind,
            }
        }
        OpKind::EvalBreakerPoll
    }

    /// A thread state with which such a call makes sense; if it is wild, any.
    fn tstate(&mut self, kind: OpKind, wild: bool) -> Option<Tstate> {
        let current = self.thread.current();
        let registry = self.shared.registry();
        let here = current.and_then(|t| registry.interp_of(t));
        let mine = |k: &Known| k.bound == Some(self.me) && !k.cleared;
        let sensible = |k: &Known| match kind {
            OpKind::EndInterpreter => Some(k.tstate) == current && k.interp != registry.interps[0],
            OpKind::ThreadStateBind => k.bound.is_none() && !k.cleared,
            OpKind::ThreadStateSwap => mine(k),
            OpKind::RestoreThread => mine(k) && current.is_none(),
            OpKind::ThreadStateClear => Some(k.interp) == here && Some(k.tstate) != current && !k.cleared,
            OpKind::ThreadStateDelete => k.cleared,
            OpKind::NewInterpreterFromConfig
            | OpKind::ThreadStateNew
            | OpKind::SaveThread
            | OpKind::EvalBreakerPoll => false,
        };
        let listed = registry.tstates.iter().filter(|k| wild || sensible(k)).map(|k| k.tstate);
        let dead = registry.dead_tstates.iter().copied().filter(|_| wild);
        let found: Vec<Tstate> = listed.chain(dead).collect();
        drop(registry);
        self.rng.choice(found)
    }

    fn use_tstate(&mut self, kind: OpKind, tstate: Tstate) {
        let (thread, me) = (self.thread, self.me);
        match kind {
            OpKind::EndInterpreter => {
                let interp = self.shared.registry().interp_of(tstate);
                if thread.end_interpreter(tstate).is_ok() {
                    let mut registry = self.shared.registry();
                    registry.remove(tstate);
                    interp.into_iter().for_each(|i| registry.remove_interp(i));
                    release(&self.shared.tstates);
                    release(&self.shared.interps);
                }
            }
            OpKind::ThreadStateBind => {
                if thread.thread_state_bind(tstate).is_ok() {
                    self.shared.registry().change(tstate, |k| k.bound = Some(me));
                }
            }
            OpKind::ThreadStateClear => {
                if thread.thread_state_clear(tstate).is_ok() {
                    self.shared.registry().change(tstate, |k| k.cleared = true);
                }
            }
            OpKind::ThreadStateDelete => {
                if thread.thread_state_delete(tstate).is_ok() {
                    self.shared.registry().remove(tstate);
                    release(&self.shared.tstates);
                }
            }
            OpKind::ThreadStateSwap => drop(thread.thread_state_swap(Some(tstate))),
            OpKind::RestoreThread => drop(thread.restore_thread(tstate)),
            OpKind::NewInterpreterFromConfig
            | OpKind::ThreadStateNew
            | OpKind::SaveThread
            | OpKind::EvalBreakerPoll => {}
        }
    }

    fn new_tstate(&mut self, wild: bool) -> bool {
        if !reserve(&self.shared.tstates) {
            return false;
        }
        let registry = self.shared.registry();
        let dead = registry.dead_interps.iter().copied().filter(|_| wild);
        let interps: Vec<Interp> = registry.interps.iter().copied().chain(dead).collect();
        drop(registry);
        let made = self.rng.choice(interps).map(|interp| (interp, self.thread.thread_state_new(interp)));
        match made {
            Some((interp, Ok(Some(tstate)))) => {
                let known = Known { tstate, interp, bound: None, cleared: false };
                self.shared.registry().tstates.push(known);
            }
            Some((_, Ok(None) | Err(_))) | None => release(&self.shared.tstates),
        }
        true
    }

    fn create(&mut self) -> bool {
        if !reserve(&self.shared.interps) {
            return false;
        }
        if !reserve(&self.shared.tstates) {
            release(&self.shared.interps);
            return false;
        }
        let config = self.config();
        let fails = self.rng.u8(0..4) == 0;
        let mut fault = if fails { self.rng.choice(Fault::ALL) } else { None };
        self.faults.push(fault);
        match self.thread.new_interpreter_with(&config, &mut fault) {
            Ok((interp, tstate)) => {
                let mut registry = self.shared.registry();
                registry.interps.push(interp);
                registry.tstates.push(Known { tstate, interp, bound: Some(self.me), cleared: false });
            }
            Err(_) => {
                release(&self.shared.tstates);
                release(&self.shared.interps);
            }
        }
        true
    }

    fn config(&mut self) -> InterpreterConfig {
        match self.rng.u8(0..8) {
            0..3 => InterpreterConfig::ISOLATED,
            3..6 => InterpreterConfig::LEGACY,
            _ => self
                .rng
                .choice(InterpreterConfig::all().collect::<Vec<_>>())
                .unwrap_or(InterpreterConfig::LEGACY),
        }
    }
}
