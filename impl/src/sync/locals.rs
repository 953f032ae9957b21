//! The thread-local: the current thread state, and whether the OS thread is attached
//! to a runtime. A scheduler exchanges both when it switches between logical threads.

use crate::tstate::Tstate;
use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<Option<Tstate>> = const { Cell::new(None) };
    static ATTACHED: Cell<bool> = const { Cell::new(false) };
}

/// The current thread state of this thread.
#[inline]
pub(crate) fn current() -> Option<Tstate> {
    CURRENT.with(Cell::get)
}

#[inline]
pub(crate) fn set_current(tstate: Option<Tstate>) {
    CURRENT.with(|current| current.set(tstate));
}

/// Is this thread attached to a runtime?
#[inline]
pub(crate) fn attached() -> bool {
    ATTACHED.get()
}

#[inline]
pub(crate) fn set_attached(attached: bool) {
    ATTACHED.set(attached);
}

/// The thread-locals of a logical thread that does not run.
#[cfg(feature = "controlled")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Locals {
    current: Option<Tstate>,
    attached: bool,
}

#[cfg(feature = "controlled")]
impl Locals {
    /// Puts these in place, and takes away those that were.
    pub(crate) fn exchange(&mut self) {
        self.current = CURRENT.replace(self.current);
        self.attached = ATTACHED.replace(self.attached);
    }

    /// The current thread state of that logical thread.
    pub(crate) const fn current(&self) -> Option<Tstate> {
        self.current
    }
}
