//! Which heap is whose.
//!
//! The main interpreter has a heap of its own, and so has every interpreter whose configuration
//! does not say that it uses the main one's. Its *home* is that heap, and the total of references
//! that it keeps. A heap begins when it is first asked for a block, so an interpreter that needs
//! none costs nothing; it ends with its interpreter, and *what it left* is counted.
//!
//! Nothing here has a lock. A heap is used only in the interpreters of one GIL (LIFE-8), and a
//! home is reached by
//!
//! - a thread with a current thread state, inside a call of which no other call is made: it holds
//!   that GIL;
//! - the end of the interpreter, which holds it for the last time;
//! - who counts: holds the list lock, and the GIL or a claim to it that lets nobody take it;
//! - who takes the interpreter from the lists, or has taken the whole runtime apart.
//!
//! The child of a fork ends the homes of all other interpreters, and may find one in which a thread
//! of the parent was at work. Its *tally* says whether that thread was changing the heap right
//! then. If not, the heap is whole, and is closed like any other. If so, it is given up: how many
//! blocks there were is told by the tally, and no pointer that lies in the home is followed.

mod alone;
mod counted;
mod given;
mod inside;
mod kinds;
mod left;
mod raw;
mod tally;

use alone::{Alone, Door};
pub(crate) use given::Lent;
pub(crate) use inside::Inside;
pub use left::Left;
pub(crate) use left::Totals;
pub(crate) use raw::Raw;

use crate::interp::Interp;
use crate::runtime::Inner;
use crate::thread::Thread;
use cloister_specs::{Domain, FeatureFlags};
use std::cell::UnsafeCell;
use std::fmt;
use std::ptr;

/// A block of memory, by name: what an allocation answers with.
///
/// It may outlive what it names; calls then refuse it (MEM-6), unless another block lies there
/// by now.
#[derive(Clone, Copy)]
pub struct Block {
    pub(crate) at: *mut u8,
    pub(crate) domain: Domain,
    /// The interpreter whose heap it came from; none: the raw domain's.
    pub(crate) owner: Option<Interp>,
}

// SAFETY: it is a name. Whoever follows it sees to it that this thread may.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// The name of nothing: every call refuses it (MEM-6).
    pub const fn null() -> Block {
        Block { at: ptr::null_mut(), domain: Domain::Raw, owner: None }
    }

    /// Its address, as long as it lives.
    pub fn addr(self) -> usize {
        self.at.addr()
    }

    /// Where it is, with leave to use its bytes as long as it lives.
    pub const fn as_ptr(self) -> *mut u8 {
        self.at
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.addr() == other.addr()
    }
}

impl Eq for Block {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Block").field(&format_args!("{:#x}", self.addr())).field(&self.domain.name()).finish()
    }
}

/// The memory of an interpreter.
#[derive(Default)]
pub(crate) struct Home {
    inside: UnsafeCell<Inside>,
    door: Door,
}

// SAFETY: what is inside is reached through `inside` alone, by one thread at a time.
unsafe impl Sync for Home {}

impl Home {
    /// # Safety
    ///
    /// The caller is one of those that may reach it, and has no other reference to it.
    #[allow(clippy::mut_from_ref)]
    #[inline]
    pub(crate) unsafe fn inside(&self) -> &mut Inside {
        // SAFETY: as this function's.
        unsafe { &mut *self.inside.get() }
    }

    /// Says, where that is checked, that this thread is in until it drops this.
    #[inline]
    pub(crate) fn alone(&self) -> Alone<'_> {
        self.door.enter()
    }
}

/// Where a thread works.
#[derive(Clone, Copy)]
pub(crate) struct Here {
    /// The interpreter of its current thread state.
    pub(crate) interp: Interp,
    /// The interpreter whose heap that one uses.
    pub(crate) owner: Interp,
}

impl Inner {
    /// Has this interpreter a heap of its own?
    pub(crate) fn has_own_heap(&self, interp: Interp) -> bool {
        let main = ptr::eq(interp.slot, self.main());
        main || !interp.slot.flags().contains(FeatureFlags::USE_MAIN_OBMALLOC)
    }

    /// The interpreter whose heap this one uses.
    #[inline]
    pub(crate) fn heap_of(&self, interp: Interp) -> Option<Interp> {
        if self.has_own_heap(interp) { Some(interp) } else { self.main_interp() }
    }
}

impl Thread {
    /// Where this thread works, if it has a current thread state.
    #[inline]
    pub(crate) fn here(&self) -> Option<Here> {
        let interp = self.current()?.slot.interp()?;
        Some(Here { interp, owner: self.inner().heap_of(interp)? })
    }

    /// Does this in the home whose heap is used here. It must not call anything of the runtime.
    //= specs/rules/mem.md#mem-1
    //# A heap MUST be used by one thread at a time.
    #[inline]
    pub(crate) fn at_home<R>(&self, here: Here, work: impl FnOnce(&mut Inside) -> R) -> R {
        let _alone = here.owner.slot.home.alone();
        // SAFETY: this thread holds the GIL of its current thread state, which guards that heap.
        work(unsafe { here.owner.slot.home.inside() })
    }

    /// So many references more are used here.
    //= specs/rules/ref.md#ref-10
    //# A change of a count by an aware client MUST be added to the reference total of the
    //# interpreter that it works in.
    #[inline]
    pub(crate) fn charge(&self, here: Here, references: i64) {
        // SAFETY: this thread holds the GIL of the interpreter that it works in.
        unsafe { here.interp.slot.home.inside() }.charge(references);
    }

    /// The heap of this interpreter, if it has one, ends; this thread holds its GIL, and nobody
    /// will work in it any more.
    pub(crate) fn close_home(&self, interp: Interp) {
        // SAFETY: as above. Who counts finds that the GIL is held.
        let inside = unsafe { interp.slot.home.inside() };
        if inside.has_heap() {
            let _alone = interp.slot.home.alone();
            inside.close();
        }
    }
}
