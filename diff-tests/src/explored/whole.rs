//! Random programs over the whole raw face under shuttle, without the validator.
//!
//! The validator follows the calls of the engine only. Here three threads also ensure and
//! release, add and run pending calls, start threads, end interpreters from outside, and
//! finalize and initialize the runtime. What each schedule must leave is accounted for:
//! every call that was added was run once, by a thread that may run it and inside no other, or is
//! still in a ring; nothing is busy, in use, taken or asked for; no thread state is left
//! without its interpreter, and no gilstate slot names what is gone.

use super::{Failure, message};
use crate::free_running::THREADS;
use cloister_shuttled::faults::Seeded;
use cloister_shuttled::{
    CallError, CreateError, EnsureError, GateError, Interp, NotAdded, PendingFailed, Runtime, Settings,
    Snapshot, Thread, Tstate, explored,
};
use cloister_specs::{GilState, InterpreterConfig};
use fastrand::Rng;
use shuttle::sync::Barrier;
use shuttle::thread::{self, JoinHandle};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A ring is full soon.
const CAPACITY: usize = 3;
/// Interpreters beside the main one, as far as the threads can tell.
const SUBS: usize = 2;
/// Calls that a started thread makes.
const STARTED_CALLS: u32 = 3;
/// How many threads are started at most.
const STARTS: usize = 3;

/// What happened in schedules that the validator did not follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Schedules.
    pub runs: u64,
    /// Calls that did what they are for.
    pub done: u64,
    /// Calls that were refused or denied.
    pub refused: u64,
    /// Calls that were answered *finalized*.
    pub cut_off: u64,
    /// Ensures.
    pub ensured: u64,
    /// Pending calls that were added.
    pub added: u64,
    /// Those that were run.
    pub ran: u64,
    /// Threads that were started.
    pub started: u64,
    /// Interpreters that were ended from outside.
    pub outside: u64,
    /// Times that the runtime was finalized.
    pub finalized: u64,
}

impl Accounts {
    /// Both together.
    pub fn merge(&mut self, other: &Accounts) {
        self.runs += other.runs;
        self.done += other.done;
        self.refused += other.refused;
        self.cut_off += other.cut_off;
        self.ensured += other.ensured;
        self.added += other.added;
        self.ran += other.ran;
        self.started += other.started;
        self.outside += other.outside;
        self.finalized += other.finalized;
    }
}

/// What the threads of a schedule share. No lock is held over a call.
struct World {
    known: Mutex<Known>,
    barrier: Barrier,
}

#[derive(Default)]
struct Known {
    accounts: Accounts,
    interps: Vec<Interp>,
    tstates: Vec<Tstate>,
    threads: Vec<JoinHandle<()>>,
    /// Pending calls by number: added, or run.
    added: Vec<u32>,
    ran: Vec<u32>,
    next: u32,
    /// Interpreters in which a pending call is being run.
    running: Vec<Interp>,
    wrong: Option<String>,
}

impl World {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrong(&self, why: String) {
        self.known().wrong.get_or_insert(why);
    }
}

