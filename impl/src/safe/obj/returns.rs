//! References that are given back by those who are not attached.
//!
//! A count is guarded by a GIL, so who drops a handle without holding it leaves the reference in
//! the queue of the heap. Whoever is next to attach to an interpreter of that heap, polls there or
//! ends it gives it back.

use super::count;
use crate::home::Here;
use crate::interp::Interp;
use crate::object::Header;
use crate::sync::Mutex;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

/// The queue of a heap.
#[derive(Debug)]
pub(in crate::safe) struct Returns {
    owner: Interp,
    /// Is that the main interpreter?
    main: bool,
    /// Is something in the queue? Written holding its lock.
    waiting: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    sent: Vec<Sent>,
    /// The heap has ended, and its objects with it.
    closed: bool,
}

/// A reference.
#[derive(Debug)]
struct Sent(NonNull<Header>);

// SAFETY: it is followed by an OS thread that holds the GIL of the heap, and the values of objects
// can be sent.
unsafe impl Send for Sent {}

impl Returns {
    pub(in crate::safe) fn new(owner: Interp, main: bool) -> Returns {
        Returns { owner, main, waiting: AtomicBool::new(false), queue: Mutex::default() }
    }

    /// The interpreter whose heap it is.
    #[inline]
    pub(in crate::safe) fn owner(&self) -> Interp {
        self.owner
    }

    /// Is a reference waiting to be given back?
    #[inline]
    pub(in crate::safe) fn waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Where this OS thread works with the heap, if it is attached to it.
    pub(super) fn works_here(&self) -> Option<Here> {
        count::works_with(self.owner, self.main)
    }

    /// Leaves a reference to be given back. After the end of the heap it is one to nothing. If there
    /// is no memory for it, the object is leaked, and reported as such.
    #[cold]
    #[inline(never)]
    pub(super) fn send(&self, object: NonNull<Header>) {
        let mut queue = self.queue.lock();
        if !queue.closed && queue.sent.try_reserve(1).is_ok() {
            queue.sent.push(Sent(object));
            self.waiting.store(true, Ordering::Relaxed);
        }
    }

    /// Gives back what is waiting, if this OS thread is attached to the heap. A panic in the drop of
    /// a value ends there: nobody here has asked for that value to be dropped.
    #[cold]
    #[inline(never)]
    pub(in crate::safe) fn give_back(&self) {
        let Some(here) = self.works_here() else { return };
        while let Some(Sent(object)) = self.next() {
            // SAFETY: this OS thread works there: its thread state is current, and no token is in
            // use that could drop the GIL. The reference was left here by who had it.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { count::give_back(here, object) }));
            // What a panic carries may panic again when it is dropped.
            mem::forget(dropped);
        }
    }

    fn next(&self) -> Option<Sent> {
        let mut queue = self.queue.lock();
        let next = queue.sent.pop();
        self.waiting.store(!queue.sent.is_empty(), Ordering::Relaxed);
        next
    }

    /// The heap has ended. What came too late is gone with it.
    pub(in crate::safe) fn close(&self) {
        let mut queue = self.queue.lock();
        *queue = Queue { sent: Vec::new(), closed: true };
        self.waiting.store(false, Ordering::Relaxed);
    }
}
