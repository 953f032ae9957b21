//! The queue of a GIL: those who wait for it, and those who sleep until it is switched.
//!
//! A waiter that has asked *lingers* for a while before it waits again, since the holder is
//! about to drop the GIL; and so does a sleeper, since the waiter is about to take it. Who
//! lingers looks for itself and needs no signal, so a hand-over between two threads that
//! run takes no help from the kernel.

use super::{FREE, Gil, Gone, Queued, TAKEN};
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
    /// How often it was taken while there was a queue.
    takes: u64,
    /// How often a waiter has found that it was not free.
    missed: u64,
    /// Nobody may wait for it any more.
    shut: bool,
}

/// A queue that nobody else changes meanwhile, not even in another process.
pub(crate) struct Frozen<'a>(Guard<'a, Counts>);

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
    pub(crate) fn wait_and_take(&self, thread: &Thread, tstate: Tstate) -> Result<(), Gone> {
        let taken = || self.lock.word.load(Ordering::Relaxed) != FREE;
        let alone = || !self.lock.queued.load(Ordering::Relaxed);
        if sync::spin_while(sync::Spins::Short, || taken() && alone()) && self.claim() {
            self.settle(thread, tstate);
            return Ok(());
        }
        let mut counts = self.queue.counts.lock();
        if counts.shut {
            thread.trace(|| Event::GaveUp(self.named(tstate)));
            return Err(Gone);
        }
        counts.waiters += 1;
        self.announce();
        let mut result = Ok(());
        if !self.claim() {
            counts.missed = counts.missed.wrapping_add(1);
            thread.trace(|| Event::WaitBegin(self.named(tstate)));
            (counts, result) = self.wait(thread, tstate, counts);
        }
        counts.waiters -= 1;
        match result {
            Ok(()) => self.take_in(thread, tstate, &mut counts),
            Err(Gone) => {
                thread.trace(|| Event::GaveUp(self.named(tstate)));
                self.conceal(&counts);
            }
        }
        result
    }

    /// Takes what was claimed while there was a queue.
    #[cold]
    #[inline(never)]
    pub(super) fn settle_queued(&self, thread: &Thread, tstate: Tstate) {
        let mut counts = self.queue.counts.lock();
        self.take_in(thread, tstate, &mut counts);
    }

    fn take_in(&self, thread: &Thread, tstate: Tstate, counts: &mut Counts) {
        self.taken(thread, tstate);
        counts.takes = counts.takes.wrapping_add(1);
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

    /// Waits until it is claimed, or shut.
    fn wait<'a>(
        &'a self,
        thread: &Thread,
        tstate: Tstate,
        mut counts: Guard<'a, Counts>,
    ) -> (Guard<'a, Counts>, Result<(), Gone>) {
        let Queue { counts: mutex, gil_cond, .. } = &*self.queue;
        // Its request, while nobody has taken the GIL since.
        let mut asked = None;
        let limit = thread.inner().settings().switch_interval;
        //= specs/rules/gil.md#gil-11
        //# A thread that waits for a GIL MUST be able to go on: the GIL is free, or its holder is inside
        //# a call that can go on, or outside one.
        loop {
            let seen = self.lock.switch_number.load(Ordering::Relaxed);
            let woken;
            (counts, woken) = gil_cond.timed_wait(mutex, counts, limit, Parking::Gil);
            if counts.shut && !thread.seeded(Seeded::WaiterHangs) {
                self.give_up(thread, &counts, asked);
                return (counts, Err(Gone));
            }
            if self.claim() {
                return (counts, Ok(()));
            }
            counts.missed = counts.missed.wrapping_add(1);
            //= specs/rules/gil.md#gil-6
            //# A waiter whose interval expires while the GIL is held and has not been switched MUST ask for it.
            let switched = self.lock.switch_number.load(Ordering::Relaxed) != seen;
            if woken == Woken::Expired && self.locked() && !switched {
                self.ask(thread, tstate);
                asked = Some(counts.takes);
                counts.asking += 1;
                drop(counts);
                sync::spin_while(sync::Spins::Long, || self.lock.word.load(Ordering::Relaxed) != FREE);
                counts = mutex.lock();
                counts.asking -= 1;
                if counts.shut && !thread.seeded(Seeded::WaiterHangs) {
                    self.give_up(thread, &counts, asked);
                    return (counts, Err(Gone));
                }
                if self.claim() {
                    return (counts, Ok(()));
                }
                counts.missed = counts.missed.wrapping_add(1);
            }
        }
    }

    //= specs/rules/fin.md#fin-12
    //# A call that gives up waiting for a GIL MUST take back its request.
    fn give_up(&self, thread: &Thread, counts: &Counts, asked: Option<u64>) {
        if asked == Some(counts.takes) && !thread.seeded(Seeded::GiveUpKeepsRequest) {
            self.unrequest();
        }
    }

    /// Has every waiter give up, and lets nobody wait any more. Its holder keeps it.
    //= specs/rules/fin.md#fin-11
    //# A call that waits for the GIL of an interpreter when that is finalized MUST be answered, with
    //# nothing current in its thread.
    pub(crate) fn shut(&self) {
        let mut counts = self.queue.counts.lock();
        counts.shut = true;
        self.queue.gil_cond.notify_all();
    }

    /// Lets threads wait for it again.
    pub(crate) fn open(&self) {
        self.queue.counts.lock().shut = false;
    }

    /// Lets nobody change the queue until the process has forked.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        Frozen(self.queue.counts.lock())
    }

    /// In the child of a fork: nobody is in the queue, and this thread state holds it.
    pub(crate) fn keep(&self, tstate: Tstate, frozen: Frozen<'_>) {
        let Frozen(mut counts) = frozen;
        *counts = Counts::default();
        self.lock.queued.store(false, Ordering::Relaxed);
        self.lock.last_holder.store(Some(tstate.serial));
        self.lock.word.store(TAKEN, Ordering::Relaxed);
        self.unrequest();
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

    /// Claims it if it is free, for a look at what it guards; [`Gil::looked`] is told what this
    /// answers.
    pub(crate) fn claim_to_look(&self) -> Option<u64> {
        let missed = self.queue.counts.lock().missed;
        self.claim().then_some(missed)
    }

    /// Gives back what was claimed for a look. Waiters learn of it only if it was in the way of one.
    pub(crate) fn looked(&self, missed: u64) {
        self.lock.word.store(FREE, Ordering::Release);
        barrier::light();
        if self.lock.queued.load(Ordering::Relaxed) {
            let counts = self.queue.counts.lock();
            if counts.missed != missed {
                self.signal(&counts);
            }
        }
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
