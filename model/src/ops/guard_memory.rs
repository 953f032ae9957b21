//! Guards of calls that allocate, free and count.

use cloister_specs::{BlockId, Domain, InterpId, MAIN, ObjectId, Op, Rule, ThreadId};

use super::guard::require;
use crate::counts;
use crate::design::{Counting, CrossRefs, Design, NoneIs};
use crate::runtime::Runtime;

impl Runtime {
    /// May this thread allocate here?
    pub(super) fn may_allocate(&self, d: &Design, h: ThreadId, domain: Domain) -> Result<(), Rule> {
        match domain {
            Domain::Raw => Ok(()),
            Domain::Mem | Domain::Obj => {
                //= specs/rules/mem.md#mem-3
                //# A thread MUST have a current thread state when it allocates, frees or counts in the
                //# object or the mem domain.
                require(self.own_current(d, h).is_some(), Rule::Mem3)
            }
        }
    }

    /// May this thread free this block, or give it another size?
    pub(super) fn may_use_block(
        &self,
        d: &Design,
        h: ThreadId,
        domain: Domain,
        b: BlockId,
    ) -> Result<(), Rule> {
        self.may_allocate(d, h, domain)?;
        require(self.block_live(b), Rule::Mem6)?;
        //= specs/rules/mem.md#mem-5
        //# A block MUST be freed, or reallocated, in the domain that it was allocated in.
        require(self.block(b).domain == domain, Rule::Mem5)?;
        match domain {
            Domain::Raw => Ok(()),
            Domain::Mem | Domain::Obj => self.may_leave(d, h, self.block(b).owner),
        }
    }

    /// May this thread count blocks or references of this interpreter?
    fn may_count_in(&self, d: &Design, h: ThreadId, i: InterpId) -> Result<(), Rule> {
        match d.counting {
            Counting::Unguarded => Ok(()),
            //= specs/rules/mem.md#mem-15
            //# Blocks and references MUST NOT be counted while another thread holds the GIL of an
            //# interpreter whose they are.
            Counting::Guarded => require(!self.elsewhere_in(h, i), Rule::Mem15),
        }
    }

    pub(super) fn may_count_blocks(&self, d: &Design, h: ThreadId, i: InterpId) -> Result<(), Rule> {
        require(self.own_current(d, h).is_some(), Rule::Mem3)?;
        require(self.interp_listed(i), Rule::Gil12)?;
        //= specs/rules/mem.md#mem-10
        //# The blocks of an interpreter that has no heap of its own MUST NOT be asked for.
        require(self.has_heap(d, i), Rule::Mem10)?;
        self.may_count_in(d, h, i)
    }

    pub(super) fn may_count_refs(&self, d: &Design, h: ThreadId, i: InterpId) -> Result<(), Rule> {
        self.works_with(d, h)?;
        require(self.interp_listed(i), Rule::Gil12)?;
        self.may_count_in(d, h, i)
    }

    pub(super) fn may_count_all(&self, d: &Design, h: ThreadId) -> Result<(), Rule> {
        Runtime::interp_ids().filter(|i| self.interp_listed(*i)).try_for_each(|i| self.may_count_in(d, h, i))
    }

    /// May this thread use this object?
    pub(super) fn may_use(&self, d: &Design, h: ThreadId, o: ObjectId) -> Result<(), Rule> {
        //= specs/rules/ref.md#ref-1
        //# A thread MUST have a current thread state when it makes an object, uses one, or totals
        //# references.
        let t = self.works_with(d, h)?;
        //= specs/rules/ref.md#ref-2
        //# An object MUST NOT be used after it was deallocated, or after the end of its heap.
        require(self.object_live(o), Rule::Ref2)?;
        let object = self.object(o);
        //= specs/rules/ref.md#ref-3
        //# An object that is not static MUST be used in an interpreter of its heap.
        let here = object.owner.is_none() || object.owner == self.selected(d, h);
        let passed = match d.cross_refs {
            CrossRefs::Accepted => object.away[self.tstate(t).interp.index()] > 0,
            CrossRefs::Refused => false,
        };
        require(here || passed, Rule::Ref3)
    }

    pub(super) fn may_count(&self, d: &Design, h: ThreadId, op: &Op) -> Result<(), Rule> {
        match *op {
            Op::DecRef { object, .. } => {
                self.may_use(d, h, object)?;
                let i = self.works_with(d, h).map(|t| self.tstate(t).interp)?;
                let object = self.object(object);
                let counted = object.owner.is_none() && !object.was_immortal;
                match d.none {
                    NoneIs::Mortal if counted => require(object.away[i.index()] > 0, Rule::Ref8),
                    NoneIs::Mortal | NoneIs::Immortal => Ok(()),
                }
            }
            Op::SetRefCnt { object, count } => {
                self.may_use(d, h, object)?;
                require(count > 0, Rule::Ref8)
            }
            Op::ClearImmortal(object) => {
                self.may_use(d, h, object)?;
                //= specs/rules/ref.md#ref-9
                //# ClearImmortal MUST be given an immortal object that is not static, with the count
                //# that SetImmortal gives.
                let object = self.object(object);
                let exact = object.refcnt == counts::immortal(d.immortality);
                require(exact && object.owner.is_some(), Rule::Ref9)
            }
            Op::PassRef { object, to } => {
                self.may_use(d, h, object)?;
                require(self.interp_listed(to), Rule::Gil12)?;
                require(self.is_live(to), Rule::Life13)?;
                let object = self.object(object);
                match d.cross_refs {
                    CrossRefs::Accepted => Ok(()),
                    //= specs/rules/ref.md#ref-4
                    //# A reference to an object that is not static MUST NOT be passed to an interpreter
                    //# of another heap.
                    CrossRefs::Refused => {
                        let same = object.owner == Some(self.heap_of(d, to));
                        require(object.owner.is_none() || same, Rule::Ref4)
                    }
                }
            }
            Op::IncRef { object, .. } | Op::SetImmortal(object) => self.may_use(d, h, object),
            _ => Ok(()),
        }
    }

    /// How many blocks, references and unaware steps the model counts.
    pub const MOST_COUNTED: i16 = if cfg!(feature = "wide") { 20_000 } else { 100 };

    /// Is there room in the model's counters, and a slot?
    pub(super) fn has_room_for(&self, op: &Op) -> bool {
        let t = &self.totals;
        let few =
            [t.blocks, t.leaks, t.last_final, t.refs, t.ref_leaks, t.ref_last_final, t.legacy, t.all_refs]
                .into_iter()
                .chain(self.interps.iter().flat_map(|i| [i.raw_blocks, i.ref_total]))
                .all(|n| n.abs() < Runtime::MOST_COUNTED);
        match op {
            Op::Malloc { .. } | Op::Calloc { .. } => few && self.blocks.iter().any(|b| !b.live),
            Op::ObjectNew { .. } => few && self.objects.iter().any(|o| !o.live),
            Op::PassRef { object, to } => {
                self.object(*object).away[to.index() % self.interps.len()] < u8::MAX
            }
            _ => few || self.interp_listed(MAIN),
        }
    }
}
