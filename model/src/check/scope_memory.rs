//! The calls of a scope that allocate, free and count.

use cloister_specs::{Client, Domain, InterpId, NONE, ObjectId, Op, OpKind};

use super::scope::Scope;
use crate::counts;
use crate::runtime::Runtime;

impl Scope {
    /// Every call of this kind that stays inside the bounds.
    pub(super) fn memory_calls(&self, r: &Runtime, kind: OpKind, mut offer: impl FnMut(Op)) {
        let interps = || (0..self.bounds.interps).map(InterpId);
        match kind {
            OpKind::Malloc | OpKind::Calloc if !self.has_room(r) => {}
            OpKind::Malloc | OpKind::Calloc => {
                for domain in Domain::ALL {
                    for (size, fails) in self.sizes.iter().flat_map(|s| [(*s, false), (*s, true)]) {
                        offer(match kind {
                            OpKind::Calloc => Op::Calloc { domain, size, fails },
                            _ => Op::Malloc { domain, size, fails },
                        });
                    }
                }
            }
            OpKind::Realloc => {
                for block in Runtime::block_ids().filter(|b| r.block(*b).live) {
                    for domain in Domain::ALL {
                        for size in &self.sizes {
                            for fails in [false, true] {
                                offer(Op::Realloc { domain, block, size: *size, fails });
                            }
                        }
                    }
                }
            }
            OpKind::Free => {
                offer(Op::Free { domain: Domain::Obj, block: None });
                let first_dead = Runtime::block_ids().find(|b| !r.block(*b).live);
                for block in Runtime::block_ids().filter(|b| r.block(*b).live || Some(*b) == first_dead) {
                    Domain::ALL.iter().for_each(|d| offer(Op::Free { domain: *d, block: Some(block) }));
                }
            }
            OpKind::AllocatedBlocks => interps().for_each(|i| offer(Op::AllocatedBlocks(i))),
            OpKind::GlobalAllocatedBlocks => offer(Op::GlobalAllocatedBlocks),
            OpKind::ObjectNew
                if !self.has_room(r) || i32::from(r.totals.all_refs) >= i32::from(self.refs) => {}
            OpKind::ObjectNew => [false, true].into_iter().for_each(|fails| offer(Op::ObjectNew { fails })),
            OpKind::RefTotal => interps().for_each(|i| offer(Op::RefTotal(i))),
            OpKind::GlobalRefTotal => offer(Op::GlobalRefTotal),
            OpKind::SetRefCnt => {
                for object in self.objects(r).filter(|o| *o != NONE) {
                    let counts = self.counts.iter().filter(|c| r.object(object).refcnt != u64::from(**c));
                    counts.for_each(|count| offer(Op::SetRefCnt { object, count: *count }));
                }
            }
            OpKind::IncRef | OpKind::DecRef => {
                for object in self.objects(r) {
                    for client in &self.clients {
                        let client = *client;
                        if self.may_move(r, object, kind == OpKind::IncRef, client) {
                            offer(match kind {
                                OpKind::IncRef => Op::IncRef { object, client },
                                _ => Op::DecRef { object, client },
                            });
                        }
                    }
                }
            }
            OpKind::SetImmortal => {
                let mortal = |o: &ObjectId| !r.object(*o).was_immortal && *o != NONE;
                self.objects(r).filter(mortal).for_each(|o| offer(Op::SetImmortal(o)));
            }
            OpKind::ClearImmortal => self.objects(r).for_each(|o| offer(Op::ClearImmortal(o))),
            OpKind::PassRef => {
                for object in self.objects(r) {
                    let few = interps().filter(|i| r.object(object).away[i.index()] < self.refs);
                    few.for_each(|to| offer(Op::PassRef { object, to }));
                }
            }
            _ => {}
        }
    }

    /// The live objects, and the first slot that has none.
    fn objects(&self, r: &Runtime) -> impl Iterator<Item = ObjectId> {
        let live: Vec<_> = Runtime::object_ids().map(|o| (o, r.object(o).live)).collect();
        let first_dead = live.iter().find(|(_, live)| !live).map(|(o, _)| *o);
        live.into_iter().filter(move |(o, live)| *live || Some(*o) == first_dead).map(|(o, _)| o)
    }

    fn has_room(&self, r: &Runtime) -> bool {
        let blocks = r.blocks.iter().filter(|b| b.live).count();
        let objects = r.objects.iter().filter(|o| o.live && o.owner.is_some()).count();
        let left = i32::from(r.totals.last_final) + i32::from(r.totals.leaks);
        let bound = i32::from(self.blocks);
        let drift = r.interps.iter().all(|i| i32::from(i.raw_blocks).abs() <= bound);
        drift && (blocks + objects) as i32 + left.abs() < bound
    }

    /// Does this change of a count stay inside the bounds?
    fn may_move(&self, r: &Runtime, o: ObjectId, up: bool, client: Client) -> bool {
        let how = self.design.immortality;
        let object = r.object(o);
        let now = object.refcnt;
        let then = if up { counts::incref(how, client, now) } else { counts::decref(how, client, now) };
        if !object.live || then == now {
            return true;
        }
        let bound = i32::from(self.refs);
        let anchors = [1, counts::immortal(how)].into_iter().chain(self.counts.iter().map(|c| u64::from(*c)));
        let near = anchors.into_iter().any(|a| a.abs_diff(then) <= bound as u64);
        let step = |n: i16| (i32::from(n) + if up { 1 } else { -1 }).abs() <= bound;
        let totals = match client {
            Client::Unaware => step(r.totals.legacy) && step(r.totals.all_refs),
            Client::Aware => {
                let carried = r.totals.ref_last_final.abs().max(r.totals.ref_leaks.abs());
                let drift = r.interps.iter().all(|i| i32::from(i.ref_total.abs()) <= bound + 1);
                step(r.totals.all_refs) && drift && i32::from(carried) <= bound
            }
        };
        near && totals
    }
}
