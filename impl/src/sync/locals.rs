//! The thread-local: the current thread state, whether the OS thread is attached to a
//! runtime, and its identity. A scheduler exchanges them when it switches between logical
//! threads.

use crate::serial::Serial;
use crate::tstate::Tstate;
use std::cell::Cell;

#[cfg(not(any(feature = "loom", feature = "shuttle")))]
thread_local! {
    static CURRENT: Cell<Option<Tstate>> = const { Cell::new(None) };
    static ATTACHED: Cell<bool> = const { Cell::new(false) };
    static IDENTITY: Cell<Option<Serial>> = const { Cell::new(None) };
}

#[cfg(any(feature = "loom", feature = "shuttle"))]
super::backend::thread_local! {
    static CURRENT: Cell<Option<Tstate>> = Cell::new(None);
    static ATTACHED: Cell<bool> = Cell::new(false);
    static IDENTITY: Cell<Option<Serial>> = Cell::new(None)
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

/// Is this thread attached to a runtime? Inside the safe face, with a thread state current, it
/// need not say so.
#[inline]
pub(crate) fn attached() -> bool {
    ATTACHED.with(Cell::get)
}

/// Has this thread no room for another runtime?
pub(crate) fn busy() -> bool {
    attached() || current().is_some()
}

#[inline]
pub(crate) fn set_attached(attached: bool) {
    ATTACHED.with(|a| a.set(attached));
}

/// The identity of this thread, the same for as long as it lives.
pub(crate) fn identity() -> Serial {
    IDENTITY.with(|identity| {
        let known = identity.get().unwrap_or_else(Serial::next);
        identity.set(Some(known));
        known
    })
}

/// The thread-locals of a logical thread that does not run.
#[cfg(feature = "controlled")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Locals {
    current: Option<Tstate>,
    attached: bool,
    identity: Option<Serial>,
}

#[cfg(feature = "controlled")]
impl Locals {
    /// Puts these in place, and takes away those that were.
    pub(crate) fn exchange(&mut self) {
        self.current = CURRENT.replace(self.current);
        self.attached = ATTACHED.replace(self.attached);
        self.identity = IDENTITY.replace(self.identity);
    }

    /// The current thread state of that logical thread.
    pub(crate) const fn current(&self) -> Option<Tstate> {
        self.current
    }
}
