//! A mutex that knows no poison: nothing here panics while it holds one.

use super::backend::sync;
use std::sync::PoisonError;

/// A lock around a value.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

/// Holding a [`Mutex`].
pub(crate) type Guard<'a, T> = sync::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    #[cfg(not(feature = "loom"))]
    pub(crate) const fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }

    #[cfg(feature = "loom")]
    pub(crate) fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
