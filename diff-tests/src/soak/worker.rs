//! A thread of the soak: its rounds, and what it does between two of them.

mod ids;
mod leaving;
mod memory;
mod others;
mod steps;
mod wrong;

use super::forget::{lose_memory, lose_runtime};
use super::gate::Abandoned;
use super::ledger::{Book, KnownTstate};
use super::shared::{INTERPS, Left, Shared, TSTATES};
use super::{Count, Forget, Loss, Tally, WARM_UP};
use cloister::{CallError, Interp, Thread, Tstate};
use cloister_specs::{GilKind, OpKind, Refusal, Rule, StatusBits};
use fastrand::Rng;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// In the place of a step, so often a thread leaves the runtime and comes back.
const REATTACH_ONE_IN: u32 = 2_000;

/// A thread of the soak.
pub(super) struct Worker {
    shared: Arc<Shared>,
    me: usize,
    rng: Rng,
    round: u64,
    tally: Tally,
    inside: Option<Inside>,
    /// The id of the last interpreter that it created.
    last_id: i64,
    /// Names of what is gone.
    stale: Option<(Interp, Tstate)>,
    /// What is to be lost on purpose.
    forget: Option<Forget>,
}

/// Where the thread is: its current thread state.
#[derive(Clone)]
struct Inside {
    tstate: Tstate,
    interp: Interp,
    kind: GilKind,
    book: Arc<Book>,
}

/// An answer that is what it has to be.
type Fine<T = ()> = Result<T, Loss>;

impl Worker {
    pub fn new(shared: Arc<Shared>, me: usize, rng: Rng) -> Self {
        let forget = shared.plan.forget.filter(|_| me == 0);
        let (tally, inside, stale) = (Tally::default(), None, None);
        Worker { shared, me, rng, round: 0, tally, inside, last_id: 0, stale, forget }
    }

    /// From the first round to the end of the soak.
    pub fn live(mut self) {
        // Whoever gave up the soak has told why.
        let _: Result<(), Abandoned> = self.rounds();
    }

    fn pass(&self) -> Result<(), Abandoned> {
        self.shared.gate.pass(self.me, None)
    }

    fn rounds(&mut self) -> Result<(), Abandoned> {
        let mut thread = self.shared.runtime.attach().ok();
        if thread.is_none() {
            self.lose(Loss::NoMemory);
        }
        loop {
            let mut done = Ok(());
            if let Some(attached) = thread.take() {
                (thread, done) = self.work(attached);
            }
            let left = thread.as_ref().map_or(Ok(()), |thread| self.leave(thread));
            for result in [done, left] {
                result.unwrap_or_else(|loss| self.lose(loss));
            }
            self.pass()?;
            self.pass()?;
            let stood = thread.as_ref().map_or(Ok(None), |thread| self.stand(thread));
            let standing = stood.unwrap_or_else(|loss| {
                self.lose(loss);
                None
            });
            self.report(standing);
            self.pass()?;
            self.pass()?;
            self.round += 1;
            if self.shared.stop.load(Ordering::Acquire) {
                break;
            }
        }
        if let Some(thread) = thread {
            let left = self.leave(&thread);
            self.pass()?;
            let ended = left.and_then(|()| self.end_all(&thread)).and_then(|()| self.leave(&thread));
            ended.unwrap_or_else(|loss| self.lose(loss));
            drop(thread);
            self.report(None);
            self.pass()?;
        }
        Ok(())
    }

    fn lose(&mut self, loss: Loss) {
        self.shared.left(self.me).losses.push(loss);
    }

    fn report(&mut self, standing: Option<Tstate>) {
        let losses = std::mem::take(&mut self.shared.left(self.me).losses);
        *self.shared.left(self.me) = Left { tally: self.tally.clone(), losses, standing };
    }

