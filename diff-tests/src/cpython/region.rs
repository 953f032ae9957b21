//! The addresses of slots.
//!
//! A *region* is a piece of address space of the size of an interpreter. The thread
//! state of a slot lies in the slot's region at the place where an interpreter keeps
//! its first thread state. So a region holds either a whole interpreter with its
//! first thread state, or a thread state alone at that same address, and an address
//! can be used again for either.
//!
//! Everything here is atomic and allocates nothing, for the trap handler reads it.

use super::{api::Address, wire::Freed};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

/// How many regions a run can use.
pub const REGION_COUNT: usize = 48;
/// Larger than an interpreter of 3.12 (375 KiB) or 3.13.
pub const REGION_BYTES: usize = 1 << 20;
const POISON: u8 = 0xDD;

/// What lies in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Content {
    /// Nothing yet.
    Empty,
    /// A thread state.
    Tstate,
    /// An interpreter.
    Interp,
    /// A thread state that was freed.
    FreedTstate,
    /// An interpreter that was freed.
    FreedInterp,
}

impl Content {
    const ALL: [Content; 5] =
        [Content::Empty, Content::Tstate, Content::Interp, Content::FreedTstate, Content::FreedInterp];

    /// Is something alive in it?
    pub fn in_use(self) -> bool {
        matches!(self, Content::Tstate | Content::Interp)
    }
}

/// The number of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(pub usize);

struct Cell {
    base: AtomicUsize,
    content: AtomicU8,
    slot: AtomicU8,
}

static CELLS: [Cell; REGION_COUNT] =
    [const { Cell { base: AtomicUsize::new(0), content: AtomicU8::new(0), slot: AtomicU8::new(0) } };
        REGION_COUNT];
static INITIAL_THREAD: AtomicUsize = AtomicUsize::new(0);
static TSTATE_BYTES: AtomicUsize = AtomicUsize::new(0);
static INTERP_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Sets where an interpreter keeps its first thread state, and how large a thread state is.
pub fn set_sizes(initial_thread: usize, tstate_bytes: usize) {
    INITIAL_THREAD.store(initial_thread, Relaxed);
    TSTATE_BYTES.store(tstate_bytes, Relaxed);
}

/// The size of a thread state's allocation.
pub fn tstate_bytes() -> usize {
    TSTATE_BYTES.load(Relaxed)
}

/// A region that was never used, for this slot.
pub fn reserve(slot: u8) -> Result<Region, String> {
    let at = CELLS.iter().position(|c| c.base.load(Relaxed) == 0).ok_or("the run needs too many regions")?;
    // SAFETY: a new anonymous mapping.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            REGION_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err("a region cannot be mapped".into());
    }
    CELLS[at].base.store(base as usize, Relaxed);
    CELLS[at].slot.store(slot, Relaxed);
    Ok(Region(at))
}

impl Region {
    fn base(self) -> Address {
        CELLS[self.0].base.load(Relaxed)
    }

    /// Where a thread state lies in it.
    pub fn tstate(self) -> Address {
        self.base() + INITIAL_THREAD.load(Relaxed)
    }

    /// What lies in it.
    pub fn content(self) -> Content {
        Content::ALL[CELLS[self.0].content.load(Relaxed) as usize]
    }

    fn set(self, content: Content) {
        CELLS[self.0].content.store(content as u8, Relaxed);
    }

    /// Zeroed memory in it for a thread state or an interpreter; `None` if that does not fit.
    pub fn take(self, content: Content, bytes: usize) -> Option<Address> {
        let at = if content == Content::Interp { self.base() } else { self.tstate() };
        if self.content().in_use() || at + bytes > self.base() + REGION_BYTES {
            return None;
        }
        if content == Content::Interp {
            INTERP_BYTES.store(bytes, Relaxed);
        }
        if self.content() != Content::Empty {
            // SAFETY: the region is ours, and nothing in it is alive.
            unsafe {
                let base = self.base() as *mut libc::c_void;
                libc::mprotect(base, REGION_BYTES, libc::PROT_READ | libc::PROT_WRITE);
                libc::madvise(base, REGION_BYTES, libc::MADV_DONTNEED);
            }
        }
        self.set(content);
        Some(at)
    }

    /// The region whose content begins at this address.
    pub fn of(at: Address) -> Option<Region> {
        (0..REGION_COUNT).map(Region).find(|r| match r.content() {
            Content::Tstate => r.tstate() == at,
            Content::Interp => r.base() == at,
            Content::Empty | Content::FreedTstate | Content::FreedInterp => false,
        })
    }

    /// Its content has been freed.
    pub fn release(self, freed: Freed) {
        self.set(if self.content() == Content::Interp { Content::FreedInterp } else { Content::FreedTstate });
        match freed {
            // SAFETY: the region is ours, and nothing in it is alive.
            Freed::Trap => unsafe {
                libc::mprotect(self.base() as *mut libc::c_void, REGION_BYTES, libc::PROT_NONE);
            },
            Freed::Poison => {
                let (start, bytes) = self.extent();
                // SAFETY: as above; the extent is inside the region.
                unsafe { std::ptr::write_bytes(start as *mut u8, POISON, bytes) };
            }
        }
    }

    /// Where its content begins, and how long it is.
    fn extent(self) -> (Address, usize) {
        match self.content() {
            Content::Interp | Content::FreedInterp => (self.base(), INTERP_BYTES.load(Relaxed)),
            Content::Empty | Content::Tstate | Content::FreedTstate => (self.tstate(), tstate_bytes()),
        }
    }

    /// Where a poisoned region has been written to.
    fn damage(self) -> Option<Address> {
        if !matches!(self.content(), Content::FreedTstate | Content::FreedInterp) {
            return None;
        }
        let (start, bytes) = self.extent();
        // SAFETY: the extent is inside the region, which is readable.
        let memory = unsafe { std::slice::from_raw_parts(start as *const u8, bytes) };
        memory.iter().position(|&b| b != POISON).map(|offset| start + offset)
    }
}

/// Where freed memory has been written to, if it is poisoned.
pub fn damage() -> Option<Address> {
    (0..REGION_COUNT).map(Region).find_map(Region::damage)
}

/// A place in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The slot whose region it is.
    pub slot: u8,
    /// What lies in the region.
    pub content: Content,
    /// Is it in the thread state? Else it is in the rest of an interpreter.
    pub in_tstate: bool,
    /// From the beginning of the thread state, or of the interpreter.
    pub offset: usize,
}

/// The place of an address in the regions.
pub fn locate(at: Address) -> Option<Place> {
    let region = (0..REGION_COUNT).map(Region).find(|r| {
        let base = r.base();
        base != 0 && (base..base + REGION_BYTES).contains(&at)
    })?;
    let in_tstate = (region.tstate()..region.tstate() + tstate_bytes()).contains(&at);
    Some(Place {
        slot: CELLS[region.0].slot.load(Relaxed),
        content: region.content(),
        in_tstate,
        offset: at - if in_tstate { region.tstate() } else { region.base() },
    })
}
