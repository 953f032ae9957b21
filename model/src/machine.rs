//! The engine: a move starts a call or takes a label; a grain says how many labels go
//! together.

use cloister_specs::text::{Expect, Grain};
use cloister_specs::{Calls, Fault, Move, Op, OpKind, Parking, Reply, Rule, Start, ThreadId, TstateId};

use crate::design::Design;
use crate::label::{Asked, Count, Label};
use crate::mutant::Mutant;
use crate::runtime::{DEPTH, Runtime, THREADS};
use crate::visible::fuses;

/// How a label ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The same procedure goes on there.
    Goto(Label),
    /// The second is called, and then the first is taken.
    Call(Label, Label),
    /// The procedure is over; its caller's label is taken next.
    Return,
    /// The operation answers.
    Answer(Reply),
    /// The process ends: it broke this rule.
    Died(Rule),
}

/// What a move led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The thread is inside its call, and can go on.
    Running,
    /// It waits inside its call.
    Parked(Parking),
    /// Its call answered.
    Replied(Reply),
    /// Its call was refused; nothing happened.
    Refused(Rule),
    /// The process is dead.
    Died(Rule),
}

impl Outcome {
    /// It as something that a run in the text form expects; `None` while the call goes on.
    pub const fn expectation(self) -> Option<Expect> {
        match self {
            Outcome::Running => None,
            Outcome::Parked(parking) => Some(Expect::Parked(parking)),
            Outcome::Replied(reply) => Some(Expect::Reply(reply)),
            Outcome::Refused(rule) => Some(Expect::Refused(rule)),
            Outcome::Died(rule) => Some(Expect::Died(rule)),
        }
    }
}

/// A move that is none: the thread cannot make it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadMove {
    /// There is no such thread.
    NoThread(ThreadId),
    /// It is inside a call, and cannot begin another.
    InsideACall(ThreadId),
    /// It is outside any call, and cannot go on with one.
    OutsideAnyCall(ThreadId),
    /// It waits for a signal that has not come.
    NotSignalled(ThreadId),
    /// It does not wait like this.
    NotWaiting(ThreadId),
    /// The slot is taken or does not exist.
    SlotTaken(TstateId),
    /// The process is dead.
    Dead(Rule),
    /// The OS thread has ended.
    Gone(ThreadId),
    /// The process was forked: that was the last move.
    Forked,
}

impl std::fmt::Display for BadMove {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadMove::NoThread(h) => write!(f, "there is no thread {h}: the model has {THREADS}"),
            BadMove::InsideACall(h) => {
                write!(f, "{h} is inside a call: let it go on with `step` or `expire` first")
            }
            BadMove::OutsideAnyCall(h) => write!(f, "{h} is outside any call: begin one first"),
            BadMove::NotSignalled(h) => {
                write!(f, "{h} waits and was not signalled: use `expire` or `spurious`")
            }
            BadMove::NotWaiting(h) => write!(f, "{h} does not wait like this: use `step`"),
            BadMove::SlotTaken(t) => write!(f, "slot {t} is taken or does not exist: choose a free one"),
            BadMove::Gone(h) => write!(f, "{h} has ended, and makes no more moves"),
            BadMove::Forked => f.write_str("the process was forked, which is the last move of a run"),
            BadMove::Dead(rule) => write!(f, "the process died of {rule} before this move"),
        }
    }
}

impl std::error::Error for BadMove {}

impl Runtime {
    /// Makes a move, in this grain, and says what it led to.
    ///
    /// # Errors
    /// The thread cannot make this move now; the state is untouched.
    pub fn apply(&mut self, d: &Design, grain: Grain, mv: &Move) -> Result<Outcome, BadMove> {
        self.possible(mv)?;
        let before = d.mutant.map(|_| *self);
        let (h, prefer) = (mv.thread(), mv.prefer());
        let mut outcome = match mv {
            Move::Start(start) => self.start(d, start),
            Move::Step { .. } | Move::Expire { .. } | Move::Spurious { .. } => {
                let expired = matches!(mv, Move::Expire { .. });
                self.advance(d, h, prefer, expired)
            }
        };
        while outcome == Outcome::Running && fuses(grain, d, &self.thread(h).top()) {
            outcome = self.advance(d, h, prefer, false);
        }
        if let (Some(mutant), Some(before)) = (d.mutant, before) {
            mutant.note(mv, &before, self);
        }
        Ok(outcome)
    }

