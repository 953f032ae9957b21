//! Ending an interpreter, and leaving the runtime.

use super::{Fine, Inside, Worker};
use crate::soak::ledger::KnownTstate;
use crate::soak::{Count, Forget, Loss, accounts};
use cloister::{Interp, Thread, Tstate};
use cloister_specs::{GilKind, OpKind, Rule};

impl Worker {
    /// Tries to end one of this thread's interpreters.
    pub(super) fn end_one(&mut self, thread: &Thread) -> Fine {
        let mine = self.shared.ledger().owned_by(self.me);
        match self.rng.choice(mine) {
            Some(interp) => self.close(thread, interp).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Ends those that nobody is in the way of.
    pub(super) fn end_some(&mut self, thread: &Thread) -> Fine {
        let mine = self.shared.ledger().owned_by(self.me);
        mine.into_iter().try_for_each(|interp| self.close(thread, interp).map(|_| ()))
    }

    /// Ends all of them, while nobody else is in any.
    pub(super) fn end_all(&mut self, thread: &Thread) -> Fine {
        let mine = self.shared.ledger().owned_by(self.me);
        for interp in mine {
            if !self.close(thread, interp)? {
                return Err(Loss::Astray { call: OpKind::EndInterpreter });
            }
        }
        Ok(())
    }

    /// Deletes all other thread states of an interpreter of this thread's that can be deleted,
    /// and ends it. Is it ended?
    fn close(&mut self, thread: &Thread, interp: Interp) -> Fine<bool> {
        self.shared.ledger().close(interp);
        let entrance = self.shared.ledger().entrance(interp, self.me);
        let here = self.inside.as_ref().is_some_and(|inside| inside.interp == interp);
        let entered = match entrance {
            _ if here => true,
            Some(tstate) => self.enter(thread, tstate, interp)?,
            None => self.make_entrance(thread, interp)?,
        };
        let Some(Inside { tstate, kind, .. }) = self.inside.clone().filter(|_| entered) else {
            return Ok(false);
        };
        let others = |k: &&KnownTstate| k.interp == interp && k.tstate != tstate;
        let others: Vec<_> = self.shared.ledger().tstates.iter().filter(others).copied().collect();
        for known in others {
            if known.cleared || self.clear(thread, &known)? {
                self.delete(thread, &known)?;
            }
        }
        let known = self.shared.ledger().interp(interp).cloned();
        if self.forgets(Forget::Interp) {
            self.strike_out(interp);
            self.leave(thread)?;
            return Ok(true);
        }
        let started = if self.starts() { Some(self.start(thread)?) } else { None };
        let ended = thread.end_interpreter(tstate);
        let ended = self.explained(OpKind::EndInterpreter, ended, &[Rule::Life10])?;
        if let Some(started) = started {
            if ended.is_none() {
                self.leave(thread)?;
            }
            started.join()?;
            self.tally.add(Count::Started, kind);
            if ended.is_some() {
                self.tally.add(Count::StartedAtEnd, kind);
            }
        }
        if ended.is_none() {
            return Ok(false);
        }
        self.inside = None;
        self.ended(thread, OpKind::EndInterpreter, interp, tstate)?;
        match known.filter(|_| kind == GilKind::Own).as_ref().and_then(accounts::counted) {
            Some(loss) => Err(loss),
            None => Ok(true),
        }
    }

    /// An interpreter was ended.
    pub(super) fn ended(&mut self, thread: &Thread, call: OpKind, interp: Interp, tstate: Tstate) -> Fine {
        let kind = self.kind_of(interp);
        self.tally.add(Count::Ended, kind);
        self.stale = Some((interp, tstate));
        self.strike_out(interp);
        self.look_around(thread, call)?;
        Ok(())
    }

    /// Takes an interpreter out of the ledger, with all of its thread states.
    fn strike_out(&mut self, interp: Interp) {
        let mut ledger = self.shared.ledger();
        ledger.remove_interp(interp);
        let gone: Vec<_> = ledger.tstates.iter().filter(|k| k.interp == interp).copied().collect();
        for known in gone {
            ledger.remove(known.tstate);
            self.shared.earn(known.maker, 0, 1);
        }
        self.shared.earn(self.me, 1, 0);
    }

    /// Makes a thread state with which this thread can enter an interpreter of its own, and
    /// enters it. Others learn of it when it is bound.
    fn make_entrance(&mut self, thread: &Thread, interp: Interp) -> Fine<bool> {
        if !self.shared.affords(self.me, 0, 1) {
            return Ok(false);
        }
        let tstate = self.expect_made(thread, interp)?;
        self.explained(OpKind::ThreadStateBind, thread.thread_state_bind(tstate), &[])?;
        self.publish(tstate, interp, Some(thread));
        let kind = self.kind_of(interp);
        self.tally.add(Count::Bound, kind);
        self.enter(thread, tstate, interp)
    }

    /// Leaves the runtime, wherever the thread is, and comes back. The thread states that it
    /// had can only be deleted; into its own interpreters it makes new ones.
    pub(super) fn reattach(&mut self, thread: Thread) -> Fine<(Thread, Fine)> {
        drop(thread);
        self.inside = None;
        for known in &mut self.shared.ledger().tstates {
            if known.holder == Some(self.me) {
                known.holder = None;
            }
        }
        let thread = self.shared.runtime.attach().map_err(|_| Loss::NoMemory)?;
        self.tally.reattached += 1;
        let settled = self.settle(&thread);
        Ok((thread, settled))
    }

    fn settle(&mut self, thread: &Thread) -> Fine {
        let mine = self.shared.ledger().owned_by(self.me);
        for interp in mine {
            if !self.make_entrance(thread, interp)? {
                continue;
            }
            let orphans = |k: &&KnownTstate| k.interp == interp && k.holder.is_none() && k.bound.is_some();
            let orphans: Vec<_> = self.shared.ledger().tstates.iter().filter(orphans).copied().collect();
            for known in orphans {
                if known.cleared || self.clear(thread, &known)? {
                    self.delete(thread, &known)?;
                }
            }
        }
        Ok(())
    }
}
