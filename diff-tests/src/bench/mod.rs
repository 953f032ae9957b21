//! How fast our runtime is, beside its peers.
//!
//! A *work* is one thing to do; a *contender* is one way to do it: our runtime (its plain
//! build), CPython, plain threads. Contenders take turns within one process: a *round* of
//! the first, of the second, of the first again. What is told of each is the median over
//! its rounds, with the least and the greatest, so a machine that is busy with something
//! else for a while is so for all of them. On one that is always busy the works of two
//! threads tell more about its scheduler than about the contenders; `chrt -f 1 cloister
//! bench` (as root, on Linux) lets them go first.
//!
//! A call is repeated without waiting for the last one, so its time is that of one among
//! many.
//!
//! What the comparison with CPython means:
//!
//! - libpython is loaded into this very process, in such a way that it calls libc's own
//!   pthread functions and not those that our executable exports for the lockstep; it is
//!   not measured unless that is so (see `binding`).
//! - It is called as an embedder calls it, through pointers to functions of a shared
//!   library. Ours is inlined into the caller; what it costs behind a pointer is measured
//!   too where that is most of it ("Cloister, called").
//! - Creating an interpreter is more work in CPython: it gets modules, types and an
//!   importer. Ours has none of them yet.
//! - There is no call of CPython that does nothing but poll the eval breaker. What stands in
//!   for it is the evaluation of an empty code object.
//!
//! What the comparison with other allocators means:
//!
//! - snmalloc, mimalloc and jemalloc are linked into this executable with the feature `peers`,
//!   which needs a compiler of C++20, and called as `malloc` and `free` are; they do not take the
//!   place of these. They are built without their assertions (see `.cargo/config.toml`).
//! - They serve all threads at once. A heap of ours is used by one thread at a time, and is an
//!   argument of the call, which is inlined.
//! - Each keeps as much memory for later as it does by itself; a heap of ours, what it has needed
//!   again after it had given it back, up to 64 empty arenas. The warm-up has it learn that.

mod binding;
mod calls;
mod compute;
mod hand_over;
mod harness;
mod heap;
mod libpython;
mod life;
mod markdown;
mod object;
mod pending;
mod seats;
mod works;

pub use harness::{Effort, Measured, measure};
pub use libpython::Python;
pub use markdown::{BEGIN, END, markdown, named};
pub use works::all;

use crate::subject::SubjectError;
use cloister::{AttachError, CallError, CreateError};
use cloister_specs::Refusal;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What our runtime is called among the contenders.
pub const CLOISTER: &str = "Cloister";

/// Does so much, and answers what it measured, in the unit of the work.
type Round<'a> = Box<dyn FnMut(u64) -> Result<f64, BenchError> + 'a>;

/// One way to do a work.
pub struct Contender<'a> {
    name: String,
    round: Round<'a>,
}

impl<'a> Contender<'a> {
    fn new(name: impl Into<String>, round: impl FnMut(u64) -> Result<f64, BenchError> + 'a) -> Self {
        Contender { name: name.into(), round: Box::new(round) }
    }
}

/// Something to do, in several ways.
pub struct Work<'a> {
    /// What.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: &'static str,
    /// What our runtime has to reach.
    pub target: Option<Target>,
    /// How long a round lasts, in rounds of an ordinary work: what switches threads now and
    /// then needs longer ones.
    stretch: u32,
    /// Ours is the first.
    contenders: Vec<Contender<'a>>,
}

/// Sets a work up. Only one is set up at a time: it attaches the calling thread to a runtime.
pub type SetUp<'a> = Box<dyn FnOnce() -> Result<Work<'a>, BenchError> + 'a>;

/// What our runtime has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// No more than that.
    AtMost(f64),
    /// No less than that.
    AtLeast(f64),
    /// No less than this share, in percent, of what that contender reaches in the same round.
    ShareOf(&'static str, f64),
    /// No more than so many times what that contender takes in the same round.
    TimesOf(&'static str, f64),
}

impl Target {
    /// As it is told, with the unit of the work.
    pub fn told(self, unit: &str) -> String {
        match self {
            Target::AtMost(limit) => format!("at most {limit} {unit}"),
            Target::AtLeast(limit) => format!("at least {limit} {unit}"),
            Target::ShareOf(whom, percent) => format!("at least {percent} % of {whom}"),
            Target::TimesOf(whom, factor) => format!("at most {factor} times {whom}"),
        }
    }
}

/// Why something could not be measured. None of this happens but by a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No runtime, or no more threads in it.
    #[error("bench: a runtime cannot be entered: {0}")]
    Attach(#[from] AttachError),
    /// A legal call was refused.
    #[error("bench: the runtime refused a legal call: {0}")]
    Refused(#[from] Refusal),
    /// A legal use of the safe face was refused.
    #[error("bench: the safe face refused a legal use: {0}")]
    Safe(#[from] cloister::safe::Error),
    /// A legal call came to nothing.
    #[error("bench: a legal call came to nothing: {0}")]
    Called(#[from] CallError),
    /// A creation failed that should not.
    #[error("bench: an interpreter cannot be created: {0}")]
    Creation(#[from] CreateError),
    /// This machine does not tell what is to be measured.
    #[error("not measured here: {0}")]
    NotHere(&'static str),
    /// Memory ran out.
    #[error("bench: memory ran out")]
    NoMemory,
    /// A creation that should fail did not.
    #[error("bench: the creation of an interpreter succeeded though it was made to fail")]
    Created,
    /// CPython failed in this.
    #[error("bench: {0} of CPython failed")]
    Python(&'static str),
    /// There is no OS thread.
    #[error("bench: no thread can be started: {0}")]
    Thread(#[from] io::Error),
    /// A process of the work failed.
    #[error("bench: a process of the work ended without its figure: {0}")]
    Process(#[source] io::Error),
    /// Another thread of the work failed.
    #[error("bench: a thread of the work ended too early")]
    Abandoned,
    /// The lockstep lost its subject.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The lockstep found a difference.
    #[error("bench: the lockstep diverges; replay it: cloister replay {}", .0.display())]
    Diverged(PathBuf),
}

/// A figure with as many digits as mean something.
pub struct Short(
    /// The figure.
    pub f64,
);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0.abs() {
            v if v >= 100.0 => 0,
            v if v >= 10.0 => 1,
            v if v >= 1.0 => 2,
            _ => 3,
        };
        f.pad(&format!("{:.digits$}", self.0))
    }
}
