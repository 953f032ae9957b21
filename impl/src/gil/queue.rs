//! The queue of a GIL: those who wait for it, and those who sleep until it is switched.
//!
//! A waiter that has asked *lingers* for a while before it waits again, since the holder is
//! about to drop the GIL; and so does a sleeper, since the waiter is about to take it. Who
//! lingers looks for itself and needs no signal, so a hand-over between two threads that
//! run takes no help from the kernel.

use super::{FREE, Gil, Queued};
use crate::faults::Seeded;
use crate::sync::atomic::Ordering;
use crate::sync::{self, Condvar, Guard, Mutex, Woken, barrier};
use crate::thread::Thread;
use crate::trace::Event;
use crate::tstate::Tstate;
use cloister_specs::Parking;

/// Who is in it, and what they wait on.
#[derive(Default)]
pub(super) struct Queue {
    counts: Mutex<Counts>,
    /// Signalled when the GIL is dropped.
    gil_cond: Condvar,
    /// Signalled when the GIL is taken.
    switch_cond: Condvar,
}

#[derive(Default)]
struct Counts {
    waiters: usize,
    sleepers: usize,
    /// Those of the waiters who linger.
    asking: usize,
    /// Those of the sleepers who linger.
    dozing: usize,
}

impl Queue {
    /// Forgets who waits: a scheduler was reset while its threads did.
    #[cfg(feature = "controlled")]
    pub(super) fn abandon(&self) {
        *self.counts.lock() = Counts::default();
        self.gil_cond.reset();
        self.switch_cond.reset();
    }
}

impl Gil {
    /// `take_gil` where it is not free.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait_and_take(&self, thread: &Thread, tstate: Tstate) {
        let shut = || self.lock.word.load(Ordering::Relaxed) != FREE;
        let alone = || !self.lock.queued.load(Ordering::Relaxed);
        if sync::spin_while(sync::Spins::Short, || shut() && alone()) && self.claim() {
            return self.settle(thread, tstate);
        }
        let mut counts = self.queue.counts.lock();
        counts.waiters += 1;
        self.announce();
        if !self.claim() {
            thread.trace(|| Event::WaitBegin(self.named(tstate)));
            counts = self.wait(thread, tstate, counts);
        }
        counts.waiters -= 1;
        self.take_in(thread, tstate, &counts);
    }

    /// Takes what was claimed while there was a queue.
    #[cold]
    #[inline(never)]
    pub(super) fn settle_queued(&self, thread: &Thread, tstate: Tstate) {
        let counts = self.queue.counts.lock();
        self.take_in(thread, tstate, &counts);
    }

    fn take_in(&self, thread: &Thread, tstate: Tstate, counts: &Counts) {
        self.taken(thread, tstate);
        if counts.sleepers > counts.dozing {
            self.queue.switch_cond.notify_one();
        }
        //= specs/rules/gil.md#gil-8
        //# Taking a GIL MUST reset the request that the taker would see.
        if !thread.seeded(Seeded::TakeKeepsRequest) {
            self.unrequest();
        }
        self.conceal(counts);
    }

    /// Waits until it is claimed.
    fn wait<'a>(
        &'a self,
        thread: &Thread,
        tstate: Tstate,
        mut counts: Guard<'a, Counts>,
    ) -> Guard<'a, Counts> {
        let Queue { counts: mutex, gil_cond, .. } = &*self.queue;
        let limit = thread.inner().settings().switch_interval;
        //= specs/rules/gil.md#gil-11
        //# A thread that waits for a GIL MUST be able to go on: the GIL is free, or its holder is inside
        //# a call that can go on, or outside one.
        loop {
            let seen = self.lock.switch_number.load(Ordering::Relaxed);
            let woken;
            (counts, woken) = gil_cond.timed_wait(mutex, counts, limit, Parking::Gil);
            if self.claim() {
                return counts;
            }
            //= specs/rules/gil.md#gil-6
            //# A waiter whose interval expires while the GIL is held and has not been switched MUST ask for it.
            let switched = self.lock.switch_number.load(Ordering::Relaxed) != seen;
            if woken == Woken::Expired && self.locked() && !switched {
                self.ask(thread, tstate);
                counts.asking += 1;
                drop(counts);
                sync::spin_while(sync::Spins::Long, || self.lock.word.load(Ordering::Relaxed) != FREE);
                counts = mutex.lock();
                counts.asking -= 1;
                if self.claim() {
                    return counts;
                }
            }
        }
    }

    //= specs/rules/gil.md#gil-7
    //# Once a waiter has asked, the holder of that GIL MUST see the request.
    fn ask(&self, thread: &Thread, tstate: Tstate) {
        // Who sees the request hands the GIL over, and that comes later in the trace.
        thread.trace(|| Event::Requested(self.named(tstate)));
        if !thread.seeded(Seeded::RequestPerInterpreter) {
            self.request();
        } else if let Some(interp) = tstate.slot.interp() {
            interp.slot.own.request();
        }
    }

    /// `drop_gil` where there is a queue, after [`Gil::try_drop`].
    #[cold]
    #[inline(never)]
    pub(crate) fn drop_queued(&self, thread: &Thread, tstate: Tstate, last: bool, queued: Queued) {
        let Queue { counts: mutex, switch_cond, .. } = &*self.queue;
        let mut counts = mutex.lock();
        if !queued.dropped {
            thread.trace(|| Event::Dropping(self.named(tstate)));
            self.lock.word.store(FREE, Ordering::Release);
        }
        if !thread.seeded(Seeded::DropLosesSignal) {
            self.signal(&counts);
        }
        let skipped = last || thread.seeded(Seeded::ForcedSwitchSkipped);
        //= specs/rules/gil.md#gil-9
        //# A thread that drops a GIL on request MUST NOT go on before another thread state has taken it,
        //# unless it is woken for no reason.
        if !skipped && self.requested() && self.lock.last_holder.is(tstate.serial) {
            //= specs/rules/gil.md#gil-10
            //# A thread in the forced switch MUST have another thread that is about to take that GIL.
            self.unrequest();
            counts.sleepers += 1;
            thread.trace(|| Event::SwitchWaitBegin(self.named(tstate)));
            counts.dozing += 1;
            drop(counts);
            let here = || self.lock.last_holder.is(tstate.serial);
            sync::spin_while(sync::Spins::Long, here);
            counts = mutex.lock();
            counts.dozing -= 1;
            if here() {
                counts = switch_cond.wait(mutex, counts, Parking::Switch);
            }
            thread.trace(|| Event::SwitchWaitEnd(self.named(tstate)));
            counts.sleepers -= 1;
        }
        self.conceal(&counts);
    }

    /// Wakes a waiter, if there is one, because the GIL is free.
    pub(super) fn signal_waiter(&self) {
        self.signal(&self.queue.counts.lock());
    }

    fn signal(&self, counts: &Counts) {
        if counts.waiters > 0 && counts.asking == 0 {
            self.queue.gil_cond.notify_one();
        }
    }

    /// Lets everybody know that there is a queue.
    fn announce(&self) {
        if !self.lock.queued.load(Ordering::Relaxed) {
            self.lock.queued.store(true, Ordering::SeqCst);
            barrier::heavy();
        }
    }

    /// Lets everybody know that the queue is empty, if it is.
    fn conceal(&self, counts: &Counts) {
        if counts.waiters + counts.sleepers == 0 {
            self.lock.queued.store(false, Ordering::Relaxed);
        }
    }
}