    fn possible(&self, mv: &Move) -> Result<(), BadMove> {
        let h = mv.thread();
        if h.index() >= THREADS {
            return Err(BadMove::NoThread(h));
        }
        if let Some(rule) = self.dead {
            return Err(BadMove::Dead(rule));
        }
        if self.forked {
            return Err(BadMove::Forked);
        }
        if self.thread(h).gone {
            return Err(BadMove::Gone(h));
        }
        let top = self.thread(h).top();
        match (mv, top) {
            (Move::Start(s), Label::Idle) => match s.at {
                Some(t) if self.listed(t) || t.index() >= self.tstates.len() => Err(BadMove::SlotTaken(t)),
                Some(_) | None => Ok(()),
            },
            (Move::Start(_), _) => Err(BadMove::InsideACall(h)),
            (_, Label::Idle) => Err(BadMove::OutsideAnyCall(h)),
            (Move::Step { .. }, Label::Hung(_)) => Err(BadMove::NotSignalled(h)),
            (
                Move::Step { .. },
                Label::TakeWait { signalled, .. }
                | Label::DropWait { signalled, .. }
                | Label::FinishWait { signalled, .. }
                | Label::FinalWait { signalled, .. },
            ) => {
                if signalled {
                    Ok(())
                } else {
                    Err(BadMove::NotSignalled(h))
                }
            }
            (Move::Step { .. }, _) => Ok(()),
            (Move::Expire { .. }, Label::TakeWait { signalled: false, .. }) => Ok(()),
            (Move::Spurious { .. }, Label::DropWait { signalled: false, .. }) => Ok(()),
            (Move::Expire { .. } | Move::Spurious { .. }, _) => Err(BadMove::NotWaiting(h)),
        }
    }

