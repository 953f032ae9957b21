//! Blocks that other threads return: each is freed once, and the end of a heap is the end of it.

use cloister::heap::{FreeError, Heap, LARGEST, ReturnError, Returns, Stats};
use fastrand::Rng;
use static_assertions::assert_impl_all;
use std::ptr::{self, NonNull};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

assert_impl_all!(Returns: Send, Sync, Clone);

/// A live block, filled with its stamp.
struct Live {
    at: NonNull<u8>,
    size: usize,
    stamp: u8,
}

// SAFETY: it stands for the only use of its block.
unsafe impl Send for Live {}

impl Live {
    fn new(heap: &mut Heap, size: usize, stamp: u8) -> Self {
        let at = heap.malloc(size).unwrap();
        // SAFETY: the block is new, and has so many bytes.
        unsafe { at.write_bytes(stamp, size) };
        Live { at, size, stamp }
    }

    fn check(&self) {
        // SAFETY: the block is live, and was filled.
        let bytes = unsafe { NonNull::slice_from_raw_parts(self.at, self.size).as_ref() };
        assert!(bytes.iter().all(|byte| *byte == self.stamp), "{:?} of {} bytes", self.at, self.size);
    }

    /// Its heap may end before this, but not before it was filled.
    fn give_back(&self, returns: &Returns) -> Result<(), ReturnError> {
        // SAFETY: the block is live, unless its heap has ended; nobody uses it any more.
        unsafe { returns.free(self.at.as_ptr()) }
    }
}

/// A size of every kind: a large one now and then, and one of nothing.
fn any_size(rng: &mut Rng) -> usize {
    match rng.u8(..16) {
        0 => rng.usize(LARGEST..3 * LARGEST),
        1 => rng.usize(..8),
        _ => rng.usize(1..=LARGEST),
    }
}

#[test]
fn a_returned_block_does_not_count_and_is_freed_when_the_heap_looks() {
    for size in [0, 1, 48, LARGEST, 5_000] {
        let mut heap = Heap::new();
        let returns = heap.returns();
        assert_eq!(heap.collect(), 0);
        let [kept, gone] = [1, 2].map(|stamp| Live::new(&mut heap, size, stamp));
        let mut one = heap.stats();
        assert_eq!(gone.give_back(&returns), Ok(()));
        assert_eq!(heap.stats().blocks(), 1);
        assert!(heap.holds(kept.at.as_ptr()) && !heap.holds(gone.at.as_ptr()));
        assert_eq!((heap.collect(), heap.collect()), (1, 0));
        kept.check();
        one.classes.iter_mut().for_each(|class| class.blocks = 1);
        if one.large_blocks > 0 {
            (one.large_blocks, one.large_bytes) = (1, size);
        }
        assert_eq!(heap.stats(), one);
        assert_eq!(heap.close().count(), 1);
    }
}

#[test]
fn the_map_and_the_heap_agree_on_what_was_returned() {
    let (mut heap, mut rng) = (Heap::new(), Rng::with_seed(1));
    let returns = heap.returns();
    let mut live: Vec<_> = (0..5_000).map(|_| Live::new(&mut heap, any_size(&mut rng), 1)).collect();
    rng.shuffle(&mut live);
    live.drain(2_000..).for_each(|live| assert_eq!(live.give_back(&returns), Ok(())));
    let (stats, map) = (heap.stats(), heap.map());
    assert_eq!(stats.blocks(), 2_000);
    assert_eq!(heap.collect(), 3_000);
    assert_eq!((stats, map), (heap.stats(), heap.map()));
    live.iter().for_each(Live::check);
    assert_eq!(heap.close().count(), 2_000);
}

#[test]
fn a_heap_takes_what_was_returned_before_another_pool() {
    let mut heap = Heap::new();
    let returns = heap.returns();
    let mut live: Vec<_> = (0..(1 << 14) / 64).map(|_| Live::new(&mut heap, 64, 1)).collect();
    let before = heap.stats();
    for _ in 0..10 {
        live.drain(..).for_each(|live| assert_eq!(live.give_back(&returns), Ok(())));
        live.extend((0..(1 << 14) / 64).map(|_| Live::new(&mut heap, 64, 1)));
        assert_eq!(heap.stats(), before);
    }
    live.into_iter().for_each(|live| assert_eq!(live.give_back(&returns), Ok(())));
    heap.trim();
    assert_eq!(heap.stats(), Stats::default());
    assert!(heap.close().is_empty());
}

