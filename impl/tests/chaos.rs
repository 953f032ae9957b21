//! OS threads that call anything with any handle, stale ones and each other's included.

use cloister::{Interp, PendingFailed, PendingFn, Runtime, Settings, Thread, Tstate};
use cloister_specs::{Fault, GilState, InterpreterConfig, StatusBits};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the holder of a GIL counts, without an atomic addition: if two held it at once,
/// some would be lost.
#[derive(Default)]
struct Counter {
    by_holder: AtomicU64,
    by_all: AtomicU64,
}

impl Counter {
    fn add(&self) {
        let before = self.by_holder.load(Ordering::Relaxed);
        std::hint::spin_loop();
        self.by_holder.store(before + 1, Ordering::Relaxed);
        self.by_all.fetch_add(1, Ordering::Relaxed);
    }
}

/// A thread state that somebody made, its interpreter, and the counter of its GIL.
#[derive(Clone)]
struct Made {
    tstate: Tstate,
    interp: Interp,
    counter: Arc<Counter>,
}

#[derive(Default)]
struct World {
    made: Mutex<Vec<Made>>,
    answered: AtomicU64,
    refused: AtomicU64,
    /// How many pending calls were run.
    ran: Arc<AtomicU64>,
}

impl World {
    fn pick(&self, random: &mut Random) -> Made {
        let made = self.made.lock().unwrap();
        // Mostly one of the latest.
        let span = if random.below(4) == 0 { made.len() } else { made.len().min(6) };
        made[made.len() - 1 - random.below(span)].clone()
    }

    fn add(&self, made: Made) {
        self.made.lock().unwrap().push(made);
    }

    fn count<T, E>(&self, result: Result<T, E>) -> Option<T> {
        let counter = if result.is_ok() { &self.answered } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        result.ok()
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }
}

fn create(world: &World, thread: &Thread, random: &mut Random, shared: &Arc<Counter>) {
    let fault = Fault::ALL.get(random.below(8)).copied();
    let (config, counter) = match random.below(2) {
        0 => (InterpreterConfig::ISOLATED, Arc::default()),
        _ => (InterpreterConfig::LEGACY, Arc::clone(shared)),
    };
    let result = thread.new_interpreter_with(&config, &mut { fault });
    if let Some((interp, tstate)) = world.count(result) {
        world.add(Made { tstate, interp, counter });
    }
}

/// A pending call that does, or does not, keep to what it should.
fn pending(world: &World, random: &mut Random) -> PendingFn {
    let (kind, ran) = (random.below(5), Arc::clone(&world.ran));
    Box::new(move |thread| {
        ran.fetch_add(1, Ordering::Relaxed);
        let saved = match kind {
            0 => return Ok(()),
            1 => return Err(PendingFailed),
            2 => return thread.make_pending_calls().map(|_| ()).map_err(|_| PendingFailed),
            _ => thread.save_thread().map_err(|_| PendingFailed)?,
        };
        match kind {
            3 => thread.restore_thread(saved).map_err(|_| PendingFailed),
            _ => Ok(()),
        }
    })
}

fn step(world: &World, thread: &Thread, random: &mut Random, shared: &Arc<Counter>) {
    let Made { tstate, interp, counter } = world.pick(random);
    let done = match random.below(25) {
        0 => return create(world, thread, random, shared),
        1 | 2 => {
            if let Some(Some(tstate)) = world.count(thread.thread_state_new(interp)) {
                world.add(Made { tstate, interp, counter });
            }
            return;
        }
        3 | 4 => thread.thread_state_bind(tstate),
        5 | 6 => thread.thread_state_swap(Some(tstate)).map(|_| ()),
        7 => thread.thread_state_swap(None).map(|_| ()),
        8 => thread.thread_state_clear(tstate),
        9 => thread.thread_state_delete(tstate),
        10 | 11 => thread.save_thread().map(|_| ()),
        12 | 13 => thread.restore_thread(tstate),
        14 => thread.end_interpreter(thread.current().unwrap_or(tstate)),
        15 => thread.acquire_thread(tstate),
        16 => thread.release_thread(thread.current().unwrap_or(tstate)),
        17 => thread.thread_state_delete_current(),
        18 | 19 => {
            if world.count(thread.gilstate_ensure(interp)).is_some()
                && let Some(tstate) = thread.current()
            {
                world.add(Made { tstate, interp, counter });
            }
            return;
        }
        20 => thread.gilstate_release(GilState::Unlocked),
        21 => thread.gilstate_release(GilState::Locked),
        22 => {
            let ring = Some(interp).filter(|_| random.below(3) > 0);
            world.count(thread.add_pending_call(ring, pending(world, random)));
            return;
        }
        23 => thread.make_pending_calls().map(|_| ()),
        _ => thread.eval_breaker_poll().map(|_| ()),
    };
    world.count(done);
}

/// If this thread holds a GIL, counts on it, and looks whether it is as it should be.
fn check(world: &World, thread: &Thread) {
    let Some(current) = thread.current() else { return };
    let status = thread.status(current).unwrap();
    assert!(status.contains(StatusBits::ACTIVE | StatusBits::BOUND | StatusBits::BOUND_GILSTATE));
    assert!(!status.intersects(StatusBits::CLEARED | StatusBits::FINALIZING));
    assert_eq!(thread.gilstate(), Some(current));
    let made = world.made.lock().unwrap();
    let counter = made.iter().rev().find(|m| m.tstate == current).map(|m| Arc::clone(&m.counter));
    drop(made);
    counter.unwrap().add();
}

#[test]
fn whatever_threads_call_every_call_is_answered_and_every_gil_has_one_holder() {
    const THREADS: u64 = 4;
    const CALLS: usize = 50_000;
    let settings = Settings::default().with_switch_interval(Duration::from_micros(50));
    let (runtime, first) = Runtime::start(settings).unwrap();
    let shared = Arc::new(Counter::default());
    let world = World::default();
    let (tstate, interp) = (first.current().unwrap(), runtime.main().unwrap());
    world.add(Made { tstate, interp, counter: Arc::clone(&shared) });
    first.save_thread().unwrap();
    thread::scope(|scope| {
        for seed in 1..=THREADS {
            let (world, runtime, shared) = (&world, &runtime, &shared);
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                for _ in 0..CALLS {
                    step(world, &thread, &mut random, shared);
                    check(world, &thread);
                }
            });
        }
    });
    let made = world.made.into_inner().unwrap();
    for Made { counter, .. } in &made {
        let by_holder = counter.by_holder.load(Ordering::Relaxed);
        assert_eq!(by_holder, counter.by_all.load(Ordering::Relaxed));
    }
    assert!(shared.by_all.load(Ordering::Relaxed) > 1_000);
    let answered = world.answered.into_inner();
    assert_eq!(answered + world.refused.into_inner(), THREADS * CALLS as u64);
    assert!(answered > 10_000, "{answered}");
    assert!(world.ran.load(Ordering::Relaxed) > 100);
    let snapshot = runtime.snapshot();
    assert!(snapshot.interps.iter().all(|i| !i.busy && (i.ring.calls == 0 || i.ring.signalled)));
    assert!(snapshot.interps.iter().filter_map(|i| i.gil).all(|gil| !gil.locked && !gil.drop_request));
    let listed = |serial| snapshot.interps.iter().any(|i| i.interp.serial() == serial);
    assert!(snapshot.tstates.iter().all(|t| listed(t.interp)));
}
