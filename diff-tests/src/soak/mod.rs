//! The soak: OS threads that create, use and end interpreters for as long as one likes, and
//! lose nothing.
//!
//! Every thread makes random calls on the plain build: it creates interpreters with a GIL of
//! its own and with the shared one, and lets some creations fail; it makes thread states in
//! anybody's interpreters, and binds, enters, polls, leaves, clears and deletes them; it ends
//! its interpreters, from within and from outside, by the last reference to their id too. It takes
//! interpreters up with Ensure and lets go with Release, adds pending calls to anybody's, starts
//! threads and lets ends wait for them, and now and then leaves the runtime and comes back. Where it is it
//! allocates and frees blocks, makes objects and counts references. What a thread knows is
//! often out of date, so calls are refused: every refusal has to name a rule that explains it.
//! Some calls are wrong on purpose, and have to be refused.
//!
//! The *ledger* says what there has to be: whoever created something adds it, whoever
//! ended it takes it out, after the call. A *checkpoint* ends each *round*: all threads
//! come to a gate without a GIL, the pending calls of main are run, some take one and *stand* there with it, and the ledger is
//! compared with what the runtime lists (see `accounts`). Every pending call that was accepted has to
//! be run or queued; those of an interpreter that has ended, all run. All blocks and references are
//! counted while nobody holds a GIL, those that ended interpreters have left among them. The sizes of the slot pools and the
//! resident memory are looked at as well.
//!
//! - Round 0 *fills*: every thread makes as much as it is ever allowed to have at once, so
//!   no slot is made after it; with a thread that it started, which waits for those of the others.
//! - The rounds up to [`WARM_UP`] warm up: the memory after them is what later memory is
//!   compared with.
//! - In the end all threads end all they have, and nothing but the main interpreter is left.
//!
//! The pools and the memory are those of the process: a soak has to be alone in it.

mod accounts;
mod calls;
mod course;
mod forget;
mod gate;
mod holdings;
mod ledger;
mod loss;
mod memory;
mod shared;
mod tally;
mod worker;

pub use course::run;
pub use forget::Forget;
pub use loss::Loss;
pub use memory::{Memory, TOLERANCE_KIB};
pub use tally::{Count, Tally};

use cloister::{AttachError, CallError, CreateError, PoolSizes};
use cloister_specs::Refusal;
use std::io;
use std::time::Duration;

/// The rounds after which memory is to be flat.
pub const WARM_UP: u64 = 10;
/// The most threads of a soak.
pub const MOST_THREADS: usize = 64;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What the threads try depends on it.
    pub seed: u64,
    /// OS threads, beside the one that compares: at most [`MOST_THREADS`].
    pub threads: usize,
    /// What each of them tries in a round.
    pub steps: u32,
    /// How long a thread waits for a GIL before it asks for it: short, so that they ask often.
    pub switch_interval: Duration,
    /// Something that is lost on purpose.
    pub forget: Option<Forget>,
}

impl Plan {
    /// A soak that forgets nothing.
    pub const fn new(seed: u64, threads: usize) -> Self {
        let switch_interval = Duration::from_micros(50);
        Plan { seed, threads, steps: 4_000, switch_interval, forget: None }
    }
}

/// What came of a soak, up to a checkpoint.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Rounds that are over, with that which fills.
    pub rounds: u64,
    /// What the threads did.
    pub tally: Tally,
    /// The pools when they were full.
    pub full: PoolSizes,
    /// The pools now.
    pub pools: PoolSizes,
    /// The memory; none: it cannot be told on this system.
    pub memory: Option<Memory>,
    /// What was lost.
    pub losses: Vec<Loss>,
}

/// Why a soak could not begin.
#[derive(Debug, thiserror::Error)]
pub enum SoakError {
    /// No runtime.
    #[error("soak: a runtime cannot be started: {0}")]
    Attach(#[from] AttachError),
    /// It has no main interpreter, or that cannot be left.
    #[error("soak: the main thread state cannot be saved: {0}")]
    Refused(#[from] Refusal),
    /// A call came to nothing.
    #[error("soak: a legal call came to nothing: {0}")]
    Called(#[from] CallError),
    /// There is no main interpreter.
    #[error("soak: the runtime has no main interpreter")]
    NoMain,
    /// No OS thread.
    #[error("soak: no thread can be started: {0}")]
    Thread(#[from] io::Error),
    /// The first creation failed.
    #[error("soak: an interpreter cannot be created: {0}")]
    Creation(#[from] CreateError),
}
