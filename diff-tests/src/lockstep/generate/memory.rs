//! Random calls that allocate, free and count.

use cloister_specs::{BlockId, Client, Domain, InterpId, ObjectId, Op, OpKind};
use fastrand::Rng;

/// What a model knows of blocks and objects, in whichever build.
pub trait Memory {
    /// How many slots it has for blocks, and for objects.
    const SLOTS: (u8, u8);
    /// The domain of the block in this slot.
    fn domain(&self, block: BlockId) -> Domain;
    /// Is it a live block, of this heap or of none?
    fn has_block(&self, block: BlockId, heap: InterpId) -> bool;
    /// Is it a live object, of this heap or static?
    fn has_object(&self, object: ObjectId, heap: InterpId) -> bool;
    /// Is it an immortal object of this heap?
    fn has_immortal(&self, object: ObjectId, heap: InterpId) -> bool;
}

macro_rules! memory {
    ($model:ident) => {
        impl Memory for $model::Runtime {
            const SLOTS: (u8, u8) = ($model::BLOCKS as u8, $model::OBJECTS as u8);

            fn domain(&self, block: BlockId) -> Domain {
                self.block(block).domain
            }

            fn has_block(&self, block: BlockId, heap: InterpId) -> bool {
                self.block_live(block) && self.block(block).owner.is_none_or(|i| i == heap)
            }

            fn has_object(&self, object: ObjectId, heap: InterpId) -> bool {
                self.object_live(object) && self.object(object).owner.is_none_or(|i| i == heap)
            }

            fn has_immortal(&self, object: ObjectId, heap: InterpId) -> bool {
                let it = self.object(object);
                self.object_live(object) && it.was_immortal && it.owner == Some(heap)
            }
        }
    };
}

memory!(cloister_model);
memory!(cloister_wide);

/// Bytes that meet every case: within a class and beyond it, small and large, nothing.
const SIZES: [u16; 14] = [0, 1, 16, 17, 48, 49, 56, 64, 100, 400, 500, 512, 513, 2000];

/// Counts on both sides of where an object becomes immortal.
const COUNTS: [u32; 8] = [1, 2, 3, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0x9fff_ffff, 0xdfff_ffff];

/// Draws the arguments of a call by a thread that works in this interpreter.
pub struct Draw<'a, M> {
    /// Where from.
    pub rng: &'a mut Rng,
    /// The state.
    pub model: &'a M,
    /// The interpreter.
    pub here: InterpId,
    /// How many interpreters there may be.
    pub interps: u8,
}

impl<M: Memory> Draw<'_, M> {
    /// A call of this kind.
    pub fn call(&mut self, kind: OpKind, fails: bool) -> Op {
        let size = self.rng.choice(SIZES).unwrap_or(64);
        let domain = self.rng.choice(Domain::ALL).unwrap_or(Domain::Obj);
        let client = if self.rng.u8(0..4) == 0 { Client::Unaware } else { Client::Aware };
        match kind {
            OpKind::Malloc => Op::Malloc { domain, size, fails },
            OpKind::Calloc => Op::Calloc { domain, size, fails },
            OpKind::Realloc => {
                let block = self.block();
                Op::Realloc { domain: self.its_domain(block, domain), block, size, fails }
            }
            OpKind::Free if self.rng.u8(0..16) == 0 => Op::Free { domain, block: None },
            OpKind::Free => {
                let block = self.block();
                Op::Free { domain: self.its_domain(block, domain), block: Some(block) }
            }
            OpKind::AllocatedBlocks => Op::AllocatedBlocks(self.interp()),
            OpKind::GlobalAllocatedBlocks => Op::GlobalAllocatedBlocks,
            OpKind::ObjectNew => Op::ObjectNew { fails },
            OpKind::SetRefCnt => {
                Op::SetRefCnt { object: self.object(), count: self.rng.choice(COUNTS).unwrap_or(1) }
            }
            OpKind::IncRef => Op::IncRef { object: self.object(), client },
            OpKind::DecRef => Op::DecRef { object: self.object(), client },
            OpKind::SetImmortal => Op::SetImmortal(self.object()),
            OpKind::ClearImmortal => {
                let any = self.object();
                match self.objects(any.0).find(|o| self.model.has_immortal(*o, self.here)) {
                    Some(object) => Op::ClearImmortal(object),
                    None if self.rng.u8(0..16) == 0 => Op::ClearImmortal(any),
                    None => Op::SetImmortal(any),
                }
            }
            OpKind::PassRef => Op::PassRef { object: self.object(), to: self.interp() },
            OpKind::RefTotal => Op::RefTotal(self.interp()),
            _ => Op::GlobalRefTotal,
        }
    }

    /// Mostly the interpreter that the thread works in.
    fn interp(&mut self) -> InterpId {
        if self.rng.bool() { self.here } else { InterpId(self.rng.u8(0..self.interps)) }
    }

    /// Mostly a live one, and one of its heap.
    fn block(&mut self) -> BlockId {
        let n = M::SLOTS.0;
        let any = self.rng.u8(0..n);
        let mut ids = (0..n).map(|k| BlockId((any + k) % n));
        let found = ids.find(|b| self.model.has_block(*b, self.here));
        found.filter(|_| self.rng.u8(0..16) > 0).unwrap_or(BlockId(any))
    }

    fn its_domain(&mut self, block: BlockId, other: Domain) -> Domain {
        if self.rng.u8(0..16) == 0 { other } else { self.model.domain(block) }
    }

    /// Mostly a live one, and one of its heap.
    fn object(&mut self) -> ObjectId {
        let any = self.rng.u8(0..M::SLOTS.1);
        let found = self.objects(any).find(|o| self.model.has_object(*o, self.here));
        found.filter(|_| self.rng.u8(0..16) > 0).unwrap_or(ObjectId(any))
    }

    /// Every one, from this one on.
    fn objects(&self, any: u8) -> impl Iterator<Item = ObjectId> + use<M> {
        let n = M::SLOTS.1;
        (0..n).map(move |k| ObjectId((any + k) % n))
    }
}
