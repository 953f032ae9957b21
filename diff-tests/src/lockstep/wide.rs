//! Lockstep of heaps: a model with 64 slots for blocks and 64 for objects, and one thread that
//! works in up to three interpreters. Replies are compared call by call; the counts of all heaps,
//! the totals and the whole state after every so many moves.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use cloister_specs::{InterpId, InterpreterConfig, MAIN, Move, Op, OpKind, Start, ThreadId};
use cloister_wide::{Design, Grain, INTERPS, Outcome, Runtime, TSTATES};
use fastrand::Rng;

use super::compare::{Difference, same_event, same_observation};
use super::generate::Draw;
use super::run::Divergence;
use super::tally::Tally;
use crate::subject::{Event, Subject, SubjectError};

/// How much is run.
#[derive(Clone, Copy, Debug)]
pub struct WidePlan {
    /// The first run's seed; each next run has the next one.
    pub seed: u64,
    /// Runs.
    pub runs: u64,
    /// Moves in a run.
    pub length: u32,
    /// The whole is compared after every so many moves.
    pub observe_every: u32,
}

impl WidePlan {
    /// These runs, from this seed on.
    pub const fn new(seed: u64, runs: u64) -> WidePlan {
        WidePlan { seed, runs, length: 2_000, observe_every: 100 }
    }
}

/// So many blocks and objects have to have been live at a time, or little was compared.
pub const MANY: (usize, usize) = (48, 60);

/// What was found.
#[derive(Clone, Debug)]
pub struct Wide {
    /// What was done.
    pub tally: Tally,
    /// The most blocks and objects that were live at a time.
    pub most: (usize, usize),
    /// Where they part.
    pub divergence: Option<Divergence>,
}

const T0: ThreadId = ThreadId(0);
const DESIGN: Design = Design::CLOISTER;

/// How often each kind of call is tried.
const WEIGHTS: [(OpKind, u32); 19] = [
    (OpKind::Malloc, 60),
    (OpKind::Calloc, 20),
    (OpKind::Realloc, 40),
    (OpKind::Free, 60),
    (OpKind::AllocatedBlocks, 10),
    (OpKind::GlobalAllocatedBlocks, 5),
    (OpKind::ObjectNew, 60),
    (OpKind::SetRefCnt, 10),
    (OpKind::IncRef, 60),
    (OpKind::DecRef, 90),
    (OpKind::SetImmortal, 3),
    (OpKind::ClearImmortal, 10),
    (OpKind::PassRef, 10),
    (OpKind::RefTotal, 10),
    (OpKind::GlobalRefTotal, 5),
    (OpKind::NewInterpreterFromConfig, 3),
    (OpKind::EndInterpreter, 1),
    (OpKind::ThreadStateSwap, 12),
    (OpKind::RestoreThread, 40),
];

/// One run.
struct One<'a> {
    model: Runtime,
    subject: &'a mut dyn Subject,
    tally: &'a mut Tally,
    moves: Vec<Move>,
}

impl Wide {
    /// What is wrong with it, if anything: they part, or too little happened.
    pub fn unsound(&self, floor: u64) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some(found) = &self.divergence {
            let moves: Vec<_> = found.moves.iter().map(ToString::to_string).collect();
            wrong.push(format!(
                "heaps diverge (seed {})\n{}\n{}",
                found.seed,
                moves.join("\n"),
                found.difference
            ));
        } else if self.most.0 < MANY.0 || self.most.1 < MANY.1 {
            wrong
                .push(format!("only {} blocks and {} objects were live at a time", self.most.0, self.most.1));
        }
        let starved = self.tally.starved(floor);
        let tried = |kind: &&OpKind| WEIGHTS.iter().any(|(k, _)| k == *kind);
        wrong.extend(
            starved
                .iter()
                .filter(tried)
                .map(|kind| format!("heaps: {} is accepted in less than {floor} % of its uses", kind.name())),
        );
        wrong
    }
}

