//! Pending calls that say that they were run.

use super::world::{Shared, World};
use cloister_shuttled::{Interp, NotAdded, PendingFailed, Thread};
use cloister_specs::PendingCall;
use std::sync::Arc;

/// A pending call.
#[derive(Clone, Copy)]
struct Added {
    ring: Option<Interp>,
    number: u32,
    kind: PendingCall,
}

/// How much room a call of this kind takes in its ring.
const fn room(kind: PendingCall) -> usize {
    match kind {
        PendingCall::Adds => 2,
        PendingCall::Succeeds | PendingCall::Fails | PendingCall::Makes | PendingCall::Blocks => 1,
    }
}

/// Adds a call of this kind; there is room for it.
pub(super) fn add(
    world: &Shared,
    thread: &Thread,
    ring: Option<Interp>,
    kind: PendingCall,
) -> Result<(), NotAdded> {
    let number = {
        let mut known = world.known();
        known.next += 1;
        known.next
    };
    let (inside, added) = (Arc::clone(world), Added { ring, number, kind });
    let call = move |thread: &Thread| inside.run_call(thread, added);
    let result = thread.add_pending_call(ring, Box::new(call));
    if result.is_ok() {
        world.known().added += 1;
    } else {
        world.give_room(ring, room(kind));
    }
    result
}

/// Keeps room for a call of this kind.
pub(super) fn keep_room(world: &World, ring: Option<Interp>, kind: PendingCall) -> bool {
    world.keep_room(ring, room(kind))
}

impl World {
    fn run_call(self: &Arc<Self>, thread: &Thread, call: Added) -> Result<(), PendingFailed> {
        let Added { ring, number, kind } = call;
        let main = thread.runtime().main();
        let Some(here) = ring.or(main) else {
            self.wrong(format!("the pending call {number} was run without an interpreter"));
            return Err(PendingFailed);
        };
        let mut known = self.known();
        known.ran.push(number);
        let inside = known.running.contains(&here);
        known.running.push(here);
        drop(known);
        if inside || (ring.is_none() && !thread.is_main_thread()) {
            self.wrong(format!("the pending call {number} was run inside another, or in the wrong thread"));
        }
        let result = self.work(thread, ring, kind);
        // What it added gives its own room back.
        self.give_room(ring, 1);
        let mut known = self.known();
        let place = known.running.iter().position(|running| *running == here);
        place.map(|place| known.running.swap_remove(place));
        result
    }

    /// What a pending call of this kind does.
    fn work(
        self: &Arc<Self>,
        thread: &Thread,
        ring: Option<Interp>,
        kind: PendingCall,
    ) -> Result<(), PendingFailed> {
        match kind {
            PendingCall::Succeeds => Ok(()),
            PendingCall::Fails => Err(PendingFailed),
            PendingCall::Makes => thread.make_pending_calls().map(drop).map_err(|_| PendingFailed),
            PendingCall::Adds => add(self, thread, ring, PendingCall::Succeeds).map_err(|_| PendingFailed),
            PendingCall::Blocks => {
                let tstate = thread.save_thread().map_err(|_| PendingFailed)?;
                thread.restore_thread(tstate).map_err(|_| PendingFailed)
            }
        }
    }
}
