//! Memory: domains of allocation, and clients that count references.

use arbitrary::Arbitrary;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Requests of up to so many bytes are for small blocks (obmalloc's `SMALL_REQUEST_THRESHOLD`).
pub const SMALL: u16 = 512;

/// A domain of allocation: one family of functions (Doc/c-api/memory.rst).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Arbitrary)]
pub enum Domain {
    /// `PyMem_RawMalloc`: the system's, of no interpreter.
    Raw,
    /// `PyMem_Malloc`.
    Mem,
    /// `PyObject_Malloc`.
    Obj,
}

impl Domain {
    /// Every one of them.
    pub const ALL: [Domain; 3] = [Domain::Raw, Domain::Mem, Domain::Obj];

    /// Its name, as in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Domain::Raw => "raw",
            Domain::Mem => "mem",
            Domain::Obj => "obj",
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who counts references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Arbitrary)]
pub enum Client {
    /// It knows of immortal objects (PEP 683).
    Aware,
    /// It was compiled before there were any, against the stable ABI.
    Unaware,
}
