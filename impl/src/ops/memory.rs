//! Blocks: allocating, freeing, counting.

use crate::faults::Seeded;
use crate::gil::Gil;
use crate::home::{Block, Here, Inside, Lent};
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

/// Where a block lies.
#[derive(Clone, Copy)]
enum Place {
    /// In the raw domain.
    Raw,
    /// In the heap that is used here.
    Here(Here, Lent),
    /// In another heap. It is left alone, should a mistake let it pass.
    Elsewhere,
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
        let block = |at: NonNull<u8>, owner| Block { at: at.as_ptr(), domain, owner };
        let Some(here) = here else {
            return Ok(self.inner().raw.lock().malloc(size, zeroed).map(|at| block(at, None)));
        };
        //= specs/rules/mem.md#mem-2
        //# A block of the object or the mem domain MUST come from the heap of the interpreter that the
        //# caller works in.
        let at = self.at_home(here, |home| home.malloc(domain, size, zeroed));
        Ok(at.map(|at| block(at, Some(here.owner))))
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
        let lent = match self.may_use_block(domain, block)? {
            Place::Raw => None,
            Place::Here(here, lent) => Some((here, lent)),
            Place::Elsewhere => return Ok(Some(block)),
        };
        // A name that is old may say otherwise.
        let block = Block { domain, ..block };
        if let Some((here, lent)) = lent.filter(|(_, lent)| lent.stays(size)) {
            self.at_home(here, |home| home.keep(lent, size));
            return Ok(Some(block));
        }
        //= specs/rules/mem.md#mem-13
        //# A reallocation that finds no memory MUST answer NULL, and leave the block as it was.
        if self.has_no_memory(fails) {
            return Ok(None);
        }
        let at = if let Some((here, lent)) = lent {
            let forgets = self.seeded(Seeded::ReallocForgetsToFree);
            self.at_home(here, |home| home.realloc(lent, size, forgets))
        } else {
            let mut raw = self.inner().raw.lock();
            // Another thread may have freed it since it was looked for.
            if !raw.holds(block.at) {
                return Err(Rule::Mem6);
            }
            raw.realloc(block.at, size)
        };
        Ok(at.map(|at| Block { at: at.as_ptr(), ..block }))
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
        match self.may_use_block(domain, block)? {
            //= specs/rules/mem.md#mem-16
            //# A block of the raw domain MAY be freed by any thread, whatever became of the interpreter
            //# and of the runtime since.
            Place::Raw => {
                let freed = self.inner().raw.lock().free(block.at);
                // Another thread may have freed it since it was looked for.
                freed.then_some(()).ok_or(Rule::Mem6)?;
            }
            Place::Here(here, lent) => self.at_home(here, |home| home.free(lent)),
            Place::Elsewhere => {}
        }
        Ok(())
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

    /// Where the block lies that this thread may free, or give another size.
    fn may_use_block(&self, domain: Domain, block: Block) -> Result<Place, Rule> {
        let here = self.may_allocate(domain)?;
        //= specs/rules/mem.md#mem-6
        //# A block MUST NOT be used after it was freed, or after the end of its heap.
        let place = self.place(block).ok_or(Rule::Mem6)?;
        //= specs/rules/mem.md#mem-5
        //# A block MUST be freed, or reallocated, in the domain that it was allocated in.
        let of = if let Place::Here(_, lent) = place { lent.domain } else { block.domain };
        if of != domain {
            return Err(Rule::Mem5);
        }
        //= specs/rules/mem.md#mem-4
        //# A block MUST be freed, or reallocated, where its heap is that of the current interpreter.
        let foreign = here.is_some() && matches!(place, Place::Elsewhere);
        if foreign && !self.seeded(Seeded::FreeGoesToSelected) { Err(Rule::Mem4) } else { Ok(place) }
    }

    /// Where this block lies, if it lives. One of a heap that this thread must not look into does if
    /// that heap has not ended.
    fn place(&self, block: Block) -> Option<Place> {
        let Some(owner) = block.owner else {
            return self.inner().raw.lock().holds(block.at).then_some(Place::Raw);
        };
        match self.here() {
            Some(here) if here.owner == owner => {
                self.at_home(here, |home| home.block(block.at)).map(|lent| Place::Here(here, lent))
            }
            Some(_) | None => owner.listed().then_some(Place::Elsewhere),
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
            let guarded = own.is_some_and(|own| ptr::eq(own, gil)) || claims.claim(gil);
            if !guarded && !self.seeded(Seeded::CountsBesideOthers) {
                return Err(Rule::Mem15);
            }
        }
        let counts = with_gil().map(|(slot, _)| {
            let _alone = slot.home.alone();
            // SAFETY: this thread holds the list lock, and the GIL of each or a claim to it.
            what(unsafe { slot.home.inside() })
        });
        let sum = counts.sum();
        drop(claims);
        Ok(sum)
    }
}
