//! A runtime: its main interpreter, its lists, its settings.

use crate::interp::{INTERPS, Interp, InterpSlot};
use crate::lists::Lists;
use crate::pending::Ring;
use crate::pool::NoMemory;
use crate::serial::Serial;
use crate::sync::{self, Guard, Mutex};
use crate::thread::{AttachError, Thread};
use crate::tstate::TSTATES;
use cloister_specs::{InterpreterConfig, Phase};
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
/// It ends when its last clone and its last [`Thread`] are dropped.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

/// What the clones of a [`Runtime`] share.
pub(crate) struct Inner {
    settings: Settings,
    serial: Serial,
    main: &'static InterpSlot,
    /// The OS thread that started it.
    main_thread: Serial,
    /// The pending calls of that one.
    pub(crate) main_ring: Ring,
    lists: Mutex<Lists>,
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
        if sync::attached() {
            return Err(AttachError::AlreadyAttached);
        }
        sync::barrier::prepare();
        let main = INTERPS.take().map_err(|_| AttachError::NoMemory)?;
        let runtime = Runtime(Arc::new(Inner {
            settings,
            serial: Serial::next(),
            main,
            main_thread: sync::identity(),
            main_ring: Ring::default(),
            lists: Mutex::new(Lists::default()),
            #[cfg(feature = "faults")]
            faults: crate::faults::Switches::default(),
            #[cfg(feature = "trace")]
            tracing: Default::default(),
        }));
        let inner = runtime.inner();
        let interp = {
            let capacity = settings.pending_capacity;
            let mut lists = inner.lists();
            let mut list = || lists.new_interp(inner.serial, main, &InterpreterConfig::MAIN, capacity);
            match inner.main_ring.reserve(capacity).and_then(|()| list()) {
                Ok(interp) => interp,
                Err(NoMemory) => {
                    INTERPS.give(main);
                    return Err(AttachError::NoMemory);
                }
            }
        };
        let thread = runtime.attach()?;
        let slot = TSTATES.take().map_err(|_| AttachError::NoMemory)?;
        let tstate = {
            let mut lists = inner.lists();
            let gil = &main.own;
            gil.create(interp.serial);
            main.gil.store(Some(gil));
            let Ok(tstate) = lists.new_tstate(interp, slot) else {
                TSTATES.give(slot);
                return Err(AttachError::NoMemory);
            };
            thread.bind(tstate);
            main.ring.lock().open(interp.serial, gil);
            inner.main_ring.lock().open(inner.serial, gil);
            main.set_phase(Phase::Live);
            tstate
        };
        main.own.take(&thread, tstate);
        thread.enter(tstate);
        Ok((runtime, thread))
    }

    #[inline]
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The main interpreter.
    pub fn main(&self) -> Option<Interp> {
        self.0.main.handle()
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

    /// Is this the OS thread that started it?
    pub(crate) fn started_by(&self, identity: Serial) -> bool {
        self.main_thread == identity
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
        self.lists.get_mut().empty();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("settings", self.0.settings()).finish_non_exhaustive()
    }
}
