//! Headers of objects, and kinds.

use super::count::{self, IMMORTAL};
use crate::heap::{ALIGNMENT, LARGEST};
use crate::layout::{Layout, layout};
use crate::sync::plain::{AtomicPtr, AtomicU32, Ordering};
use cloister_specs::Client;
use std::ptr::{self, NonNull};

/// What objects of one kind have in common.
#[derive(Debug)]
pub struct Kind {
    name: Name,
    /// Of an object, its header included.
    size: usize,
    drop: Option<unsafe fn(NonNull<u8>)>,
}

/// What a kind is called.
#[derive(Clone, Copy, Debug)]
enum Name {
    Text(&'static str),
    /// Of a type, which can be asked for when the program runs alone.
    Type(fn() -> &'static str),
}

impl Kind {
    /// Of objects that have nothing but a header.
    pub const PLAIN: Kind = Kind::of::<()>("object");

    /// Of objects that hold a `T`, which is dropped when they are deallocated. It has to fit into a
    /// block of a pool; what does not can be boxed.
    pub const fn of<T: 'static>(name: &'static str) -> Kind {
        let size = size_of::<Header>() + size_of::<T>();
        assert!(size <= LARGEST, "the value does not fit into a block of a pool");
        assert!(align_of::<T>() <= ALIGNMENT, "blocks are not aligned so much");
        /// # Safety
        ///
        /// A `T` is there, which nobody uses any more.
        unsafe fn drop_at<T>(value: NonNull<u8>) {
            // SAFETY: as this function's.
            unsafe { value.cast::<T>().drop_in_place() };
        }
        let drop: Option<unsafe fn(NonNull<u8>)> =
            if std::mem::needs_drop::<T>() { Some(drop_at::<T>) } else { None };
        Kind { name: Name::Text(name), size, drop }
    }

    /// The same, called what this says.
    pub(crate) const fn named_by(name: fn() -> &'static str, kind: Kind) -> Kind {
        Kind { name: Name::Type(name), ..kind }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self.name {
            Name::Text(name) => name,
            Name::Type(name) => name(),
        }
    }

    /// How many bytes an object has, its header included.
    pub const fn size(&self) -> usize {
        self.size
    }
}

/// What each object begins with.
///
/// The count is atomic for the static objects, which interpreters with GILs of their own
/// share: nobody waits for it, and a read and a write are two steps, as in C.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct Header {
    count: AtomicU32,
    kind: AtomicPtr<Kind>,
}

const _: () = assert!(size_of::<Header>() == 16 && align_of::<Header>() == ALIGNMENT);
const _: () = assert!(std::mem::offset_of!(Header, count) == 0 && std::mem::offset_of!(Header, kind) == 8);
const _: () = assert!(Kind::PLAIN.size == size_of::<Header>());

impl Header {
    pub(crate) fn layout() -> Layout {
        layout!("header of an object", Header { count, kind })
    }

    /// That of an object with one reference, which no call knows of.
    pub const fn new(kind: &'static Kind) -> Header {
        let kind = AtomicPtr::new(ptr::from_ref(kind).cast_mut());
        Header { count: AtomicU32::new(1), kind }
    }

    /// That of a static object.
    pub const fn immortal(kind: &'static Kind) -> Header {
        let kind = AtomicPtr::new(ptr::from_ref(kind).cast_mut());
        Header { count: AtomicU32::new(IMMORTAL), kind }
    }

    /// Makes a block an object of this kind, with one reference and without its value.
    ///
    /// # Safety
    ///
    /// The block has the size of the kind, is aligned, and nobody else uses it.
    pub(crate) unsafe fn begin(block: NonNull<u8>, kind: &'static Kind) -> NonNull<Header> {
        let at = block.cast::<Header>();
        // SAFETY: as this function's.
        unsafe { at.write(Header::new(kind)) };
        at
    }

