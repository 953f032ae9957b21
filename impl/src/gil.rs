//! The GIL: taking it, dropping it, handing it over.
//!
//! - The *word* says whether the GIL is `FREE`, `CLAIMED` or `TAKEN`. A thread *claims* it
//!   by exchanging `FREE` for `CLAIMED`, which shuts all others out, and *settles* by
//!   writing down that it is the holder; it may also *give it back* unsettled.
//! - A *waiter* wants the GIL. It waits for at most the switch interval, and if the GIL
//!   was not switched meanwhile it leaves a *request* with the GIL.
//! - The *breaker* is what the holder reads at every poll: the request, and how many
//!   rings of pending calls are signalled in the interpreters of this GIL.
//! - A *sleeper* has dropped the GIL on request, and waits for another thread state to
//!   take it: the *forced switch*.
//! - A GIL is *shut* when its interpreter is finalizing: every waiter gives up, and nobody
//!   waits for it any more.
//! - Waiters and sleepers are in the *queue*; `queued` says that there are some.
//!
//! While nobody is in the queue, taking is one exchange, and dropping two loads and a
//! store; otherwise both go on under the lock of the queue. There is a request only while
//! there is a waiter, so the short paths need not look for one.
//!
//! Who drops writes `FREE` and then looks for a queue; who waits writes `queued` and then
//! looks at the word. One of them must see the other: see `sync::barrier`.
//!
//! `last_holder` and `switch_number` are written by the holder alone, but for the
//! deletion of a thread state, which takes its name out of `last_holder`.

mod queue;

use crate::faults::Seeded;
use crate::serial::{AtomicSerial, Serial};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Padded, barrier};
use crate::thread::Thread;
use crate::trace::{self, Event};
use crate::tstate::Tstate;
pub(crate) use queue::Frozen;
use queue::Queue;

const FREE: u32 = 0;
const CLAIMED: u32 = 1;
const TAKEN: u32 = 2;

const REQUEST: u32 = 1;
const SIGNAL: u32 = 2;

/// A global interpreter lock.
#[derive(Default)]
pub(crate) struct Gil {
    lock: Padded<Lock>,
    /// The request, as a bit, and above it the number of signalled rings. Apart from the
    /// rest: its holder reads it at every poll.
    breaker: Padded<AtomicU32>,
    queue: Padded<Queue>,
}

#[derive(Default)]
struct Lock {
    word: AtomicU32,
    /// Is there anybody in the queue?
    queued: AtomicBool,
    /// The thread state that took it last.
    last_holder: AtomicSerial,
    /// How often it went from one thread state to another.
    switch_number: AtomicU64,
    /// The interpreter that created it.
    creator: AtomicSerial,
}

/// The interpreter of a GIL that was waited for is finalizing. The GIL was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// A drop that found a queue, and is to be finished by [`Gil::drop_queued`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Queued {
    /// It was found when the GIL was dropped already.
    dropped: bool,
}

impl Gil {
    /// Begins a life as the GIL that this interpreter created, in memory that may have
    /// been one before.
    ///
    /// The word is left alone: it is free, or claimed for a moment by a thread that came
    /// with the name of a dead thread state and is about to find out.
    pub(crate) fn create(&self, creator: Serial) {
        #[cfg(feature = "controlled")]
        if crate::sync::control::running() {
            self.lock.word.store(FREE, Ordering::Relaxed);
            self.lock.queued.store(false, Ordering::Relaxed);
            self.queue.abandon();
        }
        self.lock.last_holder.store(None);
        self.lock.creator.store(Some(creator));
        self.breaker.store(0, Ordering::Relaxed);
    }

