//! Two threads that allocate at a time, each in an interpreter with a GIL of its own.

use super::{Allocator, Blocks, Ours};
#[cfg(feature = "peers")]
use super::{SNMALLOC, peers};
use crate::bench::compute::in_two_threads;
use crate::bench::{BenchError, CLOISTER, Contender, Target, Work};
use cloister::heap::Heap;
use cloister::{Runtime, Settings, Thread, Tstate};
use cloister_specs::InterpreterConfig;
use fastrand::Rng;
use std::time::Instant;

/// Blocks of a thread.
const LIVE: usize = 4_096;
/// Blocks that are replaced between two polls.
const BLOCKS: u64 = 32;
const PLAIN: &str = "plain threads";

/// Where a thread allocates.
trait Seat: Allocator {
    /// What it does now and then.
    fn poll(&mut self) -> Result<(), BenchError>;
}

/// In an interpreter of its own, with this heap.
struct Inside<A> {
    heap: A,
    thread: Thread,
    tstate: Tstate,
}

impl<A> Inside<A> {
    fn new(runtime: &Runtime, heap: impl FnOnce(&Thread) -> A) -> Result<Self, BenchError> {
        let thread = runtime.attach()?;
        let (_, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED)?;
        Ok(Inside { heap: heap(&thread), thread, tstate })
    }
}

impl<A: Allocator> Allocator for Inside<A> {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        self.heap.malloc(size)
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, size: usize) {
        // SAFETY: as this function's.
        unsafe { self.heap.free(block, size) };
    }
}

impl<A: Allocator> Seat for Inside<A> {
    #[inline]
    fn poll(&mut self) -> Result<(), BenchError> {
        Ok(self.thread.eval_breaker_poll().map(|_| ())?)
    }
}

impl<A> Drop for Inside<A> {
    fn drop(&mut self) {
        // It is current and nobody else knows it; and a bench that was given up has told why.
        _ = self.thread.end_interpreter(self.tstate);
    }
}

/// In a thread that has nothing but this.
struct Plain<A>(A);

impl<A: Allocator> Allocator for Plain<A> {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        self.0.malloc(size)
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, size: usize) {
        // SAFETY: as this function's.
        unsafe { self.0.free(block, size) };
    }
}

impl<A: Allocator> Seat for Plain<A> {
    #[inline]
    fn poll(&mut self) -> Result<(), BenchError> {
        Ok(())
    }
}

/// Two threads take such seats, and replace random blocks by others of random sizes. How many
/// million they replace together in a second.
fn at_a_time<S: Seat>(loops: u64, sit: impl Fn() -> Result<S, BenchError> + Sync) -> Result<f64, BenchError> {
    let loops_per_second = in_two_threads(loops, |ready| {
        let mut rng = Rng::with_seed(1);
        let blocks = sit().and_then(|seat| Blocks::new(seat, LIVE, || rng.usize(16..=512)));
        ready.wait();
        let mut blocks = blocks?;
        let begun = Instant::now();
        for _ in 0..loops {
            for _ in 0..BLOCKS {
                blocks.replace(rng.usize(..LIVE), rng.usize(16..=512))?;
            }
            blocks.of.poll()?;
        }
        Ok((begun, Instant::now()))
    })?;
    Ok(loops_per_second * BLOCKS as f64)
}

fn plain<'a, A: Allocator>(name: &str, allocator: impl Fn() -> A + Sync + 'a) -> Contender<'a> {
    Contender::new(name, move |loops| at_a_time(loops, || Ok(Plain(allocator()))))
}

/// See the module.
pub fn in_two_interpreters<'a>() -> Result<Work<'a>, BenchError> {
    let (runtime, main) = Runtime::start(Settings::default())?;
    main.save_thread()?;
    let contenders = vec![
        Contender::new(CLOISTER, move |loops| {
            let _ = &main;
            at_a_time(loops, || Inside::new(&runtime, |_| Ours(Heap::new())))
        }),
        plain(PLAIN, || Ours(Heap::new())),
        #[cfg(feature = "peers")]
        plain(SNMALLOC, || peers::Snmalloc),
        #[cfg(feature = "peers")]
        plain("mimalloc", || peers::Mimalloc),
        #[cfg(feature = "peers")]
        plain("jemalloc", || peers::Jemalloc),
    ];
    Ok(Work {
        name: "2 interpreters allocating in 2 threads",
        unit: "M blocks/s",
        target: Some(Target::ShareOf(PLAIN, 95.0)),
        stretch: 40,
        contenders,
    })
}
