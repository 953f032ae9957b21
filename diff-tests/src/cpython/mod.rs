//! CPython itself as a subject: a child process loads a real libpython and
//! performs the operations through its C API.
//!
//! - The *server* is our own executable, started again with a hidden argument. It
//!   loads libpython, initializes it, and waits for orders.
//! - For every run the server forks a *run process*, which starts from that
//!   pristine state. A crash or a fatal error in it is an outcome of the run, and
//!   nothing has to be cleaned up.
//! - A *logical thread* is an OS thread of the run process; `T0` is its main
//!   thread. One of them runs at a time: the one that has the *baton*.
//! - A thread that would wait in `take_gil` or `drop_gil` *parks*: our executable
//!   exports the pthread functions that libpython waits with, so a wait is an event,
//!   and only a move ends it. No real time passes.
//! - Calls that no operation stands for (`beyond`) serve the witnesses; a fork is the last
//!   one of a run, and its child is watched through a pipe.
//! - A *slot* of a thread state has an address in a *region* of its own. Freed
//!   regions are kept out of use and watched, and handed out again only when a move
//!   names their slot.
//!
//! The parent sees [`Cpython`], which is a [`Subject`](crate::subject::Subject); what
//! `child`, `baton` and `perform` use runs in the child only. Linux only: the child
//! needs `fork`, `memfd_create`, and glibc's symbol versions.

mod allocate;
mod api;
mod arenas;
mod baton;
mod beyond;
mod child;
mod configs;
mod corpus;

mod exhausted;
mod faults;
mod find;
mod fork;
mod fork_child;
mod functions;
mod heaps;
mod interpose;
mod layout;
mod lifecycle;
mod local;
mod look;
mod memory;
mod os_threads;
mod pending;
mod perform;
mod references;
mod region;
mod script;
mod slots;
mod started;
mod trap;
mod waited;
mod wire;
mod witnesses;

mod parent;

pub use child::child_main;
pub use configs::{Created, all_configs};
pub use corpus::{Corpus, CorpusError, Difference, Recorded, read, record, write};
pub use find::{Found, NOT_FOUND, Version, find};
pub use parent::Cpython;
pub use wire::{Freed, StatusText};
pub use witnesses::{ALL as WITNESSES, Known, Witness, all as witnesses, shown_in};
