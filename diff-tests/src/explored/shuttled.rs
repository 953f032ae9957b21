//! Random programs under shuttle: random schedules.
//!
//! A *program* is what three threads try, by its seed: calls that make sense as far as they
//! can tell, and wild ones, with work and polls in between. Each program is taken through so
//! many uniform schedules, and as many of PCT (a thread goes on until it waits, or until one
//! of few random places). Programs and schedules follow from the seed alone.
//!
//! What happens is checked with the model; programs over the whole raw face ([`whole`]) are
//! accounted for as well.

use super::whole::{self, Accounts};
use super::{Failure, message};
use crate::free_running::worker::Worker;
use crate::free_running::world::World;
use crate::free_running::{Face as _, Left, Recording, Report, THREADS, validate};
use cloister_shuttled::faults::Seeded;
use cloister_shuttled::{Runtime, Settings, Thread, explored};
use fastrand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::sync::Barrier;
use shuttle::{Config, FailurePersistence, Runner, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Schedules of each kind that a program is taken through.
pub const SCHEDULES: u64 = 20;
/// PCT stops a thread that could go on at so many places, less one.
const DEPTH: usize = 4;

/// Which programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Face {
    /// Those of the calls of the engine.
    #[default]
    Engine,
    /// Those over the whole raw face, but for fork and exec; what is left must be accounted for.
    Whole,
}

/// What is to be explored.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// That of the first program; each next one has the next.
    pub seed: u64,
    /// How many schedules, in all.
    pub schedules: u64,
    /// Calls by each thread.
    pub calls: u32,
    /// A fault that is switched on.
    pub seeded: Option<Seeded>,
    /// Which programs.
    pub face: Face,
}

impl Plan {
    /// So many schedules of short programs, with no fault.
    pub const fn new(seed: u64, schedules: u64) -> Self {
        Plan { seed, schedules, calls: 12, seeded: None, face: Face::Engine }
    }

    /// The same over the whole raw face.
    pub const fn whole(mut self) -> Self {
        self.face = Face::Whole;
        self
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Programs.
    pub programs: u64,
    /// Uniform schedules.
    pub uniform: u64,
    /// Schedules of PCT.
    pub pct: u64,
    /// What happened in them, in all.
    pub happened: Report,
    /// What was accounted for in those over the whole raw face, in all.
    pub accounts: Accounts,
}

impl Tally {
    /// Both together.
    pub fn merge(&mut self, other: &Tally) {
        self.programs += other.programs;
        self.uniform += other.uniform;
        self.pct += other.pct;
        self.happened.merge(&other.happened);
        self.accounts.merge(&other.accounts);
    }

