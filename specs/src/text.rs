//! The readable text form of moves and runs: what people write, and what reports print.
//!
//! ```text
//! run handover                  # four optional lines; these are the defaults but for the name
//! design cloister
//! grain atomic
//! threads 3
//!
//! T0: ThreadStateNew(0) => t1
//! T1: ThreadStateBind(t1) => done
//! T1: RestoreThread(t1) => parked gil
//! T1: .. expire => parked gil
//! T0: EvalBreakerPoll => parked switch
//! ```
//!
//! A line is `THREAD: MOVE [at TSTATE] [prefer THREAD] [=> EXPECTED]`.
//!
//! - A move is a call, or for a thread inside one `.. step`, `.. expire`, `.. spurious`.
//! - `at` chooses the slot of the thread state that the call makes; without it the
//!   lowest free slot is taken.
//! - `prefer` chooses whom a signal wakes when several wait; without it, `T0`.
//! - What is expected is a reply (`done`, `t1`, `NULL`, `1 t1`, `failed "text"`, `ok NULL`,
//!   `LOCKED`, `UNLOCKED`, `not ensured`, `yes`, `no`, `full`, `ran succeeds`, `interpreter 1`,
//!   `denied "text"`, `finalized`, `exited`, `forked`) or `refused RULE`, `parked gil` (or
//!   `switch`, `threads`, `calls`, `forever`), `died RULE`.
//! - A configuration is a preset (`isolated`, `legacy`, `main`) and then the fields that
//!   differ: `legacy, allow_fork=0, fault=CoreInit`.
//!
//! Reading it back gives what was printed.

mod cursor;
mod parse;
mod print;

use crate::{Denied, Fault, InterpreterConfig, Move, OpKind, Parking, Reply, Rule, ThreadId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A move, and what it should lead to. In JSON it is a string in the text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line {
    /// The move.
    pub mv: Move,
    /// What should come of it; `None` says nothing.
    pub expect: Option<Expect>,
}

/// What a move should lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// The call answers.
    Reply(Reply),
    /// The call is refused by this rule.
    Refused(Rule),
    /// The thread waits inside its call.
    Parked(Parking),
    /// The process is dead, by this rule.
    Died(Rule),
}

/// How much of an operation is one move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grain {
    /// Until it is done or has to wait.
    #[default]
    Atomic,
    /// Until something happens that another thread can see.
    Merged,
    /// A label.
    Fine,
}

impl Grain {
    /// Every grain, the coarsest first.
    pub const ALL: [Grain; 3] = [Grain::Atomic, Grain::Merged, Grain::Fine];

    /// Its name in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Grain::Atomic => "atomic",
            Grain::Merged => "merged",
            Grain::Fine => "fine",
        }
    }
}

/// A run: its circumstances and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What it is called: words on one line, without `#`.
    pub name: String,
    /// The design that it is meant for, likewise.
    pub design: String,
    /// How much of an operation is one move.
    pub grain: Grain,
    /// How many threads there are.
    pub threads: u8,
    /// The run itself.
    pub lines: Vec<Line>,
}

impl Default for Script {
    fn default() -> Self {
        Script {
            name: "unnamed".into(),
            design: "cloister".into(),
            grain: Grain::default(),
            threads: 3,
            lines: Vec::new(),
        }
    }
}

