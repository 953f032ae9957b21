//! Being attached, as a value.

use super::cells::{Here, Kept};
use super::desk::Desk;
use super::error::Error;
use super::interpreter::Interpreter;
use super::seat::Seat;
use super::{Brand, NotSend};
use crate::serial::Serial;
use cloister_specs::InterpreterConfig;
use std::fmt;
use std::marker::PhantomData;

/// Stands for holding the GIL of an interpreter, inside an attach closure.
///
/// There is one for each `'i`, and it stays in its closure and its OS thread. Borrowed, it keeps
/// the GIL; borrowed mutably, it may drop the GIL and take it back.
///
/// ```
/// use cloister::safe::{Error, Runtime, Settings};
///
/// let runtime = Runtime::start(Settings::default())?;
/// runtime.attach(|token| {
///     let list = token.here(vec![1, 2]);
///     list.get_mut(token).push(3);
///     token.poll();
///     assert_eq!(list.get(token).len(), 3);
/// })?;
/// # Ok::<(), Error>(())
/// ```
pub struct Token<'i> {
    pub(super) seat: &'i Seat,
    brand: Brand<'i>,
    not_send: NotSend,
}

impl<'i> Token<'i> {
    /// The caller makes one for a seat whose thread state is current, and nobody can use another
    /// one of this OS thread while it lives.
    #[inline]
    pub(super) fn new(seat: &'i Seat) -> Self {
        Token { seat, brand: PhantomData, not_send: PhantomData }
    }

    #[inline]
    pub(super) fn serial(&self) -> Serial {
        self.seat.interp().serial()
    }

    /// The interpreter.
    ///
    /// ```
    /// # use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let interp = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    /// assert_eq!(interp.attach(|token| token.interpreter())?, interp);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn interpreter(&self) -> Interpreter {
        Interpreter::new(self.seat.shared(), self.seat.interp())
    }

    /// If another thread has asked for the GIL, hands it over and takes it back. Code that
    /// computes for long does this now and then.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let sum: u64 = runtime.attach(|token| {
    ///     (0..1000)
    ///         .inspect(|_| token.poll())
    ///         .sum()
    /// })?;
    /// assert_eq!(sum, 499_500);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn poll(&mut self) {
        self.seat.poll();
    }

    /// Drops the GIL, runs a closure that may block, and takes the GIL back, also if the closure
    /// panics. The interpreter cannot be ended meanwhile.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// # use std::{sync::mpsc, thread};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let main = runtime.main();
    /// let (sender, receiver) = mpsc::channel();
    /// let other = thread::spawn(move || main.attach(|_token| sender.send("hello").unwrap()));
    /// let text = runtime.attach(|token| token.detach(|| receiver.recv()))?;
    /// assert_eq!(text, Ok("hello"));
    /// other.join().unwrap()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn detach<R>(&mut self, run: impl FnOnce() -> R) -> R {
        let detached = self.seat.detach();
        let result = run();
        drop(detached);
        self.seat.give_back();
        result
    }

    /// Attaches to another interpreter of the same runtime, runs the closure with its token, and
    /// comes back, also if the closure panics. For the interpreter that the OS thread is in
    /// already it merely runs the closure.
    ///
    /// ```
    /// # use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let other = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    /// let ids = runtime.attach(|token| {
    ///     let there = token.attach_other(&other, |token| token.interpreter().id())?;
    ///     Ok::<_, Error>((token.interpreter().id(), there))
    /// })??;
    /// assert_eq!(ids, (Some(0), Some(1)));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] (GIL-12): that interpreter has ended. [`Error::OtherRuntime`]: it is of
    /// another one.
    pub fn attach_other<R>(
        &mut self,
        interp: &Interpreter,
        run: impl for<'j> FnOnce(&mut Token<'j>) -> R,
    ) -> Result<R, Error> {
        if interp.raw() == self.seat.interp() {
            return Ok(run(&mut Token::new(self.seat)));
        }
        Desk::with(|desk| {
            let swapped = self.seat.swap(desk, interp)?;
            swapped.inner().give_back();
            let result = run(&mut Token::new(swapped.inner()));
            drop(swapped);
            self.seat.give_back();
            Ok(result)
        })
    }

    /// Creates an interpreter in the same runtime. Others may run here meanwhile.
    ///
    /// ```
    /// # use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let interp = runtime.attach(|token| token.new_interpreter(&InterpreterConfig::LEGACY))??;
    /// assert_eq!(interp.id(), Some(1));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Creation`]: the configuration is at fault, or memory ran out. [`Error::Ended`]
    /// (GIL-12): the runtime was dropped.
    pub fn new_interpreter(&mut self, config: &InterpreterConfig) -> Result<Interpreter, Error> {
        Desk::with(|desk| self.seat.create(desk, config))
    }

    /// A value for this closure alone: see [`Here`].
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let here = token.here(1);
    ///     assert_eq!(*here.get(token), 1);
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn here<T>(&self, value: T) -> Here<'i, T> {
        Here::new(value)
    }

    /// A value that stays with the interpreter: see [`Kept`].
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| token.keep(1))?;
    /// assert_eq!(runtime.attach(|token| *kept.get(token).unwrap())?, 1);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn keep<T>(&self, value: T) -> Kept<T> {
        Kept::new(self.serial(), value)
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&self.interpreter()).finish()
    }
}
