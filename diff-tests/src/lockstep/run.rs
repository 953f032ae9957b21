//! Runs: random moves, told to the model and to a subject.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cloister_model::{Design, Grain, Outcome};
use cloister_specs::{Answer, Move, Rule};

use super::compare::{Difference, same_event, same_observation};
use super::generate::{Generator, LeftOut, Mix, NOTHING};
use super::tally::Tally;
use crate::subject::{Event, Subject, SubjectError};
use crate::subjects::Model;

/// How much is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is generated.
    pub mix: Mix,
    /// The first run's seed; each next run has the next one.
    pub seed: u64,
    /// Runs.
    pub runs: u64,
    /// Moves in a run.
    pub length: u32,
    /// The whole state is compared after every so many moves, and at the end of a run.
    pub observe_every: u32,
}

/// Where model and subject part.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The seed of the run.
    pub seed: u64,
    /// The moves up to the one that led to different things.
    pub moves: Vec<Move>,
    /// What differs.
    pub difference: Difference,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Everything agreed.
    Agreed,
    /// The model died of something that the subject does not check.
    Poisoned,
    /// Model and subject part.
    Diverged(Box<Divergence>),
}

/// The model, and a subject that is to do the same.
pub struct Lockstep<'a> {
    model: Model,
    subject: &'a mut dyn Subject,
    /// What was done.
    pub tally: Tally,
    sampled: (Duration, Duration),
    left_out: LeftOut,
}

impl<'a> Lockstep<'a> {
    /// A model of this design, and a subject.
    pub fn new(design: Design, subject: &'a mut dyn Subject) -> Lockstep<'a> {
        let model = Model::new(design, Grain::Atomic);
        Lockstep { model, subject, tally: Tally::default(), sampled: Default::default(), left_out: NOTHING }
    }

    /// The same, but a replay leaves out these calls.
    pub fn leaving_out(mut self, left_out: LeftOut) -> Lockstep<'a> {
        self.left_out = left_out;
        self
    }

    /// Makes the runs of a plan, until one diverges or `stop` is set.
    ///
    /// # Errors
    /// The subject was lost.
    pub fn run(
        &mut self,
        plan: &Plan,
        stop: &AtomicBool,
        mut each: impl FnMut(u64),
    ) -> Result<Ended, SubjectError> {
        let begin = Instant::now();
        let mut ended = Ended::Agreed;
        for k in 0..plan.runs {
            if stop.load(Relaxed) {
                break;
            }
            ended = self.one(plan, plan.seed.wrapping_add(k))?;
            self.tally.runs += 1;
            each(1);
            if matches!(ended, Ended::Diverged(_)) {
                break;
            }
        }
        self.tally.time += begin.elapsed();
        let (subject, all) = self.sampled;
        self.tally.subject_share = (100 * subject.as_nanos() / all.as_nanos().max(1)) as u64;
        Ok(ended)
    }

    fn one(&mut self, plan: &Plan, seed: u64) -> Result<Ended, SubjectError> {
        let mut generator = Generator::new(plan.mix.clone(), seed);
        self.reset(plan.mix.threads)?;
        let mut moves = Vec::with_capacity(plan.length as usize);
        for k in 1..=plan.length {
            let sample = k == 1;
            let begin = sample.then(Instant::now);
            let Some(mv) = generator.next(self.model.design(), self.model.runtime()) else { break };
            moves.push(mv);
            let diverged = |difference| Divergence { seed, moves: moves.clone(), difference };
            match self.step(&mv, begin)? {
                Step::Agreed => {}
                Step::Over => return Ok(Ended::Agreed),
                Step::Poisoned => return Ok(Ended::Poisoned),
                Step::Diverged(difference) => return Ok(Ended::Diverged(Box::new(diverged(difference)))),
            }
            if k % plan.observe_every == 0
                && let Err(difference) = self.observe()?
            {
                return Ok(Ended::Diverged(Box::new(diverged(difference))));
            }
        }
        match self.observe()? {
            Ok(()) => Ok(Ended::Agreed),
            Err(difference) => Ok(Ended::Diverged(Box::new(Divergence { seed, moves, difference }))),
        }
    }

    /// Back to the beginning, with so many threads.
    pub fn reset(&mut self, threads: u8) -> Result<(), SubjectError> {
        self.model.reset(threads)?;
        self.subject.reset(threads)
    }

