//! The state of the runtime: one plain struct.

use cloister_specs::{
    Calls, GilState, InterpId, InterpreterConfig, MAIN, Phase, Rule, StatusBits, ThreadId, TstateId,
};

use crate::design::{CurrentTstate, Design, DropRequest};
use crate::label::{Label, Visitor};
use crate::ring::Ring;

/// Slots for interpreters, main included.
pub const INTERPS: usize = 3;
/// Slots for thread states, that is, addresses.
pub const TSTATES: usize = 4;
/// OS threads.
pub const THREADS: usize = 3;
/// How deep procedures nest: a poll, the run of pending calls, a run inside a pending call or
/// `swap`, and one of `swap_no_gil`, `drop_gil`, `take_gil`.
pub const DEPTH: usize = 4;

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
    /// Where it stands; the lowest label first.
    pub stack: [Label; DEPTH],
}

/// The state of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Runtime {
    /// The interpreters by slot; slot 0 is main.
    pub interps: [Interp; INTERPS],
    /// Their GILs.
    pub gils: [Gil; INTERPS],
    /// The thread states by slot.
    pub tstates: [Tstate; TSTATES],
    /// The OS threads.
    pub threads: [Thread; THREADS],
    /// The current thread state (current runtime-global).
    pub current: Option<TstateId>,
    /// The OS thread that started the runtime.
    pub main_thread: ThreadId,
    /// The pending calls of the main thread.
    pub pending_main: Ring,
    /// `PyGILState_Check` looks at anything (gilstate-check off-after-sub).
    pub check_enabled: bool,
    /// The process died here.
    pub dead: Option<Rule>,
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
    };
}

impl Gil {
    /// No GIL.
    pub const FREE: Gil =
        Gil { created: false, locked: false, last_holder: None, drop_request: false, holder: None };
}

impl Tstate {
    /// A free slot.
    pub const FREE: Tstate =
        Tstate { status: StatusBits::empty(), interp: MAIN, thread: None, ensures: Ensures::NONE };
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

impl Runtime {
    /// The main interpreter is live, and its first thread state is current in `T0`.
    pub fn new(d: &Design) -> Runtime {
        let mut r = Runtime {
            interps: [Interp::FREE; INTERPS],
            gils: [Gil::FREE; INTERPS],
            tstates: [Tstate::FREE; TSTATES],
            threads: [Thread::FRESH; THREADS],
            current: None,
            main_thread: ThreadId(0),
            pending_main: Ring::EMPTY,
            check_enabled: true,
            dead: None,
        };
        let (t0, thread) = (TstateId(0), ThreadId(0));
        r.interps[0] = Interp {
            phase: Some(Phase::Live),
            config: InterpreterConfig::MAIN,
            settled: true,
            gil: Some(MAIN),
            ..Interp::FREE
        };
        r.gils[0] = Gil {
            created: true,
            locked: true,
            last_holder: Some(t0),
            drop_request: false,
            holder: Some(thread),
        };
        let status =
            StatusBits::INITIALIZED | StatusBits::BOUND | StatusBits::BOUND_GILSTATE | StatusBits::ACTIVE;
        r.tstates[0] = Tstate { status, thread: Some(thread), ..Tstate::FREE };
        r.threads[0].gilstate = Some(t0);
        r.set_current(d, thread, Some(t0));
        r
    }

    /// The interpreter in this slot.
    pub fn interp(&self, i: InterpId) -> &Interp {
        &self.interps[i.index() % INTERPS]
    }

    /// The thread state in this slot.
    pub fn tstate(&self, t: TstateId) -> &Tstate {
        &self.tstates[t.index() % TSTATES]
    }

    /// This OS thread.
    pub fn thread(&self, h: ThreadId) -> &Thread {
        &self.threads[h.index() % THREADS]
    }

    pub(crate) fn interp_mut(&mut self, i: InterpId) -> &mut Interp {
        &mut self.interps[i.index() % INTERPS]
    }

    pub(crate) fn tstate_mut(&mut self, t: TstateId) -> &mut Tstate {
        &mut self.tstates[t.index() % TSTATES]
    }

