//! Memory: blocks that are allocated and freed by one thread.
//!
//! The peers are called as any user of theirs does: through the functions of their libraries (with
//! the feature `peers`), and the object allocator of CPython with the GIL of its main interpreter
//! held.

mod birth;
#[cfg(feature = "peers")]
mod peers;
mod resident;
mod two;

pub use birth::birth_and_death;
pub use resident::{after_replacing, left_over};
pub use two::in_two_interpreters;

use super::calls::timed;
use super::libpython::Python;
use super::{BenchError, CLOISTER, Contender, Target, Work};
use cloister::heap::Heap;
use fastrand::Rng;
use std::ffi::c_void;
use std::hint::black_box;
use std::ptr;

/// What allocates.
trait Allocator {
    /// A block; null if there is no memory.
    fn malloc(&mut self, size: usize) -> *mut u8;
    /// # Safety
    ///
    /// `malloc` answered with it for that size, and it is not freed twice.
    unsafe fn free(&mut self, block: *mut u8, size: usize);
}

impl<A: Allocator> Allocator for &mut A {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        (**self).malloc(size)
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, size: usize) {
        // SAFETY: as this function's.
        unsafe { (**self).free(block, size) };
    }
}

/// A heap of ours, with frees that do not tell the size.
struct Ours(Heap);

impl Allocator for Ours {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        self.0.malloc(size).map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, _: usize) {
        // SAFETY: as this function's.
        _ = black_box(unsafe { self.0.free(block) });
    }
}

/// A heap of ours, with frees that do.
struct Sized(Heap);

impl Allocator for Sized {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        self.0.malloc(size).map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, size: usize) {
        // SAFETY: as this function's.
        _ = black_box(unsafe { self.0.free_sized(block, size) });
    }
}

/// A heap of ours behind a call, as the peers are.
struct Called(Heap);

impl Allocator for Called {
    #[inline(never)]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        self.0.malloc(size).map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
    }

    #[inline(never)]
    unsafe fn free(&mut self, block: *mut u8, _: usize) {
        // SAFETY: as this function's.
        _ = black_box(unsafe { self.0.free(block) });
    }
}

/// `PyObject_Malloc` and `PyObject_Free`.
#[derive(Clone, Copy)]
struct Objects {
    malloc: unsafe extern "C" fn(usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
}

impl Allocator for Objects {
    #[inline]
    fn malloc(&mut self, size: usize) -> *mut u8 {
        // SAFETY: the main thread has its thread state current.
        unsafe { (self.malloc)(size) }.cast()
    }

    #[inline]
    unsafe fn free(&mut self, block: *mut u8, _: usize) {
        // SAFETY: as above, and as this function's.
        unsafe { (self.free)(block.cast()) };
    }
}

/// A name by which targets know it.
const SNMALLOC: &str = "snmalloc";

/// Every contender, at a work that is made anew for each.
macro_rules! contenders {
    ($peer:expr, $work:path) => {{
        let mut contenders = vec![
            $work(CLOISTER, Ours(Heap::new()))?,
            $work("Cloister, size told", Sized(Heap::new()))?,
            $work("Cloister, called", Called(Heap::new()))?,
        ];
        #[cfg(feature = "peers")]
        contenders.extend([
            $work(SNMALLOC, peers::Snmalloc)?,
            $work("mimalloc", peers::Mimalloc)?,
            $work("jemalloc", peers::Jemalloc)?,
        ]);
        if let Some(python) = $peer {
            let f = python.functions();
            contenders.push($work(python.name(), Objects { malloc: f.object_malloc, free: f.object_free })?);
        }
        contenders
    }};
}

fn work<'a>(name: &'static str, times: f64, contenders: Vec<Contender<'a>>) -> Work<'a> {
    let target = cfg!(feature = "peers").then_some(Target::TimesOf(SNMALLOC, times));
    Work { name, unit: "ns", target, stretch: 1, contenders }
}

fn allocated(allocator: &mut impl Allocator, size: usize) -> Result<*mut u8, BenchError> {
    let block = allocator.malloc(black_box(size));
    if block.is_null() { Err(BenchError::NoMemory) } else { Ok(block) }
}

/// What allocates, with a block that lives as long.
struct Pairs<A: Allocator> {
    of: A,
    other: *mut u8,
}

impl<A: Allocator> Drop for Pairs<A> {
    fn drop(&mut self) {
        // SAFETY: it is live, and of this size.
        unsafe { self.of.free(self.other, 64) };
    }
}

/// A block that is freed at once, while another of its size lives: without one, mimalloc gives
/// a page back each time.
pub fn pair(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    fn pairs<'a>(name: &str, mut of: impl Allocator + 'a) -> Result<Contender<'a>, BenchError> {
        let other = allocated(&mut of, 64)?;
        let mut held = Pairs { of, other };
        Ok(Contender::new(name, move |calls| {
            let of = &mut held.of;
            timed(calls, || {
                let block = black_box(allocated(of, 64)?);
                // SAFETY: it is live, and of this size.
                unsafe { of.free(block, 64) };
                Ok(())
            })
        }))
    }
    Ok(work("malloc + free of 64 bytes", 0.9, contenders!(peer, pairs)))
}

