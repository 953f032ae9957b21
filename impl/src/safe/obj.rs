//! Objects: values that lie in the heap of an interpreter, and are counted.
//!
//! A *handle* is a reference to an object: while there is one, the object lives; the last one that
//! is dropped deallocates it. An [`Obj`] is bound to the lifetime of a token, and with it to an
//! attach closure, an OS thread and an interpreter; `&Obj` is the *borrowed* handle, which counts
//! nothing. A [`KeptObj`] can be kept and sent anywhere. Of both, the value is lent by the token, so
//! that a borrow ends before the GIL can be dropped.
//!
//! Taking a reference needs the token: a handle is no [`Clone`]. Giving one back does not, for a
//! handle may be dropped anywhere: who does not hold the GIL then leaves the reference in a queue,
//! and the next OS thread that attaches to the interpreter, polls there, comes back to it or ends it
//! gives it back.

mod count;
mod immortal;
mod kept;
mod returns;

pub use immortal::{FALSE, Immortal, NONE, Shareable, TRUE, small_int};
pub use kept::KeptObj;
pub(super) use returns::Returns;

use super::Brand;
use super::error::Error;
use super::seat::Seat;
use super::token::Token;
use crate::object::Header;
use count::KindOf;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ptr::NonNull;
use std::sync::Arc;

/// A reference to an object of the interpreter of a token.
///
/// The compiler lets nothing but that token open it, and does not let it leave its closure. See
/// [`keep`](Self::keep) for what does.
///
/// The value is one that can be sent, as another OS thread may be the next to hold the GIL; it may
/// have 496 bytes at most, and what is larger is boxed. If the object is leaked, it is not dropped.
///
/// ```
/// use cloister::safe::{Error, Runtime, Settings};
///
/// let runtime = Runtime::start(Settings::default())?;
/// runtime.attach(|token| {
///     let list = token.new_obj(vec![1])?;
///     let same = list.clone_ref(token);
///     same.get_mut(token).push(2);
///     assert_eq!(list.get(token), &[1, 2]);
///     assert_eq!(list.ref_count(token), 2);
///     drop(same);
///     assert_eq!(list.ref_count(token), 1);
///     Ok::<_, Error>(())
/// })??;
/// # Ok::<(), Error>(())
/// ```
pub struct Obj<'i, T> {
    header: NonNull<Header>,
    seat: &'i Seat,
    brand: Brand<'i>,
    /// Invariant, since it can be lent mutably.
    value: PhantomData<fn(T) -> T>,
}

impl<'i, T> Obj<'i, T> {
    /// A handle that owns a reference to an object of this heap.
    #[inline]
    fn owning(header: NonNull<Header>, token: &Token<'i>) -> Self {
        Obj { header, seat: token.seat, brand: PhantomData, value: PhantomData }
    }

    /// `Py_NewRef`: another reference to the same object.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let one = token.new_obj(1)?;
    ///     let same = one.clone_ref(token);
    ///     assert!(one.is(&same));
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    #[must_use = "a reference that is dropped at once was not needed"]
    pub fn clone_ref(&self, token: &Token<'i>) -> Obj<'i, T> {
        // SAFETY: this OS thread holds the GIL of the token, and this handle has a reference.
        unsafe { count::take(token.seat.here(), self.header) };
        Obj::owning(self.header, token)
    }

    /// Lends the value for as long as the token is lent.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let (a, b) = (token.new_obj(1)?, token.new_obj(2)?);
    ///     assert_eq!(a.get(token) + b.get(token), 3);
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn get<'a>(&'a self, _token: &'a Token<'i>) -> &'a T {
        // SAFETY: the object is a `T` and lives while this handle does; whoever lends it mutably
        // needs a token of its heap lent mutably, of which there is but one that can be used.
        unsafe { value(self.header).as_ref() }
    }

    /// Lends the value mutably for as long as the token is.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let count = token.new_obj(1)?;
    ///     *count.get_mut(token) += 1;
    ///     assert_eq!(*count.get(token), 2);
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn get_mut<'a>(&'a self, _token: &'a mut Token<'i>) -> &'a mut T {
        // SAFETY: as in `get`; and since the token is lent mutably, no other borrow of what is in
        // its heap is alive.
        unsafe { value(self.header).as_mut() }
    }

    /// `Py_REFCNT`: how many references there are, those in the queue included.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let object = token.new_obj(())?;
    ///     let same = object.clone_ref(token);
    ///     assert_eq!(object.ref_count(token), 2);
    ///     token.detach(|| drop(same));
    ///     assert_eq!(object.ref_count(token), 1);
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn ref_count(&self, _token: &Token<'i>) -> u32 {
        // SAFETY: the object lives while this handle does.
        unsafe { self.header.as_ref() }.count()
    }

    /// `Py_Is`: is that the same object?
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     assert!(!token.new_obj(1)?.is(&token.new_obj(1)?));
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn is<U>(&self, other: &Obj<'i, U>) -> bool {
        self.header == other.header
    }

    /// The same reference, for longer than the closure: see [`KeptObj`].
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// let kept = runtime.attach(|token| Ok::<_, Error>(token.new_obj(1)?.keep()))??;
    /// assert_eq!(runtime.attach(|token| kept.get(token).copied())?, Ok(1));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn keep(self) -> KeptObj<T> {
        let kept = KeptObj::owning(self.header, Arc::clone(self.seat.returns()));
        mem::forget(self);
        kept
    }
}

