//! What the commands ask of the rest.

use crate::capsule::Capsule;
use crate::subject::{Subject, SubjectError};
use clap::ValueEnum;
use std::fmt;

/// Whom a run is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum On {
    /// The reference model, under the design of the run.
    Model,
    /// The implementation.
    Impl,
    /// CPython 3.12.
    Cpython,
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            On::Model => "model",
            On::Impl => "impl",
            On::Cpython => "cpython",
        })
    }
}

/// Makes the subjects that runs are told to.
pub trait Engine {
    /// A subject fit for this run: for the model, of its design and grain. One that cannot
    /// do it (an unknown design, a finer grain than it has, no CPython here) says so in
    /// the error. `replay` and `ask` reset it and tell it the moves.
    fn subject(&mut self, on: On, run: &Capsule) -> Result<Box<dyn Subject>, SubjectError>;
}