    /// Begins a call and takes its first label.
    fn start(&mut self, d: &Design, start: &Start) -> Outcome {
        let h = start.thread;
        match self.check(d, h, &start.op) {
            Err(rule) if d.mutant != Some(Mutant::DropGuard(rule)) => return Outcome::Refused(rule),
            Err(_) | Ok(()) => {}
        }
        let entry = self.own_current(d, h);
        if entry.is_some_and(|t| !self.listed(t)) && looks_at_current(&start.op) {
            self.dead = Some(Rule::Gil12);
            return Outcome::Died(Rule::Gil12);
        }
        let thread = self.thread_mut(h);
        thread.entry = entry;
        thread.entry_gilstate = thread.gilstate;
        let flow = match start.op {
            Op::NewInterpreterFromConfig { config, fault } => {
                self.new_interpreter(d, h, config, fault, start.at, false)
            }
            Op::NewInterpreter { fault } => self.new_legacy_interpreter(d, h, fault, start.at),
            Op::EndInterpreter(t) => self.end_interpreter(t),
            Op::ThreadStateNew(i) => self.new_in(d, i, start.at),
            Op::ThreadStateBind(t) => self.bind(h, t),
            Op::ThreadStateSwap(new) => self.swap(d, h, new),
            Op::ThreadStateClear(t) => self.clear(t),
            Op::ThreadStateDelete(t) => self.delete(d, h, t),
            Op::SaveThread => self.save_thread(d, h),
            Op::RestoreThread(t) => Flow::Call(Label::RestoreAttach(t), Label::TakeLock(t)),
            Op::EvalBreakerPoll => self.poll(d, h),
            Op::ThreadStateDeleteCurrent => self.delete_current(d, h),
            Op::AcquireThread(t) => Flow::Call(Label::AcquireAttach(t), Label::TakeLock(t)),
            Op::ReleaseThread(t) => self.release_thread(t),
            Op::GilStateEnsure { interp, fails } => self.ensure(d, h, interp, fails, start.at),
            Op::GilStateRelease(state) => self.release(h, state),
            Op::GilStateCheck => self.gilstate_check(d, h),
            Op::AddPendingCall { interp, call } => self.add_pending(d, h, interp, call),
            Op::MakePendingCalls => self.make_pending_calls(d, h),
            Op::Initialize => self.initialize_again(d, h, start.at),
            Op::Finalize => self.finalize(d, h),
            Op::StartThread { daemon, fails } => self.start_thread(d, h, daemon, fails, start.at),
            Op::RunThread(t) => self.run_thread(h, t),
            Op::ThreadStateDeleteExcept(t) => self.delete_except(d, h, t),
            Op::InterpreterLookUpId(id) => self.look_up(id),
            Op::InterpreterRequireIdRef { interp, required } => self.require_idref(interp, required),
            Op::InterpreterIdIncref(i) => self.id_incref(i),
            Op::InterpreterIdDecref(i) => self.id_decref(d, h, i),
            Op::SetRunningMain => self.set_running(d, h),
            Op::SetNotRunningMain => self.set_not_running(d, h),
            Op::DestroyInterpreter(i) => self.destroy(d, h, i),
            Op::Fork => self.fork(d, h),
            Op::Exec => self.exec(d, h),
            Op::Malloc { domain, size, fails } => self.malloc(d, h, OpKind::Malloc, domain, size, fails),
            Op::Calloc { domain, size, fails } => self.malloc(d, h, OpKind::Calloc, domain, size, fails),
            Op::Realloc { domain, block, size, fails } => self.realloc(d, h, domain, block, size, fails),
            Op::Free { domain, block } => self.free(d, h, domain, block),
            Op::AllocatedBlocks(i) => Flow::Answer(Reply::Count(self.blocks_of(i))),
            Op::GlobalAllocatedBlocks => Flow::Answer(Reply::Count(self.all_blocks(d))),
            Op::ObjectNew { fails } => self.object_new(d, h, fails),
            Op::SetRefCnt { object, count } => self.set_refcnt(d, object, count),
            Op::IncRef { object, client } => self.count(d, h, Count { object, up: true, client }),
            Op::DecRef { object, client } => self.count(d, h, Count { object, up: false, client }),
            Op::SetImmortal(object) => self.set_immortal(d, object),
            Op::ClearImmortal(object) => self.clear_immortal(d, h, object),
            Op::PassRef { object, to } => self.pass_ref(d, h, object, to),
            Op::RefTotal(i) => Flow::Answer(Reply::Count(self.refs_of(i))),
            Op::GlobalRefTotal => Flow::Answer(Reply::Count(self.all_refs())),
        };
        self.settle(h, 0, flow)
    }

    /// Takes the next label of the call that this thread is in.
    fn advance(&mut self, d: &Design, h: ThreadId, prefer: ThreadId, expired: bool) -> Outcome {
        let depth = self.thread(h).depth();
        let label = self.thread(h).top();
        let flow = match d.mutant {
            Some(Mutant::SkipEffect(name)) if label.name() == name => {
                let mut shadow = *self;
                shadow.label(d, h, prefer, expired, label)
            }
            Some(Mutant::AnswerAt(name)) if label.name() == name => Flow::Answer(Reply::Done),
            Some(Mutant::LoseSignals(parking)) => {
                let before = *self;
                let flow = self.label(d, h, prefer, expired, label);
                self.lose_signals(&before, parking);
                flow
            }
            Some(
                Mutant::SkipEffect(_)
                | Mutant::AnswerAt(_)
                | Mutant::DropGuard(_)
                | Mutant::Forget(_)
                | Mutant::Slip(_),
            )
            | None => self.label(d, h, prefer, expired, label),
        };
        self.settle(h, depth, flow)
    }