    /// The kind of the object, if it has not ended.
    pub(crate) fn kind(&self) -> Option<&'static Kind> {
        // SAFETY: each header was made with a kind, which lasts for ever; `end` puts null there.
        unsafe { self.kind.load(Ordering::Relaxed).as_ref() }
    }

    /// Where the value of an object is.
    pub(crate) fn value(at: NonNull<Header>) -> NonNull<u8> {
        // SAFETY: an object is as large as its header at least.
        unsafe { at.add(1).cast() }
    }

    /// Makes it no object any more, and drops its value.
    ///
    /// # Safety
    ///
    /// It is an object, which nobody uses any more.
    pub(crate) unsafe fn end(at: NonNull<Header>) {
        // SAFETY: as this function's.
        let kind = unsafe { at.as_ref() }.kind();
        // SAFETY: as above. Its value cannot reach it any more.
        unsafe { at.as_ref() }.kind.store(ptr::null_mut(), Ordering::Relaxed);
        if let Some(drop) = kind.and_then(|kind| kind.drop) {
            // SAFETY: the value is of that kind, and nobody uses it any more.
            unsafe { drop(Header::value(at)) };
        }
    }

    /// `Py_REFCNT`.
    #[inline]
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    #[inline]
    fn store(&self, count: u32) {
        self.count.store(count, Ordering::Relaxed);
    }

    /// Writes this count, if it is another.
    #[inline]
    pub(crate) fn write(&self, count: u32) {
        if self.count() != count {
            self.store(count);
        }
    }

    /// `Py_INCREF` of an aware client.
    #[inline]
    pub fn incref(&self) {
        let now = self.count();
        if !count::is_settled(now) {
            aside();
            match count::more(now) {
                Some(new) => self.store(new),
                None => self.settle(),
            }
        }
    }

    /// `Py_DECREF` of an aware client. Was it the last reference?
    #[inline]
    #[must_use]
    pub fn decref(&self) -> bool {
        let now = self.count();
        if count::is_settled(now) {
            return false;
        }
        aside();
        match count::less(now) {
            Some(new) => {
                self.store(new);
                new == 0
            }
            None => {
                self.settle();
                false
            }
        }
    }

    /// What has come near an end of the immortal half goes back to its middle.
    #[cold]
    #[inline(never)]
    fn settle(&self) {
        self.store(IMMORTAL);
    }

    /// One step up or down, by either client.
    pub(crate) fn step(&self, up: bool, client: Client) -> Stepped {
        let before = self.count();
        let last = match (client, up) {
            (Client::Aware, true) => {
                self.incref();
                false
            }
            (Client::Aware, false) => self.decref(),
            (Client::Unaware, true) => {
                self.store(count::incref_unaware(before));
                false
            }
            (Client::Unaware, false) => {
                self.store(count::decref_unaware(before));
                before == 1
            }
        };
        Stepped { before, after: self.count(), last }
    }
}

/// What a step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stepped {
    pub(crate) before: u32,
    pub(crate) after: u32,
    /// The last reference was given back.
    pub(crate) last: bool,
}

/// Has the compiler lay what follows aside, so that an immortal count, which is only read, takes no
/// jump. One that is written has time for it.
#[cold]
#[inline]
fn aside() {}

#[cfg(test)]
mod tests {
    use super::*;

    static PLAIN: Kind = Kind::PLAIN;

    #[test]
    fn an_object_that_has_ended_has_no_kind() {
        let mut block = Box::new([0xff_u128; 2]);
        let at = NonNull::from(&mut *block).cast::<u8>();
        // SAFETY: the memory is large enough and aligned.
        unsafe {
            let header = Header::begin(at, &PLAIN).as_ref();
            assert_eq!((header.kind().map(Kind::name), header.count()), (Some("object"), 1));
            Header::end(at.cast());
            assert!(header.kind().is_none());
        }
    }

    /// Aware clients count what nobody can write to.
    #[cfg(unix)]
    #[test]
    fn a_static_object_is_not_written_by_aware_clients() {
        const PAGE: usize = 1 << 14;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let how = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory, in which a header fits, and which is shut to writes afterwards.
        let header: &Header = unsafe {
            let page = libc::mmap(ptr::null_mut(), PAGE, access, how, -1, 0);
            assert_ne!(page, libc::MAP_FAILED);
            page.cast::<Header>().write(Header::immortal(&PLAIN));
            assert_eq!(libc::mprotect(page, PAGE, libc::PROT_READ), 0);
            &*page.cast()
        };
        for _ in 0..3 {
            header.incref();
            assert!(!header.decref() && !header.decref());
            header.write(count::set(header.count(), 1));
            header.write(IMMORTAL);
            for up in [true, false] {
                assert!(!header.step(up, Client::Aware).last);
            }
        }
        assert_eq!(header.count(), IMMORTAL);
        // SAFETY: mapped above, and not used any more.
        unsafe { libc::munmap(ptr::from_ref(header).cast_mut().cast(), PAGE) };
    }

    #[test]
    fn the_steps_of_a_header_are_those_of_its_count() {
        let edges = [1, 2, 0x7fff_fffe, 0x7fff_ffff, 1 << 31, 0x9fff_ffff, 0xa000_0000, IMMORTAL];
        for now in edges.into_iter().chain([0xdfff_ffff, 0xe000_0000, u32::MAX - 1, u32::MAX]) {
            let step = |up, client| {
                let header = Header::immortal(&PLAIN);
                header.store(now);
                let stepped = header.step(up, client);
                assert_eq!((stepped.before, stepped.after), (now, header.count()));
                assert_eq!(stepped.last, !up && now == 1);
                stepped.after
            };
            assert_eq!(step(true, Client::Aware), count::incref(now));
            assert_eq!(step(false, Client::Aware), count::decref(now));
            assert_eq!(step(true, Client::Unaware), count::incref_unaware(now));
            assert_eq!(step(false, Client::Unaware), count::decref_unaware(now));
        }
    }
}
