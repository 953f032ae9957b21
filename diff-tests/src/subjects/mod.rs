//! Subjects over the implementation.
//!
//! [`Controlled`] runs the traced build: its threads are coroutines in one OS thread, and
//! every wait ends when the harness says so. [`Plain`] runs the plain build on one OS
//! thread for each logical thread, and takes only calls that do not wait.

mod calls;
mod controlled;
mod face;
mod heaps;
mod memory;
mod model;
mod plain;
mod slots;

pub use controlled::Controlled;
pub use model::Model;
pub use plain::Plain;