    /// All schedules.
    pub const fn schedules(&self) -> u64 {
        self.uniform + self.pct
    }
}

/// A schedule in which something was wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program with seed {seed}, in {}schedule {schedule}: {failure}", if *.pct { "PCT's " } else { "" })]
pub struct Found {
    /// That of its program: exploring from there finds it first of all.
    pub seed: u64,
    /// Is it a schedule of PCT?
    pub pct: bool,
    /// Which of its program's schedules of this kind, counted from 1.
    pub schedule: u64,
    /// What was wrong.
    pub failure: Failure,
}

/// Takes programs through schedules until there were enough or `stop` is set; the model must
/// accept what happens in each. Counts in `tally` what was accepted, and tells `progress` how
/// many more schedules there were.
///
/// # Errors
///
/// The first schedule in which it does not, or from which the threads cannot go on.
pub fn explore(
    plan: &Plan,
    tally: &mut Tally,
    stop: &Arc<AtomicBool>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Box<Found>> {
    while tally.schedules() < plan.schedules && !stop.load(SeqCst) {
        let seed = plan.seed.wrapping_add(tally.programs);
        tally.programs += 1;
        for pct in [false, true] {
            let wanted = SCHEDULES.min(plan.schedules - tally.schedules());
            if wanted == 0 {
                break;
            }
            let (happened, accounts, failure) =
                take_through(&Plan { seed, ..*plan }, scheduler(pct, seed, wanted as usize), stop);
            tally.happened.merge(&happened);
            tally.accounts.merge(&accounts);
            let runs = happened.runs;
            *(if pct { &mut tally.pct } else { &mut tally.uniform }) += runs;
            progress(runs);
            if let Some(failure) = failure {
                return Err(Box::new(Found { seed, pct, schedule: runs + 1, failure }));
            }
        }
    }
    Ok(())
}

fn scheduler(pct: bool, seed: u64, schedules: usize) -> Box<dyn Scheduler> {
    if pct {
        Box::new(PctScheduler::new_from_seed(seed, DEPTH, schedules))
    } else {
        Box::new(RandomScheduler::new_from_seed(seed, schedules))
    }
}

/// What happened so far to one program, and what was wrong.
type Results = (Report, Accounts, Option<Failure>);

/// Takes the program with this seed through the schedules of a scheduler.
fn take_through(plan: &Plan, scheduler: Box<dyn Scheduler>, stop: &Arc<AtomicBool>) -> Results {
    let mut config = Config::new();
    config.silence_warnings = true;
    config.failure_persistence = FailurePersistence::None;
    let results = Arc::new(Mutex::new(Results::default()));
    let until = Until { scheduler, stop: Arc::clone(stop), results: Arc::clone(&results) };
    let (plan, into) = (*plan, Arc::clone(&results));
    let run = catch_unwind(AssertUnwindSafe(|| {
        Runner::new(until, config).run(move || {
            let result = schedule(&plan);
            let (happened, accounts, failure) = &mut *lock(&into);
            match result {
                Ok((report, accounted)) => {
                    happened.merge(&report);
                    accounts.merge(&accounted);
                }
                Err(wrong) => *failure = Some(wrong),
            }
        })
    }));
    let (happened, accounts, failure) = lock(&results).clone();
    let stuck = || run.err().map(|panic| Failure::Stuck(message(&*panic)));
    (happened, accounts, failure.or_else(stuck))
}

/// One schedule.
fn schedule(plan: &Plan) -> Result<(Report, Accounts), Failure> {
    match plan.face {
        Face::Engine => {
            let recording = record(plan).map_err(Failure::NotSetUp)?;
            let report = validate(&recording).map_err(Failure::NotAccepted)?;
            Ok((report, Accounts::default()))
        }
        Face::Whole => whole::run(plan.seed, plan.calls, plan.seeded),
    }
}

/// A scheduler that ends when something was wrong, or when it is to stop.
struct Until {
    scheduler: Box<dyn Scheduler>,
    stop: Arc<AtomicBool>,
    results: Arc<Mutex<Results>>,
}

impl Scheduler for Until {
    fn new_execution(&mut self) -> Option<Schedule> {
        let over = self.stop.load(SeqCst) || lock(&self.results).2.is_some();
        if over { None } else { self.scheduler.new_execution() }
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        self.scheduler.next_task(runnable, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.scheduler.next_u64()
    }
}

/// What the threads of a schedule share.
struct Shared {
    world: World<Thread>,
    calls: u32,
    barrier: Barrier,
    /// How many threads have made all their calls and have no current thread state.
    finished: AtomicUsize,
}

fn record(plan: &Plan) -> Result<Recording, String> {
    let (runtime, first) = Runtime::start(Settings::default()).map_err(|e| e.to_string())?;
    let main = runtime.main().ok_or("there is no main interpreter")?;
    let tstate = first.current().ok_or("nothing is current")?;
    runtime.seed(plan.seeded);
    runtime.trace(true);
    let shared = Arc::new(Shared {
        world: World::new(main, tstate, 0),
        calls: plan.calls,
        barrier: Barrier::new(THREADS),
        finished: AtomicUsize::new(0),
    });
    let mut rng = Rng::with_seed(plan.seed);
    let [(_, rng), others @ ..]: [(usize, Rng); THREADS] = std::array::from_fn(|me| (me, rng.fork()));
    let others = others.map(|(me, rng)| {
        let (runtime, shared) = (runtime.clone(), Arc::clone(&shared));
        thread::spawn(move || {
            let attached = runtime.attach();
            let left = attached.as_ref().map(|thread| play(&shared, thread, me, rng));
            if left.is_err() {
                shared.barrier.wait();
            }
            shared.barrier.wait();
            left.map_err(ToString::to_string)
        })
    });
    let left = play(&shared, &first, 0, rng);
    let told = first.tell();
    shared.barrier.wait();
    let mut lefts = vec![left];
    for other in others {
        lefts.push(other.join().map_err(|panic| message(&*panic))??);
    }
    let lefts = <[Left; THREADS]>::try_from(lefts).map_err(|_| "a thread is missing")?;
    Ok(Recording::new(Thread::named_interp(main), Thread::named(tstate), lefts, told))
}

/// What one thread does, until all are at rest.
fn play(shared: &Shared, thread: &Thread, me: usize, mut rng: Rng) -> Left {
    explored::expire_waits(rng.u64(..));
    let mut worker = Worker::new(&shared.world, thread, me, rng);
    for _ in 0..shared.calls {
        worker.call();
        worker.work();
    }
    // The last one may keep its GIL: nobody can be waiting for it.
    if shared.finished.load(SeqCst) < THREADS - 1 && thread.current().is_some() {
        let _ = thread.save_thread();
    }
    shared.finished.fetch_add(1, SeqCst);
    shared.barrier.wait();
    worker.leave()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
