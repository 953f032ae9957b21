//! Small programs under loom whose outcome is judged.
//!
//! A *judge* looks at what came of each schedule: what the threads said ([`Log`]), what the runtime
//! holds at rest, and whether all came to rest at all. And the model must accept what happened.

use super::Failure;
use super::loomed::{Program, Shared, play_out, record, through};
use crate::free_running::validate;
use cloister_loomed::{Runtime, Serial, Snapshot, Thread};
use cloister_traced::trace::{Event, Stamped};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something that a thread said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which thread.
    pub thread: Serial,
    /// What.
    pub what: &'static str,
    /// Of which of several.
    pub number: u32,
}

/// What the threads said, in order. To say something is no place for another thread to come in.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Said>>>);

impl Log {
    /// Says something.
    pub fn say(&self, thread: &Thread, what: &'static str, number: u32) {
        self.lock().push(Said { thread: thread.serial(), what, number });
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<Said> {
        self.lock().clone()
    }

    /// The numbers with which this was said.
    pub fn numbers(&self, what: &str) -> Vec<u32> {
        self.lock().iter().filter(|said| said.what == what).map(|said| said.number).collect()
    }

    /// Was this said?
    pub fn has(&self, what: &str) -> bool {
        self.lock().iter().any(|said| said.what == what)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of one schedule. All threads are at rest, and nothing is current in any of them.
pub struct Outcome<'a> {
    /// What the threads know of.
    pub shared: &'a Shared,
    /// The first thread, in which the judge may make calls.
    pub first: &'a Thread,
    /// All threads, the first of them first.
    pub threads: &'a [Thread],
    /// What the runtime holds.
    pub held: Snapshot,
}

impl Outcome<'_> {
    /// The runtime.
    pub fn runtime(&self) -> &Runtime {
        self.first.runtime()
    }
}

/// Says why an outcome is wrong.
pub type Judge = fn(&Outcome<'_>) -> Result<(), String>;

/// What came of all schedules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// How many schedules there are.
    pub schedules: u64,
    /// In how many of them each thing was said, or told by the trace.
    pub happened: BTreeMap<&'static str, u64>,
}

impl Watched {
    /// Both together.
    pub fn merge(&mut self, other: &Watched) {
        self.schedules += other.schedules;
        for (what, times) in &other.happened {
            *self.happened.entry(what).or_default() += times;
        }
    }

    /// In how many schedules this happened.
    pub fn times(&self, what: &str) -> u64 {
        self.happened.get(what).copied().unwrap_or_default()
    }
}

/// Takes a program through its schedules; the judge must find nothing wrong in any.
///
/// # Errors
///
/// The first schedule in which something is, or from which the threads cannot go on.
pub fn watch(program: &Program, judge: Judge) -> Result<Watched, Failure> {
    through(program, move |program, all: &mut Watched| {
        let played = play_out(program).map_err(Failure::NotSetUp)?;
        let first = played.threads.first().ok_or_else(|| Failure::NotSetUp("there is no thread".into()))?;
        let held = first.runtime().snapshot();
        let recording = record(&played).map_err(Failure::NotSetUp)?;
        let outcome = Outcome { shared: &played.shared, first, threads: &played.threads, held };
        let judged = at_rest(&outcome).and_then(|()| judge(&outcome));
        judged.map_err(|wrong| Failure::Wrong(format!("{wrong}\n{:#?}", played.shared.log.all())))?;
        validate(&recording).map_err(Failure::NotAccepted)?;
        all.schedules += 1;
        let said = played.shared.log.all();
        let happened: BTreeSet<&'static str> =
            said.iter().map(|said| said.what).chain(recording.events.iter().filter_map(told)).collect();
        for what in happened {
            *all.happened.entry(what).or_default() += 1;
        }
        Ok(())
    })
}

/// What has to hold whenever all threads are at rest.
fn at_rest(outcome: &Outcome<'_>) -> Result<(), String> {
    if let Some(thread) = outcome.threads.iter().find(|thread| thread.current().is_some()) {
        return Err(format!("{thread:?} has a current thread state"));
    }
    for interp in &outcome.held.interps {
        if interp.busy {
            return Err(format!("{:?} is busy", interp.interp));
        }
        if interp.gil.is_some_and(|gil| gil.locked || gil.drop_request) {
            return Err(format!("the GIL of {:?} is taken or asked for", interp.interp));
        }
        if interp.ring.calls > 0 && !interp.ring.signalled {
            return Err(format!("the ring of {:?}: {:?}", interp.interp, interp.ring));
        }
    }
    if outcome.held.tstates.iter().any(|tstate| tstate.in_use) {
        return Err("a thread state is in use".into());
    }
    let ring = outcome.held.main_ring;
    if ring.calls == 0 || ring.signalled { Ok(()) } else { Err(format!("the main thread's ring: {ring:?}")) }
}

/// What of the trace is worth counting.
fn told(stamped: &Stamped) -> Option<&'static str> {
    match stamped.event {
        Event::WaitBegin(_) => Some("waits for a GIL"),
        Event::Requested(_) => Some("asks"),
        Event::SwitchWaitBegin(_) => Some("waits for a switch"),
        Event::GaveUp(_) => Some("gives up"),
        Event::ThreadsWaitBegin(_) => Some("waits for threads"),
        Event::CallsWaitBegin(_) => Some("waits for calls"),
        _ => None,
    }
}
