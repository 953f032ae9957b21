//! Pending calls: functions that wait in a *ring* to be run.
//!
//! Each interpreter has a ring, and so has the main thread of a runtime. A ring is *open*
//! for as long as calls can be added to it. A ring that has calls is *signalled*. The
//! breaker of the GIL counts the signalled rings of its interpreters, so that one load
//! tells a poll that there is nothing to look for. A ring's signal, and its part in that
//! count, change under the lock of the ring.

use crate::gil::Gil;
use crate::pool::NoMemory;
use crate::serial::Serial;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Guard, Mutex};
use crate::thread::Thread;
use cloister_specs::Refusal;
use std::collections::VecDeque;
use std::fmt;

/// A pending call: run once, by a thread that holds the GIL of its current thread state.
///
/// It may call anything, but has to come back with the same thread state current: one
/// that does not has failed. While it waits it keeps alive what it owns; if that is a
/// [`Runtime`](crate::Runtime), then that one as well.
pub type PendingFn = Box<dyn FnOnce(&Thread) -> Result<(), PendingFailed> + Send>;

/// What a pending call answers if it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the pending call failed")]
pub struct PendingFailed;

/// Which pending calls were run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// How many.
    pub calls: u32,
    /// The last of them failed.
    pub failed: bool,
}

impl Ran {
    /// None.
    pub const NOTHING: Ran = Ran { calls: 0, failed: false };
}

/// Why a pending call was not added. Nothing has changed.
#[derive(thiserror::Error)]
pub enum NotAdded {
    /// The call broke a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ring is full; here is the call again.
    #[error("the ring of pending calls is full; try again later")]
    Full(PendingFn),
}

impl fmt::Debug for NotAdded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAdded::Refused(refusal) => f.debug_tuple("Refused").field(refusal).finish(),
            NotAdded::Full(_) => f.write_str("Full"),
        }
    }
}

/// A ring.
#[derive(Default)]
pub(crate) struct Ring {
    queue: Mutex<Queue>,
    signalled: AtomicBool,
}

#[derive(Default)]
struct Queue {
    /// Whose ring it is, and the GIL whose holders run it; none: it is closed.
    open: Option<(Serial, &'static Gil)>,
    calls: VecDeque<PendingFn>,
}

impl Ring {
    /// Makes room for this many calls.
    pub(crate) fn reserve(&self, capacity: usize) -> Result<(), NoMemory> {
        self.queue.lock().calls.try_reserve(capacity).map_err(|_| NoMemory)
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { signalled: &self.signalled, queue: self.queue.lock() }
    }

    /// Is there something to look for?
    pub(crate) fn signalled(&self) -> bool {
        self.signalled.load(Ordering::Relaxed)
    }
}

/// A ring that nobody else changes meanwhile.
pub(crate) struct Locked<'a> {
    signalled: &'a AtomicBool,
    queue: Guard<'a, Queue>,
}

impl Locked<'_> {
    /// Opens it for an owner whose calls are run by holders of this GIL.
    pub(crate) fn open(&mut self, owner: Serial, gil: &'static Gil) {
        self.queue.open = Some((owner, gil));
    }

    /// Closes it, and takes the calls that are left.
    #[must_use]
    pub(crate) fn close(&mut self) -> VecDeque<PendingFn> {
        self.unsignal();
        self.queue.open = None;
        // One that has none keeps its memory.
        if self.queue.calls.is_empty() { VecDeque::new() } else { std::mem::take(&mut self.queue.calls) }
    }

    /// Is it open for this owner?
    pub(crate) fn is_of(&self, owner: Serial) -> bool {
        self.queue.open.is_some_and(|(open, _)| open == owner)
    }

    /// Puts a call behind the others.
    pub(crate) fn push(&mut self, call: PendingFn) {
        self.queue.calls.push_back(call);
    }

    /// Takes the first call.
    pub(crate) fn pop(&mut self) -> Option<PendingFn> {
        self.queue.calls.pop_front()
    }

    /// Takes the last call.
    pub(crate) fn pop_last(&mut self) -> Option<PendingFn> {
        self.queue.calls.pop_back()
    }

    /// How many calls it has.
    pub(crate) fn len(&self) -> usize {
        self.queue.calls.len()
    }

    //= specs/rules/pend.md#pend-9
    //# A ring that has calls MUST be signalled, unless a thread is running it.
    pub(crate) fn signal(&mut self) {
        if let Some((_, gil)) = self.queue.open
            && !self.signalled.swap(true, Ordering::Relaxed)
        {
            gil.count_signal();
        }
    }

    pub(crate) fn unsignal(&mut self) {
        if let Some((_, gil)) = self.queue.open
            && self.signalled.swap(false, Ordering::Relaxed)
        {
            gil.uncount_signal();
        }
    }
}
