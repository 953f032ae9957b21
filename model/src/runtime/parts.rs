//! What the runtime is made of: interpreters, GILs, thread states and OS threads.

use cloister_specs::{
    Calls, GilState, InterpId, InterpreterConfig, MAIN, Phase, StatusBits, ThreadId, TstateId,
};

use super::DEPTH;
use crate::label::{Label, Visitor};
use crate::ring::Ring;

/// An interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interp {
    /// How far it is in its life; `None`: the slot is free.
    pub phase: Option<Phase>,
    /// What it was, or is being, created with.
    pub config: InterpreterConfig,
    /// Its feature flags are set from the configuration.
    pub settled: bool,
    /// Its GIL, by the interpreter that created it; `None` until it has one.
    pub gil: Option<InterpId>,
    /// Somebody asked for its GIL (drop-request per-interpreter).
    pub drop_request: bool,
    /// Its pending calls.
    pub pending: Ring,
    /// A thread runs them.
    pub busy: bool,
    /// `eval_breaker` (eval-breaker as-computed).
    pub breaker: bool,
    /// `_finalizing`: who tears it down. No other thread state may take its GIL.
    pub finalizing: Option<TstateId>,
    /// Its id. Grows from interpreter to interpreter, unlike the slot.
    pub id: u8,
    /// `id_refcount`.
    pub id_refs: u8,
    /// `requires_idref`: it is ended with the last reference.
    pub requires_idref: bool,
    /// `threads.main`: the thread state that said that it runs it. Does not say that it is there.
    pub running: Option<TstateId>,
    /// `raw_allocated_blocks` of its heap: large blocks. Negative, if others' are freed here.
    pub raw_blocks: i16,
    /// Its heap has mapped an arena.
    pub arena: bool,
    /// `object_state.reftotal` (ref-total per-interpreter).
    pub ref_total: i16,
}

/// A GIL, in the slot of the interpreter that created it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gil {
    /// It exists.
    pub created: bool,
    /// Somebody has taken it. Does not say who.
    pub locked: bool,
    /// The thread state that took it last. May name a freed slot; does not say that it holds it.
    pub last_holder: Option<TstateId>,
    /// Somebody asked for it (drop-request per-gil).
    pub drop_request: bool,
    /// Ghost: the OS thread that really holds it.
    pub holder: Option<ThreadId>,
}

/// A thread state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tstate {
    /// `_status`; empty: the slot is free.
    pub status: StatusBits,
    /// Where it was created.
    pub interp: InterpId,
    /// The OS thread it is bound to.
    pub thread: Option<ThreadId>,
    /// The Ensures that found or made it, and have not been released.
    pub ensures: Ensures,
    /// It was made for an OS thread that was started.
    pub started: Option<Started>,
}

/// Does an end wait for a started thread?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Started {
    /// Yes.
    Joined,
    /// No: it is a daemon.
    Daemon,
}

/// Ensures that have not been released. The lowest bit of `unlocked` is that of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ensures {
    /// How many.
    pub depth: u8,
    /// Which of them answered that the thread did not have its GIL.
    pub unlocked: u8,
    /// The first of them made the thread state.
    pub made: bool,
}

/// An OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thread {
    /// Its current thread state (current thread-local). Does not say that it holds the GIL.
    pub current: Option<TstateId>,
    /// Its gilstate slot. May name a freed slot.
    pub gilstate: Option<TstateId>,
    /// Ghost: what was current when the call began that it is in.
    pub entry: Option<TstateId>,
    /// Ghost: what the gilstate slot named then.
    pub entry_gilstate: Option<TstateId>,
    /// Which pending calls were run in the call that it is in.
    pub ran: Calls,
    /// The last of them failed.
    pub ran_failed: bool,
    /// The OS thread has ended (daemon-threads exit), or is not in this process (after a fork).
    pub gone: bool,
    /// Where it stands; the lowest label first.
    pub stack: [Label; DEPTH],
}

impl Interp {
    /// A free slot.
    pub const FREE: Interp = Interp {
        phase: None,
        config: InterpreterConfig::ISOLATED,
        settled: false,
        gil: None,
        drop_request: false,
        pending: Ring::EMPTY,
        busy: false,
        breaker: false,
        finalizing: None,
        id: 0,
        id_refs: 0,
        requires_idref: false,
        running: None,
        raw_blocks: 0,
        arena: false,
        ref_total: 0,
    };
}

impl Gil {
    /// No GIL.
    pub const FREE: Gil =
        Gil { created: false, locked: false, last_holder: None, drop_request: false, holder: None };
}

impl Tstate {
    /// A free slot.
    pub const FREE: Tstate = Tstate {
        status: StatusBits::empty(),
        interp: MAIN,
        thread: None,
        ensures: Ensures::NONE,
        started: None,
    };
}

impl Ensures {
    /// None.
    pub const NONE: Ensures = Ensures { depth: 0, unlocked: 0, made: false };
    /// How many the model counts.
    pub const MOST: u8 = 8;

    /// What the last one answered.
    pub fn last(&self) -> Option<GilState> {
        match (self.depth, self.unlocked & 1) {
            (0, _) => None,
            (_, 0) => Some(GilState::Locked),
            (_, _) => Some(GilState::Unlocked),
        }
    }

    pub(crate) fn push(&mut self, state: GilState) {
        self.depth += 1;
        self.unlocked = self.unlocked << 1 | u8::from(state == GilState::Unlocked);
    }

    pub(crate) fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.unlocked >>= 1;
    }
}

impl Thread {
    /// A thread that has done nothing yet.
    pub const FRESH: Thread = Thread {
        current: None,
        gilstate: None,
        entry: None,
        entry_gilstate: None,
        ran: Calls::NONE,
        ran_failed: false,
        gone: false,
        stack: [Label::Idle; DEPTH],
    };

    /// Is it outside any call?
    pub fn idle(&self) -> bool {
        self.stack[0] == Label::Idle
    }

    /// How many labels are on its stack?
    pub fn depth(&self) -> usize {
        self.stack.iter().position(|l| *l == Label::Idle).unwrap_or(DEPTH)
    }

    /// The label it takes next.
    pub fn top(&self) -> Label {
        match self.depth() {
            0 => Label::Idle,
            n => self.stack[n - 1],
        }
    }

    /// Is this thread state used by the call that it is in?
    pub fn uses(&self, t: TstateId) -> bool {
        struct Find(TstateId, bool);
        impl Visitor for Find {
            fn tstate(&mut self, id: &mut TstateId) {
                self.1 |= *id == self.0;
            }
            fn interp(&mut self, _: &mut InterpId) {}
            fn remembered(&mut self, _: &mut TstateId) {}
        }
        let mut find = Find(t, false);
        for mut label in self.stack {
            label.visit(&mut find);
        }
        find.1
    }
}
