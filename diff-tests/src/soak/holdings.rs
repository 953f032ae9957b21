//! Blocks and objects that there are, by what the calls of all threads answered.

use cloister::{Block, Interp, Object};
use fastrand::Rng;

/// As much as a heap is left with on purpose.
const MOST: usize = 48;

/// What was made and not freed.
#[derive(Default)]
pub(super) struct Holdings {
    /// Each with the interpreter whose heap it lies in.
    blocks: Vec<(Interp, Block)>,
    /// The same, with how many references there are.
    objects: Vec<(Interp, Object, u32)>,
    /// Blocks that were made and not freed, objects among them; those of ended heaps too.
    pub live: i64,
    /// References that were taken and not given back.
    pub refs: i64,
}

impl Holdings {
    /// Is there so much already that something had better be freed?
    pub fn is_full(&self) -> bool {
        self.blocks.len() + self.objects.len() >= MOST
    }

    pub fn add_block(&mut self, heap: Interp, block: Block) {
        self.blocks.push((heap, block));
        self.live += 1;
    }

    /// Strikes out a block of this heap, which is to be freed.
    pub fn take_block(&mut self, heap: Interp, rng: &mut Rng) -> Option<Block> {
        let here = self.blocks.iter().enumerate().filter(|(_, (h, _))| *h == heap);
        let place = rng.choice(here.map(|(place, _)| place).collect::<Vec<_>>())?;
        self.live -= 1;
        Some(self.blocks.swap_remove(place).1)
    }

    pub fn add_object(&mut self, heap: Interp, object: Object) {
        self.objects.push((heap, object, 1));
        self.live += 1;
        self.refs += 1;
    }

    /// An object of this heap.
    pub fn object(&self, heap: Interp, rng: &mut Rng) -> Option<Object> {
        let here = self.objects.iter().filter(|(h, ..)| *h == heap);
        rng.choice(here.collect::<Vec<_>>()).map(|(_, object, _)| *object)
    }

    /// A reference was taken. Answers with how many there are.
    pub fn take_ref(&mut self, heap: Interp, object: Object) -> u32 {
        self.refs += 1;
        let Some(place) = self.place(heap, object) else { return 0 };
        self.objects[place].2 += 1;
        self.objects[place].2
    }

    /// A reference was given back. Answers with how many are left.
    pub fn give_ref(&mut self, heap: Interp, object: Object) -> u32 {
        self.refs -= 1;
        let Some(place) = self.place(heap, object) else { return 0 };
        self.objects[place].2 -= 1;
        let left = self.objects[place].2;
        if left == 0 {
            self.objects.swap_remove(place);
            self.live -= 1;
        }
        left
    }

    /// An object of a heap that ended just now may be here still, and another where it lay.
    fn place(&self, heap: Interp, object: Object) -> Option<usize> {
        self.objects.iter().position(|(h, other, _)| (*h, *other) == (heap, object))
    }

    /// The heap of this interpreter has ended. What it had is counted still.
    pub fn heap_ended(&mut self, interp: Interp) {
        self.blocks.retain(|(heap, _)| *heap != interp);
        self.objects.retain(|(heap, ..)| *heap != interp);
    }
}
