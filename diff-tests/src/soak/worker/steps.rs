//! The steps of a round: one call, or a few.

use super::{Fine, Inside, Worker};
use crate::soak::ledger::{Book, KnownInterp, KnownTstate};
use crate::soak::shared::RESERVE;
use crate::soak::{Count, Forget, Loss};
use cloister::{CallError, Interp, Thread, Tstate};
use cloister_specs::{CreationError, Fault, GilKind, InterpreterConfig, OpKind, Rule};
use std::hint::black_box;
use std::sync::Arc;

/// How often a thread polls in one step, at most.
const POLLS: u32 = 16;
/// In one of so many such steps it computes in between, so that those who wait lose patience.
const COMPUTE_ONE_IN: u32 = 128;
/// How much it computes between two polls: some 25 us.
const COMPUTE: u32 = 50_000;

/// Its own allocator without the check of extension modules.
const NO_CHECK: InterpreterConfig =
    InterpreterConfig { check_multi_interp_extensions: false, ..InterpreterConfig::ISOLATED };
/// No GIL at all.
const NO_GIL: InterpreterConfig = InterpreterConfig { gil: 7, ..InterpreterConfig::LEGACY };
/// Its own GIL over the main interpreter's allocator.
const TWO_GILS: InterpreterConfig = InterpreterConfig { gil: 2, ..InterpreterConfig::LEGACY };

fn config_of(kind: GilKind) -> InterpreterConfig {
    match kind {
        GilKind::Own => InterpreterConfig::ISOLATED,
        GilKind::Shared => InterpreterConfig::LEGACY,
    }
}

impl Worker {
    pub(super) fn step(&mut self, thread: &Thread) -> Fine {
        match self.rng.u32(..46) {
            0..2 => {
                let kind = if self.rng.bool() { GilKind::Own } else { GilKind::Shared };
                if self.shared.affords(self.me, 1, 1 + RESERVE) { self.create(thread, kind) } else { Ok(()) }
            }
            2..4 => self.fail(thread),
            4..7 => self.make(thread),
            7..11 => self.bind(thread),
            11..17 => self.go_somewhere(thread),
            17..20 => self.leave(thread),
            20..24 => self.poll(thread),
            24..27 => self.clear_one(thread),
            27..29 => self.delete_one(thread),
            29..31 => self.end_one(thread),
            31..34 => self.ensure(thread),
            34..36 => self.add_call(thread),
            36..37 => self.delete_current(thread),
            37..38 => self.start_seldom(thread),
            38..39 => self.end_from_outside(thread),
            39..40 => self.err(thread),
            _ => self.use_memory(thread),
        }
    }

    /// Creates an interpreter, and is in it.
    pub(super) fn create(&mut self, thread: &Thread, kind: GilKind) -> Fine {
        let config = config_of(kind);
        self.forget_memory();
        let created = thread.new_interpreter_from_config(&config);
        let (interp, tstate) =
            created.map_err(|error| Loss::Creation { got: Some(error), expected: None })?;
        self.shared.spend(self.me, 1, 1);
        self.tally.add(Count::Created, kind);
        let id = interp.id().unwrap_or(-1);
        if id <= self.last_id {
            return Err(Loss::Id { got: id, expected: self.last_id + 1 });
        }
        self.last_id = id;
        let book = match kind {
            GilKind::Own => Book::new(self.me),
            GilKind::Shared => Arc::clone(&self.shared.book),
        };
        {
            let mut ledger = self.shared.ledger();
            ledger.ids += 1;
            let book = Arc::clone(&book);
            let (owner, calls) = (self.me, Arc::default());
            ledger.interps.push(KnownInterp { interp, id, config, owner, closing: false, book, calls });
            let (bound, holder) = (Some(thread.serial()), Some(self.me));
            let known = KnownTstate { tstate, interp, maker: self.me, bound, holder, cleared: false };
            ledger.tstates.push(known);
        }
        self.inside = Some(Inside { tstate, interp, kind, book });
        self.look_around(thread, OpKind::NewInterpreterFromConfig)?;
        Ok(())
    }