/// Where the value of an object is.
#[inline]
fn value<T>(object: NonNull<Header>) -> NonNull<T> {
    Header::value(object).cast()
}

impl<T> Drop for Obj<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.seat.taken() {
            // SAFETY: the thread state of the seat is current in this OS thread, which so holds the
            // GIL. This handle has a reference, and is no more.
            unsafe { count::give_back(self.seat.here(), self.header) };
        } else {
            self.seat.returns().send(self.header);
        }
    }
}

impl<T> fmt::Debug for Obj<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Obj").finish_non_exhaustive()
    }
}

impl<'i> Token<'i> {
    /// `PyObject_New`: an object with one reference, which holds this value. It takes 16 bytes more
    /// than the value.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let object = token.new_obj(String::from("here"))?;
    ///     assert_eq!(object.get(token), "here");
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoMemory`], with the value in it: there is no memory for the object.
    //= specs/rules/ref.md#ref-1
    //# A thread MUST have a current thread state when it makes an object, uses one, or totals
    //# references.
    pub fn new_obj<T: Send + 'static>(&self, value: T) -> Result<Obj<'i, T>, NoMemory<T>> {
        if self.seat.thread().inner().allocates().is_err() {
            return Err(NoMemory(value));
        }
        // SAFETY: the token says that this OS thread holds the GIL.
        let Some(header) = (unsafe { count::begin(self.seat.here(), KindOf::<T>::KIND) }) else {
            return Err(NoMemory(value));
        };
        // SAFETY: the object is of the kind of a `T`, and has no value yet.
        unsafe { self::value::<T>(header).write(value) };
        Ok(Obj::owning(header, self))
    }

    /// `_PyInterpreterState_GetRefTotal`: how many references were taken in this interpreter, less
    /// those that were given back in it.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let object = token.new_obj(1)?;
    ///     assert_eq!(token.ref_total()?, 1);
    ///     drop(object);
    ///     assert_eq!(token.ref_total()?, 0);
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] (GIL-12), which who holds a token does not meet.
    pub fn ref_total(&self) -> Result<i64, Error> {
        Ok(self.seat.thread().ref_total(self.seat.interp())?)
    }

    /// `_PyInterpreterState_GetAllocatedBlocks`: how many blocks of the heap of this interpreter were
    /// allocated and not freed.
    ///
    /// ```
    /// # use cloister::safe::{Error, Runtime, Settings};
    /// let runtime = Runtime::start(Settings::default())?;
    /// runtime.attach(|token| {
    ///     let object = token.new_obj(1)?;
    ///     assert_eq!(token.allocated_blocks(), Ok(1));
    ///     drop(object);
    ///     assert_eq!(token.allocated_blocks(), Ok(0));
    ///     Ok::<_, Error>(())
    /// })??;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] (MEM-10): the interpreter uses the heap of the main one.
    pub fn allocated_blocks(&self) -> Result<usize, Error> {
        Ok(self.seat.thread().allocated_blocks(self.seat.interp())?)
    }
}

/// There is no memory for an object. Nothing has changed, and this has the value.
///
/// ```
/// use cloister::safe::{Error, NoMemory, Token};
///
/// fn shared(token: &Token<'_>, text: String) -> Result<(), Error> {
///     let object = token.new_obj(text)?;
///     println!("{}", object.get(token));
///     Ok(())
/// }
/// assert_eq!(size_of::<NoMemory<String>>(), size_of::<String>());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for the object")]
pub struct NoMemory<T>(T);

impl<T> NoMemory<T> {
    /// The value that the object was to hold.
    ///
    /// ```
    /// # use cloister::safe::{NoMemory, Obj, Token};
    /// fn boxed_if_full<'i>(token: &Token<'i>, value: u64) -> Result<Obj<'i, u64>, Box<u64>> {
    ///     token.new_obj(value).map_err(|full| Box::new(full.into_inner()))
    /// }
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for NoMemory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoMemory").finish_non_exhaustive()
    }
}
