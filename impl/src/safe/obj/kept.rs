//! References that outlive the closure they were taken in.

use super::{Obj, Returns, count, value};
use crate::object::Header;
use crate::safe::error::Error;
use crate::safe::token::Token;
use cloister_specs::{Refusal, Rule};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

/// A reference to an object, for as long as it is kept: every OS thread that is attached to an
/// interpreter of the heap can open it, and no other.
///
/// It can be sent anywhere and dropped anywhere. Who drops it without being attached there leaves
/// the reference to the next one who is. One that is kept does not keep the heap: when that ends, the
/// object is leaked, its value is not dropped, and the handle refers to nothing any more.
///
/// ```
/// use cloister::safe::{Error, InterpreterConfig, Rule, Runtime, Settings};
///
/// let runtime = Runtime::start(Settings::default())?;
/// let [a, b] = [(); 2].map(|()| runtime.new_interpreter(&InterpreterConfig::ISOLATED));
/// let (a, b) = (a?, b?);
/// let kept = a.attach(|token| Ok::<_, Error>(token.new_obj(vec![1])?.keep()))??;
/// a.attach(|token| kept.get_mut(token).map(|list| list.push(2)))??;
/// let refused = b.attach(|token| kept.get(token).map(Vec::len))?.unwrap_err();
/// assert_eq!(refused.rule(), Some(Rule::Ref3));
/// drop(kept);
/// a.attach(|token| assert_eq!(token.allocated_blocks(), Ok(0)))?;
/// # Ok::<(), Error>(())
/// ```
pub struct KeptObj<T> {
    header: NonNull<Header>,
    returns: Arc<Returns>,
    /// Invariant, since it can be lent mutably.
    value: PhantomData<fn(T) -> T>,
}

// SAFETY: the object is reached by an OS thread that holds the GIL of its heap alone, so one after
// the other, which takes a value that can be sent; what is reached without is the queue.
unsafe impl<T: Send> Send for KeptObj<T> {}
// SAFETY: as above; sharing it lets nobody do more.
unsafe impl<T: Send> Sync for KeptObj<T> {}

impl<T> KeptObj<T> {
    /// A handle that owns a reference to an object of that heap.
    pub(super) fn owning(header: NonNull<Header>, returns: Arc<Returns>) -> Self {
        KeptObj { header, returns, value: PhantomData }
    }

    /// Another reference to the object, bound to the token.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| Ok::<_, Error>(token.new_obj(1)?.keep()))??;
    /// runtime.attach(|token| {
    ///     let object = kept.bind(token)?;
    ///     assert_eq!((*object.get(token), object.ref_count(token)), (1, 2));
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: the token is of an interpreter of another heap (REF-3), and that of the
    /// object has ended (REF-2).
    pub fn bind<'i>(&self, token: &Token<'i>) -> Result<Obj<'i, T>, Error> {
        self.check(token)?;
        // SAFETY: this OS thread holds the GIL of the heap, and this handle has a reference.
        unsafe { count::take(token.seat.here(), self.header) };
        Ok(Obj::owning(self.header, token))
    }

    /// Another reference to the object, kept as well.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| Ok::<_, Error>(token.new_obj(1)?.keep()))??;
    /// let same = runtime.attach(|token| kept.clone_ref(token))??;
    /// drop(kept);
    /// assert_eq!(runtime.attach(|token| same.get(token).copied())?, Ok(1));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`bind`](Self::bind).
    pub fn clone_ref(&self, token: &Token<'_>) -> Result<KeptObj<T>, Error> {
        self.bind(token).map(Obj::keep)
    }

    /// Lends the value for as long as the token is lent.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| Ok::<_, Error>(token.new_obj(1)?.keep()))??;
    /// assert_eq!(runtime.attach(|token| kept.get(token).copied())?, Ok(1));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`bind`](Self::bind).
    #[inline]
    pub fn get<'a>(&'a self, token: &'a Token<'_>) -> Result<&'a T, Error> {
        self.check(token)?;
        // SAFETY: the heap has not ended, and the object lives while this handle does. This OS thread
        // holds the GIL while the token is lent, and whoever lends the value mutably needs a token
        // of the heap lent mutably, of which there is but one that can be used.
        Ok(unsafe { value(self.header).as_ref() })
    }

    /// Lends the value mutably for as long as the token is.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| Ok::<_, Error>(token.new_obj(1)?.keep()))??;
    /// runtime.attach(|token| kept.get_mut(token).map(|value| *value += 1))??;
    /// assert_eq!(runtime.attach(|token| kept.get(token).copied())?, Ok(2));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`bind`](Self::bind).
    #[inline]
    pub fn get_mut<'a>(&'a self, token: &'a mut Token<'_>) -> Result<&'a mut T, Error> {
        self.check(token)?;
        // SAFETY: as in `get`; and since the token is lent mutably, no other borrow is alive.
        Ok(unsafe { value(self.header).as_mut() })
    }

    //= specs/rules/ref.md#ref-3
    //# An object that is not static MUST be used in an interpreter of its heap.
    #[inline]
    fn check(&self, token: &Token<'_>) -> Result<(), Error> {
        if token.seat.here().owner == self.returns.owner() { Ok(()) } else { Err(self.elsewhere()) }
    }

    //= specs/rules/ref.md#ref-2
    //# An object MUST NOT be used after it was deallocated, or after the end of its heap.
    #[cold]
    fn elsewhere(&self) -> Error {
        let rule = if self.returns.owner().listed() { Rule::Ref3 } else { Rule::Ref2 };
        Error::Refused(Refusal::from(rule))
    }
}

impl<T> Drop for KeptObj<T> {
    fn drop(&mut self) {
        match self.returns.works_here() {
            // SAFETY: this OS thread works with that heap, which so has not ended. This handle has a
            // reference, and is no more.
            Some(here) => unsafe { count::give_back(here, self.header) },
            None => self.returns.send(self.header),
        }
    }
}

impl<T> fmt::Debug for KeptObj<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptObj").finish_non_exhaustive()
    }
}
