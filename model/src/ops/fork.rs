//! `os.fork`, with what becomes of the runtime in the child, and `os.execv`.

use cloister_specs::{Denied, FeatureFlags, MAIN, Reply, Rule, ThreadId, TstateId};

use super::thread::Kept;
use crate::design::{Design, ForkClear, ForkInSub};
use crate::machine::Flow;
use crate::runtime::{Runtime, Thread};

fn denied(why: Denied) -> Flow {
    Flow::Answer(Reply::Denied(why))
}

impl Runtime {
    pub(crate) fn exec(&self, d: &Design, h: ThreadId) -> Flow {
        let Some(t) = self.own_current(d, h) else { return Flow::Died(Rule::Fork5) };
        //= specs/rules/fork.md#fork-6
        //# An interpreter MUST NOT replace the process unless its configuration allows it.
        if !self.interp(self.tstate(t).interp).flags().contains(FeatureFlags::EXEC) {
            return denied(Denied::Exec);
        }
        Flow::Answer(Reply::Done)
    }

    pub(crate) fn fork(&mut self, d: &Design, h: ThreadId) -> Flow {
        let Some(t) = self.own_current(d, h) else { return Flow::Died(Rule::Fork5) };
        let i = self.tstate(t).interp;
        //= specs/rules/fork.md#fork-1
        //# An interpreter MUST NOT fork unless its configuration allows it.
        if !self.interp(i).flags().contains(FeatureFlags::FORK) {
            return denied(Denied::Fork);
        }
        //= specs/rules/fork.md#fork-3
        //# A fork that cannot go on in the child MUST be refused in the parent.
        match d.fork_in_sub {
            ForkInSub::Refused if i != MAIN => return denied(Denied::ForkInSub),
            ForkInSub::FatalInChild if i != MAIN => return Flow::Died(Rule::Fork3),
            ForkInSub::Refused | ForkInSub::FatalInChild => {}
        }
        self.become_child(d, h, t)
    }

    /// `PyOS_AfterFork_Child`, in the main interpreter.
    fn become_child(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        //= specs/rules/fork.md#fork-4
        //# The child MUST have one interpreter, one thread state and one thread, and no lock that a
        //# thread of the parent holds.
        for k in Runtime::thread_ids().filter(|k| *k != h) {
            *self.thread_mut(k) = Thread { gone: true, ..Thread::FRESH };
        }
        self.main_thread = h;
        let gil = &mut self.gils[MAIN.index()];
        (gil.locked, gil.holder, gil.last_holder, gil.drop_request) = (true, Some(h), Some(t), false);
        self.reset_request(d, h, MAIN);
        if let Err(rule) = self.delete_others(d, h, t, Kept::None) {
            return Flow::Died(rule);
        }
        //= specs/rules/fork.md#fork-2
        //# A fork that is allowed MUST lead to a child that runs, with the caller's thread state
        //# current and its GIL held.
        match d.fork_clear {
            ForkClear::DetachedAndLocked if self.interps[1..].iter().any(|i| i.phase.is_some()) => {
                return Flow::Died(Rule::Fork2);
            }
            ForkClear::DetachedAndLocked => {}
            ForkClear::Properly => self.interp_mut(MAIN).busy = false,
        }
        for i in Runtime::interp_ids().filter(|i| *i != MAIN) {
            for x in Runtime::tstate_ids() {
                if self.listed(x) && self.tstate(x).interp == i {
                    self.forget(d, x);
                }
            }
            self.free_interp(d, i);
        }
        self.forked = true;
        Flow::Answer(Reply::Forked)
    }
}
