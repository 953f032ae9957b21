//! What a runtime holds, at a moment when its threads are stopped; and how much memory all
//! of them together do.

use crate::interp::{INTERPS, Interp};
use crate::pending::Ring;
use crate::runtime::Runtime;
use crate::serial::Serial;
use crate::thread::THREADS;
use crate::tstate::{TSTATES, Tstate};
use cloister_specs::{FeatureFlags, Phase, StatusBits};

/// What a runtime holds. Filled again, it uses its memory again.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// The interpreters that are listed, in no order.
    pub interps: Vec<InterpInfo>,
    /// The thread states that are listed, in no order.
    pub tstates: Vec<TstateInfo>,
    /// The attached threads, in no order.
    pub threads: Vec<ThreadInfo>,
    /// The ring of the main thread.
    pub main_ring: RingInfo,
}

/// An interpreter.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct InterpInfo {
    /// Its name.
    pub interp: Interp,
    /// Its id.
    pub id: i64,
    /// How far it is in its life.
    pub phase: Phase,
    /// Its settings.
    pub flags: FeatureFlags,
    /// Has it a GIL of its own? `None` while it has none at all.
    pub own_gil: Option<bool>,
    /// That GIL, if it has one of its own.
    pub gil: Option<GilInfo>,
    /// Its ring of pending calls.
    pub ring: RingInfo,
    /// Are pending calls being run in it?
    pub busy: bool,
}

/// A ring of pending calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingInfo {
    /// How many there are.
    pub calls: usize,
    /// Is it signalled?
    pub signalled: bool,
}

impl RingInfo {
    fn of(ring: &Ring) -> Self {
        let calls = ring.lock().len();
        RingInfo { calls, signalled: ring.signalled() }
    }
}

/// A GIL.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct GilInfo {
    /// Is it taken?
    pub locked: bool,
    /// The thread state that took it last.
    pub last_holder: Option<Serial>,
    /// Has somebody asked for it?
    pub drop_request: bool,
}

/// A thread state.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TstateInfo {
    /// Its name.
    pub tstate: Tstate,
    /// Its interpreter.
    pub interp: Serial,
    /// Its status bits.
    pub status: StatusBits,
    /// The thread it is bound to.
    pub thread: Option<Serial>,
    /// How many Ensures are outstanding on it.
    pub ensures: u32,
}

/// An attached thread.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ThreadInfo {
    /// Its identity.
    pub thread: Serial,
    /// What its gilstate slot names.
    pub gilstate: Option<Serial>,
}

/// The slots of one kind, in the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSize {
    /// How many were made. They stay for the life of the process.
    pub made: usize,
    /// How many of them hold something, in whichever runtime.
    pub used: usize,
}

/// The slots that handles name, in the whole process: what runtimes that ended held is used
/// again by others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSizes {
    /// Of interpreters.
    pub interps: PoolSize,
    /// Of thread states.
    pub tstates: PoolSize,
    /// Of attached threads.
    pub threads: PoolSize,
}

impl PoolSizes {
    /// As they are now.
    pub fn now() -> PoolSizes {
        PoolSizes { interps: INTERPS.size(), tstates: TSTATES.size(), threads: THREADS.size() }
    }
}

impl Runtime {
    /// What it holds now. While threads run, parts may be of different moments.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.snapshot_into(&mut snapshot);
        snapshot
    }

    /// [`Runtime::snapshot`], into one that is there.
    pub fn snapshot_into(&self, snapshot: &mut Snapshot) {
        let lists = self.inner().lists();
        snapshot.main_ring = RingInfo::of(&self.inner().main_ring);
        snapshot.interps.clear();
        snapshot.interps.extend(lists.interps().iter().filter_map(|slot| {
            let own_gil = slot.own_gil();
            Some(InterpInfo {
                interp: slot.handle()?,
                id: slot.id(),
                phase: slot.phase(),
                flags: slot.flags(),
                own_gil,
                gil: (own_gil == Some(true)).then(|| GilInfo {
                    locked: slot.own.locked(),
                    last_holder: slot.own.last_holder(),
                    drop_request: slot.own.requested(),
                }),
                ring: RingInfo::of(&slot.ring),
                busy: slot.busy(),
            })
        }));
        snapshot.tstates.clear();
        snapshot.tstates.extend(lists.tstates().iter().filter_map(|slot| {
            let tstate = slot.handle()?;
            Some(TstateInfo {
                tstate,
                interp: slot.interp()?.serial,
                status: tstate.status(),
                thread: slot.thread.load(),
                ensures: slot.ensures.count(),
            })
        }));
        snapshot.threads.clear();
        snapshot.threads.extend(
            lists.threads().iter().filter_map(|slot| {
                Some(ThreadInfo { thread: slot.serial()?, gilstate: slot.gilstate.load() })
            }),
        );
    }
}
