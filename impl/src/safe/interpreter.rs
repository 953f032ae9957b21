//! Handles of interpreters.

use super::desk::Inside;
use super::error::Error;
use super::shared::Shared;
use super::token::Token;
use crate::interp::Interp;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An interpreter, by name. It may outlive what it names, and is refused then.
///
/// A clone names the same interpreter; any OS thread may use it.
///
/// ```
/// use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
///
/// let runtime = Runtime::start(Settings::default())?;
/// let interp = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
/// let there = interp.clone();
/// std::thread::spawn(move || there.attach(|_token| ())).join().unwrap()?;
/// drop(runtime);
/// assert_eq!(interp.attach(|_token| ()), Err(Error::Ended));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Interpreter {
    shared: Arc<Shared>,
    interp: Interp,
}

impl Interpreter {
    pub(super) fn new(shared: &Arc<Shared>, interp: Interp) -> Self {
        Interpreter { shared: Arc::clone(shared), interp }
    }

    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(super) fn raw(&self) -> Interp {
        self.interp
    }

    /// Attaches the calling OS thread, runs the closure, and leaves. Waits until the GIL can be
    /// had.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let answer = runtime.main().attach(|token| {
    ///     token.poll();
    ///     6 * 7
    /// })?;
    /// assert_eq!(answer, 42);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] (GIL-12): the interpreter has ended. [`Error::Attached`] (TLS-5): the OS
    /// thread is attached, see [`Token::attach_other`]. [`Error::OtherRuntime`]: it is attached to
    /// another runtime.
    #[inline]
    pub fn attach<R>(&self, run: impl for<'i> FnOnce(&mut Token<'i>) -> R) -> Result<R, Error> {
        let inside = Inside::enter(self)?;
        Ok(run(&mut Token::new(inside.seat())))
    }

    /// Its id: 0 is main, and no id of a runtime is used twice. `None` once it has ended.
    ///
    /// ```
    /// # use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let interp = runtime.new_interpreter(&InterpreterConfig::LEGACY)?;
    /// assert_eq!((runtime.main().id(), interp.id()), (Some(0), Some(1)));
    /// interp.end()?;
    /// assert_eq!(interp.id(), None);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn id(&self) -> Option<i64> {
        if self.shared.closed() { None } else { self.interp.id() }
    }

    /// Ends the interpreter, with the thread states of all who were attached to it before.
    /// Takes its GIL to do so.
    ///
    /// ```
    /// # use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let interp = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    /// interp.attach(|_token| assert_eq!(interp.end(), Err(Error::InUse)))?;
    /// interp.end()?;
    /// assert_eq!(interp.end(), Err(Error::Ended));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] (GIL-12): it has ended before. [`Error::Main`] (LIFE-11): it is the main
    /// one. [`Error::InUse`] (LIFE-10): somebody is attached to it, waits to be, will come back to
    /// it, or has not quite left. [`Error::Attached`] (TLS-5): the OS thread is attached to another interpreter.
    /// [`Error::OtherRuntime`]: it is attached to another runtime.
    pub fn end(&self) -> Result<(), Error> {
        //= specs/rules/life.md#life-11
        //# The main interpreter MUST NOT be ended by EndInterpreter.
        if self.interp == self.shared.main() {
            return Err(if self.shared.closed() { Error::Ended } else { Error::Main });
        }
        // Asked again when the GIL is held; but nobody should wait for it to be told no.
        if self.shared.busy(self.interp) {
            return Err(Error::InUse);
        }
        Inside::enter(self)?.end()
    }
}

impl PartialEq for Interpreter {
    fn eq(&self, other: &Self) -> bool {
        self.interp == other.interp
    }
}

impl Eq for Interpreter {}

impl Hash for Interpreter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.interp.serial().hash(state);
    }
}

impl fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreter").field("id", &self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{InterpreterConfig, Runtime, Settings};
    use super::*;
    use std::thread;

    /// [`Interpreter::end`] of one who found nobody, just before somebody came.
    #[test]
    fn whether_it_is_in_use_is_asked_again_when_the_gil_is_held() {
        let runtime = Runtime::start(Settings::default()).unwrap();
        let interp = runtime.new_interpreter(&InterpreterConfig::ISOLATED).unwrap();
        let end = || Inside::enter(&interp).and_then(Inside::end);
        interp
            .attach(|token| {
                token.detach(|| assert_eq!(end(), Err(Error::InUse)));
                token.detach(|| {
                    thread::scope(|scope| assert_eq!(scope.spawn(end).join().unwrap(), Err(Error::InUse)));
                });
                assert_eq!(token.interpreter(), interp);
            })
            .unwrap();
        assert_eq!(end(), Ok(()));
        assert_eq!(end(), Err(Error::Ended));
    }
}
