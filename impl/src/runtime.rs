//! A runtime: its main interpreter, its lists, its settings.

use crate::home::Raw;
use crate::interp::{INTERPS, Interp, InterpSlot};
use crate::lists::Lists;
use crate::object::Statics;
use crate::pending::Ring;
use crate::serial::{AtomicSerial, Serial};
use crate::sync::plain::AtomicI64;
use crate::sync::{self, Condvar, Guard, Mutex};
use crate::thread::{AttachError, Thread};
use cloister_specs::{Parking, Phase};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a runtime is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How long a thread waits for a GIL before it asks the holder to drop it.
    pub switch_interval: Duration,
    /// How many pending calls a ring holds.
    pub pending_capacity: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { switch_interval: Duration::from_millis(5), pending_capacity: 31 }
    }
}

impl Settings {
    /// The same, with another switch interval.
    pub const fn with_switch_interval(mut self, interval: Duration) -> Self {
        self.switch_interval = interval;
        self
    }

    /// The same, with rings of pending calls of another size.
    pub const fn with_pending_capacity(mut self, calls: usize) -> Self {
        self.pending_capacity = calls;
        self
    }
}

/// A runtime of interpreters. Several may live in one process; a clone is the same one.
///
/// Its memory is given back when its last clone and its last [`Thread`] are dropped. Before
/// that it can be finalized and initialized again, any number of times.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

/// What the clones of a [`Runtime`] share.
pub(crate) struct Inner {
    settings: Settings,
    serial: Serial,
    main: &'static InterpSlot,
    /// The OS thread that initialized it.
    main_thread: AtomicSerial,
    /// The pending calls of that one.
    pub(crate) main_ring: Ring,
    lists: Mutex<Lists>,
    /// The blocks of the raw domain.
    pub(crate) raw: Mutex<Raw>,
    /// The objects that its interpreters share.
    pub(crate) statics: Statics,
    /// `_Py_RefTotal`, in which unaware clients count.
    pub(crate) legacy_refs: AtomicI64,
    /// Signalled when an end has nobody left to wait for.
    threads_ended: Condvar,
    /// Signalled when a call ends while the runtime is being finalized.
    calls_ended: Condvar,
    #[cfg(feature = "faults")]
    pub(crate) faults: crate::faults::Switches,
    #[cfg(feature = "trace")]
    pub(crate) tracing: sync::plain::AtomicBool,
}

impl Runtime {
    /// Starts a runtime: its main interpreter is live, and the main interpreter's first
    /// thread state is current in the calling OS thread, which is attached to it, and is
    /// its *main thread* from now on.
    ///
    /// # Errors
    ///
    /// The calling OS thread is attached to a runtime already, or memory ran out.
    pub fn start(settings: Settings) -> Result<(Runtime, Thread), AttachError> {
        if sync::busy() {
            return Err(AttachError::AlreadyAttached);
        }
        sync::barrier::prepare();
        let main = INTERPS.take().map_err(|_| AttachError::NoMemory)?;
        let runtime = Runtime(Arc::new(Inner {
            settings,
            serial: Serial::next(),
            main,
            main_thread: AtomicSerial::default(),
            main_ring: Ring::default(),
            lists: Mutex::new(Lists::default()),
            raw: Mutex::new(Raw::default()),
            statics: Statics::default(),
            legacy_refs: AtomicI64::new(0),
            threads_ended: Condvar::default(),
            calls_ended: Condvar::default(),
            #[cfg(feature = "faults")]
            faults: crate::faults::Switches::default(),
            #[cfg(feature = "trace")]
            tracing: Default::default(),
        }));
        let thread = runtime.attach()?;
        thread.begin_life(&mut runtime.inner().lists()).map_err(|_| AttachError::NoMemory)?;
        Ok((runtime, thread))
    }

    #[inline]
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The main interpreter, if the runtime is initialized.
    pub fn main(&self) -> Option<Interp> {
        self.0.main_interp()
    }

    /// `Py_IsInitialized`: has it a main interpreter?
    pub fn is_initialized(&self) -> bool {
        self.main().is_some()
    }
}

impl Inner {
    #[inline]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its identity.
    pub(crate) fn serial(&self) -> Serial {
        self.serial
    }

    /// The slot of the main interpreter.
    pub(crate) fn main(&self) -> &'static InterpSlot {
        self.main
    }

    /// The main interpreter, while the runtime is initialized.
    pub(crate) fn main_interp(&self) -> Option<Interp> {
        self.main.handle()
    }

    /// Is this the OS thread that initialized it?
    pub(crate) fn is_main_thread(&self, identity: Serial) -> bool {
        self.main_thread.is(identity)
    }

    pub(crate) fn set_main_thread(&self, identity: Serial) {
        self.main_thread.store(Some(identity));
    }

    /// Waits, with an end that began, until there may be nobody left to wait for.
    pub(crate) fn wait_for_threads<'a>(&'a self, lists: Guard<'a, Lists>) -> Guard<'a, Lists> {
        self.threads_ended.wait(&self.lists, lists, Parking::Threads)
    }

    /// Lets the end of this interpreter look, if it has nobody left to wait for.
    pub(crate) fn wake_end(&self, _: &Lists, interp: Interp) {
        if interp.slot.phase() == Phase::Ending && interp.slot.nobody_left() {
            self.threads_ended.notify_all();
        }
    }

    /// Waits, while the runtime is being finalized, until a call may have ended.
    ///
    /// A call that did not wait for anything ends without a signal, but then it ends soon.
    pub(crate) fn wait_for_calls<'a>(&'a self, lists: Guard<'a, Lists>) -> Guard<'a, Lists> {
        const SOON: Duration = Duration::from_millis(1);
        self.calls_ended.timed_wait(&self.lists, lists, SOON, Parking::Calls).0
    }

    /// Lets whoever finalizes the runtime look: a call that waited has ended.
    pub(crate) fn wake_finalizer(&self) {
        if self.main.phase() == Phase::Finalizing {
            let lists = self.lists();
            self.calls_ended.notify_all();
            drop(lists);
        }
    }

    /// The list lock, `HEAD_LOCK`.
    pub(crate) fn lists(&self) -> Guard<'_, Lists> {
        self.lists.lock()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        #[cfg(any(feature = "loom", feature = "shuttle"))]
        if sync::explored::given_up() {
            return;
        }
        let left = self.main_ring.lock().close();
        drop(left);
        self.lists.get_mut().empty(self.main);
        // The slot may become that of an interpreter that is not finalizing.
        self.main.own.open();
        INTERPS.give(self.main);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("settings", self.0.settings()).finish_non_exhaustive()
    }
}
