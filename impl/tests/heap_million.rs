//! A million random calls in each of three threads at once: every block keeps what was written
//! into it, and nothing is lost.

use cloister::heap::{ALIGNMENT, Heap, LARGEST};
use fastrand::Rng;
use std::ptr::NonNull;
use std::sync::Barrier;
use std::thread;

const CALLS: usize = 1_000_000;
const THREADS: u64 = 3;

/// A live block, of which every word has a value of its own.
struct Live {
    at: NonNull<u8>,
    size: usize,
    seed: u64,
}

impl Live {
    /// What the byte at this place is.
    fn byte(seed: u64, at: usize) -> u8 {
        let word = seed.wrapping_add(at as u64 / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word.rotate_right(at as u32 % 8 * 8) as u8
    }

    fn new(at: NonNull<u8>, size: usize, seed: u64) -> Self {
        assert!(at.addr().get().is_multiple_of(ALIGNMENT));
        for place in 0..size {
            // SAFETY: the block is the caller's, and has so many bytes.
            unsafe { at.add(place).write(Live::byte(seed, place)) };
        }
        Live { at, size, seed }
    }

    fn assert_kept(&self, bytes: usize) {
        // SAFETY: the block is live, and was filled.
        let kept = unsafe { NonNull::slice_from_raw_parts(self.at, bytes).as_ref() };
        let right = kept.iter().enumerate().all(|(at, byte)| *byte == Live::byte(self.seed, at));
        assert!(right, "{:?} of {} bytes", self.at, self.size);
    }
}

/// What was done, so that a test in which nothing happened does not pass.
#[derive(Default)]
struct Done {
    made: usize,
    zeroed: usize,
    freed: usize,
    stayed: usize,
    moved: usize,
}

struct Worker {
    heap: Heap,
    rng: Rng,
    live: Vec<Live>,
    done: Done,
}

impl Worker {
    fn make(&mut self) {
        let size = self.rng.usize(16..=600);
        let zeroed = self.rng.u8(..8) == 0;
        let at = if zeroed { self.heap.calloc(1, size) } else { self.heap.malloc(size) }.unwrap();
        if zeroed {
            // SAFETY: the block is new, and has so many bytes.
            let bytes = unsafe { NonNull::slice_from_raw_parts(at, size).as_ref() };
            assert!(bytes.iter().all(|byte| *byte == 0));
        }
        self.live.push(Live::new(at, size, self.rng.u64(..)));
        (self.done.made, self.done.zeroed) = (self.done.made + 1, self.done.zeroed + usize::from(zeroed));
    }

    fn resize(&mut self, which: usize) {
        let size = self.rng.usize(16..=600);
        let live = &mut self.live[which];
        // SAFETY: it is live, and what this answers takes its place.
        let at = unsafe { self.heap.realloc(live.at.as_ptr(), size) }.unwrap();
        let stayed = at == live.at;
        live.at = at;
        live.assert_kept(size.min(live.size));
        *live = Live::new(at, size, self.rng.u64(..));
        *(if stayed { &mut self.done.stayed } else { &mut self.done.moved }) += 1;
    }

    fn free(&mut self, which: usize) {
        let live = self.live.swap_remove(which);
        live.assert_kept(live.size);
        // SAFETY: it is live, and gone from the list.
        let freed = unsafe {
            match self.rng.u8(..16) {
                0 => self.heap.free_checked(live.at.as_ptr()),
                _ => self.heap.free(live.at.as_ptr()),
            }
        };
        assert_eq!(freed, Ok(()));
        self.done.freed += 1;
    }

    /// How many blocks there are goes up and down, so that pools and arenas come and go.
    fn work(&mut self) {
        for call in 0..CALLS {
            let wanted = if (call / (CALLS / 8)).is_multiple_of(2) { 20_000 } else { 500 };
            let which = self.rng.usize(..self.live.len().max(1));
            match self.rng.u8(..4) {
                0 if !self.live.is_empty() => self.resize(which),
                _ if self.live.is_empty() || self.rng.usize(..2 * wanted) > self.live.len() => self.make(),
                _ => self.free(which),
            }
        }
    }
}

#[test]
fn a_million_calls_in_each_of_three_threads_lose_nothing() {
    let begun = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let begun = &begun;
            scope.spawn(move || {
                let (heap, rng) = (Heap::new(), Rng::with_seed(seed));
                let mut worker = Worker { heap, rng, live: Vec::new(), done: Done::default() };
                begun.wait();
                worker.work();
                let Done { made, zeroed, freed, stayed, moved } = worker.done;
                assert_eq!((made + freed + stayed + moved, made - freed), (CALLS, worker.live.len()));
                assert!([made, freed, moved].iter().all(|calls| *calls > CALLS / 8));
                assert!([zeroed, stayed].iter().all(|calls| *calls > CALLS / 80));
                let stats = worker.heap.stats();
                assert_eq!(stats.blocks(), worker.live.len());
                assert!(stats.large_blocks > 0 && stats.classes.len() > LARGEST / ALIGNMENT / 2);
                while !worker.live.is_empty() {
                    worker.free(0);
                }
                let leaks = worker.heap.close();
                assert!(leaks.is_empty(), "{leaks}");
            });
        }
    });
}
