//! Random programs over the whole raw face under shuttle, but for fork and exec.
//!
//! Beside the calls of the engine three threads ensure and release, add and run pending calls,
//! start threads and run what was started, end interpreters from outside, and finalize and
//! initialize the runtime. The model must accept what happens in each schedule, and what the
//! schedule leaves is accounted for:
//! every call that was added was run once, by a thread that may run it and inside no other, or is
//! still in a ring; nothing is busy, in use, taken or asked for; no thread state is left
//! without its interpreter, and no gilstate slot names what is gone.
//!
//! Between the calls they use memory and count it: see [`memory`].
//!
//! The model bounds the programs. There are no more interpreters and thread states than it has
//! slots for, and a started thread state is run by one of the three threads, as it is there. In
//! the model a pending call that adds another one does so while it is taken out: where there are
//! such calls (in every second program) no ring is ever full.

mod accounts;
mod calls;
mod memory;
mod pending;
mod worker;
mod world;

pub use accounts::Accounts;

use self::accounts::judge;
use self::worker::Worker;
use self::world::World;
use super::{Failure, message};
use crate::free_running::{Face as _, Left, Recording, Report, THREADS, validate};
use cloister_shuttled::faults::Seeded;
use cloister_shuttled::{Runtime, Settings, Snapshot, Thread};
use cloister_specs::RING;
use fastrand::Rng;
use shuttle::scheduler::RandomScheduler;
use shuttle::{Runner, thread};
use std::sync::{Arc, Mutex, PoisonError};

/// One schedule of the program with this seed.
pub(super) fn run(seed: u64, calls: u32, seeded: Option<Seeded>) -> Result<(Report, Accounts), Failure> {
    let (recording, held, world) = record(seed, calls, seeded)?;
    let report = validate(&recording).map_err(Failure::NotAccepted)?;
    let known = world.known();
    let judged = known.wrong.clone().map_or(Ok(()), Err);
    judged.and_then(|()| judge(&held, known.added, &known.ran)).map_err(Failure::Wrong)?;
    let (added, ran) = (known.added as u64, known.ran.len() as u64);
    Ok((report, Accounts { runs: 1, added, ran, ..known.accounts }))
}

/// What a program with this seed does in so many uniform schedules.
///
/// # Errors
///
/// The threads could not be set up, or one panicked.
pub fn recordings(seed: u64, calls: u32, schedules: usize) -> Result<Vec<Recording>, Failure> {
    let all = Arc::new(Mutex::new(Ok(Vec::new())));
    let into = Arc::clone(&all);
    let scheduler = RandomScheduler::new_from_seed(seed, schedules);
    Runner::new(scheduler, shuttle::Config::new()).run(move || {
        let recorded = record(seed, calls, None);
        let mut all = into.lock().unwrap_or_else(PoisonError::into_inner);
        match (recorded, &mut *all) {
            (Ok((recording, ..)), Ok(recordings)) => recordings.push(recording),
            (Err(failure), all) => *all = Err(failure),
            (Ok(_), Err(_)) => {}
        }
    });
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *all, Ok(Vec::new()))
}

fn record(
    seed: u64,
    calls: u32,
    seeded: Option<Seeded>,
) -> Result<(Recording, Snapshot, Arc<World>), Failure> {
    let not_set_up = |why: &str| Failure::NotSetUp(why.into());
    let settings = Settings::default().with_pending_capacity(RING);
    let (runtime, first) = Runtime::start(settings).map_err(|e| Failure::NotSetUp(e.to_string()))?;
    let main = runtime.main().ok_or_else(|| not_set_up("there is no main interpreter"))?;
    let tstate = first.current().ok_or_else(|| not_set_up("nothing is current"))?;
    runtime.seed(seeded);
    runtime.trace(true);
    let mut rng = Rng::with_seed(seed);
    let world = Arc::new(World::new(main, tstate, rng.bool()));
    let [own, others @ ..]: [Rng; THREADS] = std::array::from_fn(|_| rng.fork());
    let others = others.map(|rng| {
        let (runtime, world) = (runtime.clone(), Arc::clone(&world));
        thread::spawn(move || {
            let attached = runtime.attach();
            let left = attached.as_ref().map(|thread| Worker::new(&world, thread, rng).play(calls));
            if left.is_err() {
                world.rest();
            }
            world.barrier.wait();
            left.map_err(ToString::to_string)
        })
    });
    let left = Worker::new(&world, &first, own).with(tstate).play(calls);
    let held = runtime.snapshot();
    let told = first.tell();
    world.barrier.wait();
    let mut lefts = vec![left];
    for other in others {
        let left = other.join().map_err(|panic| Failure::Stuck(message(&*panic)))?;
        lefts.push(left.map_err(Failure::NotSetUp)?);
    }
    let lefts = <[Left; THREADS]>::try_from(lefts).map_err(|_| not_set_up("a thread is missing"))?;
    let recording = Recording::new(Thread::named_interp(main), Thread::named(tstate), lefts, told);
    Ok((recording, held, world))
}