/// Blocks of which there are always as many.
struct Blocks<A: Allocator> {
    of: A,
    live: Vec<(*mut u8, usize)>,
}

impl<A: Allocator> Blocks<A> {
    fn new(of: A, count: usize, mut size: impl FnMut() -> usize) -> Result<Self, BenchError> {
        let mut blocks = Blocks { of, live: Vec::with_capacity(count) };
        (0..count).try_for_each(|_| blocks.add(size()))?;
        Ok(blocks)
    }

    fn add(&mut self, size: usize) -> Result<(), BenchError> {
        let block = allocated(&mut self.of, size)?;
        // SAFETY: it is new, and this large.
        unsafe { block.write_bytes(1, size) };
        self.live.push((block, size));
        Ok(())
    }

    /// Frees the last ones, until there are so many.
    fn shrink(&mut self, to: usize) {
        for (block, size) in self.live.drain(to..) {
            // SAFETY: what is in the list is live, and of that size.
            unsafe { self.of.free(block, size) };
        }
    }

    #[inline(always)]
    fn replace(&mut self, at: usize, size: usize) -> Result<(), BenchError> {
        let new = allocated(&mut self.of, size)?;
        let (block, of_size) = std::mem::replace(&mut self.live[at], (new, size));
        // SAFETY: it is live, of this size, and in the list no more; the new one is this large.
        unsafe {
            new.write(1);
            self.of.free(block, of_size);
        }
        Ok(())
    }
}

impl<A: Allocator> Drop for Blocks<A> {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// A random one of many blocks replaced by one of a random size. What is drawn was drawn before.
pub fn replace(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    const LIVE: usize = 4_096;
    const DRAWN: usize = 1 << 16;

    fn replaced<'a>(name: &str, of: impl Allocator + 'a) -> Result<Contender<'a>, BenchError> {
        let mut rng = Rng::with_seed(1);
        let mut blocks = Blocks::new(of, LIVE, || rng.usize(16..=512))?;
        let mut rng = Rng::with_seed(2);
        let drawn: Vec<_> = (0..DRAWN).map(|_| (rng.u16(..LIVE as u16), rng.u16(16..=512))).collect();
        let mut turn = 0;
        Ok(Contender::new(name, move |calls| {
            timed(calls, || {
                let (at, size) = drawn[turn % DRAWN];
                turn += 1;
                blocks.replace(at.into(), size.into())
            })
        }))
    }
    Ok(Work { stretch: 10, ..work("replace among 4,096 blocks", 0.9, contenders!(peer, replaced)) })
}

/// Many blocks of one size, then all of them freed, in the order in which they came.
pub fn many(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    const BLOCKS: u64 = 1_000_000;
    const SIZE: usize = 48;

    fn filled<'a>(name: &str, mut of: impl Allocator + 'a) -> Result<Contender<'a>, BenchError> {
        let mut live = Vec::with_capacity(BLOCKS as usize);
        Ok(Contender::new(name, move |rounds| {
            let time = timed(rounds, || {
                for _ in 0..BLOCKS {
                    let block = allocated(&mut of, SIZE)?;
                    // SAFETY: it is new, and large enough.
                    unsafe { block.write(1) };
                    live.push(block);
                }
                // SAFETY: each is live, of this size, and freed once.
                live.drain(..).for_each(|block| unsafe { of.free(block, SIZE) });
                Ok(())
            })?;
            Ok(time / BLOCKS as f64)
        }))
    }
    Ok(work("a million blocks of 48 bytes, then free all", 0.5, contenders!(peer, filled)))
}
