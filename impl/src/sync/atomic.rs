//! The atomics by which threads meet.

#[cfg(feature = "loom")]
mod strong;

#[cfg(feature = "loom")]
pub(crate) use strong::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

#[cfg(not(feature = "loom"))]
pub(crate) use super::backend::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
};
pub(crate) use super::backend::sync::atomic::{AtomicPtr, Ordering};
