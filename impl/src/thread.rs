//! OS threads that are attached to a runtime.
//!
//! [`Thread`] is the raw face: every call of the C API is a method of it, and acts for
//! the OS thread that it was made on. The thread's *gilstate slot* lives in a slot that
//! other threads can reach, since deleting a thread state empties the slot that names
//! it, whosever it is.

use crate::faults::Seeded;
use crate::pool::Pool;
use crate::runtime::{Inner, Runtime};
use crate::serial::{AtomicSerial, Serial};
use crate::sync::atomic::Ordering;
use crate::sync::{self, AtomicStatic, global};
use crate::trace::Sink;
use crate::tstate::{Tstate, TstateSlot};
use cloister_specs::{Refusal, Rule, StatusBits};
use std::fmt;
use std::marker::PhantomData;

/// An OS thread attached to a runtime.
///
/// An OS thread is attached to one runtime at most. Dropping this detaches it: a current
/// thread state is taken away and its GIL dropped without waiting, as by
/// [`Thread::save_thread`]; the thread states bound to it stay, but can only be cleared
/// and deleted.
pub struct Thread {
    runtime: Runtime,
    pub(crate) slot: &'static ThreadSlot,
    serial: Serial,
    pub(crate) sink: Sink,
    /// That of the OS thread, which stays when this one is detached.
    identity: Serial,
    not_send: PhantomData<*const ()>,
}

/// What other threads can reach of a thread.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct ThreadSlot {
    serial: AtomicSerial,
    /// That of the OS thread.
    identity: AtomicSerial,
    /// The gilstate slot.
    pub(crate) gilstate: AtomicSerial,
    /// Where that thread state is. Written by the thread alone; means nothing while
    /// `gilstate` is empty.
    gilstate_slot: AtomicStatic<TstateSlot>,
}

global! {
    /// The slots that no thread uses.
    pub(crate) static THREADS: Pool<ThreadSlot> = Pool::new();
}

/// Why an OS thread could not be attached to a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// It is attached to this or another runtime; drop that [`Thread`] first.
    #[error("the OS thread is already attached to a runtime; drop its Thread first")]
    AlreadyAttached,
    /// Memory ran out.
    #[error("memory allocation failed")]
    NoMemory,
}

impl ThreadSlot {
    fn fill(&self, identity: Serial) -> Serial {
        let serial = Serial::next();
        self.identity.store(Some(identity));
        self.gilstate.store(None);
        self.serial.store(Some(serial));
        serial
    }

    /// Which OS thread uses it.
    pub(crate) fn identity(&self) -> Option<Serial> {
        self.identity.load()
    }

    /// Who uses it.
    pub(crate) fn serial(&self) -> Option<Serial> {
        self.serial.load()
    }
}

impl Runtime {
    /// Attaches the calling OS thread, which then has no current thread state.
    ///
    /// # Errors
    ///
    /// It is attached already, or memory ran out.
    pub fn attach(&self) -> Result<Thread, AttachError> {
        if sync::busy() {
            return Err(AttachError::AlreadyAttached);
        }
        let slot = self.inner().allocate(&THREADS).map_err(|_| AttachError::NoMemory)?;
        let sink = Sink::new();
        let entered = self.inner().allocates().and_then(|()| self.inner().lists().enter(slot, &sink));
        if entered.is_err() {
            THREADS.give(slot);
            return Err(AttachError::NoMemory);
        }
        let identity = sync::identity();
        let serial = slot.fill(identity);
        sink.of(serial);
        sync::set_current(None);
        sync::set_attached(true);
        Ok(Thread { runtime: self.clone(), slot, serial, sink, identity, not_send: PhantomData })
    }
}

impl Thread {
    /// The runtime it is attached to.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    #[inline]
    pub(crate) fn inner(&self) -> &Inner {
        self.runtime.inner()
    }

    /// Its identity.
    #[inline]
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// Is this the main thread: the OS thread that started the runtime, or initialized it
    /// after it was finalized?
    pub fn is_main_thread(&self) -> bool {
        self.inner().is_main_thread(self.identity)
    }

    /// That of the OS thread.
    pub(crate) fn identity(&self) -> Serial {
        self.identity
    }

    /// Its current thread state: `_PyThreadState_UncheckedGet`.
    #[inline]
    pub fn current(&self) -> Option<Tstate> {
        sync::current()
    }

    /// What its gilstate slot names: `PyGILState_GetThisThreadState`.
    pub fn gilstate(&self) -> Option<Tstate> {
        let serial = self.slot.gilstate.load()?;
        Some(Tstate { slot: self.slot.gilstate_slot.load()?, serial })
    }

    //= specs/rules/tls.md#tls-14
    //# The gilstate slot of a thread MUST name nothing or a thread state that lives, is bound to that
    //# thread and knows that it is named.
    #[inline]
    pub(crate) fn set_gilstate(&self, tstate: Tstate) {
        self.slot.gilstate_slot.store(Some(tstate.slot));
        self.slot.gilstate.store(Some(tstate.serial));
    }

    /// The status bits of a thread state (`PyThreadState._status`).
    ///
    /// # Errors
    ///
    /// GIL-12: it was deleted.
    pub fn status(&self, tstate: Tstate) -> Result<StatusBits, Refusal> {
        let status = tstate.status();
        if tstate.listed() { Ok(status) } else { Err(Rule::Gil12.into()) }
    }

    /// Makes a thread state whose GIL this thread holds the current one.
    //= specs/rules/tls.md#tls-2
    //# Outside a call, a thread state MUST be active exactly when it is the current one of the thread
    //# it is bound to.
    //= specs/rules/tls.md#tls-16
    //# A thread state that becomes current MUST be the one that the gilstate slot of its thread names.
    #[inline]
    pub(crate) fn enter(&self, tstate: Tstate) {
        sync::set_current(Some(tstate));
        if !self.slot.gilstate.is(tstate.serial) && !self.seeded(Seeded::SwapKeepsGilstate) {
            self.set_gilstate(tstate);
        }
        tstate.slot.set_status(tstate.slot.status() | StatusBits::ACTIVE);
    }

    /// Nothing is current any more; the thread still holds the GIL.
    #[inline]
    pub(crate) fn leave(&self, tstate: Tstate) {
        sync::set_current(None);
        tstate.slot.set_status(tstate.slot.status() - StatusBits::ACTIVE);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        #[cfg(any(feature = "loom", feature = "shuttle"))]
        if sync::explored::given_up() {
            return;
        }
        if let Some(tstate) = self.current() {
            tstate.slot.in_use.store(true, Ordering::Relaxed);
            self.leave(tstate);
            if let Some(gil) = tstate.slot.gil.load() {
                gil.drop(self, tstate, true);
            }
            tstate.slot.in_use.store(false, Ordering::Release);
        }
        self.slot.identity.store(None);
        self.slot.gilstate.store(None);
        self.slot.serial.store(None);
        self.inner().lists().leave(self.slot);
        THREADS.give(self.slot);
        sync::set_attached(false);
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Thread").field(&self.serial.get()).finish()
    }
}
