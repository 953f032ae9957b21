//! What ended interpreters left: blocks, and references.

use super::Inside;
use crate::heap::Leaks;
use crate::object::Kind;
use crate::runtime::Runtime;
use std::fmt;
use std::sync::atomic::Ordering;

/// What heaps left at their ends: how much of each size, and how many objects of each kind.
///
/// All memory went back to the system all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left {
    /// Size and number of the blocks of pools, by size.
    pub small: Vec<(usize, usize)>,
    /// Size and number of the large blocks, by size.
    pub large: Vec<(usize, usize)>,
    /// How many of these blocks were objects, by kind.
    pub objects: Vec<(&'static str, usize)>,
    /// In the child of a fork: how many blocks more there were in heaps that a thread of the parent
    /// was changing at that moment. Their sizes and kinds are not known.
    pub uncertain: usize,
}

impl Left {
    pub(super) fn new(leaks: Leaks, objects: &[(&'static Kind, usize)]) -> Left {
        let mut left = Left { small: leaks.blocks, large: leaks.large, ..Left::default() };
        for (kind, count) in objects.iter().filter(|(_, count)| *count > 0) {
            add(&mut left.objects, kind.name(), *count);
        }
        left
    }

    /// So many blocks, of which nothing else is known.
    pub(super) fn uncertain(blocks: usize) -> Left {
        Left { uncertain: blocks, ..Left::default() }
    }

    /// How many blocks.
    pub fn blocks(&self) -> usize {
        self.small.iter().chain(&self.large).map(|(_, count)| count).sum::<usize>() + self.uncertain
    }

    /// Was everything freed?
    pub fn is_empty(&self) -> bool {
        self.blocks() == 0
    }

    fn append(&mut self, other: Left) {
        self.uncertain += other.uncertain;
        other.small.into_iter().for_each(|(size, count)| add(&mut self.small, size, count));
        other.large.into_iter().for_each(|(size, count)| add(&mut self.large, size, count));
        other.objects.into_iter().for_each(|(kind, count)| add(&mut self.objects, kind, count));
    }
}

/// So many more of these, in their place.
fn add<K: Ord>(counts: &mut Vec<(K, usize)>, key: K, more: usize) {
    match counts.binary_search_by(|(known, _)| known.cmp(&key)) {
        Ok(place) => counts[place].1 += more,
        Err(place) => counts.insert(place, (key, more)),
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaks = Leaks { blocks: self.small.clone(), large: self.large.clone() };
        if self.uncertain == 0 || !leaks.is_empty() {
            leaks.fmt(f)?;
        }
        if self.uncertain > 0 {
            let (first, plural) = (leaks.is_empty(), if self.uncertain == 1 { "" } else { "s" });
            let begin = if first { "left: " } else { ", " };
            write!(f, "{begin}{} block{plural} of unknown size", self.uncertain)?;
        }
        for (i, (kind, count)) in self.objects.iter().enumerate() {
            write!(f, "{} {count} of kind {kind}", if i == 0 { "; objects:" } else { "," })?;
        }
        Ok(())
    }
}

/// What ended interpreters left, in this life of the runtime and in those before.
#[derive(Default)]
pub(crate) struct Totals {
    /// `interpreter_leaks` of blocks.
    pub(crate) leaks: usize,
    /// `last_final_leaks`.
    pub(crate) last_final: usize,
    /// `interpreter_leaks` of references.
    pub(crate) ref_leaks: i64,
    /// `last_final_reftotal`.
    pub(crate) ref_last_final: i64,
    /// All of the blocks.
    left: Left,
}

impl Totals {
    /// What the home of an interpreter has left, which is taken from the lists.
    pub(crate) fn add(&mut self, inside: &mut Inside) {
        self.ref_leaks += std::mem::take(inside.refs.get_mut());
        if let Some(left) = inside.left.take() {
            self.leaks += left.blocks();
            self.left.append(*left);
        }
    }

    /// `_Py_FinalizeAllocatedBlocks` and `_Py_FinalizeRefTotal`: a life of the runtime is over.
    /// `forgets`: what was left is not carried over.
    pub(crate) fn end_life(&mut self, forgets: bool) {
        let leaks = std::mem::take(&mut self.leaks);
        self.last_final += if forgets { 0 } else { leaks };
        self.ref_last_final += std::mem::take(&mut self.ref_leaks);
    }
}

impl Runtime {
    /// What the interpreters that ended left in their heaps, in all lives of this runtime.
    pub fn leaks(&self) -> Left {
        self.inner().lists().totals.left.clone()
    }

    /// The changes of counts by unaware clients (`_Py_RefTotal`).
    pub(crate) fn legacy_refs(&self) -> i64 {
        self.inner().legacy_refs.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_unknown_size_are_told_beside_the_others() {
        let mut left = Left::default();
        assert_eq!(left.to_string(), "nothing was left");
        left.append(Left::uncertain(1));
        assert_eq!((left.to_string().as_str(), left.blocks()), ("left: 1 block of unknown size", 1));
        left.append(Left { small: vec![(16, 2)], objects: vec![("object", 1)], ..Left::uncertain(2) });
        let told = "left: 2 blocks of 16 bytes, 3 blocks of unknown size; objects: 1 of kind object";
        assert_eq!((left.to_string().as_str(), left.blocks()), (told, 5));
    }
}
