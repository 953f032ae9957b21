//! Heaps: what is allocated is aligned, apart and kept; what is another's is refused; everything
//! is given back.

use cloister::heap::{
    ALIGNMENT, ARENA, CLASSES, FreeError, Heap, KEPT, LARGEST, Leaks, OutOfMemory, POOLS, Stats,
};
use fastrand::Rng;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::collections::BTreeMap;
use std::ptr::{self, NonNull};
use std::thread;

assert_impl_all!(Heap: Send);
assert_not_impl_any!(Heap: Sync, Clone);

/// A live block, filled with a pattern of its own.
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
        assert!(at.addr().get().is_multiple_of(ALIGNMENT), "{at:?}");
        // SAFETY: the block is new, and has so many bytes.
        unsafe { at.write_bytes(stamp, size) };
        Live { at, size, stamp }
    }

    fn check(&self) {
        // SAFETY: the block is live, and was filled.
        let bytes = unsafe { NonNull::slice_from_raw_parts(self.at, self.size).as_ref() };
        assert!(bytes.iter().all(|byte| *byte == self.stamp), "{:?} of {} bytes", self.at, self.size);
    }

    fn free(self, heap: &mut Heap, sized: bool) {
        self.check();
        assert_eq!(if sized { free_sized(heap, self.at, self.size) } else { free(heap, self.at) }, Ok(()));
    }
}

fn free(heap: &mut Heap, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: the tests free a live block, or one of which the heap can tell that it is none.
    unsafe { heap.free(block.as_ptr()) }
}

fn free_sized(heap: &mut Heap, block: NonNull<u8>, size: usize) -> Result<(), FreeError> {
    // SAFETY: as above.
    unsafe { heap.free_sized(block.as_ptr(), size) }
}

/// How many blocks of this size a pool holds.
fn in_a_pool(size: usize) -> usize {
    ARENA / (POOLS + 1) / size
}

/// A size of every kind: small ones most often.
fn any_size(rng: &mut Rng) -> usize {
    match rng.u8(..16) {
        0 => rng.usize(LARGEST..3 * LARGEST),
        1 => 0,
        _ => rng.usize(1..=LARGEST),
    }
}

/// What a heap has to have while these live.
fn assert_counts(heap: &Heap, live: &[Live]) {
    let (mut classes, mut large) = (BTreeMap::new(), (0, 0));
    for Live { size, .. } in live {
        match size {
            1..=LARGEST => *classes.entry(size.next_multiple_of(ALIGNMENT)).or_insert(0) += 1,
            _ => large = (large.0 + 1, large.1 + size),
        }
    }
    let stats = heap.stats();
    let told = stats.classes.iter().filter(|class| class.blocks > 0).map(|class| (class.size, class.blocks));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), classes);
    assert_eq!((stats.large_blocks, stats.large_bytes), large);
    assert_eq!(stats.blocks(), live.len());
    assert!(stats.pools() <= stats.arenas * POOLS);
    assert_eq!(stats.mapped, stats.arenas * ARENA);
}

fn assert_apart(live: &[Live]) {
    let mut places: Vec<_> = live.iter().map(|live| (live.at.addr().get(), live.size)).collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        assert!(pair[0].0 + pair[0].1.max(1) <= pair[1].0, "{pair:?}");
    }
}

/// So many random calls; answers with what lives after them.
fn work(heap: &mut Heap, rng: &mut Rng, calls: usize, most: usize) -> Vec<Live> {
    let mut live: Vec<Live> = Vec::new();
    for _ in 0..calls {
        if live.is_empty() || rng.usize(..most) > live.len() {
            live.push(Live::new(heap, any_size(rng), rng.u8(..)));
        } else {
            live.swap_remove(rng.usize(..live.len())).free(heap, rng.bool());
        }
    }
    live
}