/// One schedule of the program with this seed.
pub(super) fn run(seed: u64, calls: u32, seeded: Option<Seeded>) -> Result<Accounts, Failure> {
    let settings = Settings::default().with_pending_capacity(CAPACITY);
    let (runtime, first) = Runtime::start(settings).map_err(|e| Failure::NotSetUp(e.to_string()))?;
    runtime.seed(seeded);
    let known = Known { interps: runtime.main().into_iter().collect(), ..Known::default() };
    let world = Arc::new(World { known: Mutex::new(known), barrier: Barrier::new(THREADS) });
    let mut rng = Rng::with_seed(seed);
    let [own, others @ ..]: [Rng; THREADS] = std::array::from_fn(|_| rng.fork());
    let others = others.map(|rng| {
        let (runtime, world) = (runtime.clone(), Arc::clone(&world));
        thread::spawn(move || {
            let attached = runtime.attach();
            if let Ok(thread) = &attached {
                Worker::new(&world, thread, rng).play(calls);
            }
            world.barrier.wait();
            world.barrier.wait();
            attached.is_ok()
        })
    });
    let mut worker = Worker::new(&world, &first, own);
    worker.own.extend(first.current());
    worker.play(calls);
    world.barrier.wait();
    loop {
        let started = std::mem::take(&mut world.known().threads);
        if started.is_empty() {
            break;
        }
        for other in started {
            other.join().map_err(|panic| Failure::Stuck(message(&*panic)))?;
        }
    }
    let held = runtime.snapshot();
    world.barrier.wait();
    for other in others {
        let attached = other.join().map_err(|panic| Failure::Stuck(message(&*panic)))?;
        if !attached {
            return Err(Failure::NotSetUp("a thread could not be attached".into()));
        }
    }
    let known = world.known();
    let judged = known.wrong.clone().map_or(Ok(()), Err).and_then(|()| judge(&held, &known));
    judged.map_err(Failure::Wrong)?;
    Ok(Accounts { runs: 1, added: known.added.len() as u64, ran: known.ran.len() as u64, ..known.accounts })
}

/// What has to hold when all threads are at rest.
fn judge(held: &Snapshot, known: &Known) -> Result<(), String> {
    let mut ran = known.ran.clone();
    ran.sort_unstable();
    if let Some(pair) = ran.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the pending call {} was run twice", pair[0]));
    }
    let rings = || held.interps.iter().map(|interp| interp.ring).chain([held.main_ring]);
    let left: usize = rings().map(|ring| ring.calls).sum();
    if ran.len() + left != known.added.len() {
        return Err(format!("{} calls were added, {} run, and {left} left", known.added.len(), ran.len()));
    }
    if let Some(ring) = rings().find(|ring| ring.calls > 0 && !ring.signalled) {
        return Err(format!("a ring with calls is not signalled: {ring:?}"));
    }
    for interp in &held.interps {
        let gil = interp.gil.is_some_and(|gil| gil.locked || gil.drop_request);
        if interp.busy || gil {
            return Err(format!("an interpreter is not at rest: {interp:?}"));
        }
        let running = |serial| held.tstates.iter().any(|t| t.tstate.serial() == serial);
        if interp.running.is_some_and(|serial| !running(serial)) {
            return Err(format!("nobody is there that runs {interp:?}"));
        }
    }
    for tstate in &held.tstates {
        if tstate.in_use || !held.interps.iter().any(|interp| interp.interp.serial() == tstate.interp) {
            return Err(format!("a thread state is in use, or without its interpreter: {tstate:?}"));
        }
    }
    let named = |thread: &cloister_shuttled::ThreadInfo| {
        let own = |t: &cloister_shuttled::TstateInfo| {
            Some(t.tstate.serial()) == thread.gilstate && t.thread == Some(thread.thread)
        };
        thread.gilstate.is_none() || held.tstates.iter().any(own)
    };
    match held.threads.iter().find(|thread| !named(thread)) {
        Some(thread) => Err(format!("a gilstate slot names what is not there: {thread:?}")),
        None => Ok(()),
    }
}

/// How a call ended.
enum End {
    Done,
    Refused,
    CutOff,
}

fn called<T>(result: &Result<T, CallError>) -> End {
    match result {
        Ok(_) => End::Done,
        Err(CallError::Refused(_)) => End::Refused,
        Err(CallError::Finalized) => End::CutOff,
    }
}

fn gated<T>(result: &Result<T, GateError>) -> End {
    match result {
        Ok(_) => End::Done,
        Err(GateError::Refused(_) | GateError::Denied(_)) => End::Refused,
        Err(GateError::Finalized) => End::CutOff,
    }
}

