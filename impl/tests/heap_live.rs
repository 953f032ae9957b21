//! Which blocks are live: every address of an arena is asked about, and what is not live is not
//! freed.

use cloister::heap::{ALIGNMENT, ARENA, FreeError, Heap, LARGEST, POOLS, Stats};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::ptr::{self, NonNull};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

fn free_checked(heap: &mut Heap, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: the tests use no block that they have freed.
    unsafe { heap.free_checked(block.as_ptr()) }
}

/// Every place of the arena of this block where a block could begin, and those between.
fn places(inside: NonNull<u8>) -> impl Iterator<Item = *mut u8> {
    let arena = inside.as_ptr().map_addr(|at| at & !(ARENA - 1));
    (0..ARENA).step_by(ALIGNMENT / 2).map(move |offset| arena.wrapping_add(offset))
}

/// Every live block of a heap with one arena is held by it, and nothing else is.
fn assert_holds_exactly(heap: &Heap, inside: NonNull<u8>, live: &BTreeSet<NonNull<u8>>) {
    let held: BTreeSet<_> = places(inside).filter(|at| heap.holds(*at)).filter_map(NonNull::new).collect();
    assert_eq!(&held, live);
    assert!(heap.stats().blocks() == live.len() && heap.stats().arenas == 1);
}

#[test]
fn of_all_places_in_an_arena_the_live_blocks_are_held() {
    for seed in 0..6 {
        let (mut heap, mut rng) = (Heap::new(), Rng::with_seed(seed));
        let (mut live, mut dead) = (BTreeSet::new(), BTreeSet::new());
        // So few blocks that they stay in one arena; so many that a class has several pools, and
        // partial ones become current again, before and behind the one that was.
        let sizes: Vec<_> = (0..3).map(|_| rng.usize(LARGEST / 2..=LARGEST)).collect();
        for _ in 0..12 {
            while live.len() < 1_200 {
                let block = heap.malloc(sizes[rng.usize(..sizes.len())]).unwrap();
                assert!(live.insert(block));
                dead.remove(&block);
                if rng.u8(..64) == 0 {
                    assert!(heap.holds(block.as_ptr()), "{block:?} is new");
                }
            }
            assert_holds_exactly(&heap, *live.first().unwrap(), &live);
            let mut order: Vec<_> = live.iter().copied().collect();
            rng.shuffle(&mut order);
            for block in order.into_iter().take(rng.usize(300..1_200)) {
                assert_eq!(free_checked(&mut heap, block), Ok(()));
                live.remove(&block);
                dead.insert(block);
            }
            assert_holds_exactly(&heap, *dead.first().unwrap(), &live);
            let before = heap.stats();
            for block in &dead {
                assert_eq!(free_checked(&mut heap, *block), Err(FreeError::Dead));
            }
            assert_eq!(heap.stats(), before);
        }
        live.iter().for_each(|block| assert_eq!(free_checked(&mut heap, *block), Ok(())));
        assert!(heap.close().is_empty());
    }
}

#[test]
fn nothing_but_a_live_block_of_a_pool_can_be_freed() {
    let mut heap = Heap::new();
    let live: BTreeSet<_> = [16, 48, 48, 500].map(|size| heap.malloc(size).unwrap()).into();
    let inside = *live.first().unwrap();
    let before = heap.stats();
    let mut refused = 0;
    for place in places(inside).filter_map(NonNull::new).filter(|place| !live.contains(place)) {
        assert_eq!(free_checked(&mut heap, place), Err(FreeError::Dead), "{place:?}");
        refused += 1;
    }
    assert_eq!((refused, heap.stats()), (2 * ARENA / ALIGNMENT - live.len(), before));
    assert_holds_exactly(&heap, inside, &live);
}

