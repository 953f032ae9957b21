//! Why a recording was not accepted, told to somebody who has to find out what is wrong.

use std::fmt;

use cloister_model::{BadMove, Label};
use cloister_specs::{Reply, Rule, ThreadId};
use cloister_traced::trace::{Answer, Argument, Effect, Event, Gil, Stamped};

use super::names::Names;
use super::recording::{RecordError, THREADS};
use crate::draw::{Row, RowKind, draw};
use crate::lockstep::Difference;

/// How many events before the rejected one are drawn.
const DRAWN: usize = 30;

/// A run failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Rejection {
    /// It could not be recorded.
    #[error("the run with seed {seed} could not be recorded: {source}")]
    NotRecorded {
        /// Which run.
        seed: u64,
        /// Why.
        source: RecordError,
    },
    /// The model could not have done it.
    #[error("the run with seed {seed} is not one of the model's\n{mismatch}")]
    NotAccepted {
        /// Which run.
        seed: u64,
        /// Where, and why.
        mismatch: Box<Mismatch>,
    },
}

/// The event at which the model could not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch {
    /// Which event, counted from 0; their number: the end of the recording.
    pub index: usize,
    /// By whom; none: by nobody the recording knows, or the end.
    pub thread: Option<ThreadId>,
    /// What it says.
    pub event: String,
    /// Why the model could not follow.
    pub reason: Reason,
    /// What the model could do instead.
    pub instead: String,
    /// The last events, drawn.
    pub drawn: String,
}

/// Why the model could not follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nobody knows the thread.
    #[error("the thread is none of the recording's")]
    UnknownThread,
    /// A call begins inside a call.
    #[error("the thread is inside a call")]
    Inside,
    /// Something happens outside any call.
    #[error("the thread is outside any call")]
    Outside,
    /// A call has an argument that it cannot have.
    #[error("the call cannot have this argument")]
    Malformed,
    /// There are more thread states than the model has slots for.
    #[error("the model has no slot left; the driver let too many be made")]
    NoRoom,
    /// The call was accepted.
    #[error("the model refuses the call: {}: {}", .0.id(), .0.text().sentence)]
    Refuses(Rule),
    /// The call was refused.
    #[error(
        "the call was refused by {refused}, and at no moment of it would the model; at the end it {}",
        says(*.model)
    )]
    NotRefused {
        /// The answer.
        refused: Rule,
        /// What the model says of the call when it returns.
        model: Option<Rule>,
    },
    /// The call was refused after it had changed something.
    #[error("the call was refused by {0} after it had begun")]
    RefusedLate(Rule),
    /// The model's thread cannot come to this event.
    #[error("the model's thread stands at {}, which has another event", label(*.0))]
    Stuck(Option<Label>),
    /// The event is about something else.
    #[error("the event names something else than the model's thread does")]
    Other,
    /// Pending calls are run while they are being run.
    #[error("calls of this interpreter are being run already")]
    Busy,
    /// The GIL is held.
    #[error("the GIL is held by {0}")]
    Held(ThreadId),
    /// The GIL is free.
    #[error("the GIL is free")]
    Free,
    /// The thread went on without the forced switch.
    #[error("somebody asked for the GIL, and the thread did not wait until it was taken")]
    SwitchSkipped,
    /// There is no forced switch.
    #[error("there is no forced switch here: nobody asked, or the GIL was taken since")]
    NoSwitch,
    /// The model's call replies something else.
    #[error("the model replies {model}, the call answers {answer}")]
    Replies {
        /// What the model replies.
        model: Reply,
        /// What the trace has next.
        answer: String,
    },
    /// The call answered, and the model's is not over.
    #[error("the call answered, and did not tell what it had to do before")]
    Untold,
    /// The model broke a rule on the way.
    #[error("the run breaks {}: {}", .0.id(), .0.text().sentence)]
    Breaks(Rule),
    /// The model cannot make a move.
    #[error("{0}")]
    Impossible(BadMove),
    /// The recording ends inside a call.
    #[error("the recording ends inside a call")]
    Unfinished,
    /// The state at the end is another one.
    #[error("the state at the end is another one\n{0}")]
    Rest(Difference),
}

impl From<BadMove> for Reason {
    fn from(bad: BadMove) -> Self {
        Reason::Impossible(bad)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { index, thread, event, reason, instead, drawn } = self;
        let by = thread.map_or(String::new(), |h| format!(" of {h}"));
        writeln!(f, "at event {index}{by}: {event}")?;
        writeln!(f, "because {reason}")?;
        writeln!(f, "instead, in the model: {instead}\n")?;
        write!(f, "{drawn}")
    }
}

fn says(model: Option<Rule>) -> String {
    model.map_or("accepts it".into(), |rule| format!("names {rule}"))
}

fn label(label: Option<Label>) -> String {
    label.map_or("the end of its call".into(), |label| label.name())
}

/// Draws the events up to one, the one included.
pub(super) fn drawn(events: &[Stamped], until: usize, names: &Names) -> String {
    let shown = &events[until.saturating_sub(DRAWN).min(events.len())..(until + 1).min(events.len())];
    let rows: Vec<Row> = shown
        .iter()
        .filter_map(|e| {
            let (kind, text) = said(&e.event, names);
            Some(Row::new(names.thread(e.thread)?, kind, text))
        })
        .collect();
    let threads: Vec<ThreadId> = (0..THREADS as u8).map(ThreadId).collect();
    draw(&threads, &rows)
}

