//! What an exploration exercised: calls accepted and refused, probes fired, kinds of
//! calls that were under way at the same time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cloister_specs::{Move, OpKind, Rule};

use crate::rules::{PROBES, ProbeKind, Step};
use crate::runtime::Runtime;

const KINDS: usize = OpKind::ALL.len();
const RULES: usize = Rule::ALL.len();
/// A probe that has fired so often is not asked again.
const ENOUGH: u64 = 1000;

/// Counts, shared by the workers of a checker.
pub struct Coverage {
    accepted: [AtomicU64; KINDS],
    refused: [AtomicU64; KINDS],
    probes: [AtomicU64; RULES],
    pairs: [AtomicU64; KINDS * KINDS],
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage {
            accepted: [const { AtomicU64::new(0) }; KINDS],
            refused: [const { AtomicU64::new(0) }; KINDS],
            probes: [const { AtomicU64::new(0) }; RULES],
            pairs: [const { AtomicU64::new(0) }; KINDS * KINDS],
        }
    }
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Calls begun, by kind.
    pub accepted: [u64; KINDS],
    /// Calls refused, by kind.
    pub refused: [u64; KINDS],
    /// How often the probe of each rule fired (at least; counting stops at some point).
    pub probes: [u64; RULES],
    /// Was a call of one kind begun or continued while one of the other was under way?
    pub pairs: [bool; KINDS * KINDS],
}

impl Default for Tally {
    fn default() -> Self {
        Coverage::default().tally()
    }
}

impl Tally {
    /// Both together.
    pub fn merge(&mut self, other: &Tally) {
        for k in 0..KINDS {
            self.accepted[k] += other.accepted[k];
            self.refused[k] += other.refused[k];
        }
        for k in 0..RULES {
            self.probes[k] += other.probes[k];
        }
        for k in 0..KINDS * KINDS {
            self.pairs[k] |= other.pairs[k];
        }
    }

    /// The rules whose probe never fired.
    pub fn unprobed(&self) -> Vec<Rule> {
        Rule::ALL.into_iter().filter(|r| self.probes[r.index()] == 0).collect()
    }

    /// Was a call of each of these kinds under way at the same time?
    pub fn pair(&self, a: OpKind, b: OpKind) -> bool {
        self.pairs[a.index() * KINDS + b.index()] || self.pairs[b.index() * KINDS + a.index()]
    }
}

impl Coverage {
    /// A call was refused.
    pub fn refused(&self, kind: OpKind, rule: Rule) {
        self.refused[kind.index()].fetch_add(1, Relaxed);
        if matches!(PROBES[rule.index()].kind, ProbeKind::Refusal) {
            self.fire(rule.index());
        }
    }

    fn fire(&self, rule: usize) {
        if self.probes[rule].load(Relaxed) < ENOUGH {
            self.probes[rule].fetch_add(1, Relaxed);
        }
    }

    /// A move was made.
    pub fn step(&self, step: &Step) {
        let mover = match step.mv {
            Move::Start(s) => {
                self.accepted[s.op.kind().index()].fetch_add(1, Relaxed);
                Some(s.op.kind())
            }
            Move::Step { thread, .. } | Move::Expire { thread, .. } | Move::Spurious { thread, .. } => {
                step.before.thread(*thread).stack[0].call()
            }
        };
        for probe in &PROBES {
            if let ProbeKind::Step(fires) = probe.kind
                && self.probes[probe.rule.index()].load(Relaxed) < ENOUGH
                && fires(step)
            {
                self.fire(probe.rule.index());
            }
        }
        if let Some(mover) = mover {
            for h in Runtime::thread_ids().filter(|h| *h != step.mv.thread()) {
                if let Some(other) = step.before.thread(h).stack[0].call() {
                    let cell = &self.pairs[mover.index() * KINDS + other.index()];
                    if cell.load(Relaxed) == 0 {
                        cell.store(1, Relaxed);
                    }
                }
            }
        }
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        let read = |a: &AtomicU64| a.load(Relaxed);
        Tally {
            accepted: std::array::from_fn(|k| read(&self.accepted[k])),
            refused: std::array::from_fn(|k| read(&self.refused[k])),
            probes: std::array::from_fn(|k| read(&self.probes[k])),
            pairs: std::array::from_fn(|k| read(&self.pairs[k]) != 0),
        }
    }
}
