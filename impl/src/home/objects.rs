//! The objects of a home: how many there are of which kind, and where those of the raw face lie.
//!
//! A heap knows which of its blocks are live, and not which of them are objects; what lies in a block
//! cannot tell either, since whoever has the block writes into it what they like. So the raw face,
//! whose names may be stale, writes down here where it has made an object. The safe face has no such
//! names.

use crate::heap::Spread;
use crate::object::Kind;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ptr;

/// What is known of the objects of a home.
#[derive(Default)]
pub(super) struct Objects {
    kinds: Vec<(&'static Kind, usize)>,
    made: HashSet<usize, BuildHasherDefault<Spread>>,
}

impl Objects {
    /// Makes sure that an object of another kind can be counted.
    #[inline]
    pub(super) fn reserve_kind(&mut self) -> bool {
        self.kinds.len() < self.kinds.capacity() || self.kinds.try_reserve(1).is_ok()
    }

    /// Makes sure that another address can be written down.
    pub(super) fn reserve_place(&mut self) -> bool {
        self.made.try_reserve(1).is_ok()
    }

    /// One more object of this kind lives, for which there is room.
    pub(super) fn count(&mut self, kind: &'static Kind) {
        if !self.count_known(kind) {
            self.kinds.push((kind, 1));
        }
    }

    /// One more does, if there was one before: to say so takes one store.
    #[inline]
    pub(super) fn count_known(&mut self, kind: &'static Kind) -> bool {
        let entry = self.kinds.iter_mut().find(|(known, _)| ptr::eq(*known, kind));
        entry.map(|(_, count)| *count += 1).is_some()
    }

    /// One less does.
    pub(super) fn uncount(&mut self, kind: &'static Kind) {
        if let Some((_, count)) = self.kinds.iter_mut().find(|(known, _)| ptr::eq(*known, kind)) {
            *count -= 1;
        }
    }

    /// Each kind that there was, and how many of it live.
    pub(super) fn kinds(&self) -> &[(&'static Kind, usize)] {
        &self.kinds
    }

    /// The raw face has made an object here, for which there is room.
    pub(super) fn add(&mut self, at: *mut u8) {
        self.made.insert(at.addr());
    }

    /// It is no more.
    pub(super) fn remove(&mut self, at: *mut u8) {
        self.made.remove(&at.addr());
    }

    /// Has the raw face an object here?
    #[inline]
    pub(super) fn has(&self, at: *mut u8) -> bool {
        self.made.contains(&at.addr())
    }
}
