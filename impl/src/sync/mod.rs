//! Where locks, condition variables, timed waits and the thread-local come from.
//!
//! - *std* mode: those of the standard library.
//! - *controlled* mode (feature `controlled`): *logical threads* run as coroutines
//!   inside one OS thread, under a [`control::Scheduler`]. A logical thread stops only
//!   where it would wait; whether a wait ends by a signal, by its expiry or for no
//!   reason is an event that the scheduler's owner chooses. On an OS thread that no
//!   scheduler runs, the same build behaves as in std mode.
//! - *explored* mode (feature `loom` or `shuttle`): those of loom or of shuttle, which run
//!   a program again and again, each time by another schedule.
//!
//! Beside these, `barrier` is a barrier that costs one of its two sides nothing.
//!
//! Every wait says what it waits for ([`Parking`]), and tells its end ([`Woken`]).
//!
//! [`Parking`]: cloister_specs::Parking

pub(crate) mod atomic;
pub(crate) mod backend;
pub(crate) mod barrier;
mod condvar;
mod global;
mod locals;
mod mutex;
mod padded;
pub(crate) mod plain;
mod spin;
mod static_ref;

#[cfg(feature = "controlled")]
pub mod control;
#[cfg(any(feature = "loom", feature = "shuttle"))]
pub mod explored;

pub(crate) use condvar::{Condvar, Woken};
pub(crate) use global::global;
pub(crate) use locals::{attached, busy, current, identity, set_attached, set_current};
pub(crate) use mutex::{Guard, Mutex};
pub(crate) use padded::Padded;
pub(crate) use spin::{Spins, prepare as prepare_spins, spin_while};
pub(crate) use static_ref::AtomicStatic;
