//! A run is a list of moves. Every choice stands in them; given the moves, the
//! model is deterministic.

use crate::{Op, ThreadId, TstateId};
use serde::{Deserialize, Serialize};

/// The beginning of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Start {
    /// The calling thread.
    pub thread: ThreadId,
    /// The call.
    pub op: Op,
    /// The slot of the thread state that the call makes, if it makes one: a freed slot
    /// that something still names is the reuse of an address.
    pub at: Option<TstateId>,
    /// Which thread a signal wakes when several wait: this one if it waits there,
    /// else the one with the lowest id.
    pub prefer: ThreadId,
}

/// One move of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Move {
    /// A thread outside any call begins one.
    Start(Start),
    /// A thread inside a call goes on, a woken one included.
    Step {
        /// Who moves.
        thread: ThreadId,
        /// As in [`Start::prefer`].
        prefer: ThreadId,
    },
    /// The timed wait of this thread expires.
    Expire {
        /// Who waited.
        thread: ThreadId,
        /// As in [`Start::prefer`].
        prefer: ThreadId,
    },
    /// A thread that waits without a limit is woken though nobody signalled it.
    Spurious {
        /// Who waited.
        thread: ThreadId,
        /// As in [`Start::prefer`].
        prefer: ThreadId,
    },
}

impl Move {
    /// The thread that moves.
    pub const fn thread(&self) -> ThreadId {
        match self {
            Move::Start(s) => s.thread,
            Move::Step { thread, .. } | Move::Expire { thread, .. } | Move::Spurious { thread, .. } => {
                *thread
            }
        }
    }

    /// Which waiter a signal wakes.
    pub const fn prefer(&self) -> ThreadId {
        match self {
            Move::Start(s) => s.prefer,
            Move::Step { prefer, .. } | Move::Expire { prefer, .. } | Move::Spurious { prefer, .. } => {
                *prefer
            }
        }
    }
}

/// What a thread inside a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Parking {
    /// A GIL, with a limit after which it asks for it (`take_gil`).
    Gil,
    /// Another thread state to take the GIL that it dropped on request (`drop_gil`).
    Switch,
    /// The threads of its interpreter to end that are no daemons.
    Threads,
    /// The calls of other threads that use its interpreter to return.
    Calls,
    /// Nothing: it hangs (CPython 3.14, where an interpreter has been finalized).
    Forever,
}

impl Parking {
    /// Every one of them.
    pub const ALL: [Parking; 5] =
        [Parking::Gil, Parking::Switch, Parking::Threads, Parking::Calls, Parking::Forever];
}