fn plain<T, E>(result: &Result<T, E>) -> End {
    if result.is_ok() { End::Done } else { End::Refused }
}

/// A thread that makes random calls.
struct Worker<'a> {
    world: &'a Arc<World>,
    thread: &'a Thread,
    rng: Rng,
    /// The thread states that it bound, of which some may be gone.
    own: Vec<Tstate>,
    /// What its Ensures answered.
    ensures: Vec<GilState>,
}

impl<'a> Worker<'a> {
    fn new(world: &'a Arc<World>, thread: &'a Thread, rng: Rng) -> Self {
        Worker { world, thread, rng, own: Vec::new(), ensures: Vec::new() }
    }

    /// Makes so many calls, and leaves nothing current.
    fn play(&mut self, calls: u32) {
        explored::expire_waits(self.rng.u64(..));
        for _ in 0..calls {
            let end = self.call();
            let cut_off = matches!(end, End::CutOff);
            let mut known = self.world.known();
            match end {
                End::Done => known.accounts.done += 1,
                End::Refused => known.accounts.refused += 1,
                End::CutOff => known.accounts.cut_off += 1,
            }
            drop(known);
            if cut_off && self.thread.current().is_some() {
                self.world.wrong("a call was answered finalized, and something is current".into());
            }
        }
        if self.thread.current().is_some() {
            let _ = self.thread.save_thread();
        }
    }

    fn interp(&mut self) -> Interp {
        let interps = self.world.known().interps.clone();
        let main = self.thread.runtime().main();
        self.rng.choice(interps).or(main).unwrap_or_else(Interp::null)
    }

    fn own(&mut self) -> Option<Tstate> {
        let own = self.own.clone();
        self.rng.choice(own)
    }

    fn call(&mut self) -> End {
        let thread = self.thread;
        match self.rng.u8(0..34) {
            0..4 => self.enter(),
            4 | 5 => plain(&thread.save_thread()),
            6..9 => called(&thread.eval_breaker_poll()),
            9 | 10 => self.ensure(),
            11 => self.release(),
            12..15 => self.add(),
            15 | 16 => plain(&thread.make_pending_calls()),
            17 => match thread.current() {
                Some(tstate) if self.rng.bool() => plain(&thread.release_thread(tstate)),
                _ => plain(&thread.thread_state_delete_current()),
            },
            18 | 19 => self.new_tstate(),
            20..22 => self.create(),
            22 => self.end(),
            23 | 24 => self.start(),
            25 => match thread.current() {
                Some(tstate) => plain(&thread.thread_state_delete_except(tstate)),
                None => End::Refused,
            },
            26..29 => self.refer(),
            29 => self.run_main(),
            30 => {
                let interp = self.interp();
                let result = thread.destroy_interpreter(interp);
                self.ended_outside(gated(&result))
            }
            31 => self.clear_or_delete(),
            _ => self.finalize(),
        }
    }

    fn enter(&mut self) -> End {
        let Some(tstate) = self.own() else { return self.new_tstate() };
        match self.rng.u8(0..3) {
            0 => called(&self.thread.restore_thread(tstate)),
            1 => called(&self.thread.acquire_thread(tstate)),
            _ => called(&self.thread.thread_state_swap(Some(tstate))),
        }
    }

    fn ensure(&mut self) -> End {
        let interp = self.interp();
        match self.thread.gilstate_ensure(interp) {
            Ok(state) => {
                self.ensures.push(state);
                self.world.known().accounts.ensured += 1;
                End::Done
            }
            Err(EnsureError::Finalized) => End::CutOff,
            Err(EnsureError::Refused(_) | EnsureError::NoMemory) => End::Refused,
        }
    }

    fn release(&mut self) -> End {
        let state = self.ensures.last().copied().unwrap_or(GilState::Unlocked);
        let end = plain(&self.thread.gilstate_release(state));
        if matches!(end, End::Done) {
            self.ensures.pop();
        }
        end
    }

