//! Ensure and Release, pending calls, and threads that are started.

use super::{Fine, Inside, Worker};
use crate::soak::calls::Calls;
use crate::soak::ledger::{Book, KnownInterp};
use crate::soak::shared::RESERVE;
use crate::soak::{Count, Forget, Loss};
use cloister::{CallError, EnsureError, GateError, Interp, NotAdded, Thread};
use cloister_specs::{GilState, OpKind, Refusal, Rule};
use std::sync::Arc;
use std::thread::JoinHandle;

/// One in so many of the steps that may start a thread does, and so many ends.
const START_ONE_IN: u32 = 24;
/// One in so many pending calls fails.
const FAIL_ONE_IN: u32 = 8;
/// How often a started thread polls.
const POLLS: u32 = 8;

/// A thread that was started.
pub(super) struct Started(JoinHandle<Result<Fine, CallError>>);

impl Started {
    /// Waits for it, without a GIL.
    pub fn join(self) -> Fine {
        let call = OpKind::RunThread;
        let joined = self.0.join().map_err(|_| Loss::Astray { call })?;
        joined.map_err(|error| Loss::of(call, error))?
    }
}

impl Worker {
    /// Ensures, twice, and releases.
    pub(super) fn ensure(&mut self, thread: &Thread) -> Fine {
        if !self.shared.affords(self.me, 0, 1 + RESERVE) {
            return Ok(());
        }
        let Some(known) = self.place_to_ensure(thread) else { return Ok(()) };
        let before = self.inside.clone();
        let call = OpKind::GilStateEnsure;
        let ensured = thread.gilstate_ensure(known.interp);
        let by = [Rule::Gil12, Rule::Tls6, Rule::Life13];
        let ensured = ensured.map_err(|error| match error {
            EnsureError::Refused(refusal) => Ok(CallError::from(refusal)),
            EnsureError::Finalized => Ok(CallError::Finalized),
            EnsureError::NoMemory => Err(Loss::NoMemory),
        });
        let ensured = match ensured {
            Ok(state) => Ok(state),
            Err(Ok(error)) => Err(error),
            Err(Err(loss)) => return Err(loss),
        };
        let Some(state) = self.explained(call, ensured, &by)? else { return Ok(()) };
        let (expected, kind) =
            (before.as_ref().map_or(GilState::Unlocked, |_| GilState::Locked), known.kind());
        let tstate = thread.current().filter(|_| state == expected).ok_or(Loss::Astray { call })?;
        let made = !self.shared.ledger().tstates.iter().any(|k| k.tstate == tstate);
        if made {
            self.shared.spend(self.me, 0, 1);
            self.tally.add(Count::EnsureMade, kind);
        }
        self.inside = Some(Inside { tstate, interp: known.interp, kind, book: Arc::clone(&known.book) });
        self.look_around(thread, call)?;
        let again = thread.gilstate_ensure(known.interp);
        if again != Ok(GilState::Locked) || !thread.gilstate_check() {
            return Err(Loss::Astray { call });
        }
        self.poll(thread)?;
        let call = OpKind::GilStateRelease;
        self.explained(call, thread.gilstate_release(GilState::Locked), &[])?;
        self.look_around(thread, call)?;
        self.poll(thread)?;
        self.explained(call, thread.gilstate_release(state), &[])?;
        if made {
            self.shared.earn(self.me, 0, 1);
        }
        self.tally.add(Count::Ensured, kind);
        self.inside = before;
        self.look_around(thread, call)?;
        if thread.gilstate_check() != self.inside.is_some() {
            return Err(Loss::Astray { call: OpKind::GilStateCheck });
        }
        Ok(())
    }

    /// That of the thread state which the gilstate slot names; any, if it names none.
    fn place_to_ensure(&mut self, thread: &Thread) -> Option<KnownInterp> {
        let named = thread.gilstate();
        let ledger = self.shared.ledger();
        let Some(named) = named else {
            let open: Vec<_> = ledger.interps.iter().filter(|known| !known.closing).collect();
            return self.rng.choice(open).cloned();
        };
        let known = ledger.tstates.iter().find(|known| known.tstate == named && !known.cleared)?;
        ledger.interp(known.interp).cloned()
    }

