//! How many objects of which kind live in a home.

use crate::object::Kind;
use std::ptr;

/// Each kind that there was, and how many objects of it live.
#[derive(Default)]
pub(super) struct Kinds(Vec<(&'static Kind, usize)>);

impl Kinds {
    /// Makes sure that an object of another kind can be counted.
    #[inline]
    pub(super) fn reserve(&mut self) -> bool {
        self.0.len() < self.0.capacity() || self.0.try_reserve(1).is_ok()
    }

    /// One more object of this kind lives, for which there is room.
    pub(super) fn count(&mut self, kind: &'static Kind) {
        if !self.count_known(kind) {
            self.0.push((kind, 1));
        }
    }

    /// One more does, if there was one before: to say so takes one store.
    #[inline]
    pub(super) fn count_known(&mut self, kind: &'static Kind) -> bool {
        let entry = self.0.iter_mut().find(|(known, _)| ptr::eq(*known, kind));
        entry.map(|(_, count)| *count += 1).is_some()
    }

    /// One less does.
    pub(super) fn uncount(&mut self, kind: &'static Kind) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| ptr::eq(*known, kind)) {
            *count -= 1;
        }
    }

    pub(super) fn all(&self) -> &[(&'static Kind, usize)] {
        &self.0
    }
}