/// An event in words.
pub(super) fn said(event: &Event, names: &Names) -> (RowKind, String) {
    let name = |serial| names.written(serial);
    let gil = |gil: &Gil| {
        let creator = gil.creator.map_or_else(|| "of nobody".into(), name);
        format!("GIL {creator} for {}", name(gil.tstate))
    };
    match event {
        Event::Called { op, argument } => {
            let argument = match argument {
                Argument::None => String::new(),
                Argument::Tstate(serial) | Argument::Interp(serial) => name(*serial),
                Argument::Config(config) => config.to_string(),
                Argument::GilState(state) => state.to_string(),
                Argument::Id(id) => format!("id {id}"),
                Argument::Required(serial, required) => format!("{}, {required}", name(*serial)),
                Argument::Daemon(daemon) => if *daemon { "daemon" } else { "" }.into(),
            };
            (RowKind::Call, format!("{}({argument})", op.name()))
        }
        Event::Effect(effect) => (RowKind::Label, done(effect, names)),
        Event::Took(g) => (RowKind::Label, format!("takes {}", gil(g))),
        Event::Dropping(g) => (RowKind::Label, format!("drops {}", gil(g))),
        Event::WaitBegin(g) => (RowKind::Parked, format!("waits for {}", gil(g))),
        Event::Requested(g) => (RowKind::Label, format!("asks for {}", gil(g))),
        Event::GaveUp(g) => (RowKind::Label, format!("gives up {}", gil(g))),
        Event::ThreadsWaitBegin(_) => (RowKind::Parked, "waits for threads".into()),
        Event::CallsWaitBegin(_) => (RowKind::Parked, "waits for calls".into()),
        Event::ThreadsWaitEnd(_) | Event::CallsWaitEnd(_) => (RowKind::Label, "goes on".into()),
        Event::SwitchWaitBegin(g) => (RowKind::Parked, format!("waits for the switch of {}", gil(g))),
        Event::SwitchWaitEnd(_) => (RowKind::Label, "goes on".into()),
        Event::Returned(answer) => (RowKind::Outcome, answered(*answer, names)),
    }
}

fn done(effect: &Effect, names: &Names) -> String {
    let name = |serial| names.written(serial);
    let ring_of = |ring: Option<_>| ring.map_or_else(|| "the main thread".into(), name);
    match *effect {
        Effect::Listed { tstate, interp } => format!("lists {} in {}", name(tstate), name(interp)),
        Effect::Bound(t) => format!("binds {}", name(t)),
        Effect::Cleared(t) => format!("clears {}", name(t)),
        Effect::Deleted(t) => format!("deletes {}", name(t)),
        Effect::Begun { interp, tstate } => format!("begins {} with {}", name(interp), name(tstate)),
        Effect::Live(i) => format!("{} is live", name(i)),
        Effect::Undone { interp, tstate } => format!("undoes {} and {}", name(interp), name(tstate)),
        Effect::Ending { interp, tstate } => format!("ends {} with {}", name(interp), name(tstate)),
        Effect::Finalizing { interp, tstate } => format!("tears down {} with {}", name(interp), name(tstate)),
        Effect::Initialized { interp, tstate } => {
            format!("initializes {} with {}", name(interp), name(tstate))
        }
        Effect::Finalized { interp, .. } => format!("has finalized {}", name(interp)),
        Effect::Started { tstate, interp, daemon } => {
            let kind = if daemon { "a daemon" } else { "a thread" };
            format!("starts {kind} in {} with {}", name(interp), name(tstate))
        }
        Effect::Unstarted(t) => format!("{} was not started", name(t)),
        Effect::Requires { interp, required: true } => format!("{} requires references", name(interp)),
        Effect::Requires { interp, required: false } => format!("{} requires no references", name(interp)),
        Effect::Referenced(i) => format!("takes a reference to {}", name(i)),
        Effect::Dereferenced(i) => format!("gives a reference to {} back", name(i)),
        Effect::Running(t) => format!("{} runs its interpreter", name(t)),
        Effect::NotRunning(t) => format!("{} no longer runs its interpreter", name(t)),
        Effect::Forked => "goes on in the child".into(),
        Effect::Ended { interp, .. } => format!("{} has ended", name(interp)),
        Effect::Ensured { tstate, interp } => format!("ensures {} in {}", name(tstate), name(interp)),
        Effect::Added { ring } => format!("adds a call to {}", ring_of(ring)),
        Effect::Popped { ring } => format!("takes a call of {}", ring_of(ring)),
        Effect::RunBegan { interp } => format!("begins to run calls in {}", name(interp)),
        Effect::RunEnded { interp, failed: false } => format!("has run calls in {}", name(interp)),
        Effect::RunEnded { interp, failed: true } => format!("a call failed in {}", name(interp)),
    }
}

/// An answer in words.
pub(super) fn answered(answer: Answer, names: &Names) -> String {
    let name = |serial| names.written(serial);
    match answer {
        Answer::Done => "done".into(),
        Answer::Tstate(None) => "NULL".into(),
        Answer::Tstate(Some(t)) => name(t),
        Answer::Created(i, t) => format!("{} with {}", name(i), name(t)),
        Answer::Failed(error) => format!("failed: {error}"),
        Answer::Ensured(state) => state.to_string(),
        Answer::NotEnsured => "not ensured".into(),
        Answer::Is(yes) => if yes { "yes" } else { "no" }.into(),
        Answer::Full => "full".into(),
        Answer::Ran(ran) => format!("ran {}{}", ran.calls, if ran.failed { ", failed" } else { "" }),
        Answer::Interp(i) => name(i),
        Answer::Denied(denied) => format!("denied: {denied}"),
        Answer::Finalized => "finalized".into(),
        Answer::Forked(_) => "forked".into(),
        Answer::NotForked => "not forked".into(),
        Answer::Refused(rule) => format!("refused {rule}"),
    }
}
