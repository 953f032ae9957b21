//! Blocks: allocating, freeing, counting.

use crate::faults::Seeded;
use crate::gil::Gil;
use crate::heap::LARGEST;
use crate::home::{Block, Here, Inside};
use crate::interp::{Interp, InterpSlot};
use crate::lists::Lists;
use crate::thread::Thread;
use cloister_specs::{Domain, Refusal, Rule};
use std::ptr::{self, NonNull};

/// GILs that nobody takes until this is gone, and no thread holds.
#[derive(Default)]
pub(super) struct Claims(Vec<(&'static Gil, u64)>);

impl Claims {
    /// Claims this one, if it is free; or has it claimed already?
    pub(super) fn claim(&mut self, gil: &'static Gil) -> bool {
        if self.has(gil) {
            return true;
        }
        let claimed = gil.claim_to_look();
        self.0.extend(claimed.map(|missed| (gil, missed)));
        claimed.is_some()
    }

    /// Is this one claimed?
    pub(super) fn has(&self, gil: &Gil) -> bool {
        self.0.iter().any(|(claimed, _)| ptr::eq(*claimed, gil))
    }

    /// Keeps them from being taken for ever: those who would are no more.
    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        self.0.iter().for_each(|(gil, missed)| gil.looked(*missed));
    }
}

/// How many bytes the block of a pool has that serves a request for so many; 0: none does.
//= specs/rules/mem.md#mem-7
//# A request of 0 bytes, or of more than 512, MUST be passed to the raw allocator, and counted by the
//# heap.
const fn room(size: usize) -> usize {
    if size > LARGEST { 0 } else { size.next_multiple_of(crate::heap::ALIGNMENT) }
}

/// Does a block with so much room stay where it is when it is to have so many bytes?
//= specs/rules/mem.md#mem-14
//# A small block that grows within its size class, or shrinks by less than a quarter of it, MUST stay
//# where it is.
const fn stays(room: usize, size: usize) -> bool {
    room > 0 && size <= room && 4 * size > 3 * room
}

impl Thread {
    /// `PyMem_RawMalloc`, `PyMem_Malloc` or `PyObject_Malloc`: a block of at least so many bytes;
    /// `None` (NULL): there is no memory for it. `fails` says that there is none.
    ///
    /// # Errors
    ///
    /// MEM-3: there is no current thread state, and the domain is not the raw one.
    pub fn malloc(&self, domain: Domain, size: usize, fails: bool) -> Result<Option<Block>, Refusal> {
        Ok(self.new_block(domain, size, fails, false)?)
    }

    /// `PyMem_RawCalloc`, `PyMem_Calloc` or `PyObject_Calloc` of one item: [`Thread::malloc`], and
    /// all bytes are 0.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn calloc(&self, domain: Domain, size: usize, fails: bool) -> Result<Option<Block>, Refusal> {
        Ok(self.new_block(domain, size, fails, true)?)
    }

    fn new_block(
        &self,
        domain: Domain,
        size: usize,
        fails: bool,
        zeroed: bool,
    ) -> Result<Option<Block>, Rule> {
        let here = self.may_allocate(domain)?;
        //= specs/rules/mem.md#mem-8
        //# An allocation that finds no memory MUST answer NULL, and change nothing.
        if self.has_no_memory(fails) {
            return Ok(None);
        }
        let block = |at: NonNull<u8>, owner, room| Block { at: at.as_ptr(), domain, owner, room };
        let Some(here) = here else {
            return Ok(self.inner().raw.lock().malloc(size, zeroed).map(|at| block(at, None, 0)));
        };
        //= specs/rules/mem.md#mem-2
        //# A block of the object or the mem domain MUST come from the heap of the interpreter that the
        //# caller works in.
        let at = self.at_home(here, |home| {
            let mut heap = home.heap();
            if zeroed { heap.calloc(size) } else { heap.malloc(size) }
        });
        Ok(at.ok().map(|at| block(at, Some(here.owner), room(size))))
    }

    /// `PyMem_RawRealloc`, `PyMem_Realloc` or `PyObject_Realloc`: the block with so many bytes, and
    /// maybe in another place; `None` (NULL): there is no memory for it, and the block is as it
    /// was. `fails` says that there is none, for a block that cannot stay where it is.
    ///
    /// # Errors
    ///
    /// MEM-3: there is no current thread state, and the domain is not the raw one. MEM-6: the
    /// block does not live. MEM-5: it is of another domain. MEM-4: it is of another heap.
    pub fn realloc(
        &self,
        domain: Domain,
        block: Block,
        size: usize,
        fails: bool,
    ) -> Result<Option<Block>, Refusal> {
        Ok(self.resize(domain, block, size, fails)?)
    }

    fn resize(&self, domain: Domain, block: Block, size: usize, fails: bool) -> Result<Option<Block>, Rule> {
        let here = self.may_use_block(domain, block)?;
        if stays(block.room, size) || self.is_taken_from_another(here, block) {
            return Ok(Some(block));
        }
        //= specs/rules/mem.md#mem-13
        //# A reallocation that finds no memory MUST answer NULL, and leave the block as it was.
        if self.has_no_memory(fails) {
            return Ok(None);
        }
        let moved = |at: NonNull<u8>, room| Block { at: at.as_ptr(), room, ..block };
        let Some(here) = here else {
            let mut raw = self.inner().raw.lock();
            // Another thread may have freed it since it was looked for.
            return if !raw.holds(block.at) {
                Err(Rule::Mem6)
            } else {
                Ok(raw.realloc(block.at, size).map(|at| moved(at, 0)))
            };
        };
        // One of the raw allocator's goes there, whatever its new size is.
        let room = if block.room == 0 { 0 } else { room(size) };
        let forgets = self.seeded(Seeded::ReallocForgetsToFree) && block.room > 0;
        let at = self.at_home(here, |home| {
            if forgets {
                let new = home.heap().malloc(size).ok()?;
                // SAFETY: both blocks live, and have so many bytes.
                unsafe { new.copy_from_nonoverlapping(NonNull::new(block.at)?, size.min(block.room)) };
                return Some(new);
            }
            // SAFETY: it is a live block of this heap, and who reallocates it does not use it.
            unsafe { home.heap().realloc(block.at, size) }.ok()
        });
        Ok(at.map(|at| moved(at, room)))
    }

    /// `PyMem_RawFree`, `PyMem_Free` or `PyObject_Free`; `None` is NULL.
    ///
    /// # Errors
    ///
    /// MEM-3: there is no current thread state, and the domain is not the raw one. MEM-6: the
    /// block does not live. MEM-5: it is of another domain. MEM-4: it is of another heap.
    pub fn free(&self, domain: Domain, block: Option<Block>) -> Result<(), Refusal> {
        let freed = match block {
            None => self.may_allocate(domain).map(|_| ()),
            Some(block) => self.release_block(domain, block),
        };
        Ok(freed?)
    }

    fn release_block(&self, domain: Domain, block: Block) -> Result<(), Rule> {
        let here = self.may_use_block(domain, block)?;
        if self.is_taken_from_another(here, block) {
            return Ok(());
        }
        //= specs/rules/mem.md#mem-16
        //# A block of the raw domain MAY be freed by any thread, whatever became of the interpreter and
        //# of the runtime since.
        let freed = match here {
            None => self.inner().raw.lock().free(block.at),
            // SAFETY: who frees it does not use it any more.
            Some(here) => self.at_home(here, |home| unsafe { home.heap().free_checked(block.at) }.is_ok()),
        };
        if freed { Ok(()) } else { Err(Rule::Mem6) }
    }

    /// Is there no memory, for the caller says so or it was asked to run out?
    pub(super) fn has_no_memory(&self, fails: bool) -> bool {
        fails || self.inner().allocates().is_err()
    }

    /// Where this thread allocates in a domain; in the raw one it is nowhere.
    //= specs/rules/mem.md#mem-3
    //# A thread MUST have a current thread state when it allocates, frees or counts in the object or the
    //# mem domain.
    fn may_allocate(&self, domain: Domain) -> Result<Option<Here>, Rule> {
        match domain {
            Domain::Raw => Ok(None),
            Domain::Mem | Domain::Obj => self.here().map(Some).ok_or(Rule::Mem3),
        }
    }

    /// Where this thread may free a block, or give it another size.
    fn may_use_block(&self, domain: Domain, block: Block) -> Result<Option<Here>, Rule> {
        let here = self.may_allocate(domain)?;
        //= specs/rules/mem.md#mem-6
        //# A block MUST NOT be used after it was freed, or after the end of its heap.
        if !self.is_live(block) {
            return Err(Rule::Mem6);
        }
        //= specs/rules/mem.md#mem-5
        //# A block MUST be freed, or reallocated, in the domain that it was allocated in.
        if block.domain != domain {
            return Err(Rule::Mem5);
        }
        //= specs/rules/mem.md#mem-4
        //# A block MUST be freed, or reallocated, where its heap is that of the current interpreter.
        let foreign = here.is_some() && here.map(|here| here.owner) != block.owner;
        if foreign && !self.seeded(Seeded::FreeGoesToSelected) { Err(Rule::Mem4) } else { Ok(here) }
    }

    /// A mistake let a block of another heap pass, which is left alone.
    fn is_taken_from_another(&self, here: Option<Here>, block: Block) -> bool {
        here.is_some_and(|here| Some(here.owner) != block.owner)
    }

    /// Does this block live? One of a heap that this thread must not look into does if that heap
    /// has not ended.
    fn is_live(&self, block: Block) -> bool {
        let Some(owner) = block.owner else { return self.inner().raw.lock().holds(block.at) };
        match self.here() {
            Some(here) if here.owner == owner => self.at_home(here, |home| home.holds_block(block.at)),
            Some(_) | None => owner.listed(),
        }
    }

    /// `_PyInterpreterState_GetAllocatedBlocks`: how many blocks of the heap of this interpreter
    /// were allocated and not freed.
    ///
    /// # Errors
    ///
    /// MEM-3: there is no current thread state. GIL-12: the interpreter has ended. MEM-10: it has
    /// no heap of its own. MEM-15: another thread holds its GIL, or is about to.
    pub fn allocated_blocks(&self, interp: Interp) -> Result<usize, Refusal> {
        self.here().ok_or(Rule::Mem3)?;
        let lists = self.inner().lists();
        self.listed_interp(interp)?;
        //= specs/rules/mem.md#mem-10
        //# The blocks of an interpreter that has no heap of its own MUST NOT be asked for.
        if !self.inner().has_own_heap(interp) {
            return Err(Rule::Mem10.into());
        }
        let twice = self.seeded(Seeded::CountsLargeTwice);
        Ok(self.count(&lists, &[interp.slot], |home| home.blocks(twice) as i64)? as usize)
    }

    /// `_Py_GetGlobalAllocatedBlocks`: how many blocks were allocated and not freed, in all
    /// interpreters and all lives of the runtime; those of the raw domain are not counted.
    ///
    /// # Errors
    ///
    /// MEM-3: there is no current thread state. MEM-15: another thread holds the GIL of an
    /// interpreter, or is about to.
    pub fn global_allocated_blocks(&self) -> Result<i64, Refusal> {
        self.here().ok_or(Rule::Mem3)?;
        let lists = self.inner().lists();
        let twice = self.seeded(Seeded::CountsLargeTwice);
        //= specs/rules/mem.md#mem-12
        //# All blocks MUST be counted as those of the heaps, and those that ended heaps and ended lives
        //# of the runtime left, each once.
        let live = self.count(&lists, lists.interps(), |home| home.blocks(twice) as i64)?;
        Ok(live + (lists.totals.leaks + lists.totals.last_final) as i64)
    }

    /// Sums up something of these interpreters at one moment: none of their GILs is taken meanwhile.
    //= specs/rules/mem.md#mem-15
    //# Blocks and references MUST NOT be counted while another thread holds the GIL of an interpreter
    //# whose they are.
    pub(super) fn count(
        &self,
        _: &Lists,
        interps: &[&'static InterpSlot],
        what: impl Fn(&Inside) -> i64,
    ) -> Result<i64, Rule> {
        let own = self.current().and_then(|current| current.slot.gil.load());
        let mut claims = Claims::default();
        // One that has no GIL yet is being created, and nothing is in it until the list lock is free.
        let with_gil = || interps.iter().filter_map(|slot| Some((slot, slot.gil.load()?)));
        for (_, gil) in with_gil() {
            if !own.is_some_and(|own| ptr::eq(own, gil)) && !claims.claim(gil) {
                return Err(Rule::Mem15);
            }
        }
        // SAFETY: this thread holds the list lock, and the GIL of each or a claim to it.
        let counts = with_gil().map(|(slot, _)| what(unsafe { slot.home.inside() }));
        let sum = counts.sum();
        drop(claims);
        Ok(sum)
    }
}
