//! Starting threads, and running what was started.

use crate::error::{CallError, GateError};
use crate::faults::Seeded;
use crate::thread::{AttachError, Thread};
use crate::trace::{Argument, Effect};
use crate::tstate::{Started, TSTATES, Tstate};
use cloister_specs::{Denied, FeatureFlags, OpKind, Rule, StatusBits};
use std::io;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};

/// A thread state whose thread has not been started. However that fails, it is deleted.
//= specs/rules/fin.md#fin-13
//# A thread that could not be started MUST leave no thread state behind.
struct Unstarted<'a> {
    thread: &'a Thread,
    tstate: Tstate,
}

impl Drop for Unstarted<'_> {
    fn drop(&mut self) {
        let Unstarted { thread, tstate } = *self;
        let mut lists = thread.inner().lists();
        let untouched = tstate.listed() && !tstate.slot.status().contains(StatusBits::BOUND);
        if untouched && !thread.seeded(Seeded::FailedStartLeavesTstate) {
            thread.delete(&mut lists, tstate);
            thread.effect(Effect::Unstarted(tstate.serial));
        }
    }
}

/// What a started thread leaves.
struct Running<'a> {
    thread: &'a Thread,
    tstate: Tstate,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let Running { thread, tstate } = *self;
        // It may have been deleted, or the runtime finalized: then nothing is left to do.
        if thread.current() == Some(tstate) || thread.thread_state_swap(Some(tstate)).is_ok() {
            let _ = thread.thread_state_delete_current();
        }
    }
}

impl Thread {
    /// `_thread.start_new_thread`: makes a thread state in the current interpreter, and has
    /// `spawn` start an OS thread that will [run](Thread::run_thread) it, and delete it at
    /// its end. The end of the interpreter waits for that, unless the thread is a *daemon*.
    ///
    /// `spawn` fails only if no thread runs the thread state.
    ///
    /// # Errors
    ///
    /// FIN-16: there is no current thread state. Or a thread of this kind is not allowed here,
    /// the end of the interpreter has begun, or the thread cannot be started, for want of memory
    /// or because `spawn` failed.
    pub fn start_thread<T, E>(
        &self,
        daemon: bool,
        spawn: impl FnOnce(Tstate) -> Result<T, E>,
    ) -> Result<(Tstate, T), GateError> {
        self.called(OpKind::StartThread, Argument::Daemon(daemon));
        let result = self.start(daemon, spawn);
        let _ = self.returned(result.as_ref().map(|(tstate, _)| *tstate).map_err(|error| *error));
        result
    }

    fn start<T, E>(
        &self,
        daemon: bool,
        spawn: impl FnOnce(Tstate) -> Result<T, E>,
    ) -> Result<(Tstate, T), GateError> {
        let tstate = self.new_started(daemon)?;
        let unstarted = Unstarted { thread: self, tstate };
        let spawned = spawn(tstate).map_err(|_| Denied::CannotStart)?;
        std::mem::forget(unstarted);
        Ok((tstate, spawned))
    }

    fn new_started(&self, daemon: bool) -> Result<Tstate, GateError> {
        //= specs/rules/fin.md#fin-16
        //# A thread MUST have a current thread state when it starts another thread.
        let current = self.current().ok_or(Rule::Fin16)?;
        let interp = self.interp_of(current)?;
        let mut lists = self.inner().lists();
        let allowed = interp.slot.flags();
        //= specs/rules/fork.md#fork-8
        //# A daemon MUST NOT be started in an interpreter whose configuration does not allow it.
        if daemon && !allowed.contains(FeatureFlags::DAEMON_THREADS) && !self.seeded(Seeded::DaemonsAnywhere)
        {
            return Err(Denied::Daemons.into());
        }
        //= specs/rules/fork.md#fork-7
        //# A thread MUST NOT be started in an interpreter whose configuration does not allow it.
        if !allowed.contains(FeatureFlags::THREADS) && !self.seeded(Seeded::StartsAnywhere) {
            return Err(Denied::Threads.into());
        }
        //= specs/rules/fin.md#fin-9
        //# A thread MUST NOT be started in an interpreter whose end has begun.
        if !interp.slot.live() && !self.seeded(Seeded::StartsLate) {
            return Err(Denied::Shutdown.into());
        }
        self.inner().allocates().and_then(|()| lists.reserve()).map_err(|_| Denied::CannotStart)?;
        let slot = self.allocate(&TSTATES).map_err(|_| Denied::CannotStart)?;
        let tstate = lists.new_tstate(interp, slot);
        slot.set_started(interp, if daemon { Started::Daemon } else { Started::Joined });
        self.effect(Effect::Started { tstate: tstate.serial, interp: interp.serial, daemon });
        Ok(tstate)
    }