#[test]
fn a_returned_block_is_not_freed_again() {
    let mut heap = Heap::new();
    let returns = heap.returns();
    for (size, refused) in [(48, FreeError::Dead), (5_000, FreeError::Unknown)] {
        let live = Live::new(&mut heap, size, 1);
        assert_eq!(live.give_back(&returns), Ok(()));
        // SAFETY: it is not freed, since it is not live.
        assert_eq!(unsafe { heap.free_checked(live.at.as_ptr()) }, Err(refused));
    }
    assert!(heap.close().is_empty());
}

#[test]
fn a_block_of_another_heap_is_not_returned() {
    let (mut one, mut other) = (Heap::new(), Heap::new());
    let live = Live::new(&mut one, 48, 1);
    let theirs = Live::new(&mut other, 48, 2);
    assert_eq!(live.give_back(&other.returns()), Err(FreeError::Foreign.into()));
    assert_eq!((other.collect(), one.stats().blocks(), other.stats().blocks()), (0, 1, 1));
    [live, theirs].iter().for_each(Live::check);
    // SAFETY: null is no block.
    assert_eq!(unsafe { one.returns().free(ptr::null_mut()) }, Ok(()));
    assert_eq!((one.close().count(), other.close().count()), (1, 1));
}

#[test]
fn a_heap_that_has_ended_takes_nothing_back() {
    for dropped in [false, true] {
        let mut heap = Heap::new();
        let returns = heap.returns();
        let live: Vec<_> = [0, 48, 5_000].into_iter().map(|size| Live::new(&mut heap, size, 1)).collect();
        if dropped {
            drop(heap);
        } else {
            assert_eq!(heap.close().count(), 3);
        }
        // Another heap has the memory by now.
        let mut next = Heap::new();
        let new: Vec<_> = (0..1_000).map(|_| Live::new(&mut next, 48, 7)).collect();
        for live in &live {
            assert_eq!(live.give_back(&returns.clone()), Err(ReturnError::Ended));
        }
        new.iter().for_each(Live::check);
        assert_eq!(next.close().count(), 1_000);
    }
}

#[test]
fn what_other_threads_return_is_freed_once_and_none_is_lost() {
    const BLOCKS: usize = 200_000;
    let mut heap = Heap::new();
    let mut rng = Rng::with_seed(1);
    let (senders, threads): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| {
            let (sender, receiver) = channel::<Live>();
            let returns = heap.returns();
            let work = move || {
                receiver
                    .into_iter()
                    .map(|live| {
                        live.check();
                        assert_eq!(live.give_back(&returns), Ok(()));
                    })
                    .count()
            };
            (sender, thread::spawn(work))
        })
        .unzip();
    let mut kept = Vec::new();
    for turn in 0..BLOCKS {
        let live = Live::new(&mut heap, any_size(&mut rng), turn as u8);
        match rng.usize(..4) {
            3 => kept.push(live),
            whom => senders[whom].send(live).unwrap(),
        }
        if kept.len() > 1_000 {
            let live = kept.swap_remove(rng.usize(..kept.len()));
            live.check();
            // SAFETY: it is live, and gone from the list.
            assert_eq!(unsafe { heap.free(live.at.as_ptr()) }, Ok(()));
        }
    }
    drop(senders);
    let returned: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(returned > BLOCKS / 2);
    kept.iter().for_each(Live::check);
    assert_eq!(heap.stats().blocks(), kept.len());
    heap.collect();
    assert_eq!(heap.stats().blocks(), kept.len());
    assert_eq!(heap.close().count(), kept.len());
}

#[test]
fn each_block_is_returned_or_left_when_a_heap_ends_meanwhile() {
    let (mut all, mut late) = (0, 0);
    for round in 0..300 {
        let mut heap = Heap::new();
        let mut rng = Rng::with_seed(round);
        let begun = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let live: Vec<_> = (0..200).map(|_| Live::new(&mut heap, any_size(&mut rng), 3)).collect();
                let (returns, begun) = (heap.returns(), Arc::clone(&begun));
                thread::spawn(move || {
                    begun.wait();
                    live.iter().filter(|live| live.give_back(&returns).is_ok()).count()
                })
            })
            .collect();
        begun.wait();
        (0..rng.usize(..2_000)).for_each(|_| std::hint::spin_loop());
        if rng.bool() {
            heap.collect();
        }
        let left = heap.close().count();
        let returned: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(left + returned, 600);
        (all, late) = (all + 600, late + left);
    }
    assert!(all == 180_000 && late < all, "{late}");
}
