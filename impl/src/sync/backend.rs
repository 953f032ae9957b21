//! Whose locks, condition variables, atomics and thread-locals these are.

#[cfg(feature = "loom")]
pub(crate) use loom::{lazy_static, sync, thread, thread_local};
#[cfg(feature = "shuttle")]
pub(crate) use shuttle::{lazy_static, sync, thread, thread_local};
#[cfg(not(any(feature = "loom", feature = "shuttle")))]
pub(crate) use std::sync;

#[cfg(all(feature = "loom", feature = "shuttle"))]
compile_error!("a build is explored by loom or by shuttle, not by both");
