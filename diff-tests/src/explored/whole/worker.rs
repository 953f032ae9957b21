//! A thread that makes random calls of the whole raw face.

use super::calls::{End, called, plain};
use super::world::Shared;
use crate::free_running::{Left, THREADS};
use cloister_shuttled::{Interp, Thread, Tstate, explored};
use cloister_specs::{Fault, GilState, PendingCall};
use fastrand::Rng;

/// A thread that makes random calls.
pub(super) struct Worker<'a> {
    pub world: &'a Shared,
    pub thread: &'a Thread,
    pub rng: Rng,
    /// For what it does with memory, so that its calls are the same without.
    pub memory: Rng,
    /// The thread states that it bound, of which some may be gone.
    pub own: Vec<Tstate>,
    /// Those of them that an end may wait for: as long as it has some, it makes no ends.
    pub started: Vec<Tstate>,
    /// What its Ensures answered.
    pub ensures: Vec<GilState>,
    /// What the trace does not tell.
    pub faults: Vec<Option<Fault>>,
    pub pending: Vec<PendingCall>,
}

impl<'a> Worker<'a> {
    pub fn new(world: &'a Shared, thread: &'a Thread, rng: Rng) -> Self {
        let memory = Rng::with_seed(rng.clone().u64(..));
        Worker {
            world,
            thread,
            rng,
            memory,
            own: Vec::new(),
            started: Vec::new(),
            ensures: Vec::new(),
            faults: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// It has bound this one already.
    pub fn with(mut self, tstate: Tstate) -> Self {
        self.own.push(tstate);
        self
    }

    /// Makes so many calls, runs what is started until all threads have made theirs, and rests
    /// with nothing current.
    pub fn play(mut self, calls: u32) -> Left {
        explored::expire_waits(self.rng.u64(..));
        for _ in 0..calls {
            let end = self.call();
            self.count(end);
            self.use_memory();
        }
        for tstate in std::mem::take(&mut self.started) {
            self.finish_started(tstate);
        }
        self.leave_current();
        self.world.finish();
        while let Some(tstate) = self.world.next_started() {
            if self.thread.run_thread(tstate).is_ok() {
                self.work();
                self.finish_started(tstate);
                self.leave_current();
            }
        }
        self.world.barrier.wait();
        Left { pending: self.pending, ..Left::of(self.thread, self.faults) }
    }

    fn leave_current(&self) {
        if self.thread.current().is_some() {
            let _ = self.thread.save_thread();
        }
    }

    fn count(&self, end: End) {
        let cut_off = matches!(end, End::CutOff);
        {
            let accounts = &mut self.world.known().accounts;
            match end {
                End::Done => accounts.done += 1,
                End::Refused => accounts.refused += 1,
                End::CutOff => accounts.cut_off += 1,
                End::None => {}
            }
        }
        if cut_off && self.thread.current().is_some() {
            self.world.wrong("a call was answered finalized, and something is current".into());
        }
    }

    pub fn interp(&mut self) -> Interp {
        let interps = self.world.known().interps.clone();
        self.rng.choice(interps).unwrap_or_else(Interp::null)
    }

    pub fn own(&mut self) -> Option<Tstate> {
        let own = self.own.clone();
        self.rng.choice(own)
    }

    fn call(&mut self) -> End {
        let thread = self.thread;
        match self.rng.u8(0..40) {
            0..5 => self.enter(),
            5 => plain(&thread.save_thread()),
            6..9 => called(&thread.eval_breaker_poll()),
            9 | 10 => self.ensure(),
            11 | 12 => self.release(),
            13..16 => self.add(),
            16 | 17 => plain(&thread.make_pending_calls()),
            18 => match thread.current() {
                Some(tstate) if self.rng.bool() => {
                    let other = if self.rng.u8(0..4) == 0 { self.own() } else { None };
                    plain(&thread.release_thread(other.unwrap_or(tstate)))
                }
                _ => plain(&thread.thread_state_delete_current()),
            },
            19 | 20 => self.new_tstate(),
            21 | 22 => self.create(),
            23 => self.end(),
            24 | 25 => self.start(),
            26 | 27 => self.run_started(),
            28 => match thread.current() {
                Some(tstate) => plain(&thread.thread_state_delete_except(tstate)),
                None => End::None,
            },
            29..32 => self.refer(),
            32 => self.run_main(),
            33 => self.destroy(),
            38 | 39 => self.visit(),
            34 => self.clear_or_delete(),
            35 => {
                let checked = thread.gilstate_check();
                if checked == thread.current().is_some() { End::Done } else { End::Refused }
            }
            _ => self.finalize(),
        }
    }

    fn enter(&mut self) -> End {
        let Some(tstate) = self.own() else { return self.new_tstate() };
        match self.rng.u8(0..3) {
            0 => called(&self.thread.restore_thread(tstate)),
            1 => called(&self.thread.acquire_thread(tstate)),
            _ => called(&self.thread.thread_state_swap(Some(tstate))),
        }
    }

    fn new_tstate(&mut self) -> End {
        let interp = self.interp();
        let (world, thread) = (self.world, self.thread);
        let made = world.make(thread, 0, || {
            let tstate = thread.thread_state_new(interp).ok().flatten();
            (tstate, None, tstate)
        });
        match made {
            Some(Some(tstate)) => {
                if thread.thread_state_bind(tstate).is_ok() {
                    self.own.push(tstate);
                }
                End::Done
            }
            Some(None) => End::Refused,
            None => End::None,
        }
    }

    /// What a started thread does for a while.
    fn work(&mut self) {
        for _ in 0..THREADS {
            let end = match self.rng.u8(0..4) {
                0 => called(&self.thread.eval_breaker_poll()),
                1 => self.add(),
                2 => plain(&self.thread.make_pending_calls()),
                _ => match self.thread.save_thread() {
                    Ok(saved) => called(&self.thread.restore_thread(saved)),
                    Err(_) => End::Refused,
                },
            };
            self.count(end);
        }
    }

    /// The last thing that a started thread does.
    fn finish_started(&self, tstate: Tstate) {
        if self.thread.current() == Some(tstate) || self.thread.thread_state_swap(Some(tstate)).is_ok() {
            let _ = self.thread.thread_state_delete_current();
        }
    }
}
