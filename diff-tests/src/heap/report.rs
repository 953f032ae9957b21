//! What came of a workload.

use super::work::{Calls, Plan};
use cloister::heap::{ARENA, ArenaMap, ClassStats, Leaks, PoolMap, Stats};
use serde::Serialize;
use std::collections::BTreeSet;

const VERSION: u32 = 1;

/// All that there is to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// That of this form.
    pub version: u32,
    /// Where the random choices began.
    pub seed: u64,
    /// How many calls were planned.
    pub ops: u64,
    /// How often each was made.
    pub calls: Calls,
    /// By size, each class that has a pool.
    pub classes: Vec<Class>,
    /// Sums.
    pub totals: Totals,
    /// In the order in which they came.
    pub arenas: Vec<Arena>,
    /// What the heap said was left when it was closed.
    pub left: Left,
    /// Ways in which that, or the map, is not what it has to be.
    pub problems: Vec<String>,
}

/// The blocks of a size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Class {
    /// How large a block is.
    pub size: usize,
    /// Pools of the class.
    pub pools: usize,
    /// Blocks in use.
    pub blocks: usize,
    /// Blocks that the pools have.
    pub capacity: usize,
}

/// What a heap has in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Large blocks in use.
    pub large_blocks: usize,
    /// Their bytes.
    pub large_bytes: usize,
    /// Bytes that were asked for, in all live blocks.
    pub live_bytes: usize,
    /// Bytes mapped for arenas.
    pub mapped: usize,
}

/// An arena.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arena {
    /// Which one of the heap's it is: 1 is the first that it ever had.
    pub number: u64,
    /// By address; null for one that nobody uses.
    pub pools: Vec<Option<Pool>>,
}

/// A pool in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// How large its blocks are.
    pub size: usize,
    /// Blocks in use.
    pub blocks: usize,
    /// How many it has.
    pub capacity: usize,
}

/// What was not freed, by size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Size and number of the blocks of pools.
    pub blocks: Vec<(usize, usize)>,
    /// Size and number of the large blocks.
    pub large: Vec<(usize, usize)>,
    /// The same in a sentence.
    pub told: String,
}

impl Report {
    pub(super) fn new(
        plan: Plan,
        calls: Calls,
        live_bytes: usize,
        (stats, map): (&Stats, &[ArenaMap]),
        (leaks, expected): (&Leaks, &Leaks),
    ) -> Self {
        let Stats { large_blocks, large_bytes, mapped, .. } = *stats;
        let arenas = map.iter().map(|ArenaMap { number, pools }| Arena {
            number: *number,
            pools: pools.iter().map(|pool| pool.map(Pool::from)).collect(),
        });
        Report {
            version: VERSION,
            seed: plan.seed,
            ops: plan.ops,
            calls,
            classes: stats.classes.iter().map(|class| class_of(class, map)).collect(),
            totals: Totals { large_blocks, large_bytes, live_bytes, mapped },
            arenas: arenas.collect(),
            left: Left { blocks: leaks.blocks.clone(), large: leaks.large.clone(), told: leaks.to_string() },
            problems: problems(stats, map, leaks, expected),
        }
    }
}

impl From<PoolMap> for Pool {
    fn from(PoolMap { size, blocks, capacity }: PoolMap) -> Self {
        Pool { size, blocks, capacity }
    }
}

fn class_of(class: &ClassStats, map: &[ArenaMap]) -> Class {
    let ClassStats { size, pools, blocks } = *class;
    let of_class = map.iter().flat_map(|arena| &arena.pools).flatten().filter(|pool| pool.size == size);
    Class { size, pools, blocks, capacity: of_class.map(|pool| pool.capacity).sum() }
}

/// Compares what the heap says of itself with what the workload knows.
fn problems(stats: &Stats, map: &[ArenaMap], leaks: &Leaks, expected: &Leaks) -> Vec<String> {
    let mut problems = Vec::new();
    for (what, said, right) in
        [("blocks", &leaks.blocks, &expected.blocks), ("large blocks", &leaks.large, &expected.large)]
    {
        let sizes: BTreeSet<_> = said.iter().chain(right).map(|(size, _)| *size).collect();
        let count = |of: &[(usize, usize)], size| of.iter().find(|of| of.0 == size).map_or(0, |of| of.1);
        let counts = sizes.into_iter().map(|size| (size, count(said, size), count(right, size)));
        problems.extend(counts.filter(|(_, said, right)| said != right).map(|(size, said, right)| {
            format!("the heap says that {said} {what} of {size} bytes are left, but {right} are")
        }));
    }
    if stats.blocks() != expected.count() {
        problems.push(format!("the heap counts {} blocks, but {} live", stats.blocks(), expected.count()));
    }
    let pools = || map.iter().flat_map(|arena| &arena.pools).flatten();
    let (in_pools, blocks) =
        (pools().map(|pool| pool.blocks).sum::<usize>(), stats.blocks() - stats.large_blocks);
    if (in_pools, pools().count(), map.len() * ARENA) != (blocks, stats.pools(), stats.mapped) {
        problems.push(format!("the map shows {in_pools} blocks, but the heap counts {blocks}"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_heap_says_is_compared_with_what_lives() {
        let pool = PoolMap { size: 48, blocks: 2, capacity: 341 };
        let map = [ArenaMap { number: 1, pools: vec![Some(pool), None] }];
        let classes = vec![ClassStats { size: 48, pools: 1, blocks: 2 }];
        let stats = Stats { classes, large_blocks: 1, large_bytes: 600, arenas: 1, mapped: ARENA };
        let leaks = Leaks { blocks: vec![(48, 2)], large: vec![(600, 1)] };
        assert_eq!(problems(&stats, &map, &leaks, &leaks), Vec::<String>::new());
        let more = Leaks { large: vec![(600, 2)], ..leaks.clone() };
        let told = problems(&stats, &map, &leaks, &more);
        let left = "the heap says that 1 large blocks of 600 bytes are left, but 2 are";
        assert_eq!(told, [left, "the heap counts 3 blocks, but 4 live"]);
        let told = problems(&stats, &map, &Leaks { blocks: vec![(64, 2)], ..leaks.clone() }, &leaks);
        assert!(told.len() == 2 && told[1].contains("2 blocks of 64 bytes are left, but 0 are"), "{told:?}");
        let told = problems(&stats, &[], &leaks, &leaks);
        assert_eq!(told, ["the map shows 0 blocks, but the heap counts 2"]);
    }
}
