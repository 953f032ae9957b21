//! Keeping what different threads write on different cache lines.

use std::ops::Deref;

/// A value with two cache lines of its own (the prefetcher of x86 fetches pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
