//! Starting threads, running them, and deleting what they leave.

use cloister_specs::{Denied, FeatureFlags, Phase, Reply, Rule, StatusBits, ThreadId, TstateId};

use super::eval::attach;
use crate::design::{DeleteExcept, Design, FailedThread, ThreadStart};
use crate::label::Label;
use crate::machine::Flow;
use crate::runtime::{Runtime, Started};

/// Which thread states are left alone where the others of an interpreter are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// None.
    None,
    /// Those that a call of another thread uses.
    InUse,
}

fn denied(why: Denied) -> Flow {
    Flow::Answer(Reply::Denied(why))
}

impl Runtime {
    /// `_thread.start_new_thread`.
    pub(crate) fn start_thread(
        &mut self,
        d: &Design,
        h: ThreadId,
        daemon: bool,
        fails: bool,
        at: Option<TstateId>,
    ) -> Flow {
        let Some(current) = self.own_current(d, h) else { return Flow::Died(Rule::Fin16) };
        let i = self.tstate(current).interp;
        let allowed = self.interp(i).flags();
        //= specs/rules/fork.md#fork-8
        //# A daemon MUST NOT be started in an interpreter whose configuration does not allow it.
        if daemon && !allowed.contains(FeatureFlags::DAEMON_THREADS) {
            return denied(Denied::Daemons);
        }
        //= specs/rules/fork.md#fork-7
        //# A thread MUST NOT be started in an interpreter whose configuration does not allow it.
        if !allowed.contains(FeatureFlags::THREADS) {
            return denied(Denied::Threads);
        }
        //= specs/rules/fin.md#fin-9
        //# A thread MUST NOT be started in an interpreter whose end has begun.
        match d.thread_start {
            ThreadStart::Refused if self.interp(i).phase != Some(Phase::Live) => {
                return denied(Denied::Shutdown);
            }
            ThreadStart::Refused | ThreadStart::Allowed => {}
        }
        let Some(t) = self.new_tstate(i, at) else { return denied(Denied::CannotStart) };
        if fails {
            //= specs/rules/fin.md#fin-13
            //# A thread that could not be started MUST leave no thread state behind.
            match d.failed_thread {
                FailedThread::LeavesCleared => {
                    self.tstate_mut(t).status.insert(StatusBits::FINALIZING | StatusBits::CLEARED);
                }
                FailedThread::Deletes => {
                    if let Err(rule) = self.free_one(d, h, t) {
                        return Flow::Died(rule);
                    }
                }
            }
            return denied(Denied::CannotStart);
        }
        self.tstate_mut(t).started = Some(if daemon { Started::Daemon } else { Started::Joined });
        Flow::Answer(Reply::Tstate(Some(t)))
    }

    /// `thread_run`.
    pub(crate) fn run_thread(&mut self, h: ThreadId, t: TstateId) -> Flow {
        //= specs/rules/fin.md#fin-15
        //# Running a started thread state MUST bind it to the thread, make it current and hold its
        //# GIL.
        match self.bind_to(h, t) {
            Ok(()) => Flow::Call(Label::RunAttach(t), Label::TakeLock(t)),
            Err(rule) => Flow::Died(rule),
        }
    }

    pub(crate) fn run_attach(&self, t: TstateId) -> Flow {
        Flow::Call(Label::RunDone(t), attach(t))
    }

    /// `_PyThreadState_DeleteExcept`.
    pub(crate) fn delete_except(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        match self.delete_others(d, h, t, Kept::None) {
            Ok(()) => Flow::Answer(Reply::Done),
            Err(rule) => Flow::Died(rule),
        }
    }

    /// Deletes every other thread state of the interpreter of this one.
    pub(super) fn delete_others(
        &mut self,
        d: &Design,
        h: ThreadId,
        t: TstateId,
        kept: Kept,
    ) -> Result<(), Rule> {
        //= specs/rules/fin.md#fin-17
        //# DeleteExcept MUST be given the caller's current thread state, leave no other one in its
        //# interpreter, and free none that a call uses.
        let i = self.tstate(t).interp;
        for x in Runtime::tstate_ids() {
            if x == t || !self.listed(x) || self.tstate(x).interp != i {
                continue;
            }
            if kept == Kept::InUse && self.in_use_by_another(h, x) {
                continue;
            }
            match d.delete_except {
                DeleteExcept::LeavesBindings => self.forget(d, x),
                DeleteExcept::Unbinds => self.free_one(d, h, x)?,
            }
        }
        Ok(())
    }
}
