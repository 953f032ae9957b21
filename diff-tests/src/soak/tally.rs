//! How much happened.

use cloister_specs::{GilKind, Rule};
use std::ops::AddAssign;

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident: $text:literal;)+) => {
        /// What is counted, for interpreters of either kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Count { $($(#[$doc])* $name,)+ }

        impl Count {
            /// All of them, in the order in which they are told.
            pub const ALL: &'static [Count] = &[$(Count::$name),+];

            /// As it is told.
            pub const fn name(self) -> &'static str {
                match self { $(Count::$name => $text),+ }
            }
        }
    };
}

counts! {
    /// Interpreters that were created.
    Created: "interpreters created";
    /// Interpreters that were ended.
    Ended: "interpreters ended";
    /// Creations that failed because of a fault.
    Injected: "creations with a fault, failed";
    /// Creations that failed for their configuration.
    BadConfig: "creations with a bad config, failed";
    /// Thread states that were made.
    Made: "thread states made";
    /// Those that were bound.
    Bound: "thread states bound";
    /// Those that were cleared.
    Cleared: "thread states cleared";
    /// Those that were deleted.
    Deleted: "thread states deleted";
    /// RestoreThread and Swap.
    Entered: "times entered (restore, swap)";
    /// Of them, in the interpreter of another thread.
    Visited: "  in an interpreter of another thread";
    /// SaveThread and Swap to nothing.
    Left: "times left (save, swap)";
    /// EvalBreakerPoll.
    Polls: "polls";
    /// Ensures that took up a thread state.
    Ensured: "times ensured and released";
    /// Of them, by one that Ensure made.
    EnsureMade: "  with a thread state of its own";
    /// DeleteCurrent.
    DeletedCurrent: "current thread states deleted";
    /// Pending calls that were accepted.
    Added: "pending calls added";
    /// Those for which there was no room.
    Full: "pending calls not added, ring full";
    /// Threads that were started.
    Started: "threads started and run";
    /// Of them, those that an end waited for or ran beside.
    StartedAtEnd: "  at an end";
    /// Interpreters that were ended by the last reference to their id.
    LastRef: "ends by the last reference";
    /// Interpreters that were destroyed from outside.
    Destroyed: "ends by destroy";
    /// Blocks that were allocated.
    Allocated: "blocks allocated";
    /// Blocks that were freed.
    Freed: "blocks freed";
    /// Objects that were made.
    Objects: "objects made";
    /// References that were taken, or given back.
    References: "references taken or given back";
    /// A GIL that was held by another thread before.
    HandOvers: "hand-overs between threads";
    /// Of them, by a poll that saw a request.
    OnRequest: "  by a poll, on request";
}

const KINDS: usize = 2;

/// How much happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    counts: [[u64; KINDS]; Count::ALL.len()],
    refused: [u64; Rule::ALL.len()],
    /// Wrong calls that were made on purpose, and refused.
    pub wrong: u64,
    /// Threads that left the runtime and came back.
    pub reattached: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let refused = [0; Rule::ALL.len()];
        Tally { counts: Default::default(), refused, wrong: 0, reattached: 0 }
    }
}

impl Tally {
    /// One more.
    pub(super) fn add(&mut self, count: Count, kind: GilKind) {
        self.counts[count as usize][kind as usize] += 1;
    }

    /// One more call that was refused since its thread did not know better.
    pub(super) fn refuse(&mut self, rule: Rule) {
        self.refused[rule.index()] += 1;
    }

    /// How often, in interpreters of this kind.
    pub fn of(&self, count: Count, kind: GilKind) -> u64 {
        self.counts[count as usize][kind as usize]
    }

    /// How often in all.
    pub fn all(&self, count: Count) -> u64 {
        self.counts[count as usize].iter().sum()
    }

    /// How often calls were refused that were not wrong on purpose.
    pub fn refusals(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// Those rules by which they were, and how often.
    pub fn refusals_by_rule(&self) -> impl Iterator<Item = (Rule, u64)> {
        Rule::ALL.into_iter().zip(self.refused).filter(|(_, times)| *times > 0)
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        let sum = |into: &mut [u64], from: &[u64]| into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        sum(self.counts.as_flattened_mut(), other.counts.as_flattened());
        sum(&mut self.refused, &other.refused);
        self.wrong += other.wrong;
        self.reattached += other.reattached;
    }
}
