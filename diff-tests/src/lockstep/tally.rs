//! What a lockstep did, counted: a green run in which nothing happened must not pass.

use std::time::Duration;

use cloister_specs::OpKind;

const KINDS: usize = OpKind::ALL.len();

/// Counts of a lockstep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Moves that both sides made and that were compared.
    pub ops: u64,
    /// Calls that the model accepted, by kind.
    pub accepted: [u64; KINDS],
    /// Calls that it refused, by kind.
    pub refused: [u64; KINDS],
    /// Kinds of calls that the plan has none of.
    pub untold: Vec<OpKind>,
    /// Moves that led to the same.
    pub agreed: u64,
    /// Moves after which nothing means anything.
    pub poisoned: u64,
    /// Moves that led to something else.
    pub diverged: u64,
    /// Whole states compared.
    pub observed: u64,
    /// Waits that were begun, ended by a signal, by an expiry, for no reason.
    pub waits: [u64; 4],
    /// Time in all.
    pub time: Duration,
    /// The subject's share of it, from samples, in percent.
    pub subject_share: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            runs: 0,
            ops: 0,
            accepted: [0; KINDS],
            refused: [0; KINDS],
            untold: Vec::new(),
            agreed: 0,
            poisoned: 0,
            diverged: 0,
            observed: 0,
            waits: [0; 4],
            time: Duration::ZERO,
            subject_share: 0,
        }
    }
}

impl Tally {
    /// Both together.
    pub fn merge(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.ops += other.ops;
        self.agreed += other.agreed;
        self.poisoned += other.poisoned;
        self.diverged += other.diverged;
        self.observed += other.observed;
        for k in 0..KINDS {
            self.accepted[k] += other.accepted[k];
            self.refused[k] += other.refused[k];
        }
        for k in 0..4 {
            self.waits[k] += other.waits[k];
        }
        self.time += other.time;
        self.subject_share = if self.subject_share == 0 { other.subject_share } else { self.subject_share };
    }

    /// Calls accepted.
    pub fn all_accepted(&self) -> u64 {
        self.accepted.iter().sum()
    }

    /// Calls refused.
    pub fn all_refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// The share of moves that agreed, of those that led to anything, in percent.
    pub fn agreed_share(&self) -> f64 {
        100.0 * self.agreed as f64 / (self.agreed + self.poisoned + self.diverged).max(1) as f64
    }

    /// The kinds that were accepted in less than this share (in percent) of their uses, or never used
    /// though the plan has them.
    pub fn starved(&self, percent: u64) -> Vec<OpKind> {
        let share = |k: OpKind| {
            let (yes, no) = (self.accepted[k.index()], self.refused[k.index()]);
            (100 * yes).checked_div(yes + no).unwrap_or(0)
        };
        OpKind::ALL.into_iter().filter(|k| share(*k) < percent && !self.untold.contains(k)).collect()
    }

    /// Compared moves in a second.
    pub fn rate(&self) -> f64 {
        self.ops as f64 / self.time.as_secs_f64().max(1e-9)
    }
}