    /// Puts the outcome of the label at this depth (counted from 1; 0: none yet) on the stack.
    fn settle(&mut self, h: ThreadId, depth: usize, flow: Flow) -> Outcome {
        let slot = depth.saturating_sub(1);
        let thread = self.thread_mut(h);
        match flow {
            Flow::Goto(label) => thread.stack[slot] = label,
            Flow::Call(then, callee) => {
                debug_assert!(slot + 1 < DEPTH);
                thread.stack[slot] = then;
                thread.stack[(slot + 1).min(DEPTH - 1)] = callee;
            }
            Flow::Return => {
                thread.stack[slot] = Label::Idle;
                if slot == 0 {
                    return self.answer(h, Reply::Done);
                }
            }
            Flow::Answer(reply) => return self.answer(h, reply),
            Flow::Died(rule) => {
                self.dead = Some(rule);
                return Outcome::Died(rule);
            }
        }
        match self.thread(h).top().parking() {
            Some(parking) => Outcome::Parked(parking),
            None => Outcome::Running,
        }
    }

    fn answer(&mut self, h: ThreadId, reply: Reply) -> Outcome {
        let thread = self.thread_mut(h);
        thread.stack = [Label::Idle; DEPTH];
        thread.entry = None;
        thread.entry_gilstate = None;
        thread.ran = Calls::NONE;
        thread.ran_failed = false;
        self.wake_final();
        Outcome::Replied(reply)
    }

    /// Wakes one thread that waits so and was not woken yet: the preferred one, else the lowest.
    pub(crate) fn signal(&mut self, prefer: ThreadId, waits: impl Fn(&Label) -> bool) {
        let waiting = |r: &Runtime, h: ThreadId| waits(&r.thread(h).top());
        let first = Runtime::thread_ids().find(|h| waiting(self, *h));
        let woken = if prefer.index() < THREADS && waiting(self, prefer) { Some(prefer) } else { first };
        if let Some(h) = woken {
            let depth = self.thread(h).depth();
            if let Label::TakeWait { signalled, .. }
            | Label::DropWait { signalled, .. }
            | Label::FinishWait { signalled, .. } = &mut self.thread_mut(h).stack[depth.saturating_sub(1)]
            {
                *signalled = true;
            }
        }
    }

    fn lose_signals(&mut self, before: &Runtime, parking: Parking) {
        for (now, then) in self.threads.iter_mut().zip(before.threads) {
            if now.depth() == then.depth() && now.depth() > 0 && then.top().parking() == Some(parking) {
                now.stack[now.depth() - 1] = then.top();
            }
        }
    }

    /// Would going on change anything for this thread? And by which move?
    pub fn next_move(&self, d: &Design, h: ThreadId, prefer: ThreadId) -> Option<Move> {
        match self.thread(h).top() {
            Label::Idle | Label::Hung(_) => None,
            Label::FinishWait { signalled: false, .. } | Label::FinalWait { signalled: false, .. } => None,
            Label::TakeWait { signalled: false, tstate, gil, asked } => {
                let changes = !self.listed(tstate)
                    || self.must_leave(tstate)
                    || !self.gils[gil.index()].locked
                    || match asked {
                        Asked::No | Asked::Switched => true,
                        Asked::Yes => !self.request_seen_in(d, self.tstate(tstate).interp),
                    };
                changes.then_some(Move::Expire { thread: h, prefer })
            }
            Label::DropWait { signalled: false, .. } => None,
            _ => Some(Move::Step { thread: h, prefer }),
        }
    }

    /// Does this creation fail here?
    pub(crate) fn strikes(fault: Option<Fault>, here: Fault) -> bool {
        fault == Some(here)
    }
}

/// Does this call look at the thread state that is current, before anything else?
const fn looks_at_current(op: &Op) -> bool {
    !matches!(
        op,
        Op::ThreadStateNew(_)
            | Op::ThreadStateBind(_)
            | Op::GilStateCheck
            | Op::AddPendingCall { .. }
            | Op::Initialize
            | Op::InterpreterLookUpId(_)
            | Op::InterpreterRequireIdRef { .. }
            | Op::InterpreterIdIncref(_)
    )
}
