//! What a real CPython did, written down for machines that have none.
//!
//! A corpus is a JSON file with one run to a line: its moves, what each of them led
//! to, and what could be seen in the end. Any [`Subject`] can be compared with it.

use super::{find::Version, parent::Cpython};
use crate::{
    lockstep::{same_event, same_observation},
    subject::{Event, Shows, Subject, SubjectError},
};
use cloister_specs::{Move, Observation, Op};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// No corpus is larger.
const LIMIT_BYTES: usize = 2 << 20;
/// What a corpus shows of CPython.
const SHOWN: Shows = Shows { phase: true, gils: true, holder: false, refusals: false };

/// A run and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The moves, up to the one that was the last.
    pub moves: Vec<Move>,
    /// What each led to.
    pub events: Vec<Event>,
    /// What could be seen in the end; `None` if CPython died.
    pub observation: Option<Observation>,
}

/// Recorded runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corpus {
    format: u32,
    /// What was recorded.
    pub python: Version,
    /// How many logical threads each run has.
    pub threads: u8,
    /// The runs.
    pub runs: Vec<Recorded>,
}

/// A corpus that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The file system does not allow it.
    #[error("{path}: {error}")]
    Io {
        /// The corpus.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is damaged, or has been written by another program.
    #[error("{path} is no corpus: {error}")]
    Json {
        /// The corpus.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
    /// The file is in the format of another version.
    #[error("{path} has format {found}, this program reads {FORMAT}: record it again")]
    Format {
        /// The corpus.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The corpus is too large for the repository.
    #[error("the corpus has {0} bytes, more than {LIMIT_BYTES}: record fewer runs")]
    TooLarge(usize),
}

/// Where a subject does something else than what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The run's place in the corpus.
    pub run: usize,
    /// The move's place in the run; `None` for the observation at its end.
    pub at: Option<usize>,
    /// What CPython did.
    pub recorded: String,
    /// What the subject did.
    pub found: String,
}

impl Corpus {
    /// The runs that this CPython can be told: without those that count blocks, if it cannot.
    pub fn told_to(mut self, cpython: &Cpython) -> Corpus {
        let counts = |mv: &Move| match mv {
            Move::Start(start) => matches!(start.op, Op::AllocatedBlocks(_) | Op::GlobalAllocatedBlocks),
            Move::Step { .. } | Move::Expire { .. } | Move::Spurious { .. } => false,
        };
        self.runs.retain(|run| cpython.counts_blocks() || !run.moves.iter().any(counts));
        self
    }
}

/// Performs these runs on a real CPython and writes down what happens.
pub fn record(cpython: &mut Cpython, threads: u8, runs: &[Vec<Move>]) -> Result<Corpus, SubjectError> {
    let runs = runs.iter().map(|moves| record_run(cpython, threads, moves)).collect::<Result<_, _>>()?;
    Ok(Corpus { format: FORMAT, python: cpython.version(), threads, runs })
}

fn record_run(cpython: &mut Cpython, threads: u8, moves: &[Move]) -> Result<Recorded, SubjectError> {
    cpython.reset(threads)?;
    let mut events = Vec::with_capacity(moves.len());
    for mv in moves {
        events.push(cpython.apply(mv)?);
        if let Some(Event::Died(_)) = events.last() {
            return Ok(Recorded { moves: moves[..events.len()].to_vec(), events, observation: None });
        }
    }
    Ok(Recorded { moves: moves.to_vec(), events, observation: Some(cpython.observe()?) })
}

impl Corpus {
    /// Where this subject does something else.
    pub fn compare(&self, subject: &mut dyn Subject) -> Result<Vec<Difference>, SubjectError> {
        let mut differences = Vec::new();
        for (run, recorded) in self.runs.iter().enumerate() {
            differences.extend(self.first_difference(run, recorded, subject)?);
        }
        Ok(differences)
    }

    fn first_difference(
        &self,
        number: usize,
        run: &Recorded,
        subject: &mut dyn Subject,
    ) -> Result<Option<Difference>, SubjectError> {
        subject.reset(self.threads)?;
        for (at, (mv, recorded)) in run.moves.iter().zip(&run.events).enumerate() {
            let found = subject.apply(mv)?;
            if *recorded != found
                && let Err(d) = same_event(&found, recorded)
            {
                return Ok(Some(Difference {
                    run: number,
                    at: Some(at),
                    recorded: d.got,
                    found: d.expected,
                }));
            }
        }
        let Some(recorded) = &run.observation else { return Ok(None) };
        let difference = same_observation(&subject.observe()?, recorded, SHOWN).err();
        Ok(difference.map(|d| Difference { run: number, at: None, recorded: d.got, found: d.expected }))
    }
}

/// Writes a corpus, one run to a line.
pub fn write(corpus: &Corpus, path: &Path) -> Result<(), CorpusError> {
    let text = text(corpus).map_err(|error| CorpusError::Json { path: path.into(), error })?;
    if text.len() > LIMIT_BYTES {
        return Err(CorpusError::TooLarge(text.len()));
    }
    fs::write(path, text).map_err(|error| CorpusError::Io { path: path.into(), error })
}

fn text(corpus: &Corpus) -> Result<String, serde_json::Error> {
    let empty = Corpus { runs: Vec::new(), ..corpus.clone() };
    let mut text = serde_json::to_string(&empty)?;
    // The empty list is the last thing in it.
    text.truncate(text.len() - "]}".len());
    let lines = corpus.runs.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{text}\n{}\n]}}\n", lines.join(",\n")))
}

/// Reads a corpus.
pub fn read(path: &Path) -> Result<Corpus, CorpusError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let text = fs::read(path).map_err(|error| CorpusError::Io { path: path.into(), error })?;
    let json = |error| CorpusError::Json { path: path.into(), error };
    let head: Head = serde_json::from_slice(&text).map_err(json)?;
    if head.format != FORMAT {
        return Err(CorpusError::Format { path: path.into(), found: head.format });
    }
    serde_json::from_slice(&text).map_err(json)
}
