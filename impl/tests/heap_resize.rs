//! Blocks that get another size: what was in them stays, and they move when CPython's do.

use cloister::heap::{ALIGNMENT, CLASSES, FreeError, Heap, LARGEST, OutOfMemory, ReallocError, Stats};
use std::ptr::{self, NonNull};

fn malloc(heap: &mut Heap, size: usize) -> NonNull<u8> {
    let block = heap.malloc(size).unwrap();
    (0..size).for_each(|at| {
        // SAFETY: the block is new, and has so many bytes.
        unsafe { block.add(at).write(stamp(at)) };
    });
    block
}

/// What is in a block at this place.
fn stamp(at: usize) -> u8 {
    (at % 251) as u8
}

fn holds_stamps(block: NonNull<u8>, size: usize) -> bool {
    // SAFETY: the tests ask only for so many bytes as were filled.
    let bytes = unsafe { NonNull::slice_from_raw_parts(block, size).as_ref() };
    bytes.iter().enumerate().all(|(at, byte)| *byte == stamp(at))
}

fn realloc(heap: &mut Heap, block: NonNull<u8>, size: usize) -> Result<NonNull<u8>, ReallocError> {
    // SAFETY: the block is live, or one of which the heap can tell that it is none; the tests go
    // on with what this answers.
    unsafe { heap.realloc(block.as_ptr(), size) }
}

fn free(heap: &mut Heap, block: NonNull<u8>) {
    // SAFETY: the tests free what is live.
    assert_eq!(unsafe { heap.free(block.as_ptr()) }, Ok(()));
}

#[test]
fn a_block_stays_if_more_than_three_quarters_of_it_will_be_in_use() {
    let mut heap = Heap::new();
    let mut stayed = 0;
    for has in (1..=CLASSES).map(|class| class * ALIGNMENT) {
        for size in 0..=LARGEST + 1 {
            let block = malloc(&mut heap, has);
            let new = realloc(&mut heap, block, size).unwrap();
            assert_eq!(new == block, size <= has && 4 * size > 3 * has, "{has} to {size}");
            assert!(holds_stamps(new, size.min(has)), "{has} to {size}");
            stayed += usize::from(new == block);
            assert_eq!(heap.stats().blocks(), 1);
            free(&mut heap, new);
        }
    }
    // A quarter of each class.
    assert_eq!(stayed, (1..=CLASSES).map(|class| class * ALIGNMENT / 4).sum());
    assert!(heap.close().is_empty());
}

#[test]
fn a_large_block_stays_large_and_is_counted_with_its_new_size() {
    let mut heap = Heap::new();
    let mut block = malloc(&mut heap, 100_000);
    for (size, kept) in [(1_000_000, 100_000), (5_000, 5_000), (100, 100), (0, 0), (5_000, 0)] {
        block = realloc(&mut heap, block, size).unwrap();
        assert!(holds_stamps(block, kept), "{size}");
        let large = Stats { large_blocks: 1, large_bytes: size, ..Stats::default() };
        assert_eq!(heap.stats(), large);
    }
    free(&mut heap, block);
    assert!(heap.close().is_empty());
}

#[test]
fn a_pool_block_that_grows_too_large_leaves_its_pool() {
    let mut heap = Heap::new();
    let block = malloc(&mut heap, LARGEST);
    let block = realloc(&mut heap, block, 10 * LARGEST).unwrap();
    assert!(holds_stamps(block, LARGEST));
    let stats = heap.stats();
    assert_eq!((stats.classes[0].blocks, stats.large_blocks), (0, 1));
    free(&mut heap, block);
    assert!(heap.close().is_empty());
}

#[test]
fn null_given_a_size_is_a_new_block() {
    let mut heap = Heap::new();
    for size in [0, 48, 5_000] {
        // SAFETY: null is no block.
        let block = unsafe { heap.realloc(ptr::null_mut(), size) }.unwrap();
        assert_eq!(heap.stats().blocks(), 1);
        free(&mut heap, block);
    }
}

#[test]
fn what_could_not_be_freed_gets_no_other_size() {
    let (mut one, mut other) = (Heap::new(), Heap::new());
    let (small, large) = (malloc(&mut one, 48), malloc(&mut one, 5_000));
    let (theirs, before) = (malloc(&mut other, 48), one.stats());
    for size in [0, 40, 48, 100, 5_000] {
        assert_eq!(realloc(&mut other, small, size), Err(FreeError::Foreign.into()));
        assert_eq!(realloc(&mut other, large, size), Err(FreeError::Unknown.into()));
        let local = NonNull::from(&mut 0_u8);
        assert_eq!(realloc(&mut other, local, size), Err(FreeError::Unknown.into()));
    }
    assert_eq!((one.stats(), other.stats().blocks()), (before, 1));
    assert!(holds_stamps(small, 48) && holds_stamps(large, 5_000) && holds_stamps(theirs, 48));
    [small, large].into_iter().for_each(|block| free(&mut one, block));
    free(&mut other, theirs);
}

#[test]
fn a_block_for_whose_new_size_there_is_no_memory_is_as_it_was() {
    let mut heap = Heap::new();
    let (small, large) = (malloc(&mut heap, 48), malloc(&mut heap, 5_000));
    let before = heap.stats();
    for (block, size) in [(small, 0), (small, 5_000), (large, 0), (large, 48), (large, 10_000)] {
        heap.fail_request(1);
        assert_eq!(realloc(&mut heap, block, size), Err(OutOfMemory.into()), "{size}");
        assert_eq!(heap.stats(), before);
    }
    for block in [small, large] {
        assert_eq!(realloc(&mut heap, block, usize::MAX), Err(OutOfMemory.into()));
        assert_eq!(realloc(&mut heap, block, usize::MAX / 2 - 15), Err(OutOfMemory.into()));
    }
    // No system has so much: it is the system that says no, and not a check of ours.
    assert_eq!(realloc(&mut heap, large, 1 << 60), Err(OutOfMemory.into()));
    assert_eq!(heap.stats(), before);
    // What stays where it is asks for nothing.
    heap.fail_request(1);
    assert_eq!(realloc(&mut heap, small, 40), Ok(small));
    heap.fail_request(0);
    assert!(holds_stamps(small, 40) && holds_stamps(large, 5_000));
    [small, large].into_iter().for_each(|block| free(&mut heap, block));
    assert!(heap.close().is_empty());
}
