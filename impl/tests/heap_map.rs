//! The map of a heap: what lies where, pool by pool.

use cloister::heap::{ARENA, Heap, LARGEST, POOLS, PoolMap};
use std::ptr::NonNull;

/// How many of the largest blocks a pool holds.
const IN_A_POOL: usize = ARENA / (POOLS + 1) / LARGEST;

fn free(heap: &mut Heap, block: NonNull<u8>) {
    // SAFETY: the tests free what is live.
    assert_eq!(unsafe { heap.free(block.as_ptr()) }, Ok(()));
}

fn large_pool(blocks: usize) -> Option<PoolMap> {
    Some(PoolMap { size: LARGEST, blocks, capacity: IN_A_POOL })
}

#[test]
fn a_map_shows_each_pool_of_each_arena_in_the_order_in_which_they_came() {
    let mut heap = Heap::new();
    assert_eq!(heap.map(), []);
    // A pool of small blocks, and so many of the largest that there are three arenas.
    let small = heap.malloc(20).unwrap();
    let mut live: Vec<_> = (0..2 * POOLS * IN_A_POOL + 5).map(|_| heap.malloc(LARGEST).unwrap()).collect();
    let map = heap.map();
    assert_eq!(map.iter().map(|arena| arena.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(map.iter().all(|arena| arena.pools.len() == POOLS));
    let first = PoolMap { size: 32, blocks: 1, capacity: IN_A_POOL * LARGEST / 32 };
    assert_eq!(map[0].pools[..2], [Some(first), large_pool(IN_A_POOL)]);
    assert_eq!(map[2].pools[..3], [large_pool(IN_A_POOL), large_pool(5), None]);

    // Every pool of the second arena loses a block.
    let seconds = (POOLS - 1) * IN_A_POOL..(2 * POOLS - 1) * IN_A_POOL;
    let gone: Vec<_> = seconds.step_by(IN_A_POOL).rev().map(|at| live.remove(at)).collect();
    gone.into_iter().for_each(|block| free(&mut heap, block));
    let map = heap.map();
    assert!(map[1].pools.iter().all(|pool| *pool == large_pool(IN_A_POOL - 1)));
    let told = map.iter().flat_map(|arena| &arena.pools).flatten().map(|pool| pool.blocks);
    assert_eq!(told.sum::<usize>(), heap.stats().blocks());

    // The first one goes, and the others keep their numbers.
    live.drain(..(POOLS - 1) * IN_A_POOL).chain([small]).for_each(|block| free(&mut heap, block));
    heap.trim();
    assert_eq!(heap.map().iter().map(|arena| arena.number).collect::<Vec<_>>(), [2, 3]);
    live.into_iter().for_each(|block| free(&mut heap, block));
    heap.trim();
    assert_eq!(heap.map(), []);
    let block = heap.malloc(16).unwrap();
    assert_eq!(heap.map()[0].number, 4, "no number is used again");
    free(&mut heap, block);
    assert!(heap.close().is_empty());
}