#[test]
fn a_large_block_is_held_until_it_is_freed() {
    let (mut heap, other) = (Heap::new(), Heap::new());
    for size in [0, LARGEST + 1, 100_000] {
        let block = heap.malloc(size).unwrap();
        let within = block.as_ptr().wrapping_add(1);
        assert_eq!(
            [heap.holds(block.as_ptr()), heap.holds(within), other.holds(block.as_ptr())],
            [true, false, false]
        );
        // SAFETY: the address is that of no block.
        assert_eq!(unsafe { heap.free_checked(within) }, Err(FreeError::Unknown));
        assert_eq!(free_checked(&mut heap, block), Ok(()));
        assert!(!heap.holds(block.as_ptr()));
        assert_eq!(free_checked(&mut heap, block), Err(FreeError::Unknown));
    }
    assert!(heap.close().is_empty());
}

#[test]
fn a_block_of_another_heap_is_refused_whether_it_is_live_or_not() {
    let (mut one, mut other) = (Heap::new(), Heap::new());
    let (live, dead) = (one.malloc(48).unwrap(), one.malloc(48).unwrap());
    assert_eq!(free_checked(&mut one, dead), Ok(()));
    for block in [live, dead] {
        assert!(!other.holds(block.as_ptr()));
        assert_eq!(free_checked(&mut other, block), Err(FreeError::Foreign));
    }
    assert_eq!((one.stats().blocks(), other.stats()), (1, Stats::default()));
    assert_eq!(free_checked(&mut one, live), Ok(()));
}

#[test]
fn a_dead_block_is_dead_in_a_pool_that_went_back_and_unknown_without_its_arena() {
    let mut heap = Heap::new();
    let (kept, gone) = (heap.malloc(16).unwrap(), heap.malloc(48).unwrap());
    assert_eq!(free_checked(&mut heap, gone), Ok(()));
    assert_eq!(free_checked(&mut heap, gone), Err(FreeError::Dead));
    heap.trim();
    assert_eq!(free_checked(&mut heap, gone), Err(FreeError::Dead));
    assert_eq!(free_checked(&mut heap, kept), Ok(()));
    heap.trim();
    assert_eq!(heap.stats(), Stats::default());
    for block in [kept, gone] {
        assert!(!heap.holds(block.as_ptr()));
        assert_eq!(free_checked(&mut heap, block), Err(FreeError::Unknown));
    }
}

#[test]
fn what_is_no_address_is_no_block() {
    let mut heap = Heap::new();
    let nowhere = [ptr::null_mut(), ptr::without_provenance_mut(usize::MAX - 15), &raw mut heap as *mut u8];
    assert_eq!(nowhere.map(|at| heap.holds(at)), [false; 3]);
    // SAFETY: null is no block.
    assert_eq!(unsafe { heap.free_checked(ptr::null_mut()) }, Ok(()));
    for at in &nowhere[1..] {
        // SAFETY: no block is there.
        assert_eq!(unsafe { heap.free_checked(*at) }, Err(FreeError::Unknown));
    }
}

#[test]
fn a_heap_can_be_asked_about_blocks_whose_arenas_come_and_go() {
    let (place, begun) = (AtomicUsize::new(0), Barrier::new(2));
    thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut mine = Heap::new();
            let block = mine.malloc(48).unwrap();
            begun.wait();
            for _ in 0..200_000 {
                let theirs = ptr::without_provenance_mut(place.load(Ordering::Relaxed));
                assert!(!mine.holds(theirs) && mine.holds(block.as_ptr()));
                // SAFETY: it is none of this heap, so it is not freed.
                assert_ne!(unsafe { mine.free_checked(theirs) }, Err(FreeError::Dead));
            }
        });
        begun.wait();
        let mut heap = Heap::new();
        heap.keep(0);
        let mut times = 0;
        while times < 100 || !asker.is_finished() {
            let blocks: Vec<_> = (0..POOLS / 8).map(|_| heap.malloc(LARGEST).unwrap()).collect();
            place.store(blocks[times % blocks.len()].addr().get(), Ordering::Relaxed);
            blocks.into_iter().for_each(|block| assert_eq!(free_checked(&mut heap, block), Ok(())));
            heap.trim();
            times += 1;
        }
    });
}
