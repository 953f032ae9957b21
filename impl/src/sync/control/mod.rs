//! Controlled mode: logical threads as coroutines inside one OS thread.
//!
//! A *logical thread* performs commands, one after the other; a [`Scheduler`] gives it the
//! next one with [`Scheduler::call`] and gets a [`Step`] back: the command is done, or the
//! thread is *parked* where an OS thread would wait. What wakes a parked thread is an event
//! of its own: [`resume`](Scheduler::resume) after a signal,
//! [`expire`](Scheduler::expire) when the time of a timed wait is over,
//! [`spurious`](Scheduler::spurious) for no reason. A signal chooses among the threads that
//! wait for it and have no signal yet: the *preferred* one if it is there, else the lowest.
//!
//! Each logical thread has thread-locals of its own. What one scheduler's threads use, no
//! other thread may.

mod logical;
mod scheduler;

pub use scheduler::{Misuse, Scheduler, Step};

pub(crate) use logical::{Waiters, Wake, running};
