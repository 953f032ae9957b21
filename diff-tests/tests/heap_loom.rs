//! Every schedule, with a bound on the preemptions, of threads that return blocks to a heap which
//! its owner uses, or ends, meanwhile. loom sees what is written before a block is returned, and
//! read after it was given out again, so it sees whether the one is ordered before the other.

use cloister_loomed::heap::{ARENA, Heap, LARGEST, POOLS, ReturnError, Returns};
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread::{self, JoinHandle};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

/// How many of the largest blocks a pool holds.
const IN_A_POOL: usize = ARENA / (POOLS + 1) / LARGEST;

/// How often each thing happened, over all schedules.
type Happened = BTreeMap<usize, u64>;

/// Takes a program through all its schedules; it answers with what happened.
fn all(preemptions: usize, program: fn() -> usize) -> Happened {
    let happened = Arc::new(Mutex::new(Happened::new()));
    let told = Arc::clone(&happened);
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || *told.lock().unwrap().entry(program()).or_insert(0) += 1);
    let happened = happened.lock().unwrap();
    happened.clone()
}

/// What a thread writes before it returns the block that it has.
struct Written(UnsafeCell<u8>);

// SAFETY: loom looks whether it is read and written in order.
unsafe impl Sync for Written {}

/// How a return ended, when its thread has.
type Returning = JoinHandle<Result<(), ReturnError>>;

/// A thread that writes, and returns a block.
fn returning(returns: Returns, block: NonNull<u8>) -> (Arc<Written>, Returning) {
    let written = Arc::new(Written(UnsafeCell::new(0)));
    let (cell, at) = (Arc::clone(&written), block.addr());
    let thread = thread::spawn(move || {
        // SAFETY: as above.
        cell.0.with_mut(|value| unsafe { *value = 1 });
        let block = std::ptr::with_exposed_provenance_mut(at.get());
        // SAFETY: the block is live, unless its heap has ended; nobody uses it any more.
        unsafe { returns.free(block) }
    });
    (written, thread)
}

/// A heap with a full pool, and threads that return some of its blocks.
fn full_pool<const THREADS: usize>(heap: &mut Heap) -> Vec<(NonNull<u8>, Arc<Written>, Returning)> {
    let blocks: Vec<_> = (0..IN_A_POOL).map(|_| heap.malloc(LARGEST).unwrap()).collect();
    let mut threads = Vec::new();
    for block in &blocks[..THREADS] {
        _ = block.as_ptr().expose_provenance();
        let (written, thread) = returning(heap.returns(), *block);
        threads.push((*block, written, thread));
    }
    threads
}

/// The owner needs a block, and takes one that was returned, or one of another pool.
fn allocates() -> usize {
    let mut heap = Heap::new();
    let threads = full_pool::<2>(&mut heap);
    let new = heap.malloc(LARGEST).unwrap();
    let whose = threads.iter().position(|(block, ..)| *block == new);
    if let Some(whose) = whose {
        // SAFETY: as above.
        assert_eq!(threads[whose].1.0.with(|value| unsafe { *value }), 1);
    }
    for (.., thread) in threads {
        assert_eq!(thread.join().unwrap(), Ok(()));
    }
    assert_eq!(heap.stats().blocks(), IN_A_POOL - 1);
    heap.collect();
    assert_eq!(heap.close().count(), IN_A_POOL - 1);
    whose.map_or(2, |whose| whose)
}

/// The owner ends the heap: each block was returned before, or is left.
fn ends() -> usize {
    let mut heap = Heap::new();
    let threads = full_pool::<2>(&mut heap);
    let left = heap.close().count();
    let mut returned = 0;
    for (.., thread) in threads {
        match thread.join().unwrap() {
            Ok(()) => returned += 1,
            Err(error) => assert_eq!(error, ReturnError::Ended),
        }
    }
    assert_eq!(left + returned, IN_A_POOL);
    returned
}

#[test]
fn a_block_that_is_given_out_again_was_returned_before() {
    let happened = all(3, allocates);
    assert_eq!(happened.keys().copied().collect::<Vec<_>>(), [0, 1, 2], "either thread's, or none");
    assert!(happened.values().all(|times| *times >= 10), "{happened:?}");
}

#[test]
fn what_is_returned_while_a_heap_ends_is_freed_or_left() {
    let happened = all(3, ends);
    assert_eq!(happened.keys().copied().collect::<Vec<_>>(), [0, 1, 2], "none, one, or both");
    assert!(happened.values().all(|times| *times >= 10), "{happened:?}");
}
