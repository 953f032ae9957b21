//! Who is in a home, in builds for shuttle: there two threads that are in one at a time are told, and
//! others may come in whenever one goes in or out.

#[cfg(feature = "shuttle")]
use crate::sync::atomic::{AtomicBool, Ordering};

/// Is a thread in it? In other builds nobody asks.
#[derive(Default)]
pub(super) struct Door {
    #[cfg(feature = "shuttle")]
    taken: AtomicBool,
}

/// A thread that is in.
pub(crate) struct Alone<'a> {
    #[cfg(feature = "shuttle")]
    door: &'a Door,
    #[cfg(not(feature = "shuttle"))]
    _door: std::marker::PhantomData<&'a Door>,
}

impl Door {
    /// Goes in.
    //= specs/rules/mem.md#mem-1
    //# A heap MUST be used by one thread at a time.
    #[inline]
    pub(super) fn enter(&self) -> Alone<'_> {
        #[cfg(feature = "shuttle")]
        {
            assert!(!self.taken.swap(true, Ordering::SeqCst), "MEM-1: two threads are in one heap");
            Alone { door: self }
        }
        #[cfg(not(feature = "shuttle"))]
        Alone { _door: std::marker::PhantomData }
    }
}

#[cfg(feature = "shuttle")]
impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.door.taken.store(false, Ordering::SeqCst);
    }
}
