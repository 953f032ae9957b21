//! Objects: making them, and counting references.

use crate::faults::Seeded;
use crate::home::Here;
use crate::interp::Interp;
use crate::object::count::{self, IMMORTAL};
use crate::object::{Header, Kind, Object, Place, Stepped};
use crate::sync::plain::Ordering;
use crate::thread::Thread;
use cloister_specs::{Client, Refusal, Rule};
use std::ptr::NonNull;

static PLAIN: Kind = Kind::PLAIN;

/// An object that this thread may use.
#[derive(Clone, Copy)]
struct Used<'a> {
    here: Here,
    header: &'a Header,
    /// Where it lies in the heap that is used here; a static one does not.
    block: Option<NonNull<Header>>,
}

impl Thread {
    /// `PyObject_New`: an object with one reference, and nothing in it; `None` (NULL): there is no
    /// memory for it. `fails` says that there is none.
    ///
    /// # Errors
    ///
    /// REF-1: there is no current thread state.
    pub fn object_new(&self, fails: bool) -> Result<Option<Object>, Refusal> {
        Ok(self.make(&PLAIN, (), fails)?)
    }

    /// [`Thread::object_new`], of a kind that holds a value. That is dropped when the object is
    /// deallocated; if the heap ends first, it is not.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// The kind is one of a `T`.
    pub unsafe fn object_new_of<T: Send + 'static>(
        &self,
        kind: &'static Kind,
        value: T,
    ) -> Result<Option<Object>, Refusal> {
        Ok(self.make(kind, value, false)?)
    }

    fn make<T>(&self, kind: &'static Kind, value: T, fails: bool) -> Result<Option<Object>, Rule> {
        //= specs/rules/ref.md#ref-1
        //# A thread MUST have a current thread state when it makes an object, uses one, or totals
        //# references.
        let here = self.here().ok_or(Rule::Ref1)?;
        if self.has_no_memory(fails) {
            return Ok(None);
        }
        let Some(header) = self.at_home(here, |home| home.make_object(kind)) else { return Ok(None) };
        // SAFETY: the object is of the kind of a `T`, and has no value yet.
        unsafe { Header::value(header).cast::<T>().write(value) };
        self.total(here, 1);
        Ok(Some(Object(Place::Heap(header, here.owner))))
    }

    /// `Py_SET_REFCNT`: references are taken, or given back, until there are so many. Answers with
    /// the count, which stays if the object is immortal.
    ///
    /// # Errors
    ///
    /// REF-1: there is no current thread state. REF-2: the object does not live. REF-3: it is of
    /// another heap. REF-8: it would be none.
    pub fn set_refcnt(&self, object: Object, count: u32) -> Result<u32, Refusal> {
        let used = self.may_use(object)?;
        //= specs/rules/ref.md#ref-8
        //# An object MUST be deallocated when its last reference is given back, and only then.
        if count == 0 {
            return Err(Rule::Ref8.into());
        }
        used.header.write(count::set(used.header.count(), count));
        Ok(used.header.count())
    }

    /// `Py_INCREF`, by a client that is aware of immortality or is not. Answers with the count.
    ///
    /// # Errors
    ///
    /// REF-1: there is no current thread state. REF-2: the object does not live. REF-3: it is of
    /// another heap.
    pub fn incref(&self, object: Object, client: Client) -> Result<u32, Refusal> {
        let used = self.may_use(object)?;
        let stepped = self.step(used, true, client);
        Ok(stepped.after)
    }

    /// `Py_DECREF`, likewise; `None`: it was the last reference, and the object is no more.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decref(&self, object: Object, client: Client) -> Result<Option<u32>, Refusal> {
        let used = self.may_use(object)?;
        let stepped = self.step(used, false, client);
        let early = self.seeded(Seeded::DeallocAtOne) && stepped.after == 1;
        match used.block {
            Some(block) if stepped.last || early => {
                self.deallocate(used.here, block);
                Ok(None)
            }
            // A static object lies in no heap.
            Some(_) | None => Ok(Some(stepped.after)),
        }
    }

    /// `_Py_SetImmortal`: answers with the count.
    ///
    /// # Errors
    ///
    /// As those of [`Thread::incref`].
    pub fn set_immortal(&self, object: Object) -> Result<u32, Refusal> {
        let used = self.may_use(object)?;
        used.header.write(IMMORTAL);
        Ok(IMMORTAL)
    }

    /// `_Py_ClearImmortal`: the object was made immortal, has one reference now, and that is given
    /// back.
    ///
    /// # Errors
    ///
    /// As those of [`Thread::incref`]. REF-9: the object is static, or its count is not the one that
    /// [`Thread::set_immortal`] gives.
    pub fn clear_immortal(&self, object: Object) -> Result<(), Refusal> {
        let used = self.may_use(object)?;
        //= specs/rules/ref.md#ref-9
        //# ClearImmortal MUST be given an immortal object that is not static, with the count that
        //# SetImmortal gives.
        let block = used.block.filter(|_| used.header.count() == IMMORTAL).ok_or(Rule::Ref9)?;
        used.header.write(0);
        self.total(used.here, -1);
        self.deallocate(used.here, block);
        Ok(())
    }

    /// A reference that the current interpreter has goes to another one.
    ///
    /// # Errors
    ///
    /// As those of [`Thread::incref`]. GIL-12: the other interpreter has ended. LIFE-13: it is not
    /// live. REF-4: its heap is another one.
    pub fn pass_ref(&self, object: Object, to: Interp) -> Result<(), Refusal> {
        let used = self.may_use(object)?;
        let lists = self.inner().lists();
        self.listed_interp(to)?;
        if !to.slot.live() {
            return Err(Rule::Life13.into());
        }
        //= specs/rules/ref.md#ref-4
        //# A reference to an object that is not static MUST NOT be passed to an interpreter of another
        //# heap.
        //= specs/rules/ref.md#ref-12
        //# The end of a heap MUST NOT take an object that an interpreter of another heap has a
        //# reference to.
        let same = self.inner().heap_of(to) == Some(used.here.owner);
        drop(lists);
        if object.is_static() || same { Ok(()) } else { Err(Rule::Ref4.into()) }
    }

    /// `_PyInterpreterState_GetRefTotal`: the references that were taken in this interpreter by
    /// aware clients, less those that were given back.
    ///
    /// # Errors
    ///
    /// REF-1: there is no current thread state. GIL-12: the interpreter has ended. MEM-15: another
    /// thread holds its GIL, or is about to.
    pub fn ref_total(&self, interp: Interp) -> Result<i64, Refusal> {
        self.here().ok_or(Rule::Ref1)?;
        let lists = self.inner().lists();
        self.listed_interp(interp)?;
        Ok(self.count(&lists, &[interp.slot], |home| home.refs())?)
    }

    /// `_Py_GetGlobalRefTotal`: the same of all interpreters, in all lives of the runtime, and by
    /// unaware clients too.
    ///
    /// # Errors
    ///
    /// REF-1: there is no current thread state. MEM-15: another thread holds the GIL of an
    /// interpreter, or is about to.
    pub fn global_ref_total(&self) -> Result<i64, Refusal> {
        self.here().ok_or(Rule::Ref1)?;
        let lists = self.inner().lists();
        //= specs/rules/ref.md#ref-11
        //# The total of all references MUST be that of all changes of counts, over the interpreters and
        //# over the lives of the runtime.
        let live = self.count(&lists, lists.interps(), |home| home.refs())?;
        let ended = lists.totals.ref_leaks + lists.totals.ref_last_final;
        Ok(live + ended + self.runtime().legacy_refs())
    }

    /// May this thread use this object?
    fn may_use(&self, object: Object) -> Result<Used<'_>, Rule> {
        let here = self.here().ok_or(Rule::Ref1)?;
        //= specs/rules/ref.md#ref-2
        //# An object MUST NOT be used after it was deallocated, or after the end of its heap.
        let (header, owner) = match object.0 {
            Place::Nowhere => return Err(Rule::Ref2),
            Place::Static(index) => {
                let header = self.inner().statics.get(index).ok_or(Rule::Ref2)?;
                return Ok(Used { here, header, block: None });
            }
            Place::Heap(header, owner) => (header, owner),
        };
        //= specs/rules/ref.md#ref-3
        //# An object that is not static MUST be used in an interpreter of its heap.
        if owner != here.owner {
            return Err(if owner.listed() { Rule::Ref3 } else { Rule::Ref2 });
        }
        let header = self.at_home(here, |home| home.object(header.as_ptr().cast())).ok_or(Rule::Ref2)?;
        // SAFETY: an object lies there, in a heap whose GIL this thread holds.
        let header_here = unsafe { header.as_ref() };
        // One whose value is being dropped has no kind any more.
        header_here.kind().ok_or(Rule::Ref2)?;
        Ok(Used { here, header: header_here, block: Some(header) })
    }

    /// One reference more, or less.
    //= specs/rules/ref.md#ref-5
    //# The count of an object that was never immortal MUST be the number of references to it.
    fn step(&self, used: Used<'_>, up: bool, client: Client) -> Stepped {
        let stepped = self.mistaken(used.header, up, client).unwrap_or_else(|| used.header.step(up, client));
        let by = if up { 1 } else { -1 };
        match client {
            Client::Aware if stepped.after != stepped.before => self.total(used.here, by),
            Client::Aware => {}
            Client::Unaware => {
                self.inner().legacy_refs.fetch_add(by, Ordering::Relaxed);
            }
        }
        stepped
    }

    /// The step with a mistake in it, if one is switched on.
    fn mistaken(&self, header: &Header, up: bool, client: Client) -> Option<Stepped> {
        let before = header.count();
        let after = if up { before.wrapping_add(1) } else { before.wrapping_sub(1) };
        let aware = client == Client::Aware;
        if aware && self.seeded(Seeded::ImmortalIsWritten) && count::is_immortal(before) {
            header.write(after);
        } else if aware && self.seeded(Seeded::OverflowNotSticky) && count::is_immortal(before | after) {
            header.write(if count::is_immortal(before) { before } else { after });
        } else {
            return None;
        }
        Some(Stepped { before, after: header.count(), last: false })
    }

    /// Adds to the total of the interpreter that this thread works in.
    fn total(&self, here: Here, references: i64) {
        let main = self.inner().main_interp().filter(|_| self.seeded(Seeded::TotalToMain));
        self.charge(Here { interp: main.unwrap_or(here.interp), ..here }, references);
    }

    /// The object is no more: its value is dropped, and its block freed.
    fn deallocate(&self, here: Here, object: NonNull<Header>) {
        // SAFETY: the caller has looked, and nobody has a reference any more.
        let kind = unsafe { object.as_ref() }.kind();
        // SAFETY: as above.
        unsafe { Header::end(object) };
        // The value may have called anything, and ended this heap with it.
        if self.here().is_none_or(|now| now.owner != here.owner) {
            return;
        }
        // SAFETY: as above.
        self.at_home(here, |home| unsafe { home.free_object(object, kind) });
    }
}