    pub(crate) fn thread_mut(&mut self, h: ThreadId) -> &mut Thread {
        &mut self.threads[h.index() % THREADS]
    }

    /// What `_PyThreadState_GET` answers in this thread.
    pub fn current(&self, d: &Design, h: ThreadId) -> Option<TstateId> {
        match d.current {
            CurrentTstate::RuntimeGlobal => self.current,
            CurrentTstate::ThreadLocal => self.thread(h).current,
        }
    }

    /// The current thread state, if it is this thread's own.
    pub fn own_current(&self, d: &Design, h: ThreadId) -> Option<TstateId> {
        match d.current {
            CurrentTstate::RuntimeGlobal => self.current.filter(|t| self.tstate(*t).thread == Some(h)),
            CurrentTstate::ThreadLocal => self.thread(h).current,
        }
    }

    pub(crate) fn set_current(&mut self, d: &Design, h: ThreadId, t: Option<TstateId>) {
        match d.current {
            CurrentTstate::RuntimeGlobal => self.current = t,
            CurrentTstate::ThreadLocal => self.thread_mut(h).current = t,
        }
    }

    /// Is there a thread state in this slot?
    pub fn listed(&self, t: TstateId) -> bool {
        t.index() < TSTATES && !self.tstate(t).status.is_empty()
    }

    /// Is there an interpreter in this slot?
    pub fn interp_listed(&self, i: InterpId) -> bool {
        i.index() < INTERPS && self.interp(i).phase.is_some()
    }

    /// `tstate_is_alive`: initialized, and not being cleared.
    pub fn alive(&self, t: TstateId) -> bool {
        self.listed(t) && !self.tstate(t).status.intersects(StatusBits::FINALIZING | StatusBits::CLEARED)
    }

    /// Does this thread state have all of these bits?
    pub fn has(&self, t: TstateId, bits: StatusBits) -> bool {
        self.tstate(t).status.contains(bits)
    }

    /// The GIL of the interpreter of this thread state.
    pub fn gil_of(&self, t: TstateId) -> Option<InterpId> {
        self.interp(self.tstate(t).interp).gil
    }

    /// Does a thread that runs in this interpreter see a request?
    pub fn request_seen_in(&self, d: &Design, i: InterpId) -> bool {
        match d.drop_request {
            DropRequest::PerInterpreter => self.interp(i).drop_request,
            DropRequest::PerGil => self.interp(i).gil.is_some_and(|g| self.gils[g.index()].drop_request),
        }
    }

    /// Sets or resets the request that a thread of this interpreter leaves and sees.
    pub(crate) fn set_request(&mut self, d: &Design, i: InterpId, on: bool) {
        match d.drop_request {
            DropRequest::PerInterpreter => self.interp_mut(i).drop_request = on,
            DropRequest::PerGil => {
                if let Some(g) = self.interp(i).gil {
                    self.gils[g.index()].drop_request = on;
                }
            }
        }
    }

    /// Does a call of another thread use this thread state?
    pub fn in_use_by_another(&self, h: ThreadId, t: TstateId) -> bool {
        self.threads.iter().enumerate().any(|(k, x)| k != h.index() && x.uses(t))
    }

    /// Does anything but its owner's list name this slot?
    pub fn named(&self, t: TstateId) -> bool {
        self.current == Some(t)
            || self.gils.iter().any(|g| g.last_holder == Some(t))
            || self.threads.iter().any(|x| x.current == Some(t) || x.gilstate == Some(t) || x.uses(t))
    }

    /// Threads, in order.
    pub fn thread_ids() -> impl Iterator<Item = ThreadId> {
        (0..THREADS as u8).map(ThreadId)
    }

    /// Slots of thread states, in order.
    pub fn tstate_ids() -> impl Iterator<Item = TstateId> {
        (0..TSTATES as u8).map(TstateId)
    }

    /// Slots of interpreters, in order.
    pub fn interp_ids() -> impl Iterator<Item = InterpId> {
        (0..INTERPS as u8).map(InterpId)
    }
}
