//! `Py_InitializeEx` and `Py_FinalizeEx`.

use cloister_specs::{MAIN, Reply, Rule, StatusBits, ThreadId, TstateId};

use super::eval::detach;
use super::thread::Kept;
use crate::design::{DaemonThreads, Design, FinishPending};
use crate::label::{End, Label};
use crate::machine::Flow;
use crate::ring::Ring;
use crate::runtime::Runtime;

impl Runtime {
    /// `Py_IsInitialized`, as far as one can tell that does not end it.
    pub fn initialized(&self) -> bool {
        self.interp_listed(MAIN)
    }

    /// `Py_InitializeEx`.
    pub(crate) fn initialize_again(&mut self, d: &Design, h: ThreadId, at: Option<TstateId>) -> Flow {
        //= specs/rules/fin.md#fin-4
        //# Initializing a runtime that is initialized, and finalizing one that is not, MUST change
        //# nothing.
        if let (false, Some(t)) = (self.initialized(), at.or_else(|| self.free_tstate())) {
            //= specs/rules/fin.md#fin-5
            //# Initializing MUST make the caller the main thread, with the only thread state of a
            //# new main interpreter current and its GIL held.
            self.initialize(d, h, t);
        }
        Flow::Answer(Reply::Done)
    }

    /// `Py_FinalizeEx`.
    pub(crate) fn finalize(&mut self, d: &Design, h: ThreadId) -> Flow {
        match self.own_current(d, h) {
            Some(t) if self.initialized() => {
                self.begin_end(MAIN);
                Flow::Goto(Label::FinishJoin(End { tstate: t, main: true }))
            }
            Some(_) | None => Flow::Answer(Reply::Done),
        }
    }

    pub(crate) fn final_set(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        match d.finish_pending {
            // One more was added since it looked.
            FinishPending::All if self.has_calls(h, t) => {
                return Flow::Goto(Label::FinishJoin(End { tstate: t, main: true }));
            }
            FinishPending::All | FinishPending::UntilFailure => {}
        }
        self.begin_finalizing(MAIN, t);
        match d.daemon_threads {
            DaemonThreads::Exit | DaemonThreads::Hang => Flow::Goto(Label::FinalOthers(t)),
            DaemonThreads::Refused => {
                for k in Runtime::thread_ids() {
                    let depth = self.thread(k).depth();
                    if let Label::TakeWait { tstate, gil, asked, .. } = self.thread(k).top()
                        && self.must_leave(tstate)
                    {
                        self.thread_mut(k).stack[depth - 1] =
                            Label::TakeWait { tstate, gil, asked, signalled: true };
                    }
                }
                Flow::Goto(Label::FinalQuiesce(t))
            }
        }
    }

    pub(crate) fn final_quiesce(&self, h: ThreadId, t: TstateId) -> Flow {
        Flow::Goto(if self.interp_in_use_by_another(h, MAIN) {
            Label::FinalWait { tstate: t, signalled: false }
        } else {
            Label::FinalOthers(t)
        })
    }

    /// Wakes whoever finalizes the runtime, if the last call that it waits for has returned.
    pub(crate) fn wake_final(&mut self) {
        for h in Runtime::thread_ids() {
            let depth = self.thread(h).depth();
            if let Label::FinalWait { tstate, signalled: false } = self.thread(h).top()
                && !self.interp_in_use_by_another(h, MAIN)
            {
                self.thread_mut(h).stack[depth - 1] = Label::FinalWait { tstate, signalled: true };
            }
        }
    }

    pub(crate) fn final_others(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        let kept = match d.daemon_threads {
            DaemonThreads::Exit | DaemonThreads::Refused => Kept::None,
            DaemonThreads::Hang => Kept::InUse,
        };
        match self.delete_others(d, h, t, kept) {
            Ok(()) => Flow::Goto(Label::FinalClear(t)),
            Err(rule) => Flow::Died(rule),
        }
    }

    pub(crate) fn final_clear(&mut self, t: TstateId) -> Flow {
        if !self.listed(t) {
            return Flow::Died(Rule::Gil12);
        }
        self.tstate_mut(t).status.insert(StatusBits::FINALIZING | StatusBits::CLEARED);
        Flow::Goto(Label::FinalDetach(t))
    }

    pub(crate) fn final_detach(&self, t: TstateId) -> Flow {
        Flow::Call(Label::FinalDrop(t), detach(t))
    }

    pub(crate) fn final_drop(&self, t: TstateId) -> Flow {
        Flow::Call(Label::FinalFree(t), Label::DropHolder { tstate: t, last: true })
    }

    pub(crate) fn final_free(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        if let Err(rule) = self.free_one(d, h, t) {
            return Flow::Died(rule);
        }
        //= specs/rules/fin.md#fin-6
        //# Finalizing MUST leave nothing behind: no interpreter, no thread state, no GIL, no pending
        //# call, and nothing that a gilstate slot names.
        self.free_interp(d, MAIN);
        self.end_totals(d);
        self.lost_calls |= !self.pending_main.is_empty();
        self.pending_main = Ring::EMPTY;
        for thread in &mut self.threads {
            thread.gilstate = None;
        }
        Flow::Answer(Reply::Done)
    }
}
