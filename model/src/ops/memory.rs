//! Blocks: allocating, freeing, counting, and what the end of a heap leaves.

use cloister_specs::{BlockId, Domain, InterpId, MAIN, OpKind, Reply, Rule, ThreadId, TstateId};

use crate::design::{Arenas, BlockTotals, Design, ForeignFree, FreeGoesTo, LegacyTotal, Obmalloc, RefTotal};
use crate::label::{Inside, Label, Work};
use crate::machine::Flow;
use crate::runtime::{Block, Class, INTERPS, Object, Runtime};

impl Runtime {
    /// `get_state`: the heap that this interpreter uses.
    pub fn heap_of(&self, d: &Design, i: InterpId) -> InterpId {
        match d.obmalloc {
            Obmalloc::PerRuntime => MAIN,
            Obmalloc::PerInterpreter if self.interp(i).config.use_main_obmalloc => MAIN,
            Obmalloc::PerInterpreter => i,
        }
    }

    /// `has_own_state`: does this interpreter have a heap of its own?
    pub fn has_heap(&self, d: &Design, i: InterpId) -> bool {
        i == MAIN || self.heap_of(d, i) == i
    }

    /// The heap that is selected in this thread.
    pub(crate) fn selected(&self, d: &Design, h: ThreadId) -> Option<InterpId> {
        self.own_current(d, h).map(|t| self.heap_of(d, self.tstate(t).interp))
    }

    /// Goes into a heap, if the domain has one.
    fn go_in(&self, d: &Design, h: ThreadId, call: OpKind, heap: InterpId, inside: Inside) -> Flow {
        match self.own_current(d, h) {
            //= specs/rules/mem.md#mem-1
            //# A heap MUST be used by one thread at a time.
            Some(tstate) => Flow::Goto(Label::HeapWork(Work { tstate, heap, call, inside })),
            None => Flow::Died(Rule::Mem3),
        }
    }

    /// `Malloc` and `Calloc`.
    pub(crate) fn malloc(
        &mut self,
        d: &Design,
        h: ThreadId,
        call: OpKind,
        domain: Domain,
        size: u16,
        fails: bool,
    ) -> Flow {
        match domain {
            Domain::Raw => {
                self.give_block(Block { live: true, domain, owner: None, class: Class::Large }, fails)
            }
            //= specs/rules/mem.md#mem-2
            //# A block of the object or the mem domain MUST come from the heap of the interpreter that
            //# the caller works in.
            Domain::Mem | Domain::Obj => match self.selected(d, h) {
                Some(heap) => self.go_in(d, h, call, heap, Inside::Malloc { domain, size, fails }),
                None => Flow::Died(Rule::Mem3),
            },
        }
    }

    /// Puts a block into the first free slot.
    fn give_block(&mut self, block: Block, fails: bool) -> Flow {
        let free = Runtime::block_ids().find(|b| !self.block(*b).live);
        //= specs/rules/mem.md#mem-8
        //# An allocation that finds no memory MUST answer NULL, and change nothing.
        let Some(slot) = free.filter(|_| !fails) else { return Flow::Answer(Reply::Block(None)) };
        *self.block_mut(slot) = block;
        self.charge(block.owner, block.class);
        Flow::Answer(Reply::Block(Some(slot)))
    }

    /// A block of this class was taken from this heap.
    fn charge(&mut self, owner: Option<InterpId>, class: Class) {
        let Some(i) = owner else { return };
        self.totals.blocks = self.totals.blocks.saturating_add(1);
        let interp = self.interp_mut(i);
        match class {
            Class::Small(_) => interp.arena = true,
            Class::Large => interp.raw_blocks = interp.raw_blocks.saturating_add(1),
        }
    }

    /// A block was given back to this heap.
    fn discharge(&mut self, heap: InterpId, class: Class) {
        self.totals.blocks = self.totals.blocks.saturating_sub(1);
        match class {
            Class::Small(_) => {}
            Class::Large => {
                let raw = &mut self.interp_mut(heap).raw_blocks;
                *raw = raw.saturating_sub(1);
            }
        }
    }

    /// `Realloc`.
    pub(crate) fn realloc(
        &mut self,
        d: &Design,
        h: ThreadId,
        domain: Domain,
        block: BlockId,
        size: u16,
        fails: bool,
    ) -> Flow {
        match domain {
            //= specs/rules/mem.md#mem-13
            //# A reallocation that finds no memory MUST answer NULL, and leave the block as it was.
            Domain::Raw => Flow::Answer(Reply::Block(Some(block).filter(|_| !fails))),
            Domain::Mem | Domain::Obj => match self.target(d, h, self.block(block).owner) {
                Some(heap) => self.go_in(d, h, OpKind::Realloc, heap, Inside::Realloc { block, size, fails }),
                None => Flow::Died(Rule::Mem3),
            },
        }
    }

