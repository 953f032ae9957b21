//! An atomic `Option<&'static T>`.

use super::atomic::{AtomicPtr, Ordering};
use std::ptr;

/// Names a static value, or nothing.
#[derive(Debug)]
pub(crate) struct AtomicStatic<T: 'static>(AtomicPtr<T>);

impl<T> Default for AtomicStatic<T> {
    fn default() -> Self {
        AtomicStatic(AtomicPtr::new(ptr::null_mut()))
    }
}

impl<T> AtomicStatic<T> {
    #[inline]
    pub(crate) fn load(&self) -> Option<&'static T> {
        let pointer = self.0.load(Ordering::Acquire);
        // SAFETY: `store` is the only writer, and writes null or a `&'static T`, which stays
        // valid for ever and is only shared.
        unsafe { pointer.as_ref() }
    }

    #[inline]
    pub(crate) fn store(&self, value: Option<&'static T>) {
        let pointer = value.map_or(ptr::null_mut(), |v| ptr::from_ref(v).cast_mut());
        self.0.store(pointer, Ordering::Release);
    }
}
