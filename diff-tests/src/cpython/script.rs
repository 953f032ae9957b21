//! Runs written down by hand, for the witnesses.

use super::{beyond::Beyond, parent::Cpython};
use crate::subject::{Event, Subject, SubjectError};
use cloister_specs::{
    Fault, InterpId, InterpreterConfig, MAIN, Move, Observation, Op, Parking, Reply, Start, StatusBits,
    ThreadId, ThreadView, TstateId, text,
};

/// Nobody prefers a thread here: the lowest that waits is woken.
const LOWEST: ThreadId = ThreadId(0);

/// What is said of a thread that CPython ends.
pub const EXITS: &str = "the thread exits";

/// `t` as an id.
pub fn t(slot: u8) -> TstateId {
    TstateId(slot)
}

/// A creation without a fault.
pub fn new(config: InterpreterConfig) -> Op {
    Op::NewInterpreterFromConfig { config, fault: None }
}

/// A creation with a fault.
pub fn new_failing(config: InterpreterConfig, fault: Fault) -> Op {
    Op::NewInterpreterFromConfig { config, fault: Some(fault) }
}

/// A run in progress.
pub struct Script<'a> {
    cpython: &'a mut Cpython,
}

impl<'a> Script<'a> {
    /// Begins a run with four logical threads.
    pub fn begin(cpython: &'a mut Cpython) -> Result<Self, SubjectError> {
        cpython.reset(4)?;
        Ok(Script { cpython })
    }

    /// Goes on in the text form, up to its end or a death: what the last move came to, in words.
    pub fn lines(&mut self, text: &str) -> Result<String, SubjectError> {
        let malformed =
            |e: text::TextError| SubjectError { subject: self.cpython.name(), reason: e.to_string() };
        let script: text::Script = text.parse().map_err(malformed)?;
        let mut last = String::new();
        for line in script.lines {
            let event = self.cpython.apply(&line.mv)?;
            last = shown(&event);
            if matches!(event, Event::Died(_)) {
                break;
            }
        }
        Ok(last)
    }

    /// A thread makes a call.
    pub fn call(&mut self, thread: u8, op: Op) -> Result<Event, SubjectError> {
        self.cpython.apply(&Move::Start(start(thread, op, None)))
    }

    /// A thread makes a call that creates a thread state at a slot.
    pub fn call_at(&mut self, thread: u8, op: Op, at: TstateId) -> Result<Event, SubjectError> {
        self.cpython.apply(&Move::Start(start(thread, op, Some(at))))
    }

    /// A thread makes a call and is held after so many unlocks.
    pub fn held(&mut self, thread: u8, op: Op, unlocks: u8) -> Result<Event, SubjectError> {
        self.cpython.start_held(start(thread, op, None), unlocks)
    }

    /// A thread goes on.
    pub fn step(&mut self, thread: u8) -> Result<Event, SubjectError> {
        self.cpython.apply(&Move::Step { thread: ThreadId(thread), prefer: LOWEST })
    }

    /// A thread's timed wait expires.
    pub fn expire(&mut self, thread: u8) -> Result<Event, SubjectError> {
        self.cpython.apply(&Move::Expire { thread: ThreadId(thread), prefer: LOWEST })
    }

    /// A thread calls `PyGILState_Ensure`.
    pub fn ensure(&mut self, thread: u8) -> Result<Event, SubjectError> {
        self.call(thread, Op::GilStateEnsure { interp: MAIN, fails: false })
    }

    /// A thread makes a call that no operation stands for: what it came to.
    pub fn beyond(&mut self, thread: u8, call: Beyond) -> Result<String, SubjectError> {
        let event = self.beyond_held(thread, call, 0)?;
        Ok(self.said(&event))
    }

    /// A thread makes such a call and is held after so many unlocks.
    pub fn beyond_held(&mut self, thread: u8, call: Beyond, unlocks: u8) -> Result<Event, SubjectError> {
        self.cpython.beyond(ThreadId(thread), call, unlocks)
    }

    /// What the last event says, in words.
    pub fn said(&self, event: &Event) -> String {
        self.cpython.said().map_or_else(|| shown(event), str::to_owned)
    }

    /// Several calls of one thread, each of which has to be answered.
    pub fn calls(&mut self, thread: u8, ops: &[Op]) -> Result<(), SubjectError> {
        for &op in ops {
            let event = self.call(thread, op)?;
            if view(&event).is_none() {
                let reason = format!("T{thread}: {op:?} was not answered: {event:?}");
                return Err(SubjectError { subject: self.cpython.name(), reason });
            }
        }
        Ok(())
    }

    /// A new thread state in an interpreter, bound to a thread.
    pub fn bound(&mut self, thread: u8, interp: InterpId, at: TstateId) -> Result<(), SubjectError> {
        self.call_at(thread, Op::ThreadStateNew(interp), at)?;
        self.calls(thread, &[Op::ThreadStateBind(at)])
    }

    /// What can be seen.
    pub fn observe(&mut self) -> Result<Observation, SubjectError> {
        self.cpython.observe()
    }

    /// Is this bit of a thread state set?
    pub fn has(&mut self, tstate: TstateId, bit: StatusBits) -> Result<bool, SubjectError> {
        Ok(self.observe()?.tstates.iter().any(|v| v.id == tstate && v.status.contains(bit)))
    }
}

fn start(thread: u8, op: Op, at: Option<TstateId>) -> Start {
    Start { thread: ThreadId(thread), op, at, prefer: LOWEST }
}

/// A whole run in the text form: what its last move came to, in words.
pub fn last_of(cpython: &mut Cpython, lines: &[&str]) -> Result<String, SubjectError> {
    Script::begin(cpython)?.lines(&lines.join("\n"))
}

/// The reply of an answered call.
pub fn reply(event: &Event) -> Option<Reply> {
    match event {
        Event::Replied { reply, .. } => Some(*reply),
        Event::Refused(_) | Event::Parked(_) | Event::Running | Event::Died(_) => None,
    }
}

/// What the thread of an answered call sees.
pub fn view(event: &Event) -> Option<ThreadView> {
    match event {
        Event::Replied { view, .. } => Some(*view),
        Event::Refused(_) | Event::Parked(_) | Event::Running | Event::Died(_) => None,
    }
}

/// Does the thread wait for this?
pub fn parked(event: &Event, parking: Parking) -> bool {
    *event == Event::Parked(parking)
}

/// In few words.
pub fn shown(event: &Event) -> String {
    match event {
        Event::Replied { reply: Reply::Exited, .. } => EXITS.into(),
        Event::Replied { reply, .. } => reply.to_string(),
        Event::Refused(rule) => format!("refused by {rule}"),
        Event::Parked(parking) => format!("waits ({parking:?})"),
        Event::Running => "inside its call".into(),
        Event::Died(text) => format!("died: {text}"),
    }
}
