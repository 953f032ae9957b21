//! What ends a command with exit code 2.

use crate::capsule::{CapsuleError, write_whole};
use crate::subject::SubjectError;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

/// Why a command could not do what it was asked to: one sentence, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file holds no run.
    #[error(transparent)]
    Capsule(#[from] CapsuleError),
    /// A subject was lost, or cannot do this run.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// There is no such rule.
    #[error("there is no rule `{id}`; {near}")]
    UnknownRule {
        /// What was asked for.
        id: String,
        /// What there is.
        near: String,
    },
    /// The sources could not be read.
    #[error("the sources of the project cannot be read: {0}")]
    Sources(#[source] io::Error),
    /// A file could not be written.
    #[error("{path}: cannot be written: {source}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The result could not be written.
    #[error("the result cannot be written: {0}")]
    Output(#[from] io::Error),
    /// Anything else that is the caller's to mend.
    #[error("{0}")]
    Usage(String),
}

/// Writes what `--json FILE` asks for.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CliError> {
    let unwritable = |source| CliError::Unwritable { path: path.to_path_buf(), source };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| unwritable(e.into()))?;
    bytes.push(b'\n');
    write_whole(path, &bytes).map_err(unwritable)
}
