//! What the safe face refuses, and why.

use super::obj::NoMemory;
use crate::error::{CallError, CreateError};
use crate::thread;
use cloister_specs::{CreationError, Refusal, Rule};

/// Why a call of the safe face did not do what it was asked for. Nothing has changed.
///
/// Where a rule stands behind it, the text begins with the id of that rule, and
/// [`Error::rule`] answers it.
///
/// ```
/// use cloister::safe::{Error, Rule, Runtime, Settings};
///
/// let runtime = Runtime::start(Settings::default())?;
/// let error = runtime.main().end().unwrap_err();
/// assert_eq!(error, Error::Main);
/// assert_eq!(error.rule(), Some(Rule::Life11));
/// assert!(error.to_string().starts_with("LIFE-11: "));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// GIL-12: the interpreter, or its whole runtime, has ended.
    #[error("{}: the interpreter has ended", Rule::Gil12)]
    Ended,
    /// TLS-5: the OS thread is attached to an interpreter, and is not told to leave it.
    #[error(
        "{}: the OS thread is attached already; use its token to attach to another interpreter",
        Rule::Tls5
    )]
    Attached,
    /// LIFE-10: somebody is attached to the interpreter that is to be ended, or will come
    /// back to it from a [`detach`](super::Token::detach).
    #[error("{}: the interpreter is in use; it can be ended when all have left it", Rule::Life10)]
    InUse,
    /// LIFE-11: the main interpreter ends with its runtime.
    #[error("{}: the main interpreter ends with its runtime; drop the Runtime", Rule::Life11)]
    Main,
    /// Another rule forbids it.
    #[error(transparent)]
    Refused(Refusal),
    /// The interpreter could not be created.
    #[error(transparent)]
    Creation(#[from] CreationError),
    /// The OS thread is attached to another runtime, or has a [`Thread`](crate::Thread) of
    /// the raw face.
    #[error("the OS thread is attached to another runtime; leave that one first")]
    OtherRuntime,
    /// The value belongs to another interpreter than the token.
    #[error("the value belongs to another interpreter; use a token of that one")]
    OtherInterpreter,
    /// Memory ran out.
    #[error("memory allocation failed")]
    NoMemory,
    /// The OS thread is ending, and has given up its thread states.
    #[error("the OS thread is ending, and has given up its thread states")]
    ThreadEnding,
    /// A logical thread of a scheduler called; the safe face is for OS threads.
    #[cfg(feature = "controlled")]
    #[error("the safe face is for OS threads, and a scheduler runs this one")]
    LogicalThread,
}

impl Error {
    /// The rule that forbids what was asked for.
    ///
    /// ```
    /// use cloister::safe::{Error, InterpreterConfig, Rule, Runtime, Settings};
    ///
    /// let runtime = Runtime::start(Settings::default())?;
    /// let config = InterpreterConfig { gil: 7, ..InterpreterConfig::ISOLATED };
    /// let error = runtime.new_interpreter(&config).unwrap_err();
    /// assert_eq!(error.rule(), Some(Rule::Life6));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn rule(&self) -> Option<Rule> {
        Some(match self {
            Error::Ended => Rule::Gil12,
            Error::Attached => Rule::Tls5,
            Error::InUse => Rule::Life10,
            Error::Main => Rule::Life11,
            Error::Refused(refusal) => refusal.rule,
            Error::Creation(CreationError::Settings) => Rule::Life5,
            Error::Creation(CreationError::GilValue) => Rule::Life6,
            Error::Creation(CreationError::OwnGilSharedObmalloc) => Rule::Life8,
            _ => return None,
        })
    }
}

/// A refusal of the raw face, in the words of this one: what was cleared, or is being ended,
/// has ended.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal.rule {
            Rule::Gil12 | Rule::Life13 | Rule::Tls6 => Error::Ended,
            Rule::Tls5 => Error::Attached,
            Rule::Life10 => Error::InUse,
            Rule::Life11 => Error::Main,
            _ => Error::Refused(refusal),
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => refusal.into(),
            CallError::Finalized => Error::Ended,
        }
    }
}

impl From<CreateError> for Error {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Refused(refusal) => refusal.into(),
            CreateError::Failed(error) => Error::Creation(error),
            CreateError::Finalized => Error::Ended,
        }
    }
}

impl From<thread::AttachError> for Error {
    fn from(error: thread::AttachError) -> Self {
        match error {
            thread::AttachError::AlreadyAttached => Error::OtherRuntime,
            thread::AttachError::NoMemory => Error::NoMemory,
        }
    }
}

impl<T> From<NoMemory<T>> for Error {
    fn from(_: NoMemory<T>) -> Self {
        Error::NoMemory
    }
}