impl std::fmt::Display for Wide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Wide { tally, most: (blocks, objects), .. } = self;
        write!(
            f,
            "heaps of up to {blocks} blocks and {objects} objects: {} runs, {} moves compared, {} of them refused, {:.0} moves/s",
            tally.runs,
            tally.ops,
            tally.all_refused(),
            tally.rate()
        )
    }
}

impl One<'_> {
    /// Tells one move to both, notes it, and compares.
    fn step(&mut self, mv: &Move) -> Result<Option<Difference>, SubjectError> {
        self.moves.push(*mv);
        self.tell(mv)
    }

    fn tell(&mut self, mv: &Move) -> Result<Option<Difference>, SubjectError> {
        let lost = |e: cloister_wide::BadMove| SubjectError { subject: "wide model", reason: e.to_string() };
        let outcome = self.model.apply(&DESIGN, Grain::Atomic, mv).map_err(lost)?;
        let expected = match outcome {
            Outcome::Replied(reply) => Event::Replied { reply, view: self.model.thread_view(&DESIGN, T0) },
            Outcome::Refused(rule) => Event::Refused(rule),
            Outcome::Running => Event::Running,
            Outcome::Parked(parking) => Event::Parked(parking),
            Outcome::Died(rule) => Event::Died(rule.id().into()),
        };
        self.tally.ops += 1;
        if let Move::Start(start) = mv {
            let refused = matches!(expected, Event::Refused(_));
            let counts = if refused { &mut self.tally.refused } else { &mut self.tally.accepted };
            counts[start.op.kind().index()] += 1;
        }
        let got = self.subject.apply(mv)?;
        let different = same_event(&expected, &got).err();
        match different {
            None => self.tally.agreed += 1,
            Some(_) => self.tally.diverged += 1,
        }
        Ok(different)
    }

    /// The counts of every heap, the totals, and everything that can be seen.
    fn whole(&mut self) -> Result<Option<Difference>, SubjectError> {
        let each = (0..INTERPS as u8).map(InterpId);
        let asked = each.flat_map(|i| [Op::AllocatedBlocks(i), Op::RefTotal(i)]);
        for op in asked.chain([Op::GlobalAllocatedBlocks, Op::GlobalRefTotal]) {
            if self.model.check(&DESIGN, T0, &op).is_ok()
                && let Some(different) = self.tell(&start(op, None))?
            {
                self.moves.push(start(op, None));
                return Ok(Some(different));
            }
        }
        self.tally.observed += 1;
        let (expected, got) = (self.model.observe(&DESIGN, 1), self.subject.observe()?);
        Ok(same_observation(&expected, &got, self.subject.shows()).err())
    }
}

fn start(op: Op, at: Option<cloister_specs::TstateId>) -> Move {
    Move::Start(Start { thread: T0, op, at, prefer: T0 })
}

fn draw(rng: &mut Rng, r: &Runtime) -> Option<Move> {
    let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    for _ in 0..64 {
        let mut left = rng.u32(0..total);
        let kind = WEIGHTS.iter().find_map(|(kind, weight)| match left.checked_sub(*weight) {
            Some(rest) => {
                left = rest;
                None
            }
            None => Some(*kind),
        });
        let tstate = cloister_specs::TstateId(rng.u8(0..TSTATES as u8));
        let current = r.thread(T0).current;
        let fails = rng.u8(0..16) == 0;
        let op = match kind? {
            OpKind::NewInterpreterFromConfig => {
                let config = if rng.bool() { InterpreterConfig::ISOLATED } else { InterpreterConfig::LEGACY };
                Op::NewInterpreterFromConfig { config, fault: None }
            }
            OpKind::EndInterpreter => Op::EndInterpreter(current.unwrap_or(tstate)),
            OpKind::ThreadStateSwap => Op::ThreadStateSwap(Some(tstate)),
            OpKind::RestoreThread if current.is_some() => continue,
            OpKind::RestoreThread => Op::RestoreThread(tstate),
            kind => {
                let here = current.map_or(MAIN, |t| r.tstate(t).interp);
                let here = r.heap_of(&DESIGN, here);
                Draw { rng, model: r, here, interps: INTERPS as u8 }.call(kind, fails)
            }
        };
        let at = op.makes_tstate().then(|| r.free_tstate().filter(|t| !r.named(*t))).flatten();
        if !r.has_room(T0, &op) || (op.makes_tstate() && at.is_none()) {
            continue;
        }
        if r.check(&DESIGN, T0, &op).is_ok() || rng.u8(0..16) == 0 {
            return Some(start(op, at));
        }
    }
    None
}