    /// Adds a pending call that may let go of the GIL, add another one, or fail.
    fn add(&mut self) -> End {
        let interp = if self.rng.bool() { None } else { Some(self.interp()) };
        add(self.world, self.thread, interp, self.rng.u8(..))
    }

    fn new_tstate(&mut self) -> End {
        let interp = self.interp();
        let Ok(Some(tstate)) = self.thread.thread_state_new(interp) else { return End::Refused };
        if self.thread.thread_state_bind(tstate).is_ok() {
            self.own.push(tstate);
        }
        self.world.known().tstates.push(tstate);
        End::Done
    }

    fn create(&mut self) -> End {
        if self.world.known().interps.len() > SUBS {
            return End::Refused;
        }
        let config = if self.rng.bool() { InterpreterConfig::ISOLATED } else { InterpreterConfig::LEGACY };
        let made = match self.rng.u8(0..3) {
            0 => self.thread.new_interpreter().map_err(|error| matches!(error, CallError::Finalized)),
            _ => {
                let made = self.thread.new_interpreter_from_config(&config).map(Some);
                made.map_err(|error| matches!(error, CreateError::Finalized))
            }
        };
        match made {
            Ok(Some((interp, tstate))) => {
                self.own.push(tstate);
                let mut known = self.world.known();
                known.interps.push(interp);
                known.tstates.push(tstate);
                End::Done
            }
            Err(true) => End::CutOff,
            Ok(None) | Err(false) => End::Refused,
        }
    }

    fn forget(&self) {
        // To look is a place for others to come in, and no lock is held there.
        let mut gone = self.world.known().interps.clone();
        gone.retain(|interp| interp.id().is_none());
        self.world.known().interps.retain(|interp| !gone.contains(interp));
    }

    fn end(&mut self) -> End {
        let Some(tstate) = self.thread.current() else { return End::Refused };
        let end = called(&self.thread.end_interpreter(tstate));
        self.forget();
        end
    }

    fn ended_outside(&mut self, end: End) -> End {
        if matches!(end, End::Done) {
            self.world.known().accounts.outside += 1;
        }
        self.forget();
        end
    }

    /// References to the id of an interpreter.
    fn refer(&mut self) -> End {
        let interp = self.interp();
        let Some(id) = interp.id() else { return End::Refused };
        let Ok(interp) = self.thread.interpreter_look_up_id(id) else { return End::Refused };
        let main = self.thread.runtime().main() == Some(interp);
        match self.rng.u8(0..4) {
            0 => plain(&self.thread.interpreter_require_idref(interp, !main)),
            1 => plain(&self.thread.interpreter_id_incref(interp)),
            _ => {
                let end = called(&self.thread.interpreter_id_decref(interp));
                if interp.id().is_none() { self.ended_outside(end) } else { end }
            }
        }
    }

    fn run_main(&mut self) -> End {
        if self.rng.bool() {
            gated(&self.thread.set_running_main())
        } else {
            plain(&self.thread.set_not_running_main())
        }
    }

    /// A thread state of anybody, but of no thread that was started: an end may wait for that.
    fn clear_or_delete(&mut self) -> End {
        let tstates = self.world.known().tstates.clone();
        let Some(tstate) = self.rng.choice(tstates) else { return End::Refused };
        let _ = self.thread.thread_state_clear(tstate);
        plain(&self.thread.thread_state_delete(tstate))
    }

    /// Starts a thread that works for a while.
    fn start(&mut self) -> End {
        if self.world.known().accounts.started >= STARTS as u64 {
            return End::Refused;
        }
        let (rng, world, runtime) = (self.rng.fork(), Arc::clone(self.world), self.thread.runtime().clone());
        let spawn = |tstate| {
            let handle = thread::spawn(move || started(&world, &runtime, tstate, rng));
            self.world.known().threads.push(handle);
            Ok::<(), ()>(())
        };
        let daemon = self.rng.u8(0..4) == 0;
        let end = gated(&self.thread.start_thread(daemon, spawn));
        if matches!(end, End::Done) {
            self.world.known().accounts.started += 1;
        }
        end
    }

