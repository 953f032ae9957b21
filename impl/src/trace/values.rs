//! What a call is given, and what it answers.

use crate::error::{CallError, CreateError, EnsureError, ForkError, GateError, NotInitialized};
use crate::interp::Interp;
use crate::ops::{Addition, Forked};
use crate::pending::Ran;
use crate::serial::Serial;
use crate::tstate::Tstate;
use cloister_specs::{CreationError, Denied, GilState, InterpreterConfig, Rule};

/// What a call is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing, or NULL.
    None,
    /// A thread state.
    Tstate(Serial),
    /// An interpreter.
    Interp(Serial),
    /// A configuration.
    Config(InterpreterConfig),
    /// What an Ensure answered.
    GilState(GilState),
    /// The id of an interpreter.
    Id(i64),
    /// Whether an interpreter requires references to its id.
    Required(Serial, bool),
    /// Whether a thread is to be a daemon.
    Daemon(bool),
}

/// What a call answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Done,
    /// A thread state, or NULL.
    Tstate(Option<Serial>),
    /// A new interpreter, with its thread state.
    Created(Serial, Serial),
    /// A creation failed.
    Failed(CreationError),
    /// It was refused.
    Refused(Rule),
    /// An Ensure succeeded.
    Ensured(GilState),
    /// An Ensure found no memory.
    NotEnsured,
    /// A check says this.
    Is(bool),
    /// The ring is full.
    Full,
    /// Pending calls were run; or none.
    Ran(Ran),
    /// An interpreter.
    Interp(Serial),
    /// It is not allowed.
    Denied(Denied),
    /// The runtime was finalized meanwhile.
    Finalized,
    /// The process was forked.
    Forked(Forked),
    /// The process was not forked: the operating system could not.
    NotForked,
}

impl From<()> for Argument {
    fn from((): ()) -> Self {
        Argument::None
    }
}

impl From<Tstate> for Argument {
    fn from(tstate: Tstate) -> Self {
        Argument::Tstate(tstate.serial)
    }
}

impl From<Option<Tstate>> for Argument {
    fn from(tstate: Option<Tstate>) -> Self {
        tstate.map_or(Argument::None, Argument::from)
    }
}

impl From<Interp> for Argument {
    fn from(interp: Interp) -> Self {
        Argument::Interp(interp.serial)
    }
}

impl From<&InterpreterConfig> for Argument {
    fn from(config: &InterpreterConfig) -> Self {
        Argument::Config(*config)
    }
}

impl From<Option<Interp>> for Argument {
    fn from(interp: Option<Interp>) -> Self {
        interp.map_or(Argument::None, Argument::from)
    }
}

impl From<GilState> for Argument {
    fn from(state: GilState) -> Self {
        Argument::GilState(state)
    }
}

impl From<()> for Answer {
    fn from((): ()) -> Self {
        Answer::Done
    }
}

impl From<Tstate> for Answer {
    fn from(tstate: Tstate) -> Self {
        Answer::Tstate(Some(tstate.serial))
    }
}

impl From<Option<Tstate>> for Answer {
    fn from(tstate: Option<Tstate>) -> Self {
        Answer::Tstate(tstate.map(|t| t.serial))
    }
}

impl From<(Interp, Tstate)> for Answer {
    fn from((interp, tstate): (Interp, Tstate)) -> Self {
        Answer::Created(interp.serial, tstate.serial)
    }
}

impl From<Option<(Interp, Tstate)>> for Answer {
    fn from(created: Option<(Interp, Tstate)>) -> Self {
        created.map_or(Answer::Tstate(None), Answer::from)
    }
}

impl From<GilState> for Answer {
    fn from(state: GilState) -> Self {
        Answer::Ensured(state)
    }
}

impl From<EnsureError> for Answer {
    fn from(error: EnsureError) -> Self {
        match error {
            EnsureError::Refused(refusal) => Answer::Refused(refusal.rule),
            EnsureError::NoMemory => Answer::NotEnsured,
            EnsureError::Finalized => Answer::Finalized,
        }
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        Answer::Is(yes)
    }
}

impl From<Addition> for Answer {
    fn from(addition: Addition) -> Self {
        match addition {
            Addition::Added => Answer::Done,
            Addition::Full => Answer::Full,
        }
    }
}

impl From<Ran> for Answer {
    fn from(ran: Ran) -> Self {
        Answer::Ran(ran)
    }
}

impl From<Interp> for Answer {
    fn from(interp: Interp) -> Self {
        Answer::Interp(interp.serial)
    }
}

impl From<CallError> for Answer {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => Answer::Refused(refusal.rule),
            CallError::Finalized => Answer::Finalized,
        }
    }
}

impl From<GateError> for Answer {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Refused(refusal) => Answer::Refused(refusal.rule),
            GateError::Denied(denied) => Answer::Denied(denied),
            GateError::Finalized => Answer::Finalized,
        }
    }
}

impl From<CreateError> for Answer {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Refused(refusal) => Answer::Refused(refusal.rule),
            CreateError::Failed(error) => Answer::Failed(error),
            CreateError::Finalized => Answer::Finalized,
        }
    }
}

impl From<Denied> for Answer {
    fn from(denied: Denied) -> Self {
        Answer::Denied(denied)
    }
}

impl From<&ForkError> for Answer {
    fn from(error: &ForkError) -> Self {
        match error {
            ForkError::Refused(refusal) => Answer::Refused(refusal.rule),
            ForkError::Denied(denied) => Answer::Denied(*denied),
            ForkError::Os(_) => Answer::NotForked,
        }
    }
}

impl From<NotInitialized> for Answer {
    fn from(_: NotInitialized) -> Self {
        Answer::Failed(CreationError::NoMemory)
    }
}

impl From<Rule> for Answer {
    fn from(rule: Rule) -> Self {
        Answer::Refused(rule)
    }
}
