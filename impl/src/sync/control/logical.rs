//! The side of the logical thread: waiting and signalling.

use cloister_specs::Parking;
use corosensei::Yielder;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a logical thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// It has a new command.
    Call,
    /// It was signalled.
    Signalled,
    /// The time of its wait is over.
    Expired,
    /// For no reason.
    Spurious,
}

/// Why a logical thread stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// Its command is done.
    Idle,
    /// It waits.
    Parked(Parking),
}

pub(super) type Lane = Yielder<Wake, Pause>;

/// The logical thread that runs.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    /// Its number.
    pub(super) thread: u8,
    /// Whom a signal prefers.
    pub(super) prefer: u8,
    /// Who has been signalled, by number, and not been woken yet.
    pub(super) signalled: u64,
}

thread_local! {
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
    static LANE: Cell<Option<NonNull<Lane>>> = const { Cell::new(None) };
}

/// Does a scheduler run this?
#[inline]
pub(crate) fn running() -> bool {
    TURN.get().is_some()
}

/// Says whose turn it is, and answers whose it was.
pub(super) fn exchange(turn: Option<Turn>) -> Option<Turn> {
    TURN.replace(turn)
}

/// Runs `body` with this way out of the coroutine.
pub(super) fn with_lane<T>(lane: &Lane, body: impl FnOnce() -> T) -> T {
    LANE.set(Some(NonNull::from(lane)));
    let result = body();
    LANE.set(None);
    result
}

/// Stops until the scheduler goes on with this thread.
fn pause(parking: Parking) -> Wake {
    let Some(lane) = LANE.take() else {
        return Wake::Spurious;
    };
    // SAFETY: `LANE` is set by `with_lane` alone, for as long as its lane is borrowed, and
    // is only ever seen by code that runs on the coroutine of that lane: whoever pauses takes
    // it away, and puts it back when its own coroutine goes on.
    let wake = unsafe { lane.as_ref() }.suspend(Pause::Parked(parking));
    LANE.set(Some(lane));
    wake
}

/// The logical threads that wait on a condition variable and have no signal yet, as bits.
#[derive(Debug, Default)]
pub(crate) struct Waiters(AtomicU64);

impl Waiters {
    pub(crate) fn wait(&self, parking: Parking) -> Wake {
        let Some(turn) = TURN.get() else {
            return Wake::Spurious;
        };
        let bit = bit(turn.thread);
        self.0.fetch_or(bit, Ordering::Relaxed);
        let wake = pause(parking);
        self.0.fetch_and(!bit, Ordering::Relaxed);
        wake
    }

    /// Signals a logical thread, if one waits; answers whether a scheduler runs this.
    pub(crate) fn notify_one(&self) -> bool {
        self.notify(|waiting, prefer| {
            let preferred = waiting & bit(prefer);
            if preferred != 0 { preferred } else { waiting & waiting.wrapping_neg() }
        })
    }

    /// Signals every one that waits; answers whether a scheduler runs this.
    pub(crate) fn notify_all(&self) -> bool {
        self.notify(|waiting, _| waiting)
    }

    fn notify(&self, choose: impl FnOnce(u64, u8) -> u64) -> bool {
        let Some(mut turn) = TURN.get() else {
            return false;
        };
        let chosen = choose(self.0.load(Ordering::Relaxed), turn.prefer);
        self.0.fetch_and(!chosen, Ordering::Relaxed);
        turn.signalled |= chosen;
        TURN.set(Some(turn));
        true
    }

    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// The bit of a logical thread.
pub(super) fn bit(thread: u8) -> u64 {
    1_u64.checked_shl(thread.into()).unwrap_or(0)
}
