//! A *capsule* is a run in a file: what failed, or was recorded, and how to have it again.
//!
//! It is versioned JSON. Its moves are strings in the text form, so that a capsule can
//! be read, and its difference to another one too. [`Capsule::read`] also takes a file
//! in the text form itself.

use crate::subject::Event;
use cloister_specs::text::{Expect, Grain, Line, Script, TextError};
use cloister_specs::{Move, Rule};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// A run in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capsule {
    /// [`VERSION`].
    pub version: u32,
    /// What the run is called.
    pub name: String,
    /// The design that it is meant for.
    pub design: String,
    /// How much of an operation is one move.
    pub grain: Grain,
    /// How many threads there are.
    pub threads: u8,
    /// The run itself, with what is expected of it.
    pub moves: Vec<Line>,
    /// What each subject made of the moves, by its name; shorter than the moves if it died.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, Vec<Event>>,
    /// The harness that found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
    /// The rule that it breaks.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "rule_by_id")]
    pub rule: Option<Rule>,
}

/// A file that is no capsule, or could not be written. Says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum CapsuleError {
    /// Nothing is there.
    #[error("{path}: there is no such file")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A directory is there.
    #[error("{path}: this is a directory; name one of the runs in it")]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// It could not be read.
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written.
    #[error("{path}: cannot be written: {source}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds bytes that are no text.
    #[error("{path}: this is no text; a run is a JSON capsule or a file in the text form")]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It ends in the middle.
    #[error("{path}: the capsule ends in the middle (line {line}); it was cut short, record it again")]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Its last line.
        line: usize,
    },
    /// It says no version, or that of another format.
    #[error("{path}: this capsule {says}; version {VERSION} is the one that is read")]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says about its version.
        says: String,
    },
    /// It is JSON, but no capsule.
    #[error("{path}: this is no capsule: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// It is no run in the text form.
    #[error("{path}: {source}")]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: TextError,
    },
    /// There is no move in it.
    #[error("{path}: there is no move in it; a move is a line such as `T0: SaveThread`")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Capsule {
    /// A capsule of these moves, of which nothing else is known.
    pub fn new(
        name: impl Into<String>,
        design: impl Into<String>,
        grain: Grain,
        threads: u8,
        moves: Vec<Line>,
    ) -> Self {
        Capsule {
            version: VERSION,
            name: name.into(),
            design: design.into(),
            grain,
            threads,
            moves,
            events: BTreeMap::new(),
            found_by: None,
            rule: None,
        }
    }

    /// Reads a capsule, or a run in the text form.
    pub fn read(path: &Path) -> Result<Self, CapsuleError> {
        let owned = || path.to_path_buf();
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => CapsuleError::Missing { path: owned() },
            ErrorKind::IsADirectory => CapsuleError::Directory { path: owned() },
            _ => CapsuleError::Unreadable { path: owned(), source },
        })?;
        let text = String::from_utf8(bytes).map_err(|_| CapsuleError::NotText { path: owned() })?;
        let text = text.trim_start_matches('\u{feff}');
        let capsule = if text.trim_start().starts_with('{') {
            from_json(text, path)?
        } else {
            let script: Script =
                text.parse().map_err(|source| CapsuleError::Text { path: owned(), source })?;
            script.into()
        };
        if capsule.moves.is_empty() {
            return Err(CapsuleError::Empty { path: owned() });
        }
        match capsule.contradiction() {
            Some(reason) => Err(CapsuleError::Malformed { path: owned(), reason }),
            None => Ok(capsule),
        }
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), CapsuleError> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::from).map_err(unwritable(path))?;
        text.push(b'\n');
        write_whole(path, &text).map_err(unwritable(path))
    }

    /// The moves without what is expected of them.
    pub fn moves(&self) -> impl ExactSizeIterator<Item = &Move> {
        self.moves.iter().map(|line| &line.mv)
    }

    /// The run in the text form.
    pub fn script(&self) -> Script {
        Script {
            name: self.name.clone(),
            design: self.design.clone(),
            grain: self.grain,
            threads: self.threads,
            lines: self.moves.clone(),
        }
    }

    fn contradiction(&self) -> Option<String> {
        let named = self.moves().flat_map(|mv| [mv.thread(), mv.prefer()]);
        if let Some(thread) = named.max().filter(|t| t.0 >= self.threads) {
            return Some(format!("it names {thread}, but has {} threads", self.threads));
        }
        let longer = self.events.iter().find(|(_, events)| events.len() > self.moves.len());
        longer.map(|(subject, _)| format!("{subject} has more events than there are moves"))
    }
}

impl From<Script> for Capsule {
    fn from(script: Script) -> Self {
        Capsule::new(script.name, script.design, script.grain, script.threads, script.lines)
    }
}

/// What a subject did, as something to expect of the next one; `None` if it died by no
/// known rule, or goes on.
pub fn expectation(event: &Event) -> Option<Expect> {
    match event {
        Event::Replied { reply, .. } => Some(Expect::Reply(*reply)),
        Event::Refused(rule) => Some(Expect::Refused(*rule)),
        Event::Parked(parking) => Some(Expect::Parked(*parking)),
        Event::Running => None,
        Event::Died(text) => Rule::by_id(text).map(Expect::Died),
    }
}

fn from_json(text: &str, path: &Path) -> Result<Capsule, CapsuleError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<serde_json::Value>,
    }
    let path = || path.to_path_buf();
    let malformed = |error: serde_json::Error| match error.is_eof() {
        true => CapsuleError::CutShort { path: path(), line: error.line() },
        false => CapsuleError::Malformed { path: path(), reason: error.to_string() },
    };
    let says = match serde_json::from_str::<Versioned>(text).map_err(malformed)?.version {
        Some(version) if version == VERSION => None,
        Some(version) => Some(format!("is of version {version}")),
        None => Some("says no version".into()),
    };
    if let Some(says) = says {
        return Err(CapsuleError::Version { path: path(), says });
    }
    serde_json::from_str(text).map_err(malformed)
}

fn rule_by_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Rule>, D::Error> {
    let Some(id) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let unknown = || D::Error::custom(format_args!("there is no rule `{id}` (`cloister rules` lists them)"));
    Rule::by_id(&id).map(Some).ok_or_else(unknown)
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> CapsuleError {
    move |source| CapsuleError::Unwritable { path: path.to_path_buf(), source }
}

/// Writes a file, whole or not at all: beside it first, then in its place. What is no
/// plain file, as a pipe, is written to directly.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.metadata().is_ok_and(|at| !at.is_file()) {
        return std::fs::write(path, bytes);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut beside = builder.tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}
