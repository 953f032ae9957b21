//! A ring of pending calls.

use cloister_specs::{PendingCall, RING};

/// A ring of pending calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ring {
    /// The calls, the oldest first.
    pub calls: [Option<PendingCall>; RING],
    /// `calls_to_do`: is there something to run? A poll looks at this alone. Does not say
    /// that there are calls.
    pub signalled: bool,
}

impl Ring {
    /// Nothing to run.
    pub const EMPTY: Ring = Ring { calls: [None; RING], signalled: false };

    /// How many calls there are.
    pub fn len(&self) -> usize {
        self.calls.iter().flatten().count()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Queues a call behind the others; answers whether there was room.
    pub(crate) fn push(&mut self, call: PendingCall) -> bool {
        match self.calls.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                *place = Some(call);
                true
            }
            None => false,
        }
    }

    /// Takes the oldest call out.
    pub(crate) fn pop(&mut self) -> Option<PendingCall> {
        let first = self.calls[0].take();
        self.calls.rotate_left(1);
        first
    }
}