    /// A creation that fails; the thread is then where it was.
    fn fail(&mut self, thread: &Thread) -> Fine {
        if !self.shared.affords(self.me, 1, 1 + RESERVE) {
            return Ok(());
        }
        let kind = if self.rng.bool() { GilKind::Own } else { GilKind::Shared };
        let injected = |fault, error| (config_of(kind), Some(fault), error);
        let (config, mut fault, expected) = match self.rng.u32(..7) {
            0 => injected(Fault::InterpAlloc, CreationError::NoMemory),
            1 => injected(Fault::TstateAlloc, CreationError::NoMemory),
            2 => injected(Fault::CoreInit, CreationError::CoreInit),
            3 => injected(Fault::MainInit, CreationError::MainInit),
            4 => (NO_CHECK, None, CreationError::Settings),
            5 => (NO_GIL, None, CreationError::GilValue),
            _ => (TWO_GILS, None, CreationError::OwnGilSharedObmalloc),
        };
        let gilstate = thread.gilstate();
        let got = thread.new_interpreter_with(&config, &mut fault).err();
        if got != Some(expected.into()) {
            return Err(Loss::Creation { got, expected: Some(expected.into()) });
        }
        if matches!(expected, CreationError::CoreInit | CreationError::MainInit) {
            self.shared.ledger().ids += 1;
        }
        match fault {
            Some(_) => self.tally.add(Count::Injected, kind),
            None => self.tally.add(Count::BadConfig, config.gil_kind().unwrap_or(GilKind::Shared)),
        }
        let call = OpKind::NewInterpreterFromConfig;
        // Others may have deleted what the slot named meanwhile, and may still.
        if let Some(after) = thread.gilstate()
            && Some(after) != gilstate
        {
            return Err(Loss::Astray { call });
        }
        self.look_around(thread, call)?;
        Ok(())
    }

    /// Makes a thread state in anybody's interpreter.
    fn make(&mut self, thread: &Thread) -> Fine {
        if !self.shared.affords(self.me, 0, 1 + RESERVE) {
            return Ok(());
        }
        let somewhere = {
            let ledger = self.shared.ledger();
            let open: Vec<_> = ledger.interps.iter().filter(|known| !known.closing).collect();
            self.rng.choice(open).map(|known| known.interp)
        };
        let Some(interp) = somewhere else { return Ok(()) };
        let made = thread.thread_state_new(interp);
        if let Some(made) = self.explained(OpKind::ThreadStateNew, made, &[Rule::Gil12, Rule::Life13])? {
            self.publish(made.ok_or(Loss::NoMemory)?, interp, None);
        }
        Ok(())
    }

    /// Makes one where nothing can be in the way.
    pub(super) fn expect_made(&mut self, thread: &Thread, interp: Interp) -> Fine<Tstate> {
        let made = self.explained(OpKind::ThreadStateNew, thread.thread_state_new(interp), &[])?;
        made.flatten().ok_or(Loss::NoMemory)
    }

    /// Adds a thread state to the ledger.
    pub(super) fn publish(&mut self, tstate: Tstate, interp: Interp, bound_by: Option<&Thread>) {
        self.shared.spend(self.me, 0, 1);
        let (bound, holder) = (bound_by.map(Thread::serial), bound_by.map(|_| self.me));
        let known = KnownTstate { tstate, interp, maker: self.me, bound, holder, cleared: false };
        let mut ledger = self.shared.ledger();
        ledger.tstates.push(known);
        if let Some(kind) = ledger.interp(interp).map(KnownInterp::kind) {
            self.tally.add(Count::Made, kind);
        }
    }

    pub(super) fn kind_of(&self, interp: Interp) -> GilKind {
        self.shared.ledger().interp(interp).map_or(GilKind::Shared, KnownInterp::kind)
    }

    /// One of the thread states that are like this.
    pub(super) fn pick(&mut self, like: impl Fn(&KnownTstate) -> bool) -> Option<KnownTstate> {
        let ledger = self.shared.ledger();
        let all: Vec<_> = ledger.tstates.iter().filter(|known| like(known)).collect();
        self.rng.choice(all).copied()
    }

    fn bind(&mut self, thread: &Thread) -> Fine {
        let Some(known) = self.pick(|k| k.bound.is_none() && !k.cleared) else { return Ok(()) };
        let kind = self.kind_of(known.interp);
        let bound = thread.thread_state_bind(known.tstate);
        if self.explained(OpKind::ThreadStateBind, bound, &[Rule::Tls3, Rule::Gil12, Rule::Life13])?.is_some()
        {
            self.tally.add(Count::Bound, kind);
            let (serial, me) = (thread.serial(), self.me);
            self.shared.ledger().change(known.tstate, |known| {
                known.bound = Some(serial);
                known.holder = Some(me);
            });
        }
        Ok(())
    }

    fn go_somewhere(&mut self, thread: &Thread) -> Fine {
        let (me, here) = (self.me, self.inside.as_ref().map(|inside| inside.tstate));
        let other = |k: &KnownTstate| k.holder == Some(me) && !k.cleared && Some(k.tstate) != here;
        let Some(known) = self.pick(other) else { return Ok(()) };
        self.enter(thread, known.tstate, known.interp)?;
        Ok(())
    }

