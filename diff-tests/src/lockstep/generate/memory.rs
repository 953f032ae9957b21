//! Random calls that allocate, free and count.

use cloister_model::{BLOCKS, INTERPS, OBJECTS, Runtime};
use cloister_specs::{BlockId, Client, Domain, InterpId, MAIN, ObjectId, Op, OpKind, ThreadId};
use fastrand::Rng;

/// Bytes that meet every case: within a class and beyond it, small and large, nothing.
const SIZES: [u16; 14] = [0, 1, 16, 17, 48, 49, 56, 64, 100, 400, 500, 512, 513, 2000];

/// Counts on both sides of where an object becomes immortal.
const COUNTS: [u32; 8] = [1, 2, 3, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0x9fff_ffff, 0xdfff_ffff];

/// A call of this kind, by this thread.
pub(super) fn call(rng: &mut Rng, r: &Runtime, h: ThreadId, kind: OpKind, fails: bool) -> Op {
    let here = r.thread(h).current.map_or(MAIN, |t| r.tstate(t).interp);
    let size = rng.choice(SIZES).unwrap_or(64);
    let domain = rng.choice(Domain::ALL).unwrap_or(Domain::Obj);
    let client = if rng.u8(0..4) == 0 { Client::Unaware } else { Client::Aware };
    match kind {
        OpKind::Malloc => Op::Malloc { domain, size, fails },
        OpKind::Calloc => Op::Calloc { domain, size, fails },
        OpKind::Realloc => {
            let block = block(rng, r, here);
            Op::Realloc { domain: its_domain(rng, r, block, domain), block, size, fails }
        }
        OpKind::Free if rng.u8(0..16) == 0 => Op::Free { domain, block: None },
        OpKind::Free => {
            let block = block(rng, r, here);
            Op::Free { domain: its_domain(rng, r, block, domain), block: Some(block) }
        }
        OpKind::AllocatedBlocks => Op::AllocatedBlocks(interp(rng, here)),
        OpKind::GlobalAllocatedBlocks => Op::GlobalAllocatedBlocks,
        OpKind::ObjectNew => Op::ObjectNew { fails },
        OpKind::SetRefCnt => {
            Op::SetRefCnt { object: object(rng, r, here), count: rng.choice(COUNTS).unwrap_or(1) }
        }
        OpKind::IncRef => Op::IncRef { object: object(rng, r, here), client },
        OpKind::DecRef => Op::DecRef { object: object(rng, r, here), client },
        OpKind::SetImmortal => Op::SetImmortal(object(rng, r, here)),
        OpKind::ClearImmortal => Op::ClearImmortal(object(rng, r, here)),
        OpKind::PassRef => Op::PassRef { object: object(rng, r, here), to: interp(rng, here) },
        OpKind::RefTotal => Op::RefTotal(interp(rng, here)),
        _ => Op::GlobalRefTotal,
    }
}

/// Mostly the interpreter that the thread works in.
fn interp(rng: &mut Rng, here: InterpId) -> InterpId {
    if rng.bool() { here } else { InterpId(rng.u8(0..INTERPS as u8)) }
}

/// Mostly a live one, and one of its interpreter.
fn block(rng: &mut Rng, r: &Runtime, here: InterpId) -> BlockId {
    let any = rng.u8(0..BLOCKS as u8);
    let mut ids = (0..BLOCKS as u8).map(|k| BlockId((any + k) % BLOCKS as u8));
    let own = |b: &BlockId| r.block(*b).live && r.block(*b).owner.is_none_or(|i| i == here);
    if rng.u8(0..16) == 0 { BlockId(any) } else { ids.find(own).unwrap_or(BlockId(any)) }
}

fn its_domain(rng: &mut Rng, r: &Runtime, block: BlockId, other: Domain) -> Domain {
    if rng.u8(0..16) == 0 { other } else { r.block(block).domain }
}

/// Mostly a live one, and one of its interpreter.
fn object(rng: &mut Rng, r: &Runtime, here: InterpId) -> ObjectId {
    let any = rng.u8(0..OBJECTS as u8);
    let mut ids = (0..OBJECTS as u8).map(|k| ObjectId((any + k) % OBJECTS as u8));
    let own = |o: &ObjectId| r.object(*o).live && r.object(*o).owner.is_none_or(|i| i == here);
    if rng.u8(0..16) == 0 { ObjectId(any) } else { ids.find(own).unwrap_or(ObjectId(any)) }
}