    /// Tells one move to both, and compares. The model decides whether it is possible.
    pub fn step(&mut self, mv: &Move, begin: Option<Instant>) -> Result<Step, SubjectError> {
        let expected = self.model.apply(mv)?;
        let undefined = |rule: Rule| !matches!(rule.text().answer, Answer::Fatal(_));
        if let Event::Died(rule) = &expected
            && Rule::by_id(rule).is_some_and(undefined)
        {
            self.tally.poisoned += 1;
            return Ok(Step::Poisoned);
        }
        let before_subject = begin.map(|_| Instant::now());
        let got = match self.subject.apply(mv) {
            Ok(got) => got,
            Err(lost) => {
                self.tally.diverged += 1;
                let difference = Difference { expected: format!("{expected:?}"), got: lost.to_string() };
                return Ok(Step::Diverged(difference));
            }
        };
        if let (Some(begin), Some(subject)) = (begin, before_subject) {
            self.sampled.0 += subject.elapsed();
            self.sampled.1 += begin.elapsed();
        }
        self.count(mv, &expected);
        match same_event(&expected, &got) {
            Ok(()) => {
                self.tally.agreed += 1;
                let over = matches!(got, Event::Died(_));
                Ok(if over { Step::Over } else { Step::Agreed })
            }
            Err(difference) => {
                self.tally.diverged += 1;
                Ok(Step::Diverged(difference))
            }
        }
    }

    fn observe(&mut self) -> Result<Result<(), Difference>, SubjectError> {
        self.tally.observed += 1;
        let expected = self.model.observe()?;
        let compared = match self.subject.observe() {
            Ok(got) => same_observation(&expected, &got, self.subject.shows()),
            Err(lost) => Err(Difference { expected: "a state to look at".into(), got: lost.to_string() }),
        };
        if compared.is_err() {
            self.tally.diverged += 1;
        }
        Ok(compared)
    }

    fn count(&mut self, mv: &Move, expected: &Event) {
        self.tally.ops += 1;
        match (mv, expected) {
            (Move::Start(s), Event::Refused(_)) => self.tally.refused[s.op.kind().index()] += 1,
            (Move::Start(s), _) => self.tally.accepted[s.op.kind().index()] += 1,
            (Move::Step { .. }, _) => self.tally.waits[1] += 1,
            (Move::Expire { .. }, _) => self.tally.waits[2] += 1,
            (Move::Spurious { .. }, _) => self.tally.waits[3] += 1,
        }
        if matches!(expected, Event::Parked(_)) {
            self.tally.waits[0] += 1;
        }
    }

    /// Is this a move that the model can make, and that means something to the subject?
    fn meaningful(&self, mv: &Move) -> bool {
        if let Move::Start(s) = mv {
            let (design, r) = (self.model.design(), self.model.runtime());
            if (self.left_out)(design, r, s.thread, &s.op) || !r.has_room(s.thread, &s.op) {
                return false;
            }
        }
        match self.model.foresee(mv) {
            None => false,
            Some(Outcome::Refused(_)) => self.subject.shows().refusals,
            Some(_) => true,
        }
    }

    /// Makes exactly these moves, leaving out those that are impossible, and observes after each.
    pub fn replay(&mut self, threads: u8, moves: &[Move]) -> Result<Ended, SubjectError> {
        self.reset(threads)?;
        let mut made = Vec::new();
        for mv in moves {
            if !self.meaningful(mv) {
                continue;
            }
            made.push(*mv);
            let diverged = match self.step(mv, None)? {
                Step::Agreed => self.observe()?.err(),
                Step::Over => return Ok(Ended::Agreed),
                Step::Poisoned => return Ok(Ended::Poisoned),
                Step::Diverged(difference) => Some(difference),
            };
            if let Some(difference) = diverged {
                return Ok(Ended::Diverged(Box::new(Divergence { seed: 0, moves: made, difference })));
            }
        }
        Ok(Ended::Agreed)
    }
}

/// What came of one move.
#[derive(Clone, Debug)]
pub enum Step {
    /// The same.
    Agreed,
    /// Both are dead of the same.
    Over,
    /// The model is dead of something that nobody checks.
    Poisoned,
    /// Something else.
    Diverged(Difference),
}
