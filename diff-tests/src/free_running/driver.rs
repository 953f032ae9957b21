//! Three OS threads that make random calls, and leave a recording.

use std::thread;
use std::time::Duration;

use cloister_traced::faults::Seeded;
use cloister_traced::{Runtime, Settings, Thread};
use fastrand::Rng;

use super::build::Face;
use super::gate::Gate;
use super::recording::{Left, RecordError, Recording, THREADS};
use super::worker::Worker;
use super::world::World;

/// How often a thread at work looks at nothing between two polls.
const SPINS: u32 = 400;

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
    let (gate, world) = (Gate::new(), World::new(main, tstate, SPINS));
    let mut rng = Rng::with_seed(plan.seed);
    let rngs: [Rng; THREADS] = std::array::from_fn(|_| rng.fork());
    let (runtime, gate, world) = (&runtime, &gate, &world);
    thread::scope(|scope| {
        let [rng, others @ ..] = rngs;
        let others = (1..).zip(others).map(|(me, rng)| {
            scope.spawn(move || {
                let attached = runtime.attach();
                let left = attached
                    .as_ref()
                    .map(|thread| run(gate, plan.calls, Worker::new(world, thread, me, rng)));
                if left.is_err() {
                    gate.absent();
                }
                gate.wait();
                left.map_err(|error| RecordError::Attach(*error))
            })
        });
        let others: Vec<_> = others.collect();
        let mut lefts = vec![run(gate, plan.calls, Worker::new(world, &first, 0, rng))];
        let told = first.tell();
        gate.wait();
        for other in others {
            lefts.push(other.join().map_err(|_| RecordError::Panicked)??);
        }
        let lefts = lefts.try_into().map_err(|_| RecordError::Panicked)?;
        Ok(Recording::new(main.serial(), tstate.serial(), lefts, told))
    })
}

/// What one thread does, until all are at rest.
fn run(gate: &Gate, calls: u32, mut worker: Worker<'_, Thread>) -> Left {
    gate.wait();
    for _ in 0..calls {
        worker.call();
        worker.work();
    }
    gate.rest(worker.thread);
    gate.wait();
    worker.leave()
}
