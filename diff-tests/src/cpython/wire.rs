//! What parent, server and run process say to each other: frames of a length and
//! JSON. An *order* goes to the child, an *answer* comes back, one for one.

use super::{beyond::Beyond, configs::Created, find::Version};
use crate::subject::Event;
use cloister_specs::{Move, Observation, Start, ThreadId, ThreadView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// The longest frame: far above any observation.
const FRAME_LIMIT_BYTES: u32 = 1 << 20;

/// What becomes of memory that CPython frees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Freed {
    /// It cannot be touched: reading or writing it ends the run at once, and says where.
    #[default]
    Trap,
    /// It is filled with 0xDD and can be read; a write is seen after the call.
    Poison,
}

/// What the parent wants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Of the server: begin a run with this many logical threads.
    Run {
        /// How many.
        threads: u8,
        /// What becomes of freed memory in it.
        freed: Freed,
        /// How long a call may take before the run process counts as hung.
        patience_seconds: u32,
    },
    /// Perform a move.
    Move(Move),
    /// Begin a call, and hold its thread after it has unlocked this many mutexes.
    Held {
        /// The call.
        start: Start,
        /// How many.
        unlocks: u8,
    },
    /// Let this thread make a call that no operation stands for.
    Beyond {
        /// The thread.
        thread: ThreadId,
        /// The call.
        call: Beyond,
        /// Hold the thread after it has unlocked this many mutexes; 0 for never.
        unlocks: u8,
    },
    /// Let `T0` try every configuration.
    Configs,
    /// Say what can be seen.
    Observe,
    /// End the run.
    Finish,
}

/// `PyStatus` as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusText {
    /// The C function that it names.
    pub func: String,
    /// Its message.
    pub message: String,
}

/// What the server says when it is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Of the libpython that it loaded.
    pub version: Version,
    /// Are the structs of the GIL where they are expected?
    pub shows_gils: bool,
    /// Are the functions there that count blocks? A stripped file keeps them to itself.
    pub counts_blocks: bool,
}

/// How a run process ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gone {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it exited with.
    pub code: Option<i32>,
    /// What it wrote to its standard error.
    pub said: String,
}

/// What the child answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The server is ready.
    Hello(Hello),
    /// The server cannot serve.
    Unusable(String),
    /// The run has begun.
    Started,
    /// A move led to this.
    Event {
        /// The event.
        event: Event,
        /// The error status of a creation, as CPython worded it.
        status: Option<StatusText>,
    },
    /// A call that no operation stands for was answered.
    Said {
        /// What it came to.
        text: String,
        /// What its thread sees.
        view: ThreadView,
    },
    /// What can be seen.
    Observation(Box<Observation>),
    /// The outcome for each configuration.
    Configs(Vec<Created>),
    /// The order makes no sense here.
    Refused(String),
    /// The run process has ended; from the server.
    Gone(Gone),
}

/// Sends one frame.
pub fn send<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    to.write_all(&frame)
}

/// Receives one frame; `None` at the end of the stream.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length);
    if length > FRAME_LIMIT_BYTES {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut frame = vec![0; length as usize];
    from.read_exact(&mut frame)?;
    Ok(Some(serde_json::from_slice(&frame)?))
}
