//! The state of the runtime: one plain struct.

use cloister_specs::{
    BlockId, InterpId, InterpreterConfig, MAIN, NONE, ObjectId, Phase, Rule, StatusBits, ThreadId, TstateId,
};

use crate::design::{CurrentTstate, Design};
use crate::ring::Ring;

mod memory;
mod parts;

pub use memory::{BLOCKS, Block, Class, OBJECTS, Object, Totals};
pub use parts::{Ensures, Gil, Interp, Started, Thread, Tstate};

/// Slots for interpreters, main included.
pub const INTERPS: usize = 3;
/// Slots for thread states, that is, addresses.
pub const TSTATES: usize = 4;
/// OS threads.
pub const THREADS: usize = 3;
/// How deep procedures nest: an end from outside, the end itself, its run of pending calls, `take_gil`
/// inside one of them, and `drop_gil` where that gives up.
pub const DEPTH: usize = 5;

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
    /// The blocks of memory by slot.
    pub blocks: [Block; BLOCKS],
    /// The objects by slot; slot 0 is `None`.
    pub objects: [Object; OBJECTS],
    /// What is counted over all interpreters.
    pub totals: Totals,
    /// The current thread state (current runtime-global).
    pub current: Option<TstateId>,
    /// The OS thread that started the runtime.
    pub main_thread: ThreadId,
    /// The pending calls of the main thread.
    pub pending_main: Ring,
    /// `PyGILState_Check` looks at anything (gilstate-check off-after-sub).
    pub check_enabled: bool,
    /// The id that the next interpreter gets.
    pub next_id: u8,
    /// Ghost: an end has dropped pending calls that were not run.
    pub lost_calls: bool,
    /// The process was forked, and this is the child.
    pub forked: bool,
    /// The process died here.
    pub dead: Option<Rule>,
}

impl Runtime {
    /// The main interpreter is live, and its first thread state is current in `T0`.
    pub fn new(d: &Design) -> Runtime {
        let mut r = Runtime {
            interps: [Interp::FREE; INTERPS],
            gils: [Gil::FREE; INTERPS],
            tstates: [Tstate::FREE; TSTATES],
            threads: [Thread::FRESH; THREADS],
            blocks: [Block::FREE; BLOCKS],
            objects: [Object::FREE; OBJECTS],
            totals: Totals::default(),
            current: None,
            main_thread: ThreadId(0),
            pending_main: Ring::EMPTY,
            check_enabled: true,
            next_id: 0,
            lost_calls: false,
            forked: false,
            dead: None,
        };
        r.objects[NONE.index()] = Runtime::none(d);
        r.initialize(d, ThreadId(0), TstateId(0));
        r
    }

    /// A main interpreter, whose first thread state is current in this thread.
    pub(crate) fn initialize(&mut self, d: &Design, thread: ThreadId, t0: TstateId) {
        self.main_thread = thread;
        self.check_enabled = true;
        self.next_id = 1;
        self.interps[0] = Interp {
            phase: Some(Phase::Live),
            config: InterpreterConfig::MAIN,
            settled: true,
            gil: Some(MAIN),
            ..Interp::FREE
        };
        self.gils[0] = Gil {
            created: true,
            locked: true,
            last_holder: Some(t0),
            drop_request: false,
            holder: Some(thread),
        };
        let status =
            StatusBits::INITIALIZED | StatusBits::BOUND | StatusBits::BOUND_GILSTATE | StatusBits::ACTIVE;
        *self.tstate_mut(t0) = Tstate { status, thread: Some(thread), ..Tstate::FREE };
        self.thread_mut(thread).gilstate = Some(t0);
        self.set_current(d, thread, Some(t0));
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

    /// The block in this slot.
    pub fn block(&self, b: BlockId) -> &Block {
        &self.blocks[b.index() % BLOCKS]
    }

    /// The object in this slot.
    pub fn object(&self, o: ObjectId) -> &Object {
        &self.objects[o.index() % OBJECTS]
    }

    pub(crate) fn block_mut(&mut self, b: BlockId) -> &mut Block {
        &mut self.blocks[b.index() % BLOCKS]
    }

    pub(crate) fn object_mut(&mut self, o: ObjectId) -> &mut Object {
        &mut self.objects[o.index() % OBJECTS]
    }

    /// Is there a live block in this slot?
    pub fn block_live(&self, b: BlockId) -> bool {
        b.index() < BLOCKS && self.block(b).live
    }

    /// Is there a live object in this slot?
    pub fn object_live(&self, o: ObjectId) -> bool {
        o.index() < OBJECTS && self.object(o).live
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

    /// Does a call of another thread use this thread state?
    pub fn in_use_by_another(&self, h: ThreadId, t: TstateId) -> bool {
        self.threads.iter().enumerate().any(|(k, x)| k != h.index() && x.uses(t))
    }

    /// Does a call of another thread use a thread state of this interpreter?
    pub fn interp_in_use_by_another(&self, h: ThreadId, i: InterpId) -> bool {
        Runtime::tstate_ids()
            .any(|t| self.listed(t) && self.tstate(t).interp == i && self.in_use_by_another(h, t))
    }

    /// The thread states that an interpreter lists.
    pub fn tstates_of(&self, i: InterpId) -> impl Iterator<Item = TstateId> {
        Runtime::tstate_ids().filter(move |t| self.listed(*t) && self.tstate(*t).interp == i)
    }

    /// Can thread states of this interpreter be made current?
    pub fn usable(&self, i: InterpId) -> bool {
        //= specs/rules/fin.md#fin-18
        //# While an end waits for threads, thread states of its interpreter MAY be made current as
        //# before.
        matches!(self.interp(i).phase, Some(Phase::Live | Phase::Ending))
    }

    /// Does anything but its owner's list name this slot?
    pub fn named(&self, t: TstateId) -> bool {
        self.current == Some(t)
            || self.gils.iter().any(|g| g.last_holder == Some(t))
            || self.interps.iter().any(|i| i.running == Some(t) || i.finalizing == Some(t))
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

    /// Slots of blocks, in order.
    pub fn block_ids() -> impl Iterator<Item = BlockId> {
        (0..BLOCKS as u8).map(BlockId)
    }

    /// Slots of objects, in order.
    pub fn object_ids() -> impl Iterator<Item = ObjectId> {
        (0..OBJECTS as u8).map(ObjectId)
    }

    /// Slots of interpreters, in order.
    pub fn interp_ids() -> impl Iterator<Item = InterpId> {
        (0..INTERPS as u8).map(InterpId)
    }
}
