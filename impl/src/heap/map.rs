//! What lies where: the arenas of a heap, pool by pool.

use super::pool::{self, Body, Use};
use super::{Heap, class};
use std::collections::BTreeMap;

/// A pool in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolMap {
    /// How large its blocks are.
    pub size: usize,
    /// Blocks in use.
    pub blocks: usize,
    /// How many it has.
    pub capacity: usize,
}

/// An arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaMap {
    /// Which one of the heap's it is, of all that it ever had: 1 is the first.
    pub number: u64,
    /// Its [`POOLS`](super::POOLS) pools, by address; none for one that nobody uses.
    pub pools: Vec<Option<PoolMap>>,
}

/// How many blocks of each pool were returned, by the address of its header.
type Returned = BTreeMap<usize, usize>;

impl Heap {
    /// Its arenas, in the order in which they came.
    pub fn map(&self) -> Vec<ArenaMap> {
        let mut returned = Returned::new();
        for block in self.returned() {
            *returned.entry(pool::of(block.as_ptr().cast()).addr()).or_insert(0) += 1;
        }
        let mapped = |(at, body): (usize, &Body)| PoolMap {
            size: class::size_of(body.class()),
            blocks: self.in_use(body) - returned.get(&at).unwrap_or(&0),
            capacity: pool::capacity(body.class()) as usize,
        };
        let arenas = self.arenas.each();
        let mut arenas: Vec<_> = arenas
            .map(|(number, pools)| ArenaMap { number, pools: pools.map(|pool| pool.map(mapped)).collect() })
            .collect();
        arenas.sort_unstable_by_key(|arena| arena.number);
        arenas
    }

    /// How many blocks of this pool were given out and not freed.
    fn in_use(&self, pool: &Body) -> usize {
        let free = match pool.used_as() {
            Use::Current => self.bins[pool.class()].idle(),
            Use::Full | Use::Partial => pool.freed(),
        };
        pool::capacity(pool.class()) as usize - free
    }
}