    /// Adds a pending call to anybody's ring, or to that of the main thread.
    pub(super) fn add_call(&mut self, thread: &Thread) -> Fine {
        let (interp, calls, book, kind) = {
            let ledger = self.shared.ledger();
            let Some(known) = self.rng.choice(&ledger.interps) else { return Ok(()) };
            match known.id == 0 && self.rng.bool() {
                true => (None, Arc::clone(&ledger.main_calls), Arc::clone(&known.book), known.kind()),
                false => {
                    (Some(known.interp), Arc::clone(&known.calls), Arc::clone(&known.book), known.kind())
                }
            }
        };
        let fails = self.rng.u32(..FAIL_ONE_IN) == 0;
        let added = thread.add_pending_call(interp, Calls::make(&calls, &book, fails));
        if added.is_err() || !self.forgets(Forget::Call) {
            calls.answered(&added);
        }
        match added {
            Ok(()) => self.tally.add(Count::Added, kind),
            Err(NotAdded::Full(_)) => self.tally.add(Count::Full, kind),
            Err(NotAdded::Refused(refusal)) => {
                let by: &[Rule] = if interp.is_some() { &[Rule::Gil12, Rule::Life13] } else { &[] };
                self.explained::<()>(OpKind::AddPendingCall, Err(refusal), by)?;
            }
        }
        Ok(())
    }

    /// Deletes the current thread state, unless it is the way into an own interpreter.
    pub(super) fn delete_current(&mut self, thread: &Thread) -> Fine {
        let Some(Inside { tstate, interp, kind, .. }) = self.inside.clone() else { return Ok(()) };
        if self.shared.ledger().interp(interp).is_none_or(|known| known.owner == self.me) {
            return Ok(());
        }
        // Its holder is not to be found where it is about to go.
        self.shared.ledger().change(tstate, |known| known.holder = None);
        let call = OpKind::ThreadStateDeleteCurrent;
        self.explained(call, thread.thread_state_delete_current(), &[])?;
        self.inside = None;
        self.tally.add(Count::DeletedCurrent, kind);
        let maker = self.shared.ledger().remove(tstate);
        maker.into_iter().for_each(|maker| self.shared.earn(maker, 0, 1));
        if thread.gilstate().is_some() {
            return Err(Loss::Astray { call });
        }
        self.look_around(thread, call)?;
        Ok(())
    }

    pub(super) fn starts(&mut self) -> bool {
        self.rng.u32(..START_ONE_IN) == 0
    }

    /// Starts a thread now and then, and waits for it.
    pub(super) fn start_seldom(&mut self, thread: &Thread) -> Fine {
        let Some(kind) = self.inside.as_ref().map(|inside| inside.kind) else { return Ok(()) };
        if !self.starts() {
            return Ok(());
        }
        let started = self.start(thread)?;
        self.leave(thread)?;
        started.join()?;
        self.tally.add(Count::Started, kind);
        Ok(())
    }

    /// Starts a thread in the current interpreter. It polls, leaves and comes back.
    pub(super) fn start(&mut self, thread: &Thread) -> Fine<Started> {
        let book = self.inside.as_ref().map(|inside| Arc::clone(&inside.book));
        let book = book.ok_or(Loss::Astray { call: OpKind::StartThread })?;
        self.spawn(thread, move |thread| busy(thread, &book))
    }

    /// Starts a thread that waits, without a GIL, until everybody has started one.
    pub(super) fn start_first(&mut self, thread: &Thread) -> Fine {
        let shared = Arc::clone(&self.shared);
        let started = self.spawn(thread, move |thread| {
            let lost = |call| move |refusal: Refusal| Loss::of(call, refusal.into());
            let tstate = thread.save_thread().map_err(lost(OpKind::SaveThread))?;
            shared.filled.wait();
            let restored = thread.restore_thread(tstate);
            restored.map_err(|error| Loss::of(OpKind::RestoreThread, error))
        })?;
        self.leave(thread)?;
        started.join()
    }

    fn spawn(&self, thread: &Thread, body: impl FnOnce(&Thread) -> Fine + Send + 'static) -> Fine<Started> {
        let call = OpKind::StartThread;
        thread.spawn_thread(false, body).map(Started).map_err(|error| match error {
            GateError::Refused(refusal) => Loss::of(call, refusal.into()),
            GateError::Denied(_) | GateError::Finalized => Loss::Astray { call },
        })
    }

    /// An interpreter of this thread's other than the one that it is in.
    pub(super) fn pick_own(&mut self) -> Option<Interp> {
        let here = self.inside.as_ref().map(|inside| inside.interp);
        let mut mine = self.shared.ledger().owned_by(self.me);
        mine.retain(|interp| Some(*interp) != here);
        self.rng.choice(mine)
    }
}

fn busy(thread: &Thread, book: &Book) -> Fine {
    for _ in 0..POLLS {
        book.count();
        thread.eval_breaker_poll().map_err(|error| Loss::of(OpKind::EvalBreakerPoll, error))?;
    }
    let saved = thread.save_thread();
    let tstate = saved.map_err(|refusal| Loss::of(OpKind::SaveThread, refusal.into()))?;
    thread.restore_thread(tstate).map_err(|error| Loss::of(OpKind::RestoreThread, error))?;
    book.count();
    Ok(())
}
