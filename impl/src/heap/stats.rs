//! What a heap has, and what is left of it at its end.

use super::Heap;
use super::arena::ARENA;
use std::collections::BTreeMap;
use std::fmt;

/// The blocks of a size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// How large a block is.
    pub size: usize,
    /// Pools of the class.
    pub pools: usize,
    /// Blocks in use.
    pub blocks: usize,
}

/// What a heap has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By size, each class that has a pool.
    pub classes: Vec<ClassStats>,
    /// Large blocks in use.
    pub large_blocks: usize,
    /// Bytes that were asked for in large blocks.
    pub large_bytes: usize,
    /// Arenas that are mapped.
    pub arenas: usize,
    /// Bytes that are mapped for arenas.
    pub mapped: usize,
}

impl Heap {
    /// What it has.
    pub fn stats(&self) -> Stats {
        let mut classes = BTreeMap::new();
        let arenas = self.map();
        for pool in arenas.iter().flat_map(|arena| &arena.pools).flatten() {
            let size = pool.size;
            let class = classes.entry(size).or_insert(ClassStats { size, ..ClassStats::default() });
            class.pools += 1;
            class.blocks += pool.blocks;
        }
        let returned: Vec<_> =
            self.returned().filter_map(|block| self.large.find(block.cast()).ok()).collect();
        Stats {
            classes: classes.into_values().collect(),
            large_blocks: self.large.count() - returned.len(),
            large_bytes: self.large.bytes() - returned.iter().sum::<usize>(),
            arenas: arenas.len(),
            mapped: arenas.len() * ARENA,
        }
    }

    /// Ends it, and tells what was not freed. Everything goes back to the system all the same, but
    /// for one arena, which the next heap takes.
    pub fn close(mut self) -> Leaks {
        self.shut();
        self.collect();
        let classes = self.stats().classes;
        let mut large = BTreeMap::new();
        self.large.sizes().for_each(|size| *large.entry(size).or_insert(0) += 1);
        let blocks = classes.iter().filter(|class| class.blocks > 0).map(|class| (class.size, class.blocks));
        Leaks { blocks: blocks.collect(), large: large.into_iter().collect() }
    }
}

impl Stats {
    /// Pools in use.
    pub fn pools(&self) -> usize {
        self.classes.iter().map(|class| class.pools).sum()
    }

    /// Blocks in use, large ones too: what `sys.getallocatedblocks` counts.
    pub fn blocks(&self) -> usize {
        self.classes.iter().map(|class| class.blocks).sum::<usize>() + self.large_blocks
    }
}

/// What was not freed when its heap ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaks {
    /// Size and number of the blocks of pools, by size.
    pub blocks: Vec<(usize, usize)>,
    /// Size and number of the large blocks, by size.
    pub large: Vec<(usize, usize)>,
}

impl Leaks {
    /// Was everything freed?
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.large.is_empty()
    }

    /// How many blocks were not.
    pub fn count(&self) -> usize {
        self.blocks.iter().chain(&self.large).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing was left");
        }
        f.write_str("left: ")?;
        let blocks = self.blocks.iter().map(|entry| (entry, "block"));
        let large = self.large.iter().map(|entry| (entry, "large block"));
        for (i, ((size, count), what)) in blocks.chain(large).enumerate() {
            let (comma, plural) = (if i > 0 { ", " } else { "" }, if *count == 1 { "" } else { "s" });
            write!(f, "{comma}{count} {what}{plural} of {size} bytes")?;
        }
        Ok(())
    }
}
