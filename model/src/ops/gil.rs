//! `take_gil` and `drop_gil`, the two procedures that everything else calls.

use cloister_specs::{InterpId, Reply, Rule, ThreadId, TstateId};

use crate::design::{DaemonThreads, Design, ExitingWaiter};
use crate::label::{Asked, Label};
use crate::machine::Flow;
use crate::runtime::{Runtime, THREADS};

impl Runtime {
    /// The GIL of this thread state, whose memory the call reads on the way.
    fn reach_gil(&self, t: TstateId) -> Result<InterpId, Rule> {
        //= specs/rules/gil.md#gil-12
        //# A thread MUST NOT touch an interpreter, a GIL or a thread state after it has been
        //# freed.
        if !self.listed(t) || !self.interp_listed(self.tstate(t).interp) {
            return Err(Rule::Gil12);
        }
        //= specs/rules/gil.md#gil-5
        //# A live interpreter MUST have a GIL: one that it created itself, or the main
        //# interpreter's.
        self.gil_of(t).filter(|g| self.gils[g.index()].created).ok_or(Rule::Gil5)
    }

    /// `drop_gil`: it must be locked.
    pub(crate) fn drop_holder(&mut self, t: TstateId, last: bool) -> Flow {
        let g = match self.reach_gil(t) {
            Ok(g) => g,
            Err(rule) => return Flow::Died(rule),
        };
        let gil = &mut self.gils[g.index()];
        //= specs/rules/gil.md#gil-4
        //# A thread MUST hold a GIL when it drops it.
        if !gil.locked {
            return Flow::Died(Rule::Gil4);
        }
        if !last {
            gil.last_holder = Some(t);
        }
        Flow::Goto(Label::DropUnlock { tstate: t, last, interp: self.tstate(t).interp })
    }

    /// One hold of the GIL's mutex: unlock and signal.
    pub(crate) fn drop_unlock(&mut self, prefer: ThreadId, t: TstateId, last: bool, i: InterpId) -> Flow {
        let Some(g) = self.interp(i).gil else { return Flow::Died(Rule::Gil12) };
        let gil = &mut self.gils[g.index()];
        gil.locked = false;
        gil.holder = None;
        self.signal(prefer, |l| matches!(l, Label::TakeWait { gil, signalled: false, .. } if *gil == g));
        if last { Flow::Return } else { Flow::Goto(Label::DropTest { tstate: t, interp: i }) }
    }

    /// Has somebody asked for it? Then wait until another thread state has taken it: one
    /// `if`, not a loop.
    pub(crate) fn drop_test(&mut self, d: &Design, h: ThreadId, t: TstateId, i: InterpId) -> Flow {
        let Some(g) = self.interp(i).gil.filter(|_| self.interp_listed(i)) else {
            return Flow::Died(Rule::Gil12);
        };
        if !self.request_seen_in(d, i) || self.gils[g.index()].last_holder != Some(t) {
            return Flow::Return;
        }
        if !self.listed(t) {
            return Flow::Died(Rule::Gil12);
        }
        //= specs/rules/gil.md#gil-9
        //# A thread that drops a GIL on request MUST NOT go on before another thread state
        //# has taken it, unless it is woken for no reason.
        self.reset_request(d, h, self.tstate(t).interp);
        Flow::Goto(Label::DropWait { tstate: t, gil: g, signalled: false })
    }

    /// The forced switch is over: signalled, or woken for no reason.
    pub(crate) fn drop_woken(&mut self, g: InterpId) -> Flow {
        if self.gils[g.index()].created { Flow::Return } else { Flow::Died(Rule::Gil12) }
    }

    /// `take_gil`: one hold of the GIL's mutex. Take it, or wait for it.
    pub(crate) fn take_lock(&mut self, d: &Design, h: ThreadId, prefer: ThreadId, t: TstateId) -> Flow {
        match self.reach_gil(t) {
            Err(rule) => Flow::Died(rule),
            Ok(_) if self.must_leave(t) => self.give_up(d, h, t, Asked::No),
            Ok(g) if self.gils[g.index()].locked => {
                Flow::Goto(Label::TakeWait { tstate: t, gil: g, asked: Asked::No, signalled: false })
            }
            Ok(g) => self.take(d, h, prefer, t, g),
        }
    }