    /// Ends what is left of the runtime, and begins again.
    fn finalize(&mut self) -> End {
        if !self.thread.runtime().is_initialized() {
            let end = plain(&self.thread.initialize());
            let main = self.thread.runtime().main();
            self.world.known().interps.extend(main);
            self.own.extend(self.thread.current());
            return end;
        }
        let before = self.thread.current();
        let end = called(&self.thread.finalize());
        self.forget();
        if matches!(end, End::Done) && before.is_some() && self.thread.current().is_none() {
            self.world.known().accounts.finalized += 1;
        }
        end
    }
}

/// What a started thread does: it runs its thread state, works, and deletes it.
fn started(world: &Arc<World>, runtime: &Runtime, tstate: Tstate, rng: Rng) {
    let Ok(thread) = runtime.attach() else { return world.wrong("a thread could not be attached".into()) };
    if thread.run_thread(tstate).is_err() {
        return;
    }
    let mut worker = Worker::new(world, &thread, rng);
    for _ in 0..STARTED_CALLS {
        let _ = match worker.rng.u8(0..4) {
            0 => called(&thread.eval_breaker_poll()),
            1 => worker.add(),
            2 => plain(&thread.make_pending_calls()),
            _ => match thread.save_thread() {
                Ok(saved) => called(&thread.restore_thread(saved)),
                Err(_) => End::Refused,
            },
        };
    }
    if thread.current() == Some(tstate) || thread.thread_state_swap(Some(tstate)).is_ok() {
        let _ = thread.thread_state_delete_current();
    }
}

fn add(world: &Arc<World>, thread: &Thread, interp: Option<Interp>, kind: u8) -> End {
    let number = {
        let mut known = world.known();
        known.next += 1;
        known.next
    };
    let inside = Arc::clone(world);
    let call = move |thread: &Thread| inside.run_call(thread, interp, number, kind);
    match thread.add_pending_call(interp, Box::new(call)) {
        Ok(()) => {
            world.known().added.push(number);
            End::Done
        }
        Err(NotAdded::Refused(_) | NotAdded::Full(_)) => End::Refused,
    }
}

impl World {
    /// What a pending call does, by its kind.
    fn run_call(
        self: &Arc<Self>,
        thread: &Thread,
        interp: Option<Interp>,
        number: u32,
        kind: u8,
    ) -> Result<(), PendingFailed> {
        let main = thread.runtime().main();
        let Some(here) = interp.or(main) else {
            self.wrong(format!("the pending call {number} was run without an interpreter"));
            return Err(PendingFailed);
        };
        let mut known = self.known();
        known.ran.push(number);
        let inside = known.running.contains(&here);
        known.running.push(here);
        drop(known);
        if inside || (interp.is_none() && !thread.is_main_thread()) {
            self.wrong(format!("the pending call {number} was run inside another, or in the wrong thread"));
        }
        let result = self.work(thread, interp, kind);
        let mut known = self.known();
        let place = known.running.iter().position(|running| *running == here);
        place.map(|place| known.running.swap_remove(place));
        result
    }

    fn work(
        self: &Arc<Self>,
        thread: &Thread,
        interp: Option<Interp>,
        kind: u8,
    ) -> Result<(), PendingFailed> {
        match kind % 5 {
            0 | 1 => {
                let tstate = thread.save_thread().map_err(|_| PendingFailed)?;
                thread.restore_thread(tstate).map_err(|_| PendingFailed)
            }
            2 => {
                add(self, thread, interp, 4);
                thread.make_pending_calls().map(|_| ()).map_err(|_| PendingFailed)
            }
            3 => Err(PendingFailed),
            _ => Ok(()),
        }
    }
}
