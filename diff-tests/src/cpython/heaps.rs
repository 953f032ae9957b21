//! Which address a block or an object of a run lies at, and how many blocks the calls of
//! the run have taken.
//!
//! A new block or object gets the lowest free slot. The slot is free again when the block
//! is freed, and when the heap ends that it came from: nobody uses it then.
//!
//! An interpreter allocates for itself as well, all the time. So the counters of CPython
//! are read right before and right after each call of a run that allocates or frees, and
//! the difference goes to the *account* of the interpreter whose counter it is, and to the
//! account of the counter of all blocks.

use super::{
    api::Address,
    baton,
    child::{Child, child},
};
use cloister_specs::{BlockId, FeatureFlags, NONE, ObjectId};

/// How many blocks, and how many objects, a run can have at a time.
const SLOT_COUNT: usize = 16;

/// What lies in a slot.
#[derive(Clone, Copy)]
struct Kept {
    address: Address,
    /// The interpreter whose heap it came from; `None` for one of no heap.
    heap: Option<Address>,
}

/// The blocks, objects and accounts of a run.
#[derive(Default)]
pub struct Heaps {
    blocks: [Option<Kept>; SLOT_COUNT],
    objects: [Option<Kept>; SLOT_COUNT],
    accounts: Vec<(Address, i64)>,
    of_all: i64,
}

impl Heaps {
    /// Follows CPython's list: what came from the heap of an interpreter that is no longer
    /// listed is forgotten, and so is its account.
    pub fn follow(&mut self, interps: &[Address]) {
        let ended = |kept: &Kept| kept.heap.is_some_and(|heap| !interps.contains(&heap));
        for slot in self.blocks.iter_mut().chain(&mut self.objects) {
            *slot = slot.filter(|kept| !ended(kept));
        }
        self.accounts.retain(|(interp, _)| interps.contains(interp));
    }

    /// The slot of a new block.
    pub fn keep_block(&mut self, address: Address, heap: Option<Address>) -> Result<BlockId, String> {
        keep(&mut self.blocks, 0, Kept { address, heap }).map(BlockId).ok_or("too many blocks".into())
    }

    /// The slot of a new object.
    pub fn keep_object(&mut self, address: Address, heap: Option<Address>) -> Result<ObjectId, String> {
        let first = NONE.index() + 1;
        keep(&mut self.objects, first, Kept { address, heap }).map(ObjectId).ok_or("too many objects".into())
    }

    /// Where a block lies.
    pub fn block(&self, id: BlockId) -> Result<Address, String> {
        kept(&self.blocks, id.index()).ok_or_else(|| format!("there is no block {id}"))
    }

    /// Where an object lies.
    pub fn object(&self, id: ObjectId) -> Result<Address, String> {
        match id {
            NONE => Ok(child().api.none()),
            id => kept(&self.objects, id.index()).ok_or_else(|| format!("there is no object {id}")),
        }
    }

    /// A block lies somewhere else now.
    pub fn move_block(&mut self, id: BlockId, to: Address) {
        if let Some(kept) = self.blocks.get_mut(id.index()).and_then(Option::as_mut) {
            kept.address = to;
        }
    }

    /// A block was freed.
    pub fn forget_block(&mut self, id: BlockId) {
        self.blocks.get_mut(id.index()).map(Option::take);
    }

    /// An object was deallocated.
    pub fn forget_object(&mut self, id: ObjectId) {
        self.objects.get_mut(id.index()).map(Option::take);
    }

    /// What the calls of the run have taken from the heap of an interpreter.
    pub fn account(&self, interp: Address) -> i64 {
        self.accounts.iter().find(|(i, _)| *i == interp).map_or(0, |(_, blocks)| *blocks)
    }

    /// What they have taken by the counter of all blocks.
    pub fn account_of_all(&self) -> i64 {
        self.of_all
    }

    fn enter(&mut self, before: &Reading, after: &Reading) {
        self.of_all += after.of_all - before.of_all;
        for &(interp, blocks) in &after.of_interps {
            let was = before.of_interps.iter().find(|(i, _)| *i == interp).map_or(0, |(_, n)| *n);
            match self.accounts.iter_mut().find(|(i, _)| *i == interp) {
                Some((_, account)) => *account += blocks - was,
                None => self.accounts.push((interp, blocks - was)),
            }
        }
    }
}

fn keep(slots: &mut [Option<Kept>], first: usize, new: Kept) -> Option<u8> {
    let free = (first..slots.len()).find(|at| slots[*at].is_none())?;
    slots[free] = Some(new);
    Some(free as u8)
}

fn kept(slots: &[Option<Kept>], at: usize) -> Option<Address> {
    slots.get(at).copied().flatten().map(|kept| kept.address)
}

/// What the counters say.
struct Reading {
    of_interps: Vec<(Address, i64)>,
    of_all: i64,
}

impl Reading {
    fn take() -> Option<Reading> {
        let Child { api, counters, .. } = child();
        let counters = counters.as_ref().ok()?;
        let of_interps =
            api.interpreters().filter(|i| has_heap(*i)).map(|i| (i, counters.of_interp(i))).collect();
        Some(Reading { of_interps, of_all: counters.of_all() })
    }
}

/// Has a listed interpreter a heap of its own?
fn has_heap(interp: Address) -> bool {
    let Child { api, layout, .. } = child();
    let shares = FeatureFlags::from_bits_truncate(layout.flags(interp));
    interp == api.main_interpreter() || !shares.contains(FeatureFlags::USE_MAIN_OBMALLOC)
}

/// The interpreter whose heap the calling thread is in, if it has a current thread state.
pub fn here() -> Option<Address> {
    let Child { api, .. } = child();
    let current = api.current();
    (current != 0).then(|| {
        let interp = api.interp_of_thread(current);
        if has_heap(interp) { interp } else { api.main_interpreter() }
    })
}

/// Makes a call that allocates or frees, and enters what it takes into the accounts.
pub fn counted<T>(call: impl FnOnce() -> T) -> T {
    let before = Reading::take();
    let result = call();
    if let (Some(before), Some(after)) = (before, Reading::take()) {
        baton::with(|run| run.heaps.enter(&before, &after));
    }
    result
}