    /// `thread_run`, the first thing that a new OS thread does: binds its thread state, takes
    /// the GIL, and makes it current. The last thing is
    /// [`thread_state_delete_current`](Thread::thread_state_delete_current).
    ///
    /// # Errors
    ///
    /// GIL-12: the thread state was deleted. FIN-14: it was not made for a thread that was
    /// started, is bound already, or was cleared; or this thread has a current one. LIFE-13: its
    /// interpreter cannot be used. Or the runtime was finalized meanwhile.
    //= specs/rules/fin.md#fin-15
    //# Running a started thread state MUST bind it to the thread, make it current and hold its GIL.
    pub fn run_thread(&self, tstate: Tstate) -> Result<(), CallError> {
        self.called(OpKind::RunThread, tstate);
        let result = self.run(tstate);
        self.returned(result)
    }

    fn run(&self, tstate: Tstate) -> Result<(), CallError> {
        let lists = self.inner().lists();
        self.listed(tstate)?;
        //= specs/rules/fin.md#fin-14
        //# A started thread state MUST be run, once, by a thread that has no current one.
        let bound = tstate.slot.status().contains(StatusBits::BOUND);
        let again = bound && !self.seeded(Seeded::RunsAgain);
        if tstate.slot.started().is_none() || again || !tstate.alive() || self.current().is_some() {
            return Err(Rule::Fin14.into());
        }
        if !self.interp_of(tstate)?.slot.usable() {
            return Err(Rule::Life13.into());
        }
        let gil = self.gil_of(tstate)?;
        self.bind(tstate);
        self.use_held(tstate);
        self.effect(Effect::Bound(tstate.serial));
        drop(lists);
        self.take_and_enter(tstate, gil)
    }

    /// Starts an OS thread in the current interpreter, which calls `body` with a thread state
    /// of its own current, and deletes that at its end. `Err` if the runtime was finalized
    /// before it came so far.
    ///
    /// Whoever joins it has to let it have the GIL: save the current thread state first.
    ///
    /// # Errors
    ///
    /// As for [`Thread::start_thread`].
    pub fn spawn_thread<T: Send + 'static>(
        &self,
        daemon: bool,
        body: impl FnOnce(&Thread) -> T + Send + 'static,
    ) -> Result<JoinHandle<Result<T, CallError>>, GateError> {
        let spawn = |tstate| {
            self.inner().allocates().map_err(|_| io::ErrorKind::OutOfMemory)?;
            let runtime = self.runtime().clone();
            let (sender, receiver) = mpsc::channel();
            let work = move || {
                let attached = runtime.attach();
                let _ = sender.send(attached.as_ref().map(|_| ()).map_err(|error| *error));
                drop(sender);
                let Ok(thread) = attached else { return Err(CallError::Finalized) };
                thread.run_thread(tstate)?;
                let running = Running { thread: &thread, tstate };
                let result = body(&thread);
                drop(running);
                Ok(result)
            };
            let handle = Builder::new().spawn(work)?;
            match receiver.recv() {
                Ok(Ok(())) => Ok::<_, io::Error>(handle),
                Ok(Err(AttachError::AlreadyAttached | AttachError::NoMemory)) | Err(_) => {
                    let _ = handle.join();
                    Err(io::ErrorKind::OutOfMemory.into())
                }
            }
        };
        self.start_thread(daemon, spawn).map(|(_, handle)| handle)
    }
}