    /// `Free`.
    pub(crate) fn free(&mut self, d: &Design, h: ThreadId, domain: Domain, block: Option<BlockId>) -> Flow {
        let Some(b) = block else { return Flow::Answer(Reply::Done) };
        match domain {
            //= specs/rules/mem.md#mem-16
            //# A block of the raw domain MAY be freed by any thread, whatever became of the interpreter
            //# and of the runtime since.
            Domain::Raw => {
                *self.block_mut(b) = Block::FREE;
                Flow::Answer(Reply::Done)
            }
            Domain::Mem | Domain::Obj => match self.target(d, h, self.block(b).owner) {
                Some(heap) => self.go_in(d, h, OpKind::Free, heap, Inside::Free { block: b }),
                None => Flow::Died(Rule::Mem3),
            },
        }
    }

    /// The heap that a block with this owner is freed to by this thread.
    pub(crate) fn target(&self, d: &Design, h: ThreadId, owner: Option<InterpId>) -> Option<InterpId> {
        match d.free_goes_to {
            FreeGoesTo::Selected => self.selected(d, h),
            FreeGoesTo::Owner => owner,
        }
    }

    /// The one label inside a heap.
    pub(crate) fn heap_work(&mut self, d: &Design, h: ThreadId, w: Work) -> Flow {
        match w.inside {
            Inside::Malloc { domain, size, fails } => self
                .give_block(Block { live: true, domain, owner: Some(w.heap), class: Class::of(size) }, fails),
            Inside::Realloc { block, size, fails } => self.resize(w.heap, block, size, fails),
            Inside::Free { block } => self.release_block(w.heap, block),
            Inside::New { fails } => self.give_object(d, h, w.heap, fails),
            Inside::Dealloc { object } => self.release_object(w.heap, object),
        }
    }

    fn resize(&mut self, heap: InterpId, b: BlockId, size: u16, fails: bool) -> Flow {
        let old = *self.block(b);
        if !old.live {
            return Flow::Died(Rule::Mem6);
        }
        match old.class {
            // The raw allocator's: it goes there, whoever asks, and nothing is counted anew.
            Class::Large => Flow::Answer(Reply::Block(Some(b).filter(|_| !fails))),
            Class::Small(_) if old.owner != Some(heap) => Flow::Died(Rule::Mem4),
            Class::Small(_) if old.class.stays(size) => Flow::Answer(Reply::Block(Some(b))),
            Class::Small(_) if fails => Flow::Answer(Reply::Block(None)),
            Class::Small(_) => {
                let class = Class::of(size);
                self.discharge(heap, old.class);
                self.charge(Some(heap), class);
                self.block_mut(b).class = class;
                Flow::Answer(Reply::Block(Some(b)))
            }
        }
    }

    fn release_block(&mut self, heap: InterpId, b: BlockId) -> Flow {
        let block = *self.block(b);
        if !block.live {
            return Flow::Died(Rule::Mem6);
        }
        match self.leaves(heap, block.owner, block.class) {
            Ok(()) => {
                *self.block_mut(b) = Block::FREE;
                Flow::Answer(Reply::Done)
            }
            Err(rule) => Flow::Died(rule),
        }
    }

    /// A block with this owner is freed to this heap.
    pub(crate) fn leaves(
        &mut self,
        heap: InterpId,
        owner: Option<InterpId>,
        class: Class,
    ) -> Result<(), Rule> {
        //= specs/rules/mem.md#mem-4
        //# A block MUST be freed, or reallocated, where its heap is that of the current interpreter.
        match class {
            // It is in none of the pools of that heap, and taken for one of the raw allocator's.
            Class::Small(_) if owner != Some(heap) => Err(Rule::Mem4),
            Class::Small(_) | Class::Large => {
                self.discharge(heap, class);
                Ok(())
            }
        }
    }

    /// Takes a block for an object from a heap.
    pub(crate) fn charge_object(&mut self, heap: InterpId) {
        self.charge(Some(heap), Object::CLASS);
    }

    /// `_PyInterpreterState_GetAllocatedBlocks`.
    pub fn blocks_of(&self, i: InterpId) -> i32 {
        //= specs/rules/mem.md#mem-9
        //# The blocks of an interpreter MUST be counted as those that came from its heap and were not
        //# freed.
        let small = |b: &&Block| b.live && b.owner == Some(i) && b.class != Class::Large;
        let blocks = self.blocks.iter().filter(small).count();
        let objects = self.objects.iter().filter(|o| o.live && o.owner == Some(i)).count();
        i32::from(self.interp(i).raw_blocks) + (blocks + objects) as i32
    }