/// Makes the runs of a plan, until one diverges or `stop` is set.
///
/// # Errors
/// The subject was lost.
pub fn wide(
    subject: &mut dyn Subject,
    plan: &WidePlan,
    stop: &AtomicBool,
    each: &mut dyn FnMut(u64),
) -> Result<Wide, SubjectError> {
    let begin = Instant::now();
    let mut found = Wide { tally: Tally::default(), most: (0, 0), divergence: None };
    for k in 0..plan.runs {
        if stop.load(Relaxed) || found.divergence.is_some() {
            break;
        }
        let seed = plan.seed.wrapping_add(k);
        let mut rng = Rng::with_seed(seed);
        subject.reset(1)?;
        let mut one = One {
            model: Runtime::new(&DESIGN),
            subject: &mut *subject,
            tally: &mut found.tally,
            moves: Vec::with_capacity(plan.length as usize),
        };
        let mut different = None;
        for n in 1..=plan.length {
            let Some(mv) = draw(&mut rng, &one.model) else { break };
            different = one.step(&mv)?;
            if different.is_none() && n % plan.observe_every == 0 {
                different = one.whole()?;
            }
            let blocks = one.model.blocks.iter().filter(|b| b.live).count();
            let objects = one.model.objects.iter().filter(|o| o.live).count();
            found.most = (found.most.0.max(blocks), found.most.1.max(objects));
            if different.is_some() {
                break;
            }
        }
        let moves = one.moves;
        found.divergence = different.map(|difference| Divergence { seed, moves, difference });
        found.tally.runs += 1;
        each(1);
    }
    found.tally.time = begin.elapsed();
    if let Some(long) = found.divergence.take() {
        found.divergence = Some(shorten(subject, long)?);
    }
    Ok(found)
}

/// A shorter run that parts as well: whole calls are left out as long as it does.
fn shorten(subject: &mut dyn Subject, found: Divergence) -> Result<Divergence, SubjectError> {
    let mut best = found;
    let mut chunk = best.moves.len() / 2;
    while chunk > 0 {
        let mut at = 0;
        while at < best.moves.len() {
            let end = (at + chunk).min(best.moves.len());
            let fewer: Vec<Move> = best.moves[..at].iter().chain(&best.moves[end..]).copied().collect();
            match parts(subject, &fewer, best.seed)? {
                Some(shorter) if shorter.moves.len() < best.moves.len() => best = shorter,
                Some(_) | None => at += chunk,
            }
        }
        chunk /= 2;
    }
    Ok(best)
}

/// Do they part on these moves, those left out that mean nothing?
fn parts(subject: &mut dyn Subject, moves: &[Move], seed: u64) -> Result<Option<Divergence>, SubjectError> {
    subject.reset(1)?;
    let mut tally = Tally::default();
    let mut one = One { model: Runtime::new(&DESIGN), subject, tally: &mut tally, moves: Vec::new() };
    for mv in moves {
        let Move::Start(s) = mv else { continue };
        let free = s.at.is_none_or(|t| !one.model.listed(t) && !one.model.named(t));
        if !free || !one.model.has_room(T0, &s.op) {
            continue;
        }
        let different = match one.step(mv)? {
            Some(different) => Some(different),
            None => one.whole()?,
        };
        if let Some(difference) = different {
            return Ok(Some(Divergence { seed, moves: one.moves, difference }));
        }
    }
    Ok(None)
}
