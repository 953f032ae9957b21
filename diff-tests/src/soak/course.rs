//! A soak from its beginning to its end, as the thread sees it that compares.

use super::accounts::{self, Standing};
use super::gate::Abandoned;
use super::ledger::{Book, KnownInterp, KnownTstate, Ledger, NOBODY};
use super::shared::Shared;
use super::worker::Worker;
use super::{Loss, MOST_THREADS, Memory, Outcome, Plan, SoakError, Tally, WARM_UP};
use cloister::{CallError, PoolSizes, Runtime, Settings, Snapshot, Thread, Tstate};
use cloister_specs::{InterpreterConfig, OpKind, Refusal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// So long a round may take before its threads are given up. One takes less than a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs until `go_on` says no, which is asked at each checkpoint, or something is lost.
///
/// If something was lost nobody waits for the threads: they end by themselves, or stand still.
///
/// # Errors
///
/// The soak could not begin.
pub fn run(plan: &Plan, go_on: &mut dyn FnMut(&Outcome) -> bool) -> Result<Outcome, SoakError> {
    let plan = Plan { threads: plan.threads.clamp(1, MOST_THREADS), ..*plan };
    let settings = Settings::default().with_switch_interval(plan.switch_interval);
    let (runtime, thread) = Runtime::start(settings)?;
    let main = runtime.main().ok_or(SoakError::NoMain)?;
    let first = thread.save_thread()?;
    let book = Book::new(NOBODY);
    let mut ledger = Ledger { ids: 1, ..Ledger::default() };
    ledger.interps.push(KnownInterp {
        interp: main,
        id: 0,
        config: InterpreterConfig::MAIN,
        owner: NOBODY,
        closing: false,
        book: Arc::clone(&book),
        calls: Arc::default(),
    });
    ledger.tstates.push(KnownTstate {
        tstate: first,
        interp: main,
        maker: NOBODY,
        bound: Some(thread.serial()),
        holder: Some(NOBODY),
        cleared: false,
    });
    let shared = Arc::new(Shared::new(plan, runtime, book, ledger));
    let mut rng = fastrand::Rng::with_seed(plan.seed);
    let mut handles = Vec::new();
    for me in 0..plan.threads {
        let (worker, theirs) = (Worker::new(Arc::clone(&shared), me, rng.fork()), thread::Builder::new());
        match theirs.name(format!("soak {me}")).spawn(move || worker.live()) {
            Ok(handle) => handles.push(handle),
            Err(error) => {
                shared.gate.abandon();
                return Err(error.into());
            }
        }
    }
    let mut course = Course::new(&shared, &thread, first);
    let outcome = course.through(go_on);
    if outcome.losses.is_empty() {
        for handle in handles {
            let _ = handle.join();
        }
    } else {
        shared.gate.abandon();
    }
    Ok(outcome)
}

struct Course<'a> {
    shared: &'a Shared,
    thread: &'a Thread,
    first: Tstate,
    snapshot: Snapshot,
    outcome: Outcome,
}

impl<'a> Course<'a> {
    fn new(shared: &'a Shared, thread: &'a Thread, first: Tstate) -> Self {
        let outcome = Outcome {
            rounds: 0,
            tally: Tally::default(),
            full: PoolSizes::now(),
            pools: PoolSizes::now(),
            memory: Memory::now(),
            losses: Vec::new(),
        };
        Course { shared, thread, first, snapshot: Snapshot::default(), outcome }
    }

    fn through(&mut self, go_on: &mut dyn FnMut(&Outcome) -> bool) -> Outcome {
        let ended = self.rounds(go_on).and_then(|()| if self.lost() { Ok(()) } else { self.wind_down() });
        if let Err(Abandoned(threads)) = ended {
            self.outcome.losses.push(Loss::Stuck { threads });
        }
        self.outcome.clone()
    }

    fn lost(&self) -> bool {
        !self.outcome.losses.is_empty()
    }

    fn pass(&self) -> Result<(), Abandoned> {
        self.shared.gate.pass(self.shared.plan.threads, Some(PATIENCE))
    }

    fn rounds(&mut self, go_on: &mut dyn FnMut(&Outcome) -> bool) -> Result<(), Abandoned> {
        loop {
            // All are detached, and wait.
            self.pass()?;
            if let Err(loss) = self.probe() {
                self.outcome.losses.push(loss);
            }
            // They take their stand.
            self.pass()?;
            self.pass()?;
            self.checkpoint();
            let stop = self.lost() || !go_on(&self.outcome);
            self.shared.stop.store(stop, Ordering::Release);
            self.pass()?;
            if stop {
                return Ok(());
            }
        }
    }

