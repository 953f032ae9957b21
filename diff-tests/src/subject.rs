//! A *subject* is something that performs operations: the model, the
//! implementation, CPython. The harness tells every subject the same moves, and
//! compares what they answer.

use cloister_specs::{Move, Observation, Parking, Reply, Rule, ThreadView};
use serde::{Deserialize, Serialize};

/// What a move led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The call answered; what its thread sees of itself now.
    Replied {
        /// The answer.
        reply: Reply,
        /// What the calling thread sees.
        view: ThreadView,
    },
    /// The call was refused, and nothing happened.
    Refused(Rule),
    /// The thread waits inside its call.
    Parked(Parking),
    /// The thread is inside its call, and can go on (in grains finer than atomic).
    Running,
    /// The process, or its model, is dead: the rule's id or what CPython printed.
    Died(String),
}

/// The harness lost its subject.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{subject}: {reason}")]
pub struct SubjectError {
    /// Which subject.
    pub subject: &'static str,
    /// What went wrong, and what to do about it.
    pub reason: String,
}

/// Which parts of an observation a subject shows; the rest is left out of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shows {
    /// `InterpView::phase`.
    pub phase: bool,
    /// `Observation::gils`, without the holder.
    pub gils: bool,
    /// `GilView::holder`.
    pub holder: bool,
    /// It refuses calls that break a rule of the caller's. Where it does not, such calls are
    /// not sent.
    pub refusals: bool,
}

/// Something that performs operations, one logical thread at a time.
pub trait Subject {
    /// Its name in reports.
    fn name(&self) -> &'static str;
    /// What it shows of itself.
    fn shows(&self) -> Shows;
    /// Back to the beginning: a main interpreter whose first thread state `t0` is current in
    /// thread `T0`; `threads` threads in all.
    fn reset(&mut self, threads: u8) -> Result<(), SubjectError>;
    /// Performs one move, until the call answers, waits or dies.
    fn apply(&mut self, mv: &Move) -> Result<Event, SubjectError>;
    /// Everything that can be seen; all threads are stopped.
    fn observe(&mut self) -> Result<Observation, SubjectError>;
}
