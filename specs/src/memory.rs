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

/// The kinds of calls of MEM and REF, as a pattern: for total matches that treat them alike.
///
/// ```
/// use cloister_specs::{OpKind, memory_kinds};
///
/// assert!(matches!(OpKind::PassRef, memory_kinds!()));
/// assert!(!matches!(OpKind::Fork, memory_kinds!()));
/// ```
#[macro_export]
macro_rules! memory_kinds {
    () => {
        $crate::OpKind::Malloc
            | $crate::OpKind::Calloc
            | $crate::OpKind::Realloc
            | $crate::OpKind::Free
            | $crate::OpKind::AllocatedBlocks
            | $crate::OpKind::GlobalAllocatedBlocks
            | $crate::OpKind::ObjectNew
            | $crate::OpKind::SetRefCnt
            | $crate::OpKind::IncRef
            | $crate::OpKind::DecRef
            | $crate::OpKind::SetImmortal
            | $crate::OpKind::ClearImmortal
            | $crate::OpKind::PassRef
            | $crate::OpKind::RefTotal
            | $crate::OpKind::GlobalRefTotal
    };
}

/// The calls of MEM and REF, as a pattern: for total matches that treat them alike.
///
/// ```
/// use cloister_specs::{Op, memory_ops};
///
/// assert!(matches!(Op::GlobalRefTotal, memory_ops!()));
/// assert!(!matches!(Op::Fork, memory_ops!()));
/// ```
#[macro_export]
macro_rules! memory_ops {
    () => {
        $crate::Op::Malloc { .. }
            | $crate::Op::Calloc { .. }
            | $crate::Op::Realloc { .. }
            | $crate::Op::Free { .. }
            | $crate::Op::AllocatedBlocks(_)
            | $crate::Op::GlobalAllocatedBlocks
            | $crate::Op::ObjectNew { .. }
            | $crate::Op::SetRefCnt { .. }
            | $crate::Op::IncRef { .. }
            | $crate::Op::DecRef { .. }
            | $crate::Op::SetImmortal(_)
            | $crate::Op::ClearImmortal(_)
            | $crate::Op::PassRef { .. }
            | $crate::Op::RefTotal(_)
            | $crate::Op::GlobalRefTotal
    };
}
