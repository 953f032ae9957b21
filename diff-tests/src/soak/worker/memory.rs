//! Blocks and objects, in the interpreter that the thread is in.

use super::{Fine, Inside, Worker};
use crate::soak::{Count, Forget, Loss};
use cloister::{Interp, Thread};
use cloister_specs::{Client, Domain, GilKind, OpKind};

/// For pools, and for the system's allocator.
const SIZES: [usize; 5] = [16, 40, 64, 512, 600];

impl Worker {
    /// Whoever does this holds the GIL of the heap from the first call to what is written down of
    /// the last.
    pub(super) fn use_memory(&mut self, thread: &Thread) -> Fine {
        let Some(Inside { interp, kind, .. }) = self.inside.clone() else { return Ok(()) };
        let heap = match kind {
            GilKind::Own => interp,
            GilKind::Shared => self.main(),
        };
        let full = self.shared.ledger().holdings.is_full();
        match self.rng.u32(..6) {
            0 if !full => self.allocate(thread, heap, kind),
            1 if !full => self.make_object(thread, heap, kind),
            2 => self.count_up(thread, heap, kind),
            3 | 4 => self.count_down(thread, heap, kind),
            _ => self.free(thread, heap, kind),
        }?;
        self.look_around(thread, OpKind::Malloc)?;
        Ok(())
    }

    fn main(&self) -> Interp {
        let ledger = self.shared.ledger();
        ledger.interps.iter().find(|known| known.id == 0).map_or_else(Interp::null, |main| main.interp)
    }

    fn allocate(&mut self, thread: &Thread, heap: Interp, kind: GilKind) -> Fine {
        let size = SIZES[self.rng.usize(..SIZES.len())];
        let block = thread.malloc(Domain::Obj, size, false);
        let block = self.explained(OpKind::Malloc, block, &[])?.flatten().ok_or(Loss::NoMemory)?;
        self.shared.ledger().holdings.add_block(heap, block);
        self.tally.add(Count::Allocated, kind);
        Ok(())
    }

    fn free(&mut self, thread: &Thread, heap: Interp, kind: GilKind) -> Fine {
        let taken = self.shared.ledger().holdings.take_block(heap, &mut self.rng);
        let Some(block) = taken.filter(|_| !self.forgets(Forget::Block)) else { return Ok(()) };
        self.explained(OpKind::Free, thread.free(Domain::Obj, Some(block)), &[])?;
        self.tally.add(Count::Freed, kind);
        Ok(())
    }

    fn make_object(&mut self, thread: &Thread, heap: Interp, kind: GilKind) -> Fine {
        let object = self.explained(OpKind::ObjectNew, thread.object_new(false), &[])?;
        let object = object.flatten().ok_or(Loss::NoMemory)?;
        self.shared.ledger().holdings.add_object(heap, object);
        self.tally.add(Count::Objects, kind);
        Ok(())
    }

    fn count_up(&mut self, thread: &Thread, heap: Interp, kind: GilKind) -> Fine {
        let Some(object) = self.shared.ledger().holdings.object(heap, &mut self.rng) else { return Ok(()) };
        let counted = self.explained(OpKind::IncRef, thread.incref(object, Client::Aware), &[])?;
        let expected = self.shared.ledger().holdings.take_ref(heap, object);
        self.tally.add(Count::References, kind);
        is_counted(counted.unwrap_or(0), expected)
    }

    fn count_down(&mut self, thread: &Thread, heap: Interp, kind: GilKind) -> Fine {
        let Some(object) = self.shared.ledger().holdings.object(heap, &mut self.rng) else { return Ok(()) };
        let counted = self.explained(OpKind::DecRef, thread.decref(object, Client::Aware), &[])?;
        let expected = self.shared.ledger().holdings.give_ref(heap, object);
        self.tally.add(Count::References, kind);
        is_counted(counted.flatten().unwrap_or(0), expected)
    }
}

fn is_counted(counted: u32, expected: u32) -> Fine {
    if counted == expected { Ok(()) } else { Err(Loss::RefCount { counted, expected }) }
}