#[test]
fn a_heap_has_nothing_until_it_is_asked() {
    let mut heap = Heap::new();
    assert_eq!(heap.stats(), Stats::default());
    let block = Live::new(&mut heap, 48, 7);
    let stats = heap.stats();
    assert_eq!((stats.arenas, stats.pools(), stats.blocks()), (1, 1, 1));
    assert_eq!((stats.classes[0].size, stats.classes[0].blocks), (48, 1));
    block.free(&mut heap, false);
    heap.trim();
    assert_eq!(heap.stats(), Stats::default());
    assert!(heap.close().is_empty());
}

#[test]
fn each_size_gets_its_class_and_beyond_it_is_large() {
    let mut heap = Heap::new();
    let live: Vec<_> = (0..=2 * LARGEST).map(|size| Live::new(&mut heap, size, size as u8)).collect();
    assert_eq!(heap.stats().classes.len(), CLASSES);
    assert_counts(&heap, &live);
    assert_apart(&live);
    live.into_iter().for_each(|live| live.free(&mut heap, true));
    heap.trim();
    assert_eq!(heap.stats(), Stats::default());
}

#[test]
fn zeroed_blocks_are_zero_where_others_were() {
    let mut heap = Heap::new();
    for size in [1, 16, 100, LARGEST, 5_000] {
        Live::new(&mut heap, size, 0xff).free(&mut heap, false);
        let at = heap.calloc(1, size).unwrap();
        Live { at, size, stamp: 0 }.free(&mut heap, true);
    }
    assert_eq!(heap.calloc(usize::MAX, 2), Err(OutOfMemory));
    assert_eq!(heap.malloc(usize::MAX), Err(OutOfMemory));
    assert!(heap.close().is_empty());
}

#[test]
fn a_freed_block_is_given_out_again_before_another_pool_is_taken() {
    let mut heap = Heap::new();
    let blocks = in_a_pool(64);
    for _ in 0..10 {
        let live: Vec<_> = (0..blocks).map(|_| Live::new(&mut heap, 64, 1)).collect();
        assert_eq!((heap.stats().pools(), heap.stats().blocks()), (1, blocks));
        live.into_iter().for_each(|live| live.free(&mut heap, false));
    }
}

#[test]
fn random_calls_keep_every_block_and_count_it() {
    for seed in 0..20 {
        let (mut heap, mut rng) = (Heap::new(), Rng::with_seed(seed));
        heap.keep(1);
        let most = 1 << rng.u32(1..14);
        let mut live = work(&mut heap, &mut rng, 20_000, most);
        assert_counts(&heap, &live);
        assert_apart(&live);
        rng.shuffle(&mut live);
        let rest = live.split_off(live.len() / 2);
        live.into_iter().for_each(|live| live.free(&mut heap, rng.bool()));
        assert_counts(&heap, &rest);
        rest.into_iter().for_each(|live| live.free(&mut heap, rng.bool()));
        assert_counts(&heap, &[]);
        assert!(heap.stats().arenas <= 2, "the empty ones, and that of the current pools");
        heap.trim();
        assert_eq!(heap.stats(), Stats::default());
    }
}

#[test]
fn empty_arenas_go_back_but_for_those_that_are_kept() {
    let arenas = |heap: &Heap| heap.stats().arenas;
    for kept in [0, 1, 3, KEPT] {
        let mut heap = Heap::new();
        heap.keep(kept);
        let live: Vec<_> = (0..100_000).map(|_| Live::new(&mut heap, 128, 3)).collect();
        let before = heap.stats();
        assert_eq!(before.pools(), 100_000_usize.div_ceil(in_a_pool(128)));
        assert_eq!(before.arenas, before.pools().div_ceil(POOLS));
        live.into_iter().for_each(|live| live.free(&mut heap, false));
        // The current pool stays in use, and its arena with it.
        assert_eq!((heap.stats().pools(), arenas(&heap)), (1, before.arenas.min(kept + 1)));
        heap.keep(2);
        assert_eq!(arenas(&heap), before.arenas.min(kept + 1).min(3));
        let again: Vec<_> = (0..100_000).map(|_| Live::new(&mut heap, 256, 3)).collect();
        assert_counts(&heap, &again);
        again.into_iter().for_each(|live| live.free(&mut heap, true));
        heap.trim();
        assert_eq!(heap.stats(), Stats::default());
    }
}

