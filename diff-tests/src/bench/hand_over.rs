//! How long a GIL is on its way from one OS thread to another.
//!
//! *Asleep*: a thread sleeps in the call that takes the GIL; how long after the holder
//! began to drop it does that call return? Most of it is the kernel's, which wakes a thread.
//!
//! *On request*: two threads compute and poll, and each asks for the GIL whenever it has
//! waited long enough. How long after the beginning of the poll that hands the GIL over does
//! the other thread go on?

use super::harness::median;
use super::libpython::Python;
use super::seats::{Asked, Lock, Ours, Seat, Std, Theirs};
use super::{BenchError, CLOISTER, Contender, Work};
use cloister::{Runtime, Settings};
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// So long a thread holds the GIL, so that the other one has fallen asleep.
const HOLD: Duration = Duration::from_micros(30);
/// The switch interval where the GIL goes over on request, in microseconds.
const INTERVAL: u32 = 50;
/// CPython's own.
const USUAL_INTERVAL: u32 = 5_000;

/// See the module.
pub fn asleep(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let (_, thread) = Runtime::start(Settings::default())?;
    let mut contenders = vec![Contender::new(CLOISTER, move |times| {
        let gil = Ours::of_main(&thread)?;
        let tstate = thread.save_thread()?;
        let time = while_asleep(&gil, times);
        thread.restore_thread(tstate)?;
        time
    })];
    contenders.extend(peer.map(|python| {
        Contender::new(python.name(), move |times| {
            away_from(python, || while_asleep(&Theirs::of_main(python), times))
        })
    }));
    let std = Arc::new(Std::default());
    contenders.push(Contender::new("std Mutex and Condvar", move |times| while_asleep(&std, times)));
    Ok(Work { name: "hand-over to a sleeping thread", unit: "us", target: None, stretch: 8, contenders })
}

/// See the module.
pub fn on_request(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let interval = Duration::from_micros(INTERVAL.into());
    let (_, thread) = Runtime::start(Settings::default().with_switch_interval(interval))?;
    let mut contenders = vec![Contender::new(CLOISTER, move |times| {
        let gil = Ours::of_main(&thread)?;
        let tstate = thread.save_thread()?;
        let time = while_polling(&gil, times);
        thread.restore_thread(tstate)?;
        time
    })];
    contenders.extend(peer.map(|python| {
        Contender::new(python.name(), move |times| {
            python.set_switch_interval(INTERVAL);
            let time = away_from(python, || while_polling(&Theirs::of_main(python), times));
            python.set_switch_interval(USUAL_INTERVAL);
            time
        })
    }));
    Ok(Work { name: "hand-over on request", unit: "us", target: None, stretch: 8, contenders })
}

/// Does something while the main thread of CPython has no current thread state.
fn away_from<T>(python: &Python, work: impl FnOnce() -> T) -> T {
    let f = python.functions();
    // SAFETY: the main thread has its thread state current, and gets it back.
    let tstate = unsafe { (f.save)() };
    let result = work();
    // SAFETY: as above.
    unsafe { (f.restore)(tstate) };
    result
}

/// What the two threads tell each other.
struct Course {
    clock: Instant,
    seated: Barrier,
    /// How often it was taken.
    taken: AtomicU64,
    /// When each thread was last about to let it go, in nanoseconds of the clock.
    stamps: [AtomicU64; 2],
    /// A thread has failed.
    broken: AtomicBool,
}

impl Course {
    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// Waits, without sleeping, until it was taken so often.
    fn wait_for(&self, taken: u64) -> Result<(), BenchError> {
        let mut looks = 0_u32;
        while self.taken.load(Ordering::Acquire) != taken {
            if self.broken.load(Ordering::Relaxed) {
                return Err(BenchError::Abandoned);
            }
            looks += 1;
            if looks.is_multiple_of(1_000) { thread::yield_now() } else { spin_loop() }
        }
        Ok(())
    }
}

/// The median of what two threads measured, in microseconds.
fn in_two_threads<L: Lock>(
    lock: &L,
    body: impl Fn(&Course, usize, &mut L::Seat) -> Result<Vec<f64>, BenchError> + Sync,
) -> Result<f64, BenchError> {
    let course = Course {
        clock: Instant::now(),
        seated: Barrier::new(2),
        taken: AtomicU64::new(0),
        stamps: Default::default(),
        broken: AtomicBool::new(false),
    };
    let run = |me| {
        let seat = lock.sit();
        course.seated.wait();
        let result = seat.and_then(|mut seat| body(&course, me, &mut seat));
        course.broken.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    };
    thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, || run(1));
        let first = thread::Builder::new().spawn_scoped(scope, || run(0));
        let mut seen = Vec::new();
        for thread in [other?, first?] {
            seen.append(&mut thread.join().map_err(|_| BenchError::Abandoned)??);
        }
        Ok(median(&seen) / 1_000.0)
    })
}

fn while_asleep<L: Lock>(lock: &L, times: u64) -> Result<f64, BenchError> {
    in_two_threads(lock, |course, me, seat| {
        let mut seen = Vec::new();
        for turn in (me as u64..=times).step_by(2) {
            course.wait_for(turn)?;
            seat.take()?;
            let now = course.now();
            if turn > 0 {
                seen.push(now.saturating_sub(course.stamps[1 - me].load(Ordering::Relaxed)) as f64);
            }
            course.taken.store(turn + 1, Ordering::Release);
            let held = Instant::now();
            while held.elapsed() < HOLD {
                spin_loop();
            }
            course.stamps[me].store(course.now(), Ordering::Relaxed);
            seat.give()?;
        }
        Ok(seen)
    })
}

fn while_polling<L: Lock<Seat: Asked>>(lock: &L, times: u64) -> Result<f64, BenchError> {
    let last = AtomicU64::new(u64::MAX);
    in_two_threads(lock, |course, me, seat| {
        let mut seen = Vec::new();
        seat.take()?;
        last.store(me as u64, Ordering::Relaxed);
        while course.taken.load(Ordering::Relaxed) < times && !course.broken.load(Ordering::Relaxed) {
            course.stamps[me].store(course.now(), Ordering::Relaxed);
            seat.poll()?;
            if last.swap(me as u64, Ordering::Relaxed) != me as u64 {
                let stamp = course.stamps[1 - me].load(Ordering::Relaxed);
                seen.push(course.now().saturating_sub(stamp) as f64);
                course.taken.fetch_add(1, Ordering::Relaxed);
            }
        }
        seat.give()?;
        Ok(seen)
    })
}