    /// Creates an interpreter and ends it: by its id it tells how many there have been.
    fn probe(&mut self) -> Result<(), Loss> {
        let refused = |call| move |error: CallError| Loss::of(call, error);
        self.run_calls()?;
        let made = self.thread.new_interpreter_from_config(&InterpreterConfig::LEGACY);
        let (interp, tstate) = made.map_err(|error| Loss::Creation { got: Some(error), expected: None })?;
        let got = interp.id().unwrap_or(-1);
        if self.outcome.rounds == 0 {
            self.outcome.full = PoolSizes::now();
        }
        self.thread.end_interpreter(tstate).map_err(refused(OpKind::EndInterpreter))?;
        let mut ledger = self.shared.ledger();
        let expected = ledger.ids;
        ledger.ids += 1;
        if got == expected { Ok(()) } else { Err(Loss::Id { got, expected }) }
    }

    /// Runs what is pending in the main interpreter and for the main thread, and counts memory.
    fn run_calls(&self) -> Result<(), Loss> {
        let lost = |call| move |refusal: Refusal| Loss::of(call, refusal.into());
        let restored = self.thread.restore_thread(self.first);
        restored.map_err(|error| Loss::of(OpKind::RestoreThread, error))?;
        loop {
            let ran = self.thread.make_pending_calls().map_err(lost(OpKind::MakePendingCalls))?;
            if ran.calls == 0 {
                break;
            }
        }
        let counted = self.count_memory();
        self.thread.save_thread().map_err(lost(OpKind::SaveThread))?;
        counted
    }

    /// Counts all blocks and all references; nobody else holds a GIL.
    fn count_memory(&self) -> Result<(), Loss> {
        let lost = |call| move |refusal: Refusal| Loss::of(call, refusal.into());
        let blocks = self.thread.global_allocated_blocks().map_err(lost(OpKind::GlobalAllocatedBlocks))?;
        let refs = self.thread.global_ref_total().map_err(lost(OpKind::GlobalRefTotal))?;
        let (live, taken) = {
            let holdings = &self.shared.ledger().holdings;
            (holdings.live, holdings.refs)
        };
        if blocks != live {
            return Err(Loss::Blocks { counted: blocks, expected: live });
        }
        if refs != taken {
            return Err(Loss::References { counted: refs, expected: taken });
        }
        Ok(())
    }

    fn checkpoint(&mut self) {
        let outcome = &mut self.outcome;
        let mut current = Vec::new();
        outcome.tally = Tally::default();
        for me in 0..self.shared.plan.threads {
            let mut left = self.shared.left(me);
            outcome.tally += &left.tally;
            outcome.losses.append(&mut left.losses);
            current.extend(left.standing);
        }
        self.account(&current, self.shared.plan.threads + 1);
        let outcome = &mut self.outcome;
        if let Some(memory) = &mut outcome.memory {
            let warm = outcome.rounds > WARM_UP;
            memory.look(warm);
            if warm && !memory.is_flat() {
                outcome.losses.push(Loss::MemoryGrew { before: memory.warm, after: memory.last });
            }
        }
        outcome.rounds += 1;
    }

    fn account(&mut self, current: &[Tstate], threads: usize) {
        let mut ledger = self.shared.ledger();
        self.shared.runtime.snapshot_into(&mut self.snapshot);
        let outcome = &mut self.outcome;
        outcome.pools = PoolSizes::now();
        let standing = Standing { current, threads };
        outcome.losses.extend(accounts::compare(&ledger, &standing, &self.snapshot));
        ledger.ended.clear();
        outcome.losses.extend(accounts::pools(&outcome.full, &outcome.pools, &self.snapshot));
    }

    /// All threads end what they have and leave; what is left in the main interpreter is
    /// deleted here.
    fn wind_down(&mut self) -> Result<(), Abandoned> {
        // All are detached.
        self.pass()?;
        // All have ended their interpreters, and left.
        self.pass()?;
        self.outcome.tally = Tally::default();
        for me in 0..self.shared.plan.threads {
            let mut left = self.shared.left(me);
            self.outcome.tally += &left.tally;
            self.outcome.losses.append(&mut left.losses);
        }
        if let Err(loss) = self.run_calls().and_then(|()| self.sweep()) {
            self.outcome.losses.push(loss);
        }
        self.account(&[], 1);
        let left = self.shared.ledger().interps.iter().filter(|known| known.id != 0).count();
        if left > 0 && !self.lost() {
            self.outcome.losses.push(Loss::Astray { call: OpKind::EndInterpreter });
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), Loss> {
        let lost = |call| move |error: CallError| Loss::of(call, error);
        let refused = |call| move |refusal: Refusal| Loss::of(call, refusal.into());
        self.thread.restore_thread(self.first).map_err(lost(OpKind::RestoreThread))?;
        let tstates = self.shared.ledger().tstates.clone();
        for known in tstates.iter().filter(|known| known.tstate != self.first) {
            if !known.cleared {
                let clear = self.thread.thread_state_clear(known.tstate);
                clear.map_err(refused(OpKind::ThreadStateClear))?;
            }
            let delete = self.thread.thread_state_delete(known.tstate);
            delete.map_err(refused(OpKind::ThreadStateDelete))?;
            self.shared.ledger().remove(known.tstate);
        }
        self.thread.save_thread().map_err(refused(OpKind::SaveThread))?;
        Ok(())
    }
}
