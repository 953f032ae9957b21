//! What the raw face has given out of a heap, by address.
//!
//! A name of the raw face may be stale, and something else may lie where it leads. A heap could tell
//! which of its blocks are live, but not which of them are objects, nor of which domain one is; and
//! what lies in a block cannot tell, since whoever has it writes there what they like. So what was
//! given out is written down. The safe face has no stale names, and nothing here.

use super::Inside;
use super::counted::Counted;
use crate::heap::{ALIGNMENT, Heap, LARGEST, OutOfMemory, Spread};
use crate::object::{Header, Kind};
use cloister_specs::Domain;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ptr::NonNull;

/// What was given out and not taken back.
#[derive(Default)]
pub(super) struct Given(HashMap<usize, Lies, BuildHasherDefault<Spread>>);

/// What lies at an address.
#[derive(Clone, Copy)]
enum Lies {
    Block(Lent),
    Object(NonNull<Header>),
}

// SAFETY: what its pointers lead to is in the heap beside it, which can be sent.
unsafe impl Send for Lies {}

/// A block that somebody has.
#[derive(Clone, Copy)]
pub(crate) struct Lent {
    pub(crate) domain: Domain,
    at: NonNull<u8>,
    /// How many bytes it has, if it is one of a pool; 0 for one of the raw allocator.
    room: usize,
}

/// How many bytes the block of a pool has that serves a request for so many; 0: none does.
//= specs/rules/mem.md#mem-7
//# A request of 0 bytes, or of more than 512, MUST be passed to the raw allocator, and counted by the
//# heap.
const fn room(size: usize) -> usize {
    if size > LARGEST { 0 } else { size.next_multiple_of(ALIGNMENT) }
}

impl Lent {
    /// Does it stay where it is when it is to have so many bytes?
    //= specs/rules/mem.md#mem-14
    //# A small block that grows within its size class, or shrinks by less than a quarter of it, MUST
    //# stay where it is.
    pub(crate) fn stays(&self, size: usize) -> bool {
        self.room > 0 && size <= self.room && 4 * size > 3 * self.room
    }

    /// Frees it, and gives out another one for so many bytes; or `forgets` to free it.
    fn moved(&self, heap: &mut Heap, size: usize, forgets: bool) -> Option<Lent> {
        let (domain, room) = (self.domain, if self.room == 0 { 0 } else { room(size) });
        let at = if forgets {
            let new = heap.malloc(size).ok()?;
            // SAFETY: both blocks live, and have so many bytes.
            unsafe { new.copy_from_nonoverlapping(self.at, size.min(self.room)) };
            new
        } else {
            // SAFETY: it was given out by this heap and not taken back, and who reallocates it does
            // not use it. It is freed without its size.
            unsafe { heap.realloc(self.at.as_ptr(), size) }.ok()?
        };
        Some(Lent { domain, at, room })
    }
}

impl Given {
    /// Makes sure that something more can be written down.
    fn reserve(&mut self) -> Result<(), OutOfMemory> {
        self.0.try_reserve(1).map_err(|_| OutOfMemory)
    }

    fn add(&mut self, lent: Lent) {
        self.0.insert(lent.at.addr().get(), Lies::Block(lent));
    }
}

impl Inside {
    /// The block that begins here, if somebody has one.
    #[inline]
    pub(crate) fn block(&self, at: *mut u8) -> Option<Lent> {
        match self.given.0.get(&at.addr()) {
            Some(Lies::Block(lent)) => Some(*lent),
            Some(Lies::Object(_)) | None => None,
        }
    }

    /// The object that begins here, if somebody has one.
    #[inline]
    pub(crate) fn object(&self, at: *mut u8) -> Option<NonNull<Header>> {
        match self.given.0.get(&at.addr()) {
            Some(Lies::Object(object)) => Some(*object),
            Some(Lies::Block(_)) | None => None,
        }
    }

    /// A block; `None`: there is no memory for it, and nothing has changed.
    pub(crate) fn malloc(&mut self, domain: Domain, size: usize, zeroed: bool) -> Option<NonNull<u8>> {
        let Counted { heap, tally, given, .. } = self.heap();
        tally.change(|| {
            let block =
                given.reserve().and_then(|()| if zeroed { heap.calloc(1, size) } else { heap.malloc(size) });
            if let Ok(at) = block {
                given.add(Lent { domain, at, room: room(size) });
            }
            (block.ok(), isize::from(block.is_ok()))
        })
    }

    /// Gives the block so many bytes where it is: it stays.
    pub(crate) fn keep(&mut self, lent: Lent, size: usize) {
        // SAFETY: it was given out by this heap and not taken back, and who reallocates it does not
        // use it.
        let kept = unsafe { self.heap().heap.realloc(lent.at.as_ptr(), size) };
        debug_assert_eq!(kept, Ok(lent.at), "the heap says as well that it stays");
    }

    /// The block with so many bytes, and maybe in another place; `None`: there is no memory for it,
    /// and it is as it was. `forgets`: one of a pool is not freed when it moves.
    pub(crate) fn realloc(&mut self, lent: Lent, size: usize, forgets: bool) -> Option<NonNull<u8>> {
        let forgets = forgets && lent.room > 0;
        let Counted { heap, tally, given, .. } = self.heap();
        tally.change(|| {
            let moved = given.reserve().ok().and_then(|()| lent.moved(heap, size, forgets));
            if let Some(moved) = moved {
                given.0.remove(&lent.at.addr().get());
                given.add(moved);
            }
            (moved.map(|moved| moved.at), isize::from(forgets && moved.is_some()))
        })
    }

    /// Frees a block that is lent.
    pub(crate) fn free(&mut self, lent: Lent) {
        let Counted { heap, tally, given, .. } = self.heap();
        tally.change(|| {
            given.0.remove(&lent.at.addr().get());
            // SAFETY: it was given out by this heap, and is not any more.
            let freed = unsafe { heap.free(lent.at.as_ptr()) };
            debug_assert_eq!(freed, Ok(()), "a block that was lent is one of the heap");
            ((), -isize::from(freed.is_ok()))
        });
    }

    /// An object of this kind, with one reference and without its value; `None`: there is no memory
    /// for it, and nothing has changed.
    pub(crate) fn make_object(&mut self, kind: &'static Kind) -> Option<NonNull<Header>> {
        let Counted { heap, tally, kinds, given } = self.heap();
        tally.change(|| {
            let room = kinds.reserve() && given.reserve().is_ok();
            let block = if room { heap.malloc(kind.size()).ok() } else { None };
            let object = block.map(|block| {
                kinds.count(kind);
                // SAFETY: the block is new, and as large as the kind says.
                let object = unsafe { Header::begin(block, kind) };
                given.0.insert(object.addr().get(), Lies::Object(object));
                object
            });
            (object, isize::from(object.is_some()))
        })
    }

    /// Frees the memory of an object that [`Inside::make_object`] made.
    ///
    /// # Safety
    ///
    /// It was of this kind, has ended, and nobody uses it any more.
    pub(crate) unsafe fn free_object(&mut self, object: NonNull<Header>, kind: Option<&'static Kind>) {
        let Counted { heap, tally, kinds, given } = self.heap();
        tally.change(|| {
            kind.into_iter().for_each(|kind| kinds.uncount(kind));
            given.0.remove(&object.addr().get());
            // SAFETY: as this function's.
            let freed = unsafe { heap.free(object.as_ptr().cast()) };
            debug_assert_eq!(freed, Ok(()), "the block of an object was freed behind its back");
            ((), -isize::from(freed.is_ok()))
        });
    }
}
