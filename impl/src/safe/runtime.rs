//! The owner of a runtime.

use super::desk::{Desk, clean_up, outside};
use super::error::Error;
use super::interpreter::Interpreter;
use super::shared::Shared;
use super::token::Token;
use crate::home::Left;
use crate::runtime::{self, Settings};
use crate::snapshot::Snapshot;
use cloister_specs::InterpreterConfig;
use std::fmt;
use std::sync::Arc;

/// A runtime of interpreters, owned. Several may live in one process.
///
/// Dropping it ends it: from then on every handle of its interpreters is refused. Nobody is
/// thrown out; an interpreter that somebody is attached to ends when the last one has left.
///
/// ```
/// use cloister::safe::{Error, Runtime, Settings};
///
/// let runtime = Runtime::start(Settings::default())?;
/// let main = runtime.main();
/// assert_eq!(main.attach(|_token| 1 + 1)?, 2);
/// drop(runtime);
/// assert_eq!(main.attach(|_token| 1 + 1), Err(Error::Ended));
/// # Ok::<(), Error>(())
/// ```
pub struct Runtime {
    shared: Arc<Shared>,
    main: Interpreter,
}

impl Runtime {
    /// Starts a runtime, with its main interpreter. The calling OS thread is not attached
    /// afterwards.
    ///
    /// ```
    /// use cloister::safe::{Error, Runtime, Settings};
    /// use std::time::Duration;
    ///
    /// let settings = Settings::default().with_switch_interval(Duration::from_millis(1));
    /// let runtime = Runtime::start(settings)?;
    /// assert_eq!(runtime.main().id(), Some(0));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Attached`] (TLS-5): the OS thread is attached to an interpreter.
    /// [`Error::OtherRuntime`]: it is attached to another runtime. [`Error::NoMemory`].
    pub fn start(settings: Settings) -> Result<Runtime, Error> {
        Desk::with(|desk| {
            outside()?;
            let (raw, thread) = runtime::Runtime::start(settings)?;
            let tstate = thread.save_thread()?;
            let interp = raw.main().ok_or(Error::Ended)?;
            let (shared, entry) = Shared::new(raw, interp, tstate);
            desk.started(thread, &shared, entry);
            let main = Interpreter::new(&shared, interp);
            Ok(Runtime { shared, main })
        })
    }

    /// The main interpreter.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let main = runtime.main();
    /// main.attach(|token| assert_eq!(token.interpreter(), main))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn main(&self) -> Interpreter {
        self.main.clone()
    }

    /// [Attaches](Interpreter::attach) to the main interpreter. The runtime cannot be dropped
    /// meanwhile.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// assert_eq!(runtime.attach(|token| token.interpreter().id())?, Some(0));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As there, but for [`Error::Ended`].
    #[inline]
    pub fn attach<R>(&self, run: impl for<'i> FnOnce(&mut Token<'i>) -> R) -> Result<R, Error> {
        self.main.attach(run)
    }

    /// Creates an interpreter. The calling OS thread is not attached; one that is uses
    /// [`Token::new_interpreter`].
    ///
    /// ```
    /// # use cloister::safe::{CreationError, Error, InterpreterConfig, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let isolated = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    /// assert_eq!(isolated.id(), Some(1));
    /// let wrong = InterpreterConfig { use_main_obmalloc: true, ..InterpreterConfig::ISOLATED };
    /// let error = runtime.new_interpreter(&wrong).unwrap_err();
    /// assert_eq!(error, Error::Creation(CreationError::OwnGilSharedObmalloc));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Creation`]: the configuration is at fault, or memory ran out.
    /// [`Error::Attached`] (TLS-5): the OS thread is attached to an interpreter.
    /// [`Error::OtherRuntime`]: it is attached to another runtime.
    pub fn new_interpreter(&self, config: &InterpreterConfig) -> Result<Interpreter, Error> {
        Desk::with(|desk| desk.create(&self.shared, config))
    }

    /// What the runtime holds now, for whoever watches it.
    ///
    /// ```
    /// # use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    /// assert_eq!(runtime.snapshot().interps.len(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        self.shared.raw.snapshot()
    }

    /// What the interpreters that ended left in their heaps: blocks by size, in bytes, and objects by
    /// kind.
    ///
    /// ```
    /// # use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let interp = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    /// interp.attach(|token| token.new_obj(7_u64).map(std::mem::forget))??;
    /// interp.end()?;
    /// assert_eq!(runtime.leaks().small, [(32, 1)]);
    /// assert_eq!(runtime.leaks().objects, [("u64", 1)]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn leaks(&self) -> Left {
        self.shared.raw.leaks()
    }
}

#[cfg(feature = "faults")]
impl Runtime {
    /// As [`crate::Runtime::fail_allocation`].
    pub fn fail_allocation(&self, nth: u64) {
        self.shared.raw.fail_allocation(nth);
    }

    /// As [`crate::Runtime::allocations_left`].
    pub fn allocations_left(&self) -> u64 {
        self.shared.raw.allocations_left()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared.close();
        clean_up(&self.shared);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.raw.fmt(f)
    }
}
