//! Objects: memory that counts the references to it.
//!
//! An object begins with a *header* of 16 bytes: its *count*, of 32 bits; and its *kind*, which
//! says how large it is and what is to be done before its memory is given back. It lies in a block
//! of the heap of the interpreter that it was made in. A *static* object lies in no heap.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`count`] | what a count means: pure functions |
//! | `header` | headers ([`Header`]), kinds ([`Kind`]) |
//! | `statics` | static objects |

pub mod count;
mod header;
mod statics;

pub(crate) use header::Stepped;
pub use header::{Header, Kind};
pub(crate) use statics::Statics;

use crate::interp::Interp;
use statics::STATICS;
use std::fmt;
use std::ptr::{self, NonNull};

/// An object, by name: the raw face's `PyObject *`.
///
/// It may outlive what it names; calls then refuse it (REF-2), unless another object lies there
/// by now. A static object has the same name in every runtime.
#[derive(Clone, Copy)]
pub struct Object(pub(crate) Place);

/// Where an object is.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Nowhere,
    /// Among the static objects of a runtime.
    Static(usize),
    /// In the heap of this interpreter.
    Heap(NonNull<Header>, Interp),
}

// SAFETY: it is a name. Whoever follows it sees to it that this thread may.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

/// What tells the names of static objects apart.
static NAMES: [u8; STATICS] = [0; STATICS];

impl Object {
    /// The name of nothing: every call refuses it (REF-2).
    pub const fn null() -> Object {
        Object(Place::Nowhere)
    }

    /// `None`.
    pub const fn none() -> Object {
        Object(Place::Static(statics::NONE))
    }

    /// `False` or `True`.
    pub const fn bool(value: bool) -> Object {
        Object(Place::Static(statics::FALSE + value as usize))
    }

    /// A number from -5 to 256; others are not static.
    pub fn small_int(value: i16) -> Option<Object> {
        statics::int(value).map(|index| Object(Place::Static(index)))
    }

    /// Is it a static one?
    pub const fn is_static(self) -> bool {
        matches!(self.0, Place::Static(_))
    }

    /// Its address, as long as it lives. That of a static object tells it apart from others, but
    /// its header is where its runtime is.
    pub fn addr(self) -> usize {
        match self.0 {
            Place::Nowhere => 0,
            Place::Static(index) => NAMES.get(index).map_or(0, |name| ptr::from_ref(name).addr()),
            Place::Heap(header, _) => header.addr().get(),
        }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.addr() == other.addr()
    }
}

impl Eq for Object {}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Object").field(&format_args!("{:#x}", self.addr())).finish()
    }
}
