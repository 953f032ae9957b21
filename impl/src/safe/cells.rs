//! Values that are guarded by the GIL of an interpreter.
//!
//! A GIL is a mutex that a thread holds for as long as it has a token. So a value that is
//! reached through the token alone needs no lock of its own: `&Token` lends it, `&mut Token` lends
//! it mutably, and the borrow ends before the token can be used to drop the GIL.

use super::error::Error;
use super::token::Token;
use super::{Brand, NotSend};
use crate::serial::Serial;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;

/// A value of one attach closure: the compiler lets nothing but the token of that closure open
/// it, and does not let it leave the closure.
///
/// Any number of them can share one token, which is what makes graphs of them possible.
///
/// ```
/// use cloister::safe::{Error, Runtime, Settings};
///
/// let runtime = Runtime::start(Settings::default())?;
/// runtime.attach(|token| {
///     let a = token.here(1);
///     let b = token.here(vec![&a, &a]);
///     *a.get_mut(token) += 1;
///     let sum: i32 = b.get(token).iter().map(|here| *here.get(token)).sum();
///     assert_eq!(sum, 4);
/// })?;
/// # Ok::<(), Error>(())
/// ```
pub struct Here<'i, T: ?Sized> {
    brand: Brand<'i>,
    not_send: NotSend,
    value: UnsafeCell<T>,
}

impl<'i, T> Here<'i, T> {
    #[inline]
    pub(super) fn new(value: T) -> Self {
        Here { brand: PhantomData, not_send: PhantomData, value: UnsafeCell::new(value) }
    }

    /// The value itself.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let text = runtime.attach(|token| token.here(String::from("out")).into_inner())?;
    /// assert_eq!(text, "out");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<'i, T: ?Sized> Here<'i, T> {
    /// Lends the value for as long as the token is lent.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let (a, b) = (token.here(1), token.here(2));
    ///     assert_eq!(a.get(token) + b.get(token), 3);
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn get<'a>(&'a self, _token: &'a Token<'i>) -> &'a T {
        // SAFETY: there is one token of `'i`, it is lent for `'a`, and `get_mut` needs it lent
        // mutably.
        unsafe { &*self.value.get() }
    }

    /// Lends the value mutably for as long as the token is.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let here = token.here(1);
    ///     *here.get_mut(token) += 1;
    ///     assert_eq!(*here.get(token), 2);
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn get_mut<'a>(&'a self, _token: &'a mut Token<'i>) -> &'a mut T {
        // SAFETY: there is one token of `'i`, and it is lent mutably for `'a`: no other borrow of
        // any `Here<'i, _>` is alive.
        unsafe { &mut *self.value.get() }
    }
}

impl<T: ?Sized> fmt::Debug for Here<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Here").finish_non_exhaustive()
    }
}

/// A value that stays with its interpreter: every OS thread that is attached there can open it,
/// and no other. It can be kept and sent anywhere, and is dropped where its owner drops it.
///
/// ```
/// use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
///
/// let runtime = Runtime::start(Settings::default())?;
/// let [a, b] = [(); 2].map(|()| runtime.new_interpreter(&InterpreterConfig::ISOLATED));
/// let (a, b) = (a?, b?);
/// let kept = a.attach(|token| token.keep(vec![1]))?;
/// a.attach(|token| kept.get_mut(token).map(|list| list.push(2)))??;
/// assert_eq!(b.attach(|token| kept.get(token).map(Vec::len))?, Err(Error::OtherInterpreter));
/// assert_eq!(kept.into_inner(), [1, 2]);
/// # Ok::<(), Error>(())
/// ```
pub struct Kept<T: ?Sized> {
    /// Of its interpreter: no other will ever have it.
    home: Serial,
    value: UnsafeCell<T>,
}

// SAFETY: a `Kept` is opened by whoever has a token of its interpreter, and so holds its GIL; a
// borrow ends before the token can be used to drop it, and the next thread takes it after that. So
// threads open it one after the other, which is what sending it from one to the next would be.
unsafe impl<T: ?Sized + Send> Sync for Kept<T> {}

impl<T> Kept<T> {
    #[inline]
    pub(super) fn new(home: Serial, value: T) -> Self {
        Kept { home, value: UnsafeCell::new(value) }
    }

    /// The value itself. Whoever owns the cell needs no token.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| token.keep(1))?;
    /// drop(runtime);
    /// assert_eq!(kept.into_inner(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Kept<T> {
    /// Lends the value for as long as the token is lent.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| token.keep(1))?;
    /// assert_eq!(runtime.attach(|token| kept.get(token).copied())?, Ok(1));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OtherInterpreter`]: the token is of another interpreter.
    //= specs/rules/gil.md#gil-2
    //# Outside a call, a thread with a current thread state MUST hold the GIL of its interpreter.
    #[inline]
    pub fn get<'a>(&'a self, token: &'a Token<'_>) -> Result<&'a T, Error> {
        self.check(token)?;
        // SAFETY: the caller holds the GIL of the interpreter, and does so while the token is lent;
        // nobody else opens this meanwhile. In this thread, `get_mut` needs a token of the
        // interpreter lent mutably, and there is but one that can be used.
        Ok(unsafe { &*self.value.get() })
    }

    /// Lends the value mutably for as long as the token is.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| token.keep(1))?;
    /// runtime.attach(|token| *kept.get_mut(token).unwrap() += 1)?;
    /// assert_eq!(kept.into_inner(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OtherInterpreter`]: the token is of another interpreter.
    #[inline]
    pub fn get_mut<'a>(&'a self, token: &'a mut Token<'_>) -> Result<&'a mut T, Error> {
        self.check(token)?;
        // SAFETY: as in `get`; and since the token is lent mutably, no other borrow is alive.
        Ok(unsafe { &mut *self.value.get() })
    }

    #[inline]
    fn check(&self, token: &Token<'_>) -> Result<(), Error> {
        if token.serial() == self.home { Ok(()) } else { Err(Error::OtherInterpreter) }
    }
}

impl<T: ?Sized> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
