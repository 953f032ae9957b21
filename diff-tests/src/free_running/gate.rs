//! Where OS threads meet: before their calls, when all have come to rest, and when that was seen.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use super::build::Face;
use super::recording::THREADS;

/// How long a thread that has made its calls sleeps between two polls.
const REST: Duration = Duration::from_micros(100);
/// How often it polls before it gives up its GIL.
const RESTS: u32 = 200;

/// Where the threads of a driver meet.
pub(super) struct Gate {
    barrier: Barrier,
    /// How many threads have made all their calls.
    finished: AtomicUsize,
    /// How many of them are inside a poll.
    polling: AtomicUsize,
}

impl Gate {
    pub fn new() -> Self {
        Gate { barrier: Barrier::new(THREADS), finished: AtomicUsize::new(0), polling: AtomicUsize::new(0) }
    }

    /// Waits until all threads are here.
    pub fn wait(&self) {
        self.barrier.wait();
    }

    /// This thread has made its calls: it polls until all have, so that whoever waits for
    /// its GIL gets it. In the end it keeps the GIL only if nobody can be waiting.
    pub fn rest(&self, thread: &impl Face) {
        self.finished.fetch_add(1, SeqCst);
        let all = || self.finished.load(SeqCst) == THREADS;
        for _ in (0..RESTS).take_while(|_| !all()) {
            self.polling.fetch_add(1, SeqCst);
            let _ = thread.poll();
            self.polling.fetch_sub(1, SeqCst);
            thread::sleep(REST);
        }
        let waited_for = !all() || self.polling.load(SeqCst) > 0;
        if waited_for && thread.current().is_some() {
            let _ = thread.save();
        }
        while !all() {
            thread::sleep(REST);
        }
    }

    /// A thread that could not be attached passes all the same.
    pub fn absent(&self) {
        self.wait();
        self.finished.fetch_add(1, SeqCst);
        self.wait();
    }
}
