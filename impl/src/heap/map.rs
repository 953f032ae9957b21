//! What lies where: the arenas of a heap, pool by pool.

use super::pool::{self, Body, Use};
use super::{Heap, class};

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

impl Heap {
    /// Its arenas, in the order in which they came.
    pub fn map(&self) -> Vec<ArenaMap> {
        let mut arenas: Vec<_> =
            self.arenas.each().map(|(number, pools)| self.map_of(number, pools)).collect();
        arenas.sort_unstable_by_key(|arena| arena.number);
        arenas
    }

    fn map_of<'a>(&self, number: u64, pools: impl Iterator<Item = Option<&'a Body>>) -> ArenaMap {
        let mapped = |body: &Body| PoolMap {
            size: class::size_of(body.class()),
            blocks: self.in_use(body),
            capacity: pool::capacity(body.class()) as usize,
        };
        ArenaMap { number, pools: pools.map(|body| body.map(mapped)).collect() }
    }

    /// How many blocks of this pool are in use.
    fn in_use(&self, pool: &Body) -> usize {
        let free = match pool.used_as() {
            Use::Current => self.bins[pool.class()].idle(),
            Use::Full | Use::Partial => pool.freed(),
        };
        pool::capacity(pool.class()) as usize - free
    }
}