    /// Woken by a signal, or by the expiry of the interval: look again.
    pub(crate) fn take_woken(
        &mut self,
        d: &Design,
        h: ThreadId,
        prefer: ThreadId,
        t: TstateId,
        asked: Asked,
        expired: bool,
    ) -> Flow {
        let g = match self.reach_gil(t) {
            Ok(g) => g,
            Err(rule) => return Flow::Died(rule),
        };
        let locked = self.gils[g.index()].locked;
        if self.must_leave(t) {
            return match (d.daemon_threads, locked) {
                (DaemonThreads::Refused, _) => self.give_up(d, h, t, asked),
                (DaemonThreads::Exit | DaemonThreads::Hang, false) => {
                    self.take(d, h, prefer, t, g);
                    Flow::Goto(Label::GiveUpDrop(t))
                }
                (DaemonThreads::Exit | DaemonThreads::Hang, true) if expired => self.give_up(d, h, t, asked),
                (DaemonThreads::Exit | DaemonThreads::Hang, true) => {
                    Flow::Goto(Label::TakeWait { tstate: t, gil: g, asked, signalled: false })
                }
            };
        }
        if !locked {
            return self.take(d, h, prefer, t, g);
        }
        let asked = match (asked, expired) {
            (Asked::Switched, _) => Asked::No,
            (Asked::No | Asked::Yes, false) => asked,
            (Asked::No | Asked::Yes, true) => {
                //= specs/rules/gil.md#gil-6
                //# A waiter whose interval expires while the GIL is held and has not been
                //# switched MUST ask for it.
                //= specs/rules/gil.md#gil-7
                //# Once a waiter has asked, the holder of that GIL MUST see the request.
                self.ask(d, self.tstate(t).interp);
                Asked::Yes
            }
        };
        Flow::Goto(Label::TakeWait { tstate: t, gil: g, asked, signalled: false })
    }

    fn take(&mut self, d: &Design, h: ThreadId, prefer: ThreadId, t: TstateId, g: InterpId) -> Flow {
        //= specs/rules/gil.md#gil-1
        //# A GIL MUST be held by at most one thread, and be locked exactly when it is held.
        let gil = &mut self.gils[g.index()];
        let switched = gil.last_holder != Some(t);
        gil.locked = true;
        gil.holder = Some(h);
        gil.last_holder = Some(t);
        for k in (0..THREADS).filter(|k| *k != h.index()) {
            for label in &mut self.threads[k].stack {
                if let Label::TakeWait { gil, asked, .. } = label
                    && *gil == g
                {
                    *asked = match (switched, *asked) {
                        (true, _) | (false, Asked::Switched) => Asked::Switched,
                        (false, Asked::No | Asked::Yes) => Asked::No,
                    };
                }
            }
        }
        //= specs/rules/gil.md#gil-10
        //# A thread in the forced switch MUST have another thread that is about to take that
        //# GIL.
        self.signal(prefer, |l| matches!(l, Label::DropWait { gil, signalled: false, .. } if *gil == g));
        //= specs/rules/gil.md#gil-8
        //# Taking a GIL MUST reset the request that the taker would see.
        self.reset_request(d, h, self.tstate(t).interp);
        Flow::Return
    }

    /// `tstate_must_exit`: another thread state is tearing down the interpreter.
    pub(crate) fn must_leave(&self, t: TstateId) -> bool {
        //= specs/rules/fin.md#fin-10
        //# No thread but the one that ends it MUST take the GIL of an interpreter that is finalizing.
        self.interp(self.tstate(t).interp).finalizing.is_some_and(|f| f != t)
    }

    /// The wait is over, and in vain.
    fn give_up(&mut self, d: &Design, h: ThreadId, t: TstateId, asked: Asked) -> Flow {
        //= specs/rules/fin.md#fin-12
        //# A call that gives up waiting for a GIL MUST take back its request.
        match (d.exiting_waiter, asked) {
            (ExitingWaiter::ClearsRequest, Asked::Yes) => self.reset_request(d, h, self.tstate(t).interp),
            (ExitingWaiter::ClearsRequest, Asked::No | Asked::Switched)
            | (ExitingWaiter::LeavesRequest, _) => {}
        }
        self.gave_up(d, h, t)
    }

    pub(crate) fn give_up_drop(&self, t: TstateId) -> Flow {
        Flow::Call(Label::GiveUp(t), Label::DropHolder { tstate: t, last: false })
    }

    pub(crate) fn gave_up(&mut self, d: &Design, h: ThreadId, t: TstateId) -> Flow {
        //= specs/rules/fin.md#fin-11
        //# A call that waits for the GIL of an interpreter when that is finalized MUST be answered,
        //# with nothing current in its thread.
        match d.daemon_threads {
            DaemonThreads::Exit => {
                self.thread_mut(h).gone = true;
                Flow::Answer(Reply::Exited)
            }
            DaemonThreads::Hang => Flow::Goto(Label::Hung(t)),
            DaemonThreads::Refused => Flow::Answer(Reply::Finalized),
        }
    }

    /// `_PyEval_InitGIL`: create it, or share the main interpreter's; `Some` if it is to be taken.
    pub(crate) fn init_gil(&mut self, t: TstateId, own: bool) -> Option<TstateId> {
        let i = self.tstate(t).interp;
        if own {
            self.gils[i.index()].created = true;
            self.interp_mut(i).gil = Some(i);
            return Some(t);
        }
        self.interp_mut(i).gil = Some(cloister_specs::MAIN);
        let main = &self.gils[cloister_specs::MAIN.index()];
        let held_already = main.locked && main.last_holder == Some(t);
        (!held_already).then_some(t)
    }
}
