//! A fast runtime of isolated interpreters.
//!
//! A [`Runtime`] holds *interpreters*, the main one from the start. An interpreter
//! ([`Interp`]) holds *thread states* ([`Tstate`]). An OS thread that is attached to a
//! runtime ([`Thread`]) has at most one of them *current*, and then holds the *GIL* of
//! its interpreter: one of its own, or the main interpreter's.
//!
//! There are two faces. The [`safe`] one is for embedders: a wrong use does not compile, or is
//! refused. What follows is the *raw face*: each method of [`Thread`] is a call of the C API of CPython
//! 3.12, named after it. A wrong call is [refused](cloister_specs::Refusal), naming the
//! rule that it would break, and changes nothing.
//!
//! ```
//! use cloister::{Runtime, Settings};
//! use cloister_specs::InterpreterConfig;
//!
//! let (_runtime, thread) = Runtime::start(Settings::default())?;
//! let main = thread.current();
//! let (interp, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED)?;
//! assert_eq!(interp.id(), Some(1));
//! assert_eq!(thread.thread_state_swap(main)?, Some(tstate));
//! thread.thread_state_swap(Some(tstate))?;
//! thread.end_interpreter(tstate)?;
//! thread.thread_state_swap(main)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From the bottom up:
//!
//! | module | what is in it |
//! | --- | --- |
//! | `sync` | locks, condition variables, waits, the thread-local; std, *controlled* or *explored* |
//! | `serial`, `pool` | identities, and the memory that handles name |
//! | `gil` | taking a GIL, dropping it, handing it over |
//! | `pending` | the rings of pending calls |
//! | `tstate`, `interp`, `thread` | a slot and a handle of each |
//! | `lists`, `runtime` | the list lock and what it guards |
//! | `error` | why calls come to nothing |
//! | `ops` | the operations |
//! | [`heap`], `home` | the memory of an interpreter, and which interpreter has which |
//! | [`object`] | objects and the references to them |
//! | [`safe`] | the safe face |
//! | [`layout`] | what lies where |
//! | `snapshot`, `trace`, `faults` | for whoever watches or tests it |

mod error;
pub mod faults;
mod gil;
pub mod heap;
mod home;
mod interp;
pub mod layout;
mod lists;
pub mod object;
mod ops;
mod pending;
mod pool;
mod runtime;
pub mod safe;
mod serial;
mod snapshot;
mod sync;
mod thread;
pub mod trace;
mod tstate;

pub use error::{CallError, CreateError, EnsureError, ForkError, GateError, NotInitialized};
pub use home::{Block, Left};
pub use interp::Interp;
#[doc(hidden)]
pub use object::count;
pub use object::{Kind, Object};
pub use ops::{CreationFaults, Forked};
pub use pending::{NotAdded, PendingFailed, PendingFn, Ran};
pub use runtime::{Runtime, Settings};
pub use serial::Serial;
pub use snapshot::{GilInfo, InterpInfo, PoolSize, PoolSizes, RingInfo, Snapshot, ThreadInfo, TstateInfo};
pub use thread::{AttachError, Thread};
pub use tstate::{Started, Tstate};

#[cfg(feature = "controlled")]
pub use sync::control;
#[cfg(any(feature = "loom", feature = "shuttle"))]
pub use sync::explored;