/// A text that is no run. Tells where, and what would be right there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}\n  {text}")]
pub struct TextError {
    /// The number of the line, from 1.
    pub line: usize,
    /// The line itself, cut short if it is long.
    pub text: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What should stand here.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// No operation has this name.
    #[error("there is no call `{0}`; {meant}", meant = meant(.0))]
    UnknownCall(String),
    /// A call was given something that it does not take.
    #[error("{call} takes {takes}")]
    WrongArguments {
        /// The call.
        call: &'static str,
        /// What it takes.
        takes: &'static str,
    },
    /// No configuration has this name.
    #[error("there is no preset `{0}`; the presets are {presets}", presets = names(PRESETS.iter().map(|p| p.0)))]
    UnknownPreset(String),
    /// A configuration has no such field.
    #[error("there is no field `{0}`; the fields are {fields}", fields = names(field_names()))]
    UnknownField(String),
    /// A field or a header line stands twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// A flag has another value than 0 and 1.
    #[error("`{field}` is 0 or 1, not {value}")]
    NotAFlag {
        /// The field.
        field: String,
        /// Its value.
        value: u8,
    },
    /// There is no such fault to inject.
    #[error("there is no fault `{0}`; the faults are {faults}", faults = names(Fault::ALL.iter().map(|f| fault_name(*f))))]
    UnknownFault(String),
    /// There is no such rule.
    #[error("there is no rule `{0}`; `cloister rules` lists them")]
    UnknownRule(String),
    /// No creation fails with this text.
    #[error("no creation fails with \"{0}\"; the texts are {texts}", texts = quoted(CREATION_ERRORS))]
    UnknownFailure(String),
    /// Nothing is denied with this text.
    #[error("nothing is denied with \"{0}\"; the texts are {texts}", texts = quoted(Denied::ALL))]
    UnknownDenial(String),
    /// `at` after a call that makes no thread state.
    #[error("{0} makes no thread state, so it takes no `at`")]
    NothingToPlace(&'static str),
    /// A header line after a move.
    #[error("`{0}` belongs before the first move")]
    HeaderTooLate(&'static str),
    /// A thread that the run does not have.
    #[error("there is no {thread} among {threads} threads; say `threads {needed}` at the top", needed = u16::from(thread.0) + 1)]
    NoSuchThread {
        /// The thread.
        thread: ThreadId,
        /// How many the run has.
        threads: u8,
    },
}

/// The call whose name this is in another spelling, such as that of CPython's function, or else
/// the names of all.
fn meant(word: &str) -> String {
    let letters = word.replace('_', "").to_lowercase();
    let spelled = |name: &&&str| letters.ends_with(&name.to_lowercase());
    let all = OpKind::ALL.map(OpKind::name);
    match all.iter().filter(spelled).max_by_key(|name| name.len()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the calls are {}", names(all.into_iter())),
    }
}

const PRESETS: [(&str, InterpreterConfig); 3] = [
    ("isolated", InterpreterConfig::ISOLATED),
    ("legacy", InterpreterConfig::LEGACY),
    ("main", InterpreterConfig::MAIN),
];

type Flag = fn(&mut InterpreterConfig) -> &mut bool;

const FLAGS: [(&str, Flag); 6] = [
    ("use_main_obmalloc", |c| &mut c.use_main_obmalloc),
    ("allow_fork", |c| &mut c.allow_fork),
    ("allow_exec", |c| &mut c.allow_exec),
    ("allow_threads", |c| &mut c.allow_threads),
    ("allow_daemon_threads", |c| &mut c.allow_daemon_threads),
    ("check_multi_interp_extensions", |c| &mut c.check_multi_interp_extensions),
];

const CREATION_ERRORS: [crate::CreationError; 6] = [
    crate::CreationError::Settings,
    crate::CreationError::OwnGilSharedObmalloc,
    crate::CreationError::GilValue,
    crate::CreationError::NoMemory,
    crate::CreationError::CoreInit,
    crate::CreationError::MainInit,
];

fn fault_name(fault: Fault) -> &'static str {
    match fault {
        Fault::InterpAlloc => "InterpAlloc",
        Fault::TstateAlloc => "TstateAlloc",
        Fault::CoreInit => "CoreInit",
        Fault::MainInit => "MainInit",
    }
}

fn parking_name(parking: Parking) -> &'static str {
    match parking {
        Parking::Gil => "gil",
        Parking::Switch => "switch",
        Parking::Threads => "threads",
        Parking::Calls => "calls",
        Parking::Forever => "forever",
    }
}

fn field_names() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().map(|f| f.0).chain(["gil", "fault"])
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.collect::<Vec<_>>().join(", ")
}

fn quoted(texts: impl IntoIterator<Item = impl fmt::Display>) -> String {
    texts.into_iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ")
}

impl TryFrom<String> for Line {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let line: Result<Line, TextError> = text.parse();
        line.map_err(|error| format!("{} in `{}`", error.problem, error.text))
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.to_string()
    }
}

impl From<Move> for Line {
    fn from(mv: Move) -> Self {
        Line { mv, expect: None }
    }
}

impl fmt::Display for Grain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