#[test]
fn pools_come_from_the_arena_with_the_fewest_free() {
    let mut heap = Heap::new();
    let a_pool = in_a_pool(LARGEST);
    let mut live: Vec<_> = (0..3 * POOLS * a_pool).map(|_| Live::new(&mut heap, LARGEST, 3)).collect();
    let arena = |live: &Live| live.at.addr().get() / ARENA;
    assert_eq!(heap.stats().arenas, 3);
    // All but a pool of the first arena, and a single pool of the second, are freed.
    let [first, second] = [0, POOLS * a_pool].map(|at| arena(&live[at]));
    assert_ne!(first, second);
    live.drain(POOLS * a_pool..(POOLS + 1) * a_pool).for_each(|live| live.free(&mut heap, false));
    live.drain(a_pool..POOLS * a_pool).for_each(|live| live.free(&mut heap, false));
    let next = Live::new(&mut heap, 16, 1);
    assert_eq!(arena(&next), second);
    live.push(next);
    assert_counts(&heap, &live);
}

#[test]
fn a_block_of_another_heap_is_refused() {
    let (mut one, mut other) = (Heap::new(), Heap::new());
    for size in [1, 48, LARGEST] {
        let live = Live::new(&mut one, size, 9);
        let theirs = Live::new(&mut other, size, 8);
        let before = (one.stats(), other.stats());
        assert_eq!(free(&mut other, live.at), Err(FreeError::Foreign));
        assert_eq!(free_sized(&mut other, live.at, size), Err(FreeError::Foreign));
        assert_eq!((one.stats(), other.stats()), before);
        live.free(&mut one, true);
        theirs.free(&mut other, false);
    }
    assert!(one.close().is_empty() && other.close().is_empty());
}

#[test]
fn a_large_block_of_another_heap_is_refused() {
    let (mut one, mut other) = (Heap::new(), Heap::new());
    for size in [0, LARGEST + 1, 100_000] {
        let live = Live::new(&mut one, size, 9);
        assert_eq!(free(&mut other, live.at), Err(FreeError::Unknown));
        assert_eq!(free_sized(&mut other, live.at, size), Err(FreeError::Unknown));
        assert_eq!((one.stats().large_blocks, other.stats()), (1, Stats::default()));
        live.free(&mut one, true);
    }
    assert!(one.close().is_empty());
}

#[test]
fn another_size_is_refused() {
    let mut heap = Heap::new();
    let (small, large) = (Live::new(&mut heap, 100, 1), Live::new(&mut heap, 1_000, 2));
    assert_eq!(free_sized(&mut heap, small.at, 96), Err(FreeError::Size));
    assert_eq!(free_sized(&mut heap, small.at, 1_000), Err(FreeError::Unknown));
    assert_eq!(free_sized(&mut heap, large.at, 1_001), Err(FreeError::Size));
    assert_eq!(heap.stats().blocks(), 2);
    small.free(&mut heap, true);
    large.free(&mut heap, true);
}

#[test]
fn null_is_freed_already() {
    let mut heap = Heap::new();
    // SAFETY: null is no block.
    let freed = unsafe { [heap.free(ptr::null_mut()), heap.free_sized(ptr::null_mut(), 48)] };
    assert_eq!(freed, [Ok(()); 2]);
    // SAFETY: as above.
    assert_eq!(unsafe { heap.free_sized(ptr::null_mut(), 5_000) }, Ok(()));
    assert_eq!(heap.stats(), Stats::default());
}

#[test]
fn what_is_no_block_is_refused() {
    let mut heap = Heap::new();
    let live = Live::new(&mut heap, 48, 1);
    let mut local = 0_u8;
    assert_eq!(free(&mut heap, NonNull::from(&mut local)), Err(FreeError::Unknown));
    // SAFETY: never followed: user space has no such address.
    let far = unsafe { heap.free(ptr::without_provenance_mut(usize::MAX - 15)) };
    assert_eq!(far, Err(FreeError::Unknown));
    // The headers of the arena, and a pool that nobody uses.
    let arena = live.at.as_ptr().map_addr(|at| at & !(ARENA - 1));
    for offset in [0, 64, 1_024, ARENA - 64] {
        let block = NonNull::new(arena.wrapping_add(offset)).unwrap();
        assert_eq!(free(&mut heap, block), Err(FreeError::Foreign), "{offset}");
    }
    live.free(&mut heap, false);
}