    /// A round. It ends early if something is lost.
    fn work(&mut self, mut thread: Thread) -> (Option<Thread>, Fine) {
        if self.round == 0 {
            let filled = self.fill(&thread);
            return (Some(thread), filled);
        }
        if self.round == 1
            && let Err(loss) = self.end_some(&thread)
        {
            return (Some(thread), Err(loss));
        }
        if self.forgets(Forget::Runtime) {
            lose_runtime();
        }
        for _ in 0..self.shared.plan.steps {
            let step = if self.rng.u32(..REATTACH_ONE_IN) == 0 {
                match self.reattach(thread) {
                    Ok((attached, settled)) => {
                        thread = attached;
                        settled
                    }
                    Err(loss) => return (None, Err(loss)),
                }
            } else {
                self.step(&thread)
            };
            if step.is_err() {
                return (Some(thread), step);
            }
        }
        (Some(thread), Ok(()))
    }

    /// As much as this thread may ever have.
    fn fill(&mut self, thread: &Thread) -> Fine {
        for n in 0..INTERPS {
            let kind = if n % 2 == 0 { GilKind::Own } else { GilKind::Shared };
            self.create(thread, kind)?;
        }
        let mine = self.shared.ledger().owned_by(self.me);
        for n in INTERPS..TSTATES {
            let tstate = self.expect_made(thread, mine[n % mine.len()])?;
            self.publish(tstate, mine[n % mine.len()], None);
        }
        self.start_first(thread)
    }

    /// Takes a GIL to the checkpoint: every other thread that of an interpreter of its own,
    /// and one, each in its turn, the GIL that is shared.
    fn stand(&mut self, thread: &Thread) -> Fine<Option<Tstate>> {
        let threads = self.shared.plan.threads as u64;
        let kind = match (self.round + self.me as u64) % threads {
            0 => GilKind::Shared,
            turn if turn % 2 == 1 => GilKind::Own,
            _ => return Ok(None),
        };
        let entrance = {
            let ledger = self.shared.ledger();
            let mine = |k: &&KnownTstate| {
                let interp = ledger.interp(k.interp);
                k.holder == Some(self.me)
                    && !k.cleared
                    && interp
                        .is_some_and(|i| i.kind() == kind && (kind == GilKind::Shared || i.owner == self.me))
            };
            ledger.tstates.iter().find(mine).copied()
        };
        let Some(known) = entrance else { return Ok(None) };
        if !self.enter(thread, known.tstate, known.interp)? {
            return Err(Loss::Astray { call: OpKind::RestoreThread });
        }
        if self.forgets(Forget::Gil) {
            return Ok(None);
        }
        Ok(Some(known.tstate))
    }

    /// Is this to be lost now? Once, but for memory.
    fn forgets(&mut self, what: Forget) -> bool {
        let now = self.forget == Some(what) && self.round > WARM_UP;
        if now && what != Forget::Memory {
            self.forget = None;
        }
        now
    }

    /// An answer that is good, or a refusal by one of these rules, which another thread's
    /// calls explain.
    fn explained<T>(
        &mut self,
        call: OpKind,
        answer: Result<T, impl Into<CallError>>,
        by: &[Rule],
    ) -> Fine<Option<T>> {
        match answer.map_err(Into::into) {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Refused(Refusal { rule })) if by.contains(&rule) => {
                self.tally.refuse(rule);
                Ok(None)
            }
            Err(error) => Err(Loss::of(call, error)),
        }
    }

    /// Is the thread where it thinks it is? If it holds a GIL, it signs the book of it.
    fn look_around(&mut self, thread: &Thread, call: OpKind) -> Fine<bool> {
        let Some(inside) = &self.inside else {
            return if thread.current().is_none() { Ok(false) } else { Err(Loss::Astray { call }) };
        };
        let bits = StatusBits::ACTIVE | StatusBits::BOUND | StatusBits::BOUND_GILSTATE;
        let dead = StatusBits::CLEARED | StatusBits::FINALIZING;
        let status = thread.status(inside.tstate).unwrap_or_default();
        let here = thread.current() == Some(inside.tstate) && thread.gilstate() == Some(inside.tstate);
        if !here || !status.contains(bits) || status.intersects(dead) {
            return Err(Loss::Astray { call });
        }
        let another = inside.book.sign(self.me);
        if another {
            self.tally.add(Count::HandOvers, inside.kind);
        }
        Ok(another)
    }

    fn forget_memory(&mut self) {
        if self.forgets(Forget::Memory) {
            lose_memory();
        }
    }
}
