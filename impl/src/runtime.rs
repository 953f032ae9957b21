//! A runtime: its main interpreter, its lists, its settings.

use crate::interp::{INTERPS, Interp, InterpSlot};
use crate::lists::Lists;
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
}

impl Default for Settings {
    fn default() -> Self {
        Settings { switch_interval: Duration::from_millis(5) }
    }
}

impl Settings {
    /// The same, with another switch interval.
    pub const fn with_switch_interval(mut self, interval: Duration) -> Self {
        self.switch_interval = interval;
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
    lists: Mutex<Lists>,
    #[cfg(feature = "faults")]
    pub(crate) faults: crate::faults::Switches,
    #[cfg(feature = "trace")]
    pub(crate) tracing: sync::plain::AtomicBool,
}

impl Runtime {
    /// Starts a runtime: its main interpreter is live, and the main interpreter's first
    /// thread state is current in the calling OS thread, which is attached to it.
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
            lists: Mutex::new(Lists::default()),
            #[cfg(feature = "faults")]
            faults: crate::faults::Switches::default(),
            #[cfg(feature = "trace")]
            tracing: Default::default(),
        }));
        let inner = runtime.inner();
        let interp = {
            let mut lists = inner.lists();
            let Ok(interp) = lists.new_interp(inner.serial, main, &InterpreterConfig::MAIN) else {
                INTERPS.give(main);
                return Err(AttachError::NoMemory);
            };
            interp
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
        self.lists.get_mut().empty();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("settings", self.0.settings()).finish_non_exhaustive()
    }
}
