//! Those of the standard library in every mode: for identities, stamps, the trace and the
//! switches of faults, by which no thread waits for another.

#[cfg(feature = "trace")]
pub(crate) use std::sync::atomic::AtomicBool;
#[cfg(feature = "faults")]
pub(crate) use std::sync::atomic::AtomicU8;
pub(crate) use std::sync::atomic::AtomicU64;
#[cfg(any(feature = "trace", feature = "faults"))]
pub(crate) use std::sync::atomic::Ordering;
#[cfg(feature = "trace")]
pub(crate) use std::sync::{Mutex, MutexGuard};
