//! What all interpreters share: static objects, which are immortal and never change.

use super::count::KindOf;
use crate::object::Header;
use sealed::Sealed;
use std::fmt;
use std::ops::Deref;

mod sealed {
    pub trait Sealed {}
}

/// Values that interpreters may share: they never change, and nothing has to be done at their end.
///
/// The list is closed, as types cannot tell whether something can change behind a shared
/// reference: numbers, `bool`, `char`, `str` and `()`; references, slices, arrays, options and
/// tuples of these.
///
/// ```
/// use cloister::safe::Shareable;
///
/// fn shared<T: Shareable>(_: T) {}
/// shared(("name", [1, 2, 3], Some(2.5)));
/// ```
pub trait Shareable: Sealed + Copy + Send + Sync + 'static {}

macro_rules! plain {
    ($($plain:ty)*) => { $(impl Sealed for $plain {} impl Shareable for $plain {})* };
}

macro_rules! tuples {
    ($($($part:ident)+;)+) => { $(
        impl<$($part: Shareable),+> Sealed for ($($part,)+) {}
        impl<$($part: Shareable),+> Shareable for ($($part,)+) {}
    )+ };
}

plain!(() bool char f32 f64 &'static str);
plain!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);
tuples!(A; A B; A B C; A B C D;);

impl<T: Shareable> Sealed for Option<T> {}
impl<T: Shareable> Shareable for Option<T> {}
impl<T: Shareable> Sealed for &'static T {}
impl<T: Shareable> Shareable for &'static T {}
impl<T: Shareable> Sealed for &'static [T] {}
impl<T: Shareable> Shareable for &'static [T] {}
impl<T: Shareable, const N: usize> Sealed for [T; N] {}
impl<T: Shareable, const N: usize> Shareable for [T; N] {}

/// A static object: immortal from the start, it lies in no heap, and every interpreter may use it,
/// whatever its GIL is.
///
/// `&'static Immortal<T>` is its handle: it can be copied, sent and shared, and opened without a
/// token. Nothing counts it. Like every object it begins with a header of 16 bytes, whose count
/// aware clients leave alone.
///
/// ```
/// use cloister::safe::{Error, Immortal, InterpreterConfig, Runtime, Settings};
///
/// static LIMITS: Immortal<[u32; 2]> = Immortal::new([1, 31]);
///
/// let runtime = Runtime::start(Settings::default())?;
/// let other = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
/// runtime.attach(|token| token.attach_other(&other, |_| assert_eq!(LIMITS[1], 31)))??;
/// std::thread::spawn(|| assert_eq!(*LIMITS.get(), [1, 31])).join().unwrap();
/// # Ok::<(), Error>(())
/// ```
#[repr(C)]
pub struct Immortal<T: Shareable> {
    header: Header,
    value: T,
}

impl<T: Shareable> Immortal<T> {
    /// One that holds this value, to be put into a `static`.
    ///
    /// ```
    /// use cloister::safe::Immortal;
    ///
    /// static NAME: Immortal<&str> = Immortal::new("cloister");
    /// assert_eq!(NAME.len(), 8);
    /// ```
    pub const fn new(value: T) -> Self {
        Immortal { header: Header::immortal(KindOf::<T>::KIND), value }
    }

    /// The value.
    ///
    /// ```
    /// assert!(cloister::safe::TRUE.get());
    /// ```
    pub const fn get(&self) -> &T {
        &self.value
    }

    /// Its header, in which aware clients find that there is nothing to count.
    ///
    /// ```
    /// use cloister::{count, safe::NONE};
    ///
    /// NONE.header().incref();
    /// assert!(!NONE.header().decref());
    /// assert_eq!(NONE.header().count(), count::IMMORTAL);
    /// ```
    //= specs/rules/ref.md#ref-6
    //# An aware client MUST NOT change the count of an immortal object, but back to the one that
    //# SetImmortal gives.
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

impl<T: Shareable> Deref for Immortal<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T: Shareable + fmt::Debug> fmt::Debug for Immortal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Immortal").field(&self.value).finish()
    }
}

/// `None`.
///
/// ```
/// assert_eq!(*cloister::safe::NONE.get(), ());
/// ```
pub static NONE: Immortal<()> = Immortal::new(());

/// `False`.
///
/// ```
/// assert!(!cloister::safe::FALSE.get());
/// ```
pub static FALSE: Immortal<bool> = Immortal::new(false);

/// `True`.
///
/// ```
/// assert!(cloister::safe::TRUE.get());
/// ```
pub static TRUE: Immortal<bool> = Immortal::new(true);

const FIRST_INT: i16 = -5;
const INTS: usize = 262;

static SMALL_INTS: [Immortal<i16>; INTS] = {
    let mut ints = [const { Immortal::new(FIRST_INT) }; INTS];
    let mut index = 0;
    while index < INTS {
        ints[index].value += index as i16;
        index += 1;
    }
    ints
};

/// A number from -5 to 256, always the same object for the same number; others are not static.
///
/// ```
/// use cloister::safe::small_int;
///
/// assert_eq!(small_int(256).map(|int| *int.get()), Some(256));
/// assert!(small_int(257).is_none());
/// ```
pub fn small_int(value: i16) -> Option<&'static Immortal<i16>> {
    let index = usize::try_from(value.checked_sub(FIRST_INT)?).ok()?;
    SMALL_INTS.get(index)
}