    /// Claims it if it is free.
    //= specs/rules/gil.md#gil-1
    //# A GIL MUST be held by at most one thread, and be locked exactly when it is held.
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        self.lock.word.compare_exchange(FREE, CLAIMED, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// `take_gil`, by a call that has marked the thread state.
    ///
    /// # Errors
    ///
    /// The GIL is shut, or was while the thread waited.
    //= specs/rules/fin.md#fin-10
    //# No thread but the one that ends it MUST take the GIL of an interpreter that is finalizing.
    #[inline]
    pub(crate) fn take(&self, thread: &Thread, tstate: Tstate) -> Result<(), Gone> {
        // Whoever finalizes keeps it until no call of another thread has marked a thread state: while
        // it is free it is not shut.
        if self.claim() {
            self.settle(thread, tstate);
            Ok(())
        } else {
            self.wait_and_take(thread, tstate)
        }
    }

    /// Takes what was claimed.
    #[inline]
    pub(crate) fn settle(&self, thread: &Thread, tstate: Tstate) {
        if self.lock.queued.load(Ordering::SeqCst) {
            self.settle_queued(thread, tstate);
        } else {
            self.taken(thread, tstate);
        }
    }

    #[inline]
    fn taken(&self, thread: &Thread, tstate: Tstate) {
        if !self.lock.last_holder.is(tstate.serial) && !thread.seeded(Seeded::TakeForgetsLastHolder) {
            self.lock.last_holder.store(Some(tstate.serial));
            let number = self.lock.switch_number.load(Ordering::Relaxed);
            self.lock.switch_number.store(number.wrapping_add(1), Ordering::Relaxed);
        }
        // Who sees that it is taken asks for it, and that comes later in the trace.
        thread.trace(|| Event::Took(self.named(tstate)));
        self.lock.word.store(TAKEN, Ordering::Release);
    }

    /// Has nobody taken it since this thread state did? Told truly to who has claimed it.
    #[inline]
    pub(crate) fn was_last_taken_by(&self, tstate: Tstate) -> bool {
        self.lock.last_holder.is(tstate.serial)
    }

    /// Gives back what was claimed.
    #[cold]
    pub(crate) fn give_back(&self) {
        self.lock.word.store(FREE, Ordering::Release);
        barrier::light();
        if self.lock.queued.load(Ordering::Relaxed) {
            self.signal_waiter();
        }
    }

    /// `drop_gil` of a thread state that is in use; for the `last` time in this call
    /// there is no forced switch.
    #[inline]
    pub(crate) fn drop(&self, thread: &Thread, tstate: Tstate, last: bool) {
        if let Err(queued) = self.try_drop(thread, tstate) {
            self.drop_queued(thread, tstate, last, queued);
        }
    }

    /// `drop_gil` of a thread state that is in use, where there is no queue.
    ///
    /// # Errors
    ///
    /// There is one: the drop is to be finished.
    //= specs/rules/gil.md#gil-4
    //# A thread MUST hold a GIL when it drops it.
    #[inline]
    pub(crate) fn try_drop(&self, thread: &Thread, tstate: Tstate) -> Result<(), Queued> {
        if self.lock.queued.load(Ordering::Relaxed) {
            return Err(Queued { dropped: false });
        }
        thread.trace(|| Event::Dropping(self.named(tstate)));
        self.lock.word.store(FREE, Ordering::Release);
        barrier::light();
        if self.lock.queued.load(Ordering::Relaxed) {
            return Err(Queued { dropped: true });
        }
        Ok(())
    }

    /// Is there anything that a poll has to look at? One relaxed load.
    #[inline]
    pub(crate) fn disturbed(&self) -> bool {
        self.breaker.load(Ordering::Relaxed) != 0
    }

    /// Has somebody asked for it?
    #[inline]
    pub(crate) fn requested(&self) -> bool {
        self.breaker.load(Ordering::Relaxed) & REQUEST != 0
    }

    /// Leaves a request.
    fn request(&self) {
        self.breaker.fetch_or(REQUEST, Ordering::Relaxed);
    }

    /// Takes the request away.
    fn unrequest(&self) {
        self.breaker.fetch_and(!REQUEST, Ordering::Relaxed);
    }

    /// One more ring of its interpreters is signalled.
    pub(crate) fn count_signal(&self) {
        self.breaker.fetch_add(SIGNAL, Ordering::Relaxed);
    }

    /// One less is.
    pub(crate) fn uncount_signal(&self) {
        self.breaker.fetch_sub(SIGNAL, Ordering::Relaxed);
    }

    fn named(&self, tstate: Tstate) -> trace::Gil {
        trace::Gil { creator: self.lock.creator.load(), tstate: tstate.serial }
    }

    /// A thread state that is deleted is nobody's last holder.
    pub(crate) fn forget(&self, tstate: Tstate) {
        self.lock.last_holder.forget(tstate.serial);
    }

    /// Is it taken?
    pub(crate) fn locked(&self) -> bool {
        self.lock.word.load(Ordering::Relaxed) == TAKEN
    }

    /// The thread state that took it last.
    pub(crate) fn last_holder(&self) -> Option<Serial> {
        self.lock.last_holder.load()
    }
}