    /// `_Py_GetGlobalAllocatedBlocks`.
    pub fn all_blocks(&self, d: &Design) -> i32 {
        //= specs/rules/mem.md#mem-12
        //# All blocks MUST be counted as those of the heaps, and those that ended heaps and ended
        //# lives of the runtime left, each once.
        let heaps = Runtime::interp_ids().filter(|i| self.interp_listed(*i) && self.has_heap(d, *i));
        let live: i32 = heaps.map(|i| self.blocks_of(i)).sum();
        live + i32::from(self.totals.leaks) + i32::from(self.totals.last_final)
    }

    /// `_PyInterpreterState_GetRefTotal`.
    pub fn refs_of(&self, i: InterpId) -> i32 {
        i32::from(self.interp(i).ref_total)
    }

    /// `_Py_GetGlobalRefTotal`.
    pub fn all_refs(&self) -> i32 {
        //= specs/rules/ref.md#ref-11
        //# The total of all references MUST be that of all changes of counts, over the interpreters
        //# and over the lives of the runtime.
        let listed = Runtime::interp_ids().filter(|i| self.interp_listed(*i));
        let t = &self.totals;
        let carried = [t.refs, t.ref_leaks, t.ref_last_final, t.legacy].map(i32::from);
        listed.map(|i| self.refs_of(i)).sum::<i32>() + carried.iter().sum::<i32>()
    }

    /// An interpreter ends: what becomes of its heap, and of its reference total.
    pub(crate) fn end_heap(&mut self, d: &Design, i: InterpId) {
        self.totals.ref_leaks = self.totals.ref_leaks.saturating_add(self.interp(i).ref_total);
        if !self.has_heap(d, i) {
            return;
        }
        let left = self.blocks_of(i) as i8;
        self.totals.leaks = self.totals.leaks.saturating_add(left);
        //= specs/rules/mem.md#mem-11
        //# The end of a heap MUST leave no arena behind.
        self.totals.abandoned |= self.interp(i).arena
            && match d.arenas {
                Arenas::Abandoned => true,
                Arenas::FreedWhenEmpty => left != 0,
                Arenas::AlwaysFreed => false,
            };
        //= specs/rules/mem.md#mem-6
        //# A block MUST NOT be used after it was freed, or after the end of its heap.
        self.blocks.iter_mut().filter(|b| b.owner == Some(i)).for_each(|b| *b = Block::FREE);
        let listed: [bool; INTERPS] = std::array::from_fn(|k| self.interp_listed(InterpId(k as u8)));
        for object in self.objects.iter_mut().filter(|o| o.live && o.owner == Some(i)) {
            //= specs/rules/ref.md#ref-12
            //# The end of a heap MUST NOT take an object that an interpreter of another heap has a
            //# reference to.
            let elsewhere = (0..INTERPS).any(|k| k != i.index() && listed[k] && object.away[k] > 0);
            self.totals.dangling |= elsewhere;
            *object = Object::FREE;
        }
    }

    /// `_Py_FinalizeAllocatedBlocks` and `_Py_FinalizeRefTotal`, when no interpreter is left.
    pub(crate) fn end_totals(&mut self, d: &Design) {
        let t = &mut self.totals;
        t.last_final = t.last_final.saturating_add(t.leaks);
        match d.block_totals {
            BlockTotals::Once => t.leaks = 0,
            BlockTotals::Twice => {}
        }
        let legacy = match d.legacy_total {
            LegacyTotal::EachLife => t.legacy,
            LegacyTotal::Once => 0,
        };
        t.ref_last_final = t.ref_last_final.saturating_add(t.ref_leaks).saturating_add(legacy);
        t.ref_leaks = 0;
        match d.ref_total {
            RefTotal::Global => {}
            RefTotal::PerRuntime | RefTotal::PerInterpreter => {
                t.ref_last_final = t.ref_last_final.saturating_add(t.refs);
                t.refs = 0;
            }
        }
    }

    /// May a block with this owner be freed by this thread?
    pub(crate) fn may_leave(&self, d: &Design, h: ThreadId, owner: Option<InterpId>) -> Result<(), Rule> {
        match d.foreign_free {
            ForeignFree::Undetected => Ok(()),
            ForeignFree::Refused if self.selected(d, h) == owner => Ok(()),
            ForeignFree::Refused => Err(Rule::Mem4),
        }
    }

    /// Does a thread other than this one hold the GIL of this interpreter?
    pub fn elsewhere_in(&self, h: ThreadId, i: InterpId) -> bool {
        let holder = self.interp(i).gil.and_then(|g| self.gils[g.index()].holder);
        holder.is_some_and(|k| k != h)
    }

    /// The thread state that a counting or allocating call works with.
    pub(crate) fn works_with(&self, d: &Design, h: ThreadId) -> Result<TstateId, Rule> {
        self.own_current(d, h).ok_or(Rule::Ref1)
    }
}
