//! Pending calls: what they do when they are run, and which were run.

use arbitrary::Arbitrary;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many calls a ring of the model holds; CPython's hold 31.
pub const RING: usize = 3;

/// What a pending call does when it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Arbitrary)]
pub enum PendingCall {
    /// Nothing; it succeeds.
    Succeeds,
    /// It fails.
    Fails,
    /// It makes pending calls itself (`Py_MakePendingCalls`), and succeeds.
    Makes,
    /// It adds a call that succeeds to its own ring, and succeeds.
    Adds,
    /// It saves and restores its thread state, as a call that blocks does, and succeeds.
    Blocks,
}

impl PendingCall {
    /// Every one of them.
    pub const ALL: [PendingCall; 5] = [
        PendingCall::Succeeds,
        PendingCall::Fails,
        PendingCall::Makes,
        PendingCall::Adds,
        PendingCall::Blocks,
    ];

    /// Its name, as in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            PendingCall::Succeeds => "succeeds",
            PendingCall::Fails => "fails",
            PendingCall::Makes => "makes",
            PendingCall::Adds => "adds",
            PendingCall::Blocks => "blocks",
        }
    }
}

impl fmt::Display for PendingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which pending calls were run, in this order: the first few, four bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Calls(u64);

impl Calls {
    /// None.
    pub const NONE: Calls = Calls(0);
    /// How many are told; those after them are not.
    pub const TOLD: usize = 16;

    /// Is there none?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are told.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// One more was run.
    pub fn push(&mut self, call: PendingCall) {
        let at = 4 * self.len();
        if at < 64 {
            self.0 |= (call as u64 + 1) << at;
        }
    }

    /// The calls, in their order.
    pub fn iter(self) -> impl Iterator<Item = PendingCall> {
        let code = move |k: usize| (self.0 >> (4 * k) & 15) as usize;
        (0..Calls::TOLD).map_while(move |k| PendingCall::ALL.get(code(k).wrapping_sub(1)).copied())
    }
}

impl FromIterator<PendingCall> for Calls {
    fn from_iter<I: IntoIterator<Item = PendingCall>>(calls: I) -> Calls {
        let mut all = Calls::NONE;
        calls.into_iter().for_each(|call| all.push(call));
        all
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(PendingCall::name).collect();
        f.write_str(if names.is_empty() { "nothing".into() } else { names.join(" ") }.as_str())
    }
}
