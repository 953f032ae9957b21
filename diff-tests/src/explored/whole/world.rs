//! What the threads of a schedule share.

use super::accounts::Accounts;
use super::memory::Books;
use crate::free_running::THREADS;
use cloister_model::{INTERPS, TSTATES};
use cloister_shuttled::{Interp, Thread, Tstate};
use cloister_specs::RING;
use shuttle::sync::{Barrier, Condvar};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the threads of a schedule share. The lock over what they know is held over no call, and
/// over nothing else where others may come in.
pub(super) struct World {
    known: Mutex<Known>,
    pub barrier: Barrier,
    started: shuttle::sync::Mutex<Started>,
    changed: Condvar,
    /// Are there pending calls that add others?
    pub adds: bool,
}

/// Thread states of threads that are started and do not run yet.
#[derive(Default)]
struct Started {
    waiting: VecDeque<Tstate>,
    /// How many threads have made their calls.
    finished: usize,
}

/// What they know.
#[derive(Default)]
pub(super) struct Known {
    pub accounts: Accounts,
    pub interps: Vec<Interp>,
    pub tstates: Vec<Tstate>,
    /// Those of them that were made for a thread that is started.
    pub started: Vec<Tstate>,
    /// How many may be made by calls that are under way.
    making: (usize, usize),
    /// Pending calls: how many were added, and which were run.
    pub added: usize,
    pub ran: Vec<u32>,
    pub next: u32,
    /// How many calls each ring has room for, where none may be full; none: the main thread's.
    rings: Vec<(Option<Interp>, usize)>,
    /// Interpreters in which a pending call is being run.
    pub running: Vec<Interp>,
    pub books: Books,
    pub wrong: Option<String>,
}

impl World {
    pub fn new(main: Interp, first: Tstate, adds: bool) -> Self {
        let known = Known { interps: vec![main], tstates: vec![first], ..Known::default() };
        World {
            known: Mutex::new(known),
            barrier: Barrier::new(THREADS),
            started: shuttle::sync::Mutex::default(),
            changed: Condvar::new(),
            adds,
        }
    }

    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn wrong(&self, why: String) {
        self.known().wrong.get_or_insert(why);
    }

    /// Forgets what is gone. To look is a place for others to come in.
    fn forget(&self, thread: &Thread) {
        let (interps, tstates) = {
            let known = self.known();
            (known.interps.clone(), known.tstates.clone())
        };
        let no_interp = |interp: &Interp| interp.id().is_none();
        let interps: Vec<Interp> = interps.into_iter().filter(no_interp).collect();
        let no_tstate = |tstate: &Tstate| thread.status(*tstate).is_err();
        let tstates: Vec<Tstate> = tstates.into_iter().filter(no_tstate).collect();
        let mut known = self.known();
        known.interps.retain(|interp| !interps.contains(interp));
        known.tstates.retain(|tstate| !tstates.contains(tstate));
        known.started.retain(|tstate| !tstates.contains(tstate));
    }

    /// Makes a call that may make so many interpreters and a thread state, if the model has slots
    /// for them; `made` tells which.
    pub fn make<T>(
        &self,
        thread: &Thread,
        interps: usize,
        call: impl FnOnce() -> (T, Option<Interp>, Option<Tstate>),
    ) -> Option<T> {
        self.forget(thread);
        {
            let mut known = self.known();
            let room = known.interps.len() + known.making.0 + interps <= INTERPS
                && known.tstates.len() + known.making.1 < TSTATES;
            if !room {
                return None;
            }
            known.making.0 += interps;
            known.making.1 += 1;
        }
        let (result, interp, tstate) = call();
        let mut known = self.known();
        known.making.0 -= interps;
        known.making.1 -= 1;
        known.interps.extend(interp);
        known.tstates.extend(tstate);
        Some(result)
    }

    /// Keeps room for so many calls in a ring that must not become full; answers whether there is.
    pub fn keep_room(&self, ring: Option<Interp>, calls: usize) -> bool {
        if !self.adds {
            return true;
        }
        let mut known = self.known();
        let taken = match known.rings.iter().position(|(r, _)| *r == ring) {
            Some(place) => place,
            None => {
                known.rings.push((ring, 0));
                known.rings.len() - 1
            }
        };
        let room = known.rings[taken].1 + calls <= RING;
        if room {
            known.rings[taken].1 += calls;
        }
        room
    }

    /// Gives room back.
    pub fn give_room(&self, ring: Option<Interp>, calls: usize) {
        let mut known = self.known();
        if let Some((_, taken)) = known.rings.iter_mut().find(|(r, _)| *r == ring) {
            *taken = taken.saturating_sub(calls);
        }
    }

    /// A thread state waits for a thread to run it.
    pub fn start(&self, tstate: Tstate) {
        self.known().started.push(tstate);
        self.lock().waiting.push_back(tstate);
        self.changed.notify_all();
    }

    /// Takes one that waits.
    pub fn take_started(&self) -> Option<Tstate> {
        self.lock().waiting.pop_front()
    }

    /// A thread has made its calls: answers one that waits, until all threads have.
    pub fn next_started(&self) -> Option<Tstate> {
        let mut started = self.lock();
        loop {
            match started.waiting.pop_front() {
                Some(tstate) => return Some(tstate),
                None if started.finished == THREADS => return None,
                None => started = self.changed.wait(started).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// This thread has made its calls.
    pub fn finish(&self) {
        self.lock().finished += 1;
        self.changed.notify_all();
    }

    /// A thread that has nothing to do.
    pub fn rest(&self) {
        self.finish();
        self.barrier.wait();
    }

    fn lock(&self) -> shuttle::sync::MutexGuard<'_, Started> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shared by the threads, and by the pending calls that they add.
pub(super) type Shared = Arc<World>;
