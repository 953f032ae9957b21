//! The end of the runtime, and how it begins again.

use super::finish::Left;
use crate::error::{CallError, NotInitialized};
use crate::faults::Seeded;
use crate::lists::Lists;
use crate::pool::NoMemory;
use crate::sync::Guard;
use crate::sync::atomic::Ordering;
use crate::thread::Thread;
use crate::trace::{Effect, Event};
use crate::tstate::{TSTATES, Tstate};
use cloister_specs::{InterpreterConfig, OpKind, Phase, Rule};

impl Thread {
    /// `Py_InitializeEx`: gives a runtime that was finalized a new main interpreter, whose
    /// first thread state is current in this thread, which is the main thread from now on. A
    /// runtime that is initialized is left as it is.
    ///
    /// # Errors
    ///
    /// Memory ran out.
    //= specs/rules/fin.md#fin-4
    //# Initializing a runtime that is initialized, and finalizing one that is not, MUST change nothing.
    pub fn initialize(&self) -> Result<(), NotInitialized> {
        self.called(OpKind::Initialize, ());
        let mut lists = self.inner().lists();
        let result = match self.inner().main_interp() {
            Some(_) => Ok(()),
            None => self.begin_life(&mut lists).map_err(NotInitialized::from),
        };
        drop(lists);
        self.returned(result)
    }

    /// A new main interpreter.
    //= specs/rules/fin.md#fin-5
    //# Initializing MUST make the caller the main thread, with the only thread state of a new main
    //# interpreter current and its GIL held.
    pub(crate) fn begin_life(&self, lists: &mut Lists) -> Result<(), NoMemory> {
        let inner = self.inner();
        let main = inner.main();
        let capacity = inner.settings().pending_capacity;
        inner.allocates().and_then(|()| lists.reserve())?;
        inner.allocates().and_then(|()| main.ring.reserve(capacity))?;
        inner.allocates().and_then(|()| inner.main_ring.reserve(capacity))?;
        let tstate_slot = self.allocate(&TSTATES)?;

        lists.restart_ids();
        let interp = lists.new_interp(inner.serial(), main, &InterpreterConfig::MAIN);
        let gil = &main.own;
        gil.create(interp.serial);
        gil.open();
        main.gil.store(Some(gil));
        let tstate = lists.new_tstate(interp, tstate_slot);
        if !self.seeded(Seeded::InitializeKeepsMainThread) || lists.threads().len() == 1 {
            inner.set_main_thread(self.identity());
        }
        self.bind(tstate);
        self.effect(Effect::Initialized { interp: interp.serial, tstate: tstate.serial });
        // Nobody else can want it before the interpreter is live.
        if gil.take(self, tstate).is_ok() {
            self.enter(tstate);
        }
        main.ring.lock().open(interp.serial, gil);
        inner.main_ring.lock().open(inner.serial(), gil);
        main.set_phase(Phase::Live);
        Ok(())
    }

    /// `Py_FinalizeEx`: ends the main interpreter, and with it everything that the runtime
    /// holds. Waits until every thread that was started in it and is no daemon has deleted its
    /// thread state, and runs the pending calls that are left; a call that adds itself again
    /// for ever keeps it from coming to an end. Calls of other threads that wait for the GIL
    /// answer that they are *finalized*, and their thread states are deleted.
    ///
    /// A runtime that is not initialized is left as it is, and so is one that this thread is
    /// finalizing already.
    ///
    /// # Errors
    ///
    /// FIN-1: the current thread state is not of the main interpreter. FIN-2: this is not the
    /// main thread. FIN-3: there are other interpreters. PEND-6: this thread runs pending calls.
    pub fn finalize(&self) -> Result<(), CallError> {
        self.called(OpKind::Finalize, ());
        let result = self.finalize_runtime();
        let told = self.returned(result.as_ref().map(|_| ()).map_err(|error| *error));
        drop(result);
        told
    }

    fn finalize_runtime(&self) -> Result<Left, CallError> {
        let lists = self.inner().lists();
        let Some(main) = self.inner().main_interp() else {
            return Ok(Left::new());
        };
        //= specs/rules/fin.md#fin-1
        //# A thread MUST have a thread state of the main interpreter current when it finalizes the runtime.
        let tstate = self.current().filter(|current| current.belongs_to(main)).ok_or(Rule::Fin1)?;
        //= specs/rules/fin.md#fin-2
        //# The runtime MUST be finalized by its main thread.
        if !self.is_main_thread() {
            return Err(Rule::Fin2.into());
        }
        //= specs/rules/fin.md#fin-3
        //# The runtime MUST NOT be finalized while it has a sub-interpreter.
        if lists.interps().len() > 1 {
            return Err(Rule::Fin3.into());
        }
        self.not_waited_for(tstate)?;
        if lists.tstates_of(main).any(|t| t.slot.ends.load(Ordering::Relaxed)) {
            return Ok(Left::new());
        }
        self.runs_none(tstate)?;
        let gil = self.gil_of(tstate)?;
        self.begin_end(&lists, main, tstate);
        let (lists, left) = self.finish(Some(lists), main, tstate)?;
        let mut lists = self.quiesce(lists, tstate);
        self.delete_others(&mut lists, tstate);
        self.finalize_tstate(tstate);
        self.use_held(tstate);
        self.effect(Effect::Cleared(tstate.serial));
        drop(lists);

        self.close_home(main);
        self.leave(tstate);
        gil.drop(self, tstate, true);

        //= specs/rules/fin.md#fin-6
        //# Finalizing MUST leave nothing behind: no interpreter, no thread state, no GIL, no pending call,
        //# and nothing that a gilstate slot names.
        let mut lists = self.inner().lists();
        self.delete(&mut lists, tstate);
        lists.unlist_interp(main);
        lists.totals.end_life(self.seeded(Seeded::LeaksNotCarried));
        if !self.seeded(Seeded::FinalizeLeavesSlots) {
            for thread in lists.threads() {
                thread.gilstate.store(None);
            }
        }
        self.effect(Effect::Finalized { interp: main.serial, tstate: tstate.serial });
        Ok(left)
    }

    /// Waits until no call of another thread uses a thread state of the main interpreter. None
    /// begins to, since that one is finalizing.
    fn quiesce<'a>(&'a self, mut lists: Guard<'a, Lists>, tstate: Tstate) -> Guard<'a, Lists> {
        let in_use = |lists: &Lists| {
            let mut others = lists.tstates().iter().filter_map(|slot| slot.handle()).filter(|t| *t != tstate);
            others.any(|t| t.slot.in_use_beside(self.serial()))
        };
        if in_use(&lists) {
            self.trace(|| Event::CallsWaitBegin(tstate.serial));
            while in_use(&lists) {
                lists = self.inner().wait_for_calls(lists);
            }
            self.trace(|| Event::CallsWaitEnd(tstate.serial));
        }
        lists
    }

    /// Deletes every other thread state of the interpreter of this one.
    pub(super) fn delete_others(&self, lists: &mut Lists, tstate: Tstate) {
        let Some(interp) = tstate.slot.interp() else { return };
        let other = |lists: &Lists| lists.tstates_of(interp).find(|t| *t != tstate);
        while let Some(other) = other(lists) {
            if self.seeded(Seeded::FinalizeLeavesSlots) {
                lists.delete(other);
            } else {
                self.delete(lists, other);
            }
            self.effect(Effect::Deleted(other.serial));
        }
    }
}
