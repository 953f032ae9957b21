//! Three OS threads that make random calls, and leave a recording.

use std::thread;
use std::time::Duration;

use cloister_specs::Fault;
use cloister_traced::faults::Seeded;
use cloister_traced::{Runtime, Serial, Settings, Thread};
use fastrand::Rng;

use super::recording::{RecordError, Recording, Rest, THREADS};
use super::worker::Worker;
use super::world::World;

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
    let world = World::new(plan.calls, main, tstate);
    let mut rng = Rng::with_seed(plan.seed);
    let rngs: [Rng; THREADS] = std::array::from_fn(|_| rng.fork());
    let (runtime, world) = (&runtime, &world);
    thread::scope(|scope| {
        let [rng, others @ ..] = rngs;
        let others = (1..).zip(others).map(|(me, rng)| {
            scope.spawn(move || {
                let attached = runtime.attach();
                let left = attached.as_ref().map(|thread| run(world, thread, me, rng));
                if left.is_err() {
                    world.absent();
                }
                world.gate.wait();
                left.map_err(|error| RecordError::Attach(*error))
            })
        });
        let others: Vec<_> = others.collect();
        let mut lefts = vec![run(world, &first, 0, rng)];
        let snapshot = runtime.snapshot();
        runtime.trace(false);
        let events = runtime.drain();
        world.gate.wait();
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
fn run(world: &World, thread: &Thread, me: usize, rng: Rng) -> Left {
    let mut worker = Worker::new(world, thread, me, rng);
    world.gate.wait();
    for _ in 0..world.calls {
        worker.call();
        worker.work();
    }
    world.rest(thread);
    world.gate.wait();
    let current = thread.current().map(|t| t.serial());
    Left { serial: thread.serial(), current, faults: worker.faults }
}
