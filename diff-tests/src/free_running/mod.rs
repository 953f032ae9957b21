//! Free-running OS threads, and whether the model could have done what they did.
//!
//! A *recording* is what three OS threads did with the traced build while nobody told
//! them when to move (or what threads under loom or shuttle did, see
//! [`explored`](crate::explored)): their events in the order of the stamps (`cloister_traced::trace`),
//! and the state in which they came to rest. It is *accepted* if the model has a run in
//! which every thread does the same in the same order, at fine grain, with every reply
//! the same, no rule broken on the way, and the same state at the end.
//!
//! A label of the model is *told* if the trace has an event for it, else *quiet*. A told
//! label is taken when its event comes; quiet ones are taken as late as possible, that is
//! before the thread's own next event, with these allowances:
//!
//! - A call begins at its first event after [`Called`](cloister_traced::trace::Event::Called),
//!   and its guard is asked there. One that does no more than answer is taken at the first
//!   moment at which the model gives this answer, and lists the same.
//! - A GIL that is being dropped is unlocked at the next `Took`, or before the dropper's
//!   own next event.
//! - A thread that waits while the GIL is free, claimed by somebody who has not told so yet
//!   or has given it back, begins to wait when the GIL is taken (*late wait*). One that waits
//!   or asks while the GIL is about to be shut gives up where it tells so.
//! - A call of which nothing but the answer is missing ends *early* if another thread's call
//!   is refused because of it, or whoever finalizes the runtime would wait for it.
//! - A refusal is *explained* if the guard refuses so in a state between `Called` and
//!   `Returned`, or in one to which other threads could have come by quiet labels or by the
//!   change that they tell next. A refused call changes nothing, so which of these states it
//!   was does not matter afterwards. Until an Initialize returns, calls may find the main
//!   interpreter that it makes not live yet, which is one step in the model.
//! - What is one step of the model and has several events is taken at the last of them: the
//!   deletion of all thread states but one, the last reference to an id with the beginning of
//!   the end, Initialize with its GIL.
//! - When the main interpreter is torn down, the calls that were let in to one of its thread
//!   states have begun before, told or not.
//! - Whoever looked at a ring, or for threads to wait for, and found nothing, as its next event
//!   says, has looked before something new came.
//! - An end that waits for threads, or for calls, may go on in the model already, where what it
//!   waited for has told that it is over and is not out of the way yet; and it may be woken for
//!   the sake of another end, only to wait again.
//! - A poll may *overlook* a request or a signal that was told already: what it looks at changes
//!   after that was told. A poll that ran nothing and hands the GIL over has overlooked the
//!   signals; one that ran calls and does not hand it over, the request.
//!
//! What a pending call does is no event but a part of the recording, and the calls that it
//! makes belong to the run in the model. A call that adds another one is taken out and adds in
//! one step there, which is taken when it adds: in between its ring seems one call longer.
//!
//! So one run of the model is tried, not many, and a rejection names the event at which it
//! cannot go on. What is not told cannot be checked: expiries that ask for nothing, signals
//! that nobody missed, and polls without a request.

mod build;
mod driver;
mod ends;
mod events;
mod gate;
mod gil;
mod names;
mod pending;
mod quietly;
mod recording;
mod refusals;
mod rejection;
mod replay;
mod validate;
pub(crate) mod worker;
pub(crate) mod world;

pub use build::Face;
pub use driver::{Plan, record};
pub use recording::{
    Held, HeldGil, HeldInterp, HeldThread, HeldTstate, Left, RecordError, Recording, Rest, THREADS,
};
pub use rejection::{Mismatch, Reason, Rejection};
pub use validate::validate;

use cloister_specs::OpKind;
use cloister_traced::faults::Seeded;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was recorded and accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Recordings.
    pub runs: u64,
    /// Calls in them; polls that saw no request are not told.
    pub calls: u64,
    /// Events in them.
    pub events: u64,
    /// Waits for a GIL.
    pub waits: u64,
    /// Requests for a GIL.
    pub requests: u64,
    /// Forced switches.
    pub switches: u64,
    /// Forced switches that ended though nobody had taken the GIL, and waits for threads that
    /// ended for the sake of another end.
    pub spurious: u64,
    /// Late waits, and calls that ended early.
    pub reordered: u64,
    /// Calls that the model accepted.
    pub accepted: u64,
    /// The same by kind.
    pub kinds: Kinds,
    /// Calls that it refused.
    pub refused: u64,
    /// Runs of pending calls.
    pub pending_runs: u64,
    /// Pending calls that were run in them.
    pub pending: u64,
    /// Calls that these made.
    pub inside: u64,
    /// Polls that did not see what had been told before.
    pub overlooked: u64,
    /// Waits that were given up.
    pub gave_up: u64,
    /// Waits for threads.
    pub thread_waits: u64,
    /// Waits for calls.
    pub call_waits: u64,
    /// Thread states that were deleted beside one that stayed, or by the end of the runtime.
    pub deleted_beside: u64,
    /// Ends from outside.
    pub outside: u64,
}

/// How many calls of each kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kinds([u64; OpKind::ALL.len()]);

impl Default for Kinds {
    fn default() -> Self {
        Kinds([0; OpKind::ALL.len()])
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(OpKind::ALL.iter().zip(self.0)).finish()
    }
}

impl Kinds {
    /// How many of this kind.
    pub const fn of(&self, kind: OpKind) -> u64 {
        self.0[kind.index()]
    }

    fn count(&mut self, kind: OpKind) {
        self.0[kind.index()] += 1;
    }
}

impl Report {
    /// Both together.
    pub fn merge(&mut self, other: &Report) {
        self.runs += other.runs;
        self.calls += other.calls;
        self.events += other.events;
        self.waits += other.waits;
        self.requests += other.requests;
        self.switches += other.switches;
        self.spurious += other.spurious;
        self.reordered += other.reordered;
        self.accepted += other.accepted;
        for (one, other) in self.kinds.0.iter_mut().zip(other.kinds.0) {
            *one += other;
        }
        self.refused += other.refused;
        self.pending_runs += other.pending_runs;
        self.pending += other.pending;
        self.inside += other.inside;
        self.overlooked += other.overlooked;
        self.gave_up += other.gave_up;
        self.thread_waits += other.thread_waits;
        self.call_waits += other.call_waits;
        self.deleted_beside += other.deleted_beside;
        self.outside += other.outside;
    }
}

/// Makes so many recordings with so many calls by each thread, the first with this seed and
/// each next one with the next, and validates each, until `stop` is set.
///
/// A seed says what the threads try, not how they interleave.
///
/// # Errors
///
/// A recording could not be made, or was not accepted.
pub fn run(runs: u64, calls: u32, seed: u64, stop: &AtomicBool) -> Result<Report, Rejection> {
    run_seeded(runs, calls, seed, None, stop)
}

/// [`run`] with a fault switched on in the implementation.
///
/// # Errors
///
/// As there.
pub fn run_seeded(
    runs: u64,
    calls: u32,
    seed: u64,
    seeded: Option<Seeded>,
    stop: &AtomicBool,
) -> Result<Report, Rejection> {
    let mut report = Report::default();
    for seed in (0..runs).map(|k| seed.wrapping_add(k)) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let recording = record(&Plan { calls, seeded, ..Plan::new(seed) })
            .map_err(|source| Rejection::NotRecorded { seed, source })?;
        let one = validate(&recording).map_err(|mismatch| Rejection::NotAccepted { seed, mismatch })?;
        report.merge(&one);
    }
    Ok(report)
}
