//! What three OS threads did.

use cloister_specs::Fault;
use cloister_traced::trace::Stamped;
use cloister_traced::{AttachError, Serial, Snapshot};

/// How many threads run: as many as the model has.
pub const THREADS: usize = cloister_model::THREADS;

/// What three OS threads did, and where they came to rest.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The threads, `T0` first, which started the runtime.
    pub threads: [Serial; THREADS],
    /// The main interpreter.
    pub main: Serial,
    /// The thread state that was current in `T0` at the beginning.
    pub first: Serial,
    /// What they did, in the order of the stamps.
    pub events: Vec<Stamped>,
    /// The faults of the creations of each thread, in order: the trace does not tell them.
    pub faults: [Vec<Option<Fault>>; THREADS],
    /// The state at the end.
    pub rest: Rest,
}

/// A state in which all threads are outside any call.
#[derive(Clone, Debug)]
pub struct Rest {
    /// What the runtime holds.
    pub snapshot: Snapshot,
    /// The current thread state of each thread.
    pub current: [Option<Serial>; THREADS],
}

/// No recording could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A thread could not be attached.
    #[error("a thread could not be attached: {0}")]
    Attach(#[from] AttachError),
    /// A thread ended before its time.
    #[error("a thread panicked; what it printed says why")]
    Panicked,
    /// The runtime came without a main interpreter or a current thread state.
    #[error("the runtime started without a current thread state in the main interpreter")]
    NoMain,
}
