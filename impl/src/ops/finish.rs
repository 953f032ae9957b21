//! What the end of an interpreter and that of the runtime have in common.
//!
//! An end *begins*: the interpreter is *ending*, its ring is shut, and no thread state can
//! be created in it any more. Then it *finishes*: it waits for threads, and runs the
//! pending calls that are left, until there are neither. From that moment on the
//! interpreter is *finalizing*, and is torn down.

use crate::error::CallError;
use crate::faults::Seeded;
use crate::interp::Interp;
use crate::lists::Lists;
use crate::pending::PendingFn;
use crate::sync::atomic::Ordering;
use crate::sync::{Guard, barrier};
use crate::thread::Thread;
use crate::trace::{Effect, Event};
use crate::tstate::{Started, Tstate};
use cloister_specs::{Phase, Rule};
use std::collections::VecDeque;

/// Pending calls that were not run. They may call anything when they are let go, so that has
/// to wait until no lock is held.
pub(super) type Left = VecDeque<PendingFn>;

/// An end that has begun. If a pending call panics, the interpreter lives on.
struct Ending<'a> {
    thread: &'a Thread,
    interp: Interp,
    tstate: Tstate,
    over: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.tstate.slot.ends.store(false, Ordering::Release);
        if self.over {
            return;
        }
        let lists = self.thread.inner().lists();
        if self.interp.listed() && self.interp.slot.phase() == Phase::Ending {
            self.interp.slot.ring.lock().shut(false);
            self.interp.slot.set_phase(Phase::Live);
        }
        drop(lists);
    }
}

impl Thread {
    /// The end of an interpreter begins.
    pub(super) fn begin_end(&self, _: &Lists, interp: Interp, tstate: Tstate) {
        let mut ring = interp.slot.ring.lock();
        ring.shut(true);
        interp.slot.set_phase(Phase::Ending);
        self.effect(Effect::Ending { interp: interp.serial, tstate: tstate.serial });
    }

    /// May this thread state end its interpreter, or would the end wait for it?
    pub(super) fn not_waited_for(&self, tstate: Tstate) -> Result<(), Rule> {
        //= specs/rules/fin.md#fin-20
        //# A thread that the end of its interpreter would wait for MUST NOT end it.
        if tstate.slot.started() == Some(Started::Joined) { Err(Rule::Fin20) } else { Ok(()) }
    }

    /// May this thread end the interpreter of its current thread state, or does it run pending
    /// calls there, which an end runs as well?
    pub(super) fn runs_none(&self, tstate: Tstate) -> Result<(), Rule> {
        let runs = tstate.slot.interp().is_some_and(|interp| self.runs_calls_of(interp));
        if runs { Err(Rule::Pend6) } else { Ok(()) }
    }

    /// Finishes: waits for threads, runs the pending calls that are left, and answers with the
    /// list lock held and the interpreter finalizing. The thread state is current all along,
    /// but for the waits. If the list lock is still held from the beginning, and there is
    /// nothing to wait for, then all of it is one step.
    pub(super) fn finish<'a>(
        &'a self,
        begun: Option<Guard<'a, Lists>>,
        interp: Interp,
        tstate: Tstate,
    ) -> Result<(Guard<'a, Lists>, Left), CallError> {
        if let Some(lists) = begun
            && let Some(left) = self.tear_down(&lists, interp, tstate)
        {
            return Ok((lists, left));
        }
        let mut ending = Ending { thread: self, interp, tstate, over: false };
        tstate.slot.ends.store(true, Ordering::Release);
        loop {
            self.join(interp, tstate)?;
            //= specs/rules/fin.md#fin-8
            //# An end MUST run every pending call that is left in the ring of its interpreter and, by the main
            //# thread, in that of the main thread.
            while self.has_calls(interp) && !self.seeded(Seeded::EndLeavesCalls) {
                self.run_pending(tstate, interp);
                self.come_back(tstate)?;
            }
            let lists = self.inner().lists();
            if let Some(left) = self.tear_down(&lists, interp, tstate) {
                ending.over = true;
                return Ok((lists, left));
            }
        }
    }

    /// Waits until there are no threads any more to wait for.
    fn join(&self, interp: Interp, tstate: Tstate) -> Result<(), CallError> {
        while !self.nobody_left(interp) {
            let gil = self.gil_of(tstate)?;
            self.use_held(tstate);
            self.leave(tstate);
            gil.drop(self, tstate, false);
            let mut lists = self.inner().lists();
            // Who runs pending calls becomes idle, and then looks whether this one waits.
            barrier::heavy();
            if !self.nobody_left(interp) {
                self.trace(|| Event::ThreadsWaitBegin(tstate.serial));
                lists = self.inner().wait_for_threads(lists);
                self.trace(|| Event::ThreadsWaitEnd(tstate.serial));
            }
            drop(lists);
            self.take_and_enter(tstate, gil)?;
        }
        Ok(())
    }

    fn nobody_left(&self, interp: Interp) -> bool {
        interp.slot.nobody_left() || self.seeded(Seeded::EndSkipsThreads)
    }

    /// Makes the thread state current again that a pending call may have left.
    fn come_back(&self, tstate: Tstate) -> Result<(), CallError> {
        match self.current() {
            Some(current) if current == tstate => Ok(()),
            Some(other) => self.exchange(other, tstate),
            None => self.attach_again(tstate),
        }
    }

    /// The interpreter is finalizing from now on; unless there is something left to wait for,
    /// or to run.
    fn tear_down(&self, _: &Lists, interp: Interp, tstate: Tstate) -> Option<Left> {
        let mut ring = interp.slot.ring.lock();
        let mut main_ring = self.is_main(interp).then(|| self.inner().main_ring.lock());
        let waits = ring.len() > 0 || main_ring.as_ref().is_some_and(|ring| ring.len() > 0);
        if !self.nobody_left(interp) || (waits && !self.seeded(Seeded::EndLeavesCalls)) {
            return None;
        }
        let mut left = ring.close();
        left.extend(main_ring.iter_mut().flat_map(|ring| ring.close()));
        interp.slot.set_phase(Phase::Finalizing);
        self.effect(Effect::Finalizing { interp: interp.serial, tstate: tstate.serial });
        if let Some(gil) = interp.slot.gil.load().filter(|_| self.is_main(interp)) {
            gil.shut();
        }
        Some(left)
    }

    /// Takes a thread state from the lists, which nothing uses any more.
    pub(super) fn delete(&self, lists: &mut Lists, tstate: Tstate) {
        let interp = tstate.slot.interp();
        self.unbind_gilstate(tstate);
        lists.delete(tstate);
        if let Some(interp) = interp {
            self.inner().wake_end(lists, interp);
        }
    }
}
