//! What three threads did.

use cloister_specs::{Fault, FeatureFlags, PendingCall, Phase, StatusBits};
use cloister_traced::trace::Stamped;
use cloister_traced::{AttachError, Serial};
use std::num::NonZeroU64;

use super::build::Face;

/// How many threads run: as many as the model has.
pub const THREADS: usize = cloister_model::THREADS;

/// What three threads did, and where they came to rest.
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
    /// The faults of the creations and Ensures of each thread, in order: the trace does not tell
    /// them.
    pub faults: [Vec<Option<Fault>>; THREADS],
    /// What the pending calls do that each thread tried to add, in order, but for those that a
    /// pending call adds: the trace does not tell that either.
    pub pending: [Vec<PendingCall>; THREADS],
    /// The state at the end.
    pub rest: Rest,
}

/// What a thread leaves when all are at rest.
#[derive(Clone, Debug)]
pub struct Left {
    /// Its identity.
    pub thread: Serial,
    /// Its current thread state.
    pub current: Option<Serial>,
    /// The faults of its creations and Ensures, in order.
    pub faults: Vec<Option<Fault>>,
    /// What the pending calls do that it tried to add, in order.
    pub pending: Vec<PendingCall>,
}

impl Left {
    /// What this thread leaves, which added no pending calls.
    pub fn of<F: Face>(thread: &F, faults: Vec<Option<Fault>>) -> Self {
        let current = thread.current().map(F::named);
        Left { thread: thread.identity(), current, faults, pending: Vec::new() }
    }

    /// What a thread leaves that was never there.
    pub fn nobody() -> Self {
        let thread = Serial::named(NonZeroU64::MAX);
        Left { thread, current: None, faults: Vec::new(), pending: Vec::new() }
    }
}

impl Recording {
    /// From the main interpreter, the thread state that was current in `T0` at the beginning,
    /// what each thread left, and what the runtime told.
    pub fn new(main: Serial, first: Serial, mut left: [Left; THREADS], told: (Held, Vec<Stamped>)) -> Self {
        let (held, events) = told;
        let current = left.each_ref().map(|l| l.current);
        Recording {
            threads: left.each_ref().map(|l| l.thread),
            main,
            first,
            events,
            rest: Rest { held, current },
            pending: left.each_mut().map(|l| std::mem::take(&mut l.pending)),
            faults: left.map(|l| l.faults),
        }
    }
}

/// A state in which all threads are outside any call.
#[derive(Clone, Debug)]
pub struct Rest {
    /// What the runtime holds.
    pub held: Held,
    /// The current thread state of each thread.
    pub current: [Option<Serial>; THREADS],
}

/// What a runtime of any of the builds holds.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The interpreters that are listed, in no order.
    pub interps: Vec<HeldInterp>,
    /// The thread states that are listed, in no order.
    pub tstates: Vec<HeldTstate>,
    /// The attached threads, in no order.
    pub threads: Vec<HeldThread>,
}

/// An interpreter.
#[derive(Clone, Copy, Debug)]
pub struct HeldInterp {
    /// Its identity.
    pub interp: Serial,
    /// How far it is in its life.
    pub phase: Phase,
    /// Its settings.
    pub flags: FeatureFlags,
    /// Has it a GIL of its own? `None` while it has none at all.
    pub own_gil: Option<bool>,
    /// That GIL, if it has one of its own.
    pub gil: Option<HeldGil>,
}

/// A GIL.
#[derive(Clone, Copy, Debug)]
pub struct HeldGil {
    /// Is it taken?
    pub locked: bool,
    /// The thread state that took it last.
    pub last_holder: Option<Serial>,
    /// Has somebody asked for it?
    pub drop_request: bool,
}

/// A thread state.
#[derive(Clone, Copy, Debug)]
pub struct HeldTstate {
    /// Its identity.
    pub tstate: Serial,
    /// Its interpreter.
    pub interp: Serial,
    /// Its status bits.
    pub status: StatusBits,
    /// The thread it is bound to.
    pub thread: Option<Serial>,
}

/// An attached thread.
#[derive(Clone, Copy, Debug)]
pub struct HeldThread {
    /// Its identity.
    pub thread: Serial,
    /// What its gilstate slot names.
    pub gilstate: Option<Serial>,
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