    /// Restores or swaps to a thread state of this thread, unless somebody cleared it.
    pub(super) fn enter(&mut self, thread: &Thread, tstate: Tstate, interp: Interp) -> Fine<bool> {
        let Some(known) = self.shared.ledger().interp(interp).cloned() else { return Ok(false) };
        let by = [Rule::Tls6, Rule::Gil12];
        let before = self.inside.as_ref().map(|inside| inside.tstate);
        let restore = before.is_none() && self.rng.bool();
        let (call, entered) = if restore {
            let restored = self.explained(OpKind::RestoreThread, thread.restore_thread(tstate), &by)?;
            (OpKind::RestoreThread, restored.is_some())
        } else {
            let call = OpKind::ThreadStateSwap;
            let swapped = self.explained(call, thread.thread_state_swap(Some(tstate)), &by)?;
            if swapped.is_some_and(|answer| answer != before) {
                return Err(Loss::Astray { call });
            }
            (call, swapped.is_some())
        };
        if entered {
            let kind = known.kind();
            self.tally.add(Count::Entered, kind);
            if known.owner != self.me && known.id != 0 {
                self.tally.add(Count::Visited, kind);
            }
            self.inside = Some(Inside { tstate, interp, kind, book: known.book });
        }
        self.look_around(thread, call)?;
        Ok(entered)
    }

    /// Saves, or swaps to nothing, if the thread is anywhere.
    pub(super) fn leave(&mut self, thread: &Thread) -> Fine {
        let Some(inside) = self.inside.take() else { return Ok(()) };
        let (call, left) = if self.rng.bool() {
            (OpKind::SaveThread, thread.save_thread().map(Some).map_err(CallError::from))
        } else {
            (OpKind::ThreadStateSwap, thread.thread_state_swap(None))
        };
        if self.explained(call, left, &[])?.flatten() != Some(inside.tstate) {
            return Err(Loss::Astray { call });
        }
        self.tally.add(Count::Left, inside.kind);
        self.look_around(thread, call)?;
        Ok(())
    }

    pub(super) fn poll(&mut self, thread: &Thread) -> Fine {
        let Some(kind) = self.inside.as_ref().map(|inside| inside.kind) else { return Ok(()) };
        let compute = if self.rng.u32(..COMPUTE_ONE_IN) == 0 { COMPUTE } else { 0 };
        for _ in 0..self.rng.u32(1..=POLLS) {
            (0..compute).for_each(|n| _ = black_box(n));
            self.explained(OpKind::EvalBreakerPoll, thread.eval_breaker_poll(), &[])?;
            self.tally.add(Count::Polls, kind);
            if self.look_around(thread, OpKind::EvalBreakerPoll)? {
                self.tally.add(Count::OnRequest, kind);
            }
        }
        Ok(())
    }

    fn clear_one(&mut self, thread: &Thread) -> Fine {
        let Some(Inside { tstate, interp, .. }) = self.inside.clone() else { return Ok(()) };
        let (me, mine) = (self.me, self.shared.ledger().interp(interp).is_some_and(|i| i.owner == self.me));
        let may = |k: &KnownTstate| k.holder.is_none() || k.holder == Some(me) || mine;
        let other = |k: &KnownTstate| k.interp == interp && k.tstate != tstate && !k.cleared && may(k);
        if let Some(known) = self.pick(other) {
            self.clear(thread, &known)?;
        }
        Ok(())
    }

    /// Clears a thread state of the interpreter that the thread is in.
    pub(super) fn clear(&mut self, thread: &Thread, known: &KnownTstate) -> Fine<bool> {
        let by = [Rule::Tls8, Rule::Tls10, Rule::Tls13, Rule::Gil12];
        let cleared = thread.thread_state_clear(known.tstate);
        let cleared = self.explained(OpKind::ThreadStateClear, cleared, &by)?.is_some();
        if cleared {
            let kind = self.kind_of(known.interp);
            self.tally.add(Count::Cleared, kind);
            self.shared.ledger().change(known.tstate, |known| known.cleared = true);
        }
        Ok(cleared)
    }

    fn delete_one(&mut self, thread: &Thread) -> Fine {
        match self.pick(|known| known.cleared) {
            Some(known) => self.delete(thread, &known),
            None => Ok(()),
        }
    }

    /// Deletes a thread state that was cleared.
    pub(super) fn delete(&mut self, thread: &Thread, known: &KnownTstate) -> Fine {
        let kind = self.kind_of(known.interp);
        if self.forgets(Forget::Tstate) {
            self.shared.ledger().remove(known.tstate);
            return Ok(());
        }
        let deleted = thread.thread_state_delete(known.tstate);
        if self.explained(OpKind::ThreadStateDelete, deleted, &[Rule::Gil12])?.is_some() {
            self.tally.add(Count::Deleted, kind);
            let maker = self.shared.ledger().remove(known.tstate);
            maker.into_iter().for_each(|maker| self.shared.earn(maker, 0, 1));
        }
        Ok(())
    }
}
