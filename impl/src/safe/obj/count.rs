//! References, counted on the header: what the raw face does, without looking up what the types
//! know already.

use crate::home::Here;
use crate::interp::Interp;
use crate::object::{Header, Kind};
use crate::sync;
use cloister_specs::FeatureFlags;
use std::any;
use std::ptr::{self, NonNull};

/// The kind of objects that hold a `T`, called after that type.
pub(super) struct KindOf<T>(T);

impl<T: 'static> KindOf<T> {
    pub(super) const KIND: &'static Kind = &Kind::named_by(any::type_name::<T>, Kind::of::<T>("object"));
}

/// Where this OS thread works with the heap of this interpreter, if it is attached to one that uses
/// it. `main`: that is the main interpreter, whose heap others may use.
pub(super) fn works_with(owner: Interp, main: bool) -> Option<Here> {
    let interp = sync::current()?.slot.interp()?;
    if interp == owner {
        return Some(Here { interp, owner });
    }
    // Who uses the heap of a main interpreter has its GIL (LIFE-8), and no other runtime's main
    // interpreter has that one.
    let uses_main = main && interp.slot.flags().contains(FeatureFlags::USE_MAIN_OBMALLOC);
    let same_gil = || match (interp.slot.gil.load(), owner.slot.gil.load()) {
        (Some(one), Some(other)) => ptr::eq(one, other),
        _ => false,
    };
    (uses_main && owner.listed() && same_gil()).then_some(Here { interp, owner })
}

/// Memory for an object of this kind, with one reference and without its value; `None`: there is
/// none.
///
/// # Safety
///
/// This OS thread works there, and holds the GIL. A value is put in before anybody looks.
pub(super) unsafe fn begin(here: Here, kind: &'static Kind) -> Option<NonNull<Header>> {
    // SAFETY: as this function's. The reference is gone before anything else is called.
    let home = unsafe { here.owner.slot.home.inside() };
    let block = home.heap().malloc(kind.size()).ok()?;
    home.count_object(kind);
    // SAFETY: as this function's.
    unsafe { charge(here, 1) };
    // SAFETY: the block is new, and as large as the kind says.
    Some(unsafe { Header::begin(block, kind) })
}

/// Takes one more reference.
///
/// # Safety
///
/// This OS thread works there, and holds the GIL. The object lives in that heap.
#[inline]
pub(super) unsafe fn take(here: Here, object: NonNull<Header>) {
    // SAFETY: as this function's.
    let header = unsafe { object.as_ref() };
    let before = header.count();
    header.incref();
    if header.count() != before {
        // SAFETY: as this function's.
        unsafe { charge(here, 1) };
    }
}

/// Gives a reference back; with the last one, the value is dropped and the block freed, also if
/// dropping the value panics.
///
/// # Safety
///
/// As that of [`take`]. The reference is the caller's, and not used again.
//= specs/rules/ref.md#ref-8
//# An object MUST be deallocated when its last reference is given back, and only then.
#[inline]
pub(super) unsafe fn give_back(here: Here, object: NonNull<Header>) {
    // SAFETY: as this function's.
    let header = unsafe { object.as_ref() };
    let before = header.count();
    let last = header.decref();
    if header.count() != before {
        // SAFETY: as this function's.
        unsafe { charge(here, -1) };
    }
    if last {
        // SAFETY: as this function's; nobody has a reference any more.
        unsafe { deallocate(here, object) };
    }
}

/// So many references more are used there.
///
/// # Safety
///
/// As that of [`take`].
//= specs/rules/ref.md#ref-10
//# A change of a count by an aware client MUST be added to the reference total of the interpreter that
//# it works in.
#[inline]
unsafe fn charge(here: Here, references: i64) {
    // SAFETY: as this function's. The reference is gone before anything else is called.
    unsafe { here.interp.slot.home.inside() }.charge(references);
}

/// # Safety
///
/// As that of [`take`]; nobody has a reference.
#[inline(never)]
unsafe fn deallocate(here: Here, object: NonNull<Header>) {
    // SAFETY: as this function's.
    let kind = unsafe { object.as_ref() }.kind();
    let _freed = Freed { here, object, kind };
    // SAFETY: as this function's.
    unsafe { Header::end(object) };
}

/// The block of an object, to be freed when its value has been dropped.
struct Freed {
    here: Here,
    object: NonNull<Header>,
    kind: Option<&'static Kind>,
}

impl Drop for Freed {
    fn drop(&mut self) {
        // SAFETY: who made this holds the GIL. Dropping the value did not change that: it takes a
        // token to drop a GIL, and a value cannot hold one.
        let home = unsafe { self.here.owner.slot.home.inside() };
        if let Some(kind) = self.kind {
            home.uncount_object(kind);
        }
        // SAFETY: the block is live, of this heap, and nobody uses it any more.
        let freed = unsafe { home.heap().free(self.object.as_ptr().cast()) };
        debug_assert_eq!(freed, Ok(()), "the block of an object was freed behind its back");
    }
}
