//! Those of the standard library in every mode: for identities, stamps, the trace and the
//! switches of faults, the heaps and the counts of references, by which no thread waits for
//! another.

#[cfg(feature = "trace")]
pub(crate) use std::sync::atomic::AtomicBool;
pub(crate) use std::sync::atomic::{
    AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(feature = "trace")]
pub(crate) use std::sync::{Mutex, MutexGuard};