#[test]
fn a_block_of_a_pool_that_was_given_back_is_refused() {
    let mut heap = Heap::new();
    let kept = Live::new(&mut heap, 16, 1);
    let gone = Live::new(&mut heap, 48, 1);
    let at = gone.at;
    gone.free(&mut heap, false);
    heap.trim();
    assert_eq!(free(&mut heap, at), Err(FreeError::Foreign));
    kept.free(&mut heap, false);
}

#[test]
fn a_heap_that_ended_left_what_was_not_freed() {
    let mut heap = Heap::new();
    let mut live: Vec<_> = (0..3).map(|_| Live::new(&mut heap, 41, 1)).collect();
    live.extend([16, 512, 0, 5_000, 5_000].map(|size| Live::new(&mut heap, size, 2)));
    let leaks = heap.close();
    let blocks = vec![(16, 1), (48, 3), (512, 1)];
    assert_eq!(leaks, Leaks { blocks, large: vec![(0, 1), (5_000, 2)] });
    assert_eq!(leaks.count(), 8);
    let told = "left: 1 block of 16 bytes, 3 blocks of 48 bytes, 1 block of 512 bytes, \
                1 large block of 0 bytes, 2 large blocks of 5000 bytes";
    assert_eq!(leaks.to_string(), told);
    assert_eq!(Leaks::default().to_string(), "nothing was left");
}

#[test]
fn every_request_to_the_system_fails_once() {
    // The first one in this process may need a part of the table, too.
    let one = Heap::new().malloc(16).is_ok();
    assert!(one);
    let mut heap = Heap::new();
    let mut live = Vec::new();
    for arenas in 0..3 {
        heap.fail_request(1);
        while let Ok(at) = heap.malloc(LARGEST) {
            // SAFETY: the block is new, and has so many bytes.
            unsafe { at.write_bytes(5, LARGEST) };
            live.push(Live { at, size: LARGEST, stamp: 5 });
        }
        let full = heap.stats();
        assert_eq!((full.arenas, full.pools()), (arenas, POOLS * arenas));
        assert_eq!(live.len(), arenas * POOLS * in_a_pool(LARGEST));
        heap.fail_request(1);
        assert_eq!(heap.malloc(LARGEST), Err(OutOfMemory));
        heap.fail_request(1);
        assert_eq!(heap.malloc(5_000), Err(OutOfMemory));
        assert_eq!(heap.stats(), full);
        live.push(Live::new(&mut heap, LARGEST, 6));
        assert_counts(&heap, &live);
    }
    heap.fail_request(2);
    live.push(Live::new(&mut heap, 5_000, 7));
    assert_eq!(heap.malloc(5_000), Err(OutOfMemory));
    live.into_iter().for_each(|live| live.free(&mut heap, false));
    assert!(heap.close().is_empty());
}

#[test]
fn a_heap_goes_from_thread_to_thread_with_its_blocks() {
    let (mut heap, mut live) = (Heap::new(), Vec::new());
    for round in 0..10 {
        (heap, live) = thread::spawn(move || {
            live.drain(..).for_each(|live: Live| live.free(&mut heap, false));
            let live = work(&mut heap, &mut Rng::with_seed(round), 5_000, 500);
            (heap, live)
        })
        .join()
        .unwrap();
        assert_counts(&heap, &live);
    }
}

#[test]
fn a_million_random_calls_in_each_of_several_threads_lose_nothing() {
    thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                let (mut heap, mut rng) = (Heap::new(), Rng::with_seed(seed));
                let live = work(&mut heap, &mut rng, 1_000_000, 4_000);
                assert_counts(&heap, &live);
                assert_apart(&live);
                live.into_iter().for_each(|live| live.free(&mut heap, rng.bool()));
                assert!(heap.close().is_empty());
            });
        }
    });
}
