//! Blocks of memory, and objects.

use cloister_specs::{Domain, InterpId, SMALL};

/// Slots for blocks, that is, addresses. The wide build is for long random runs: its states are too
/// large to be explored.
pub const BLOCKS: usize = if cfg!(feature = "wide") { 64 } else { 3 };
/// Slots for objects, `None` included.
pub const OBJECTS: usize = if cfg!(feature = "wide") { 64 } else { 3 };

/// How large a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// In a pool of blocks of so many times 16 bytes.
    Small(u8),
    /// The raw allocator has it.
    Large,
}

impl Class {
    /// The class of a request.
    pub fn of(size: u16) -> Class {
        //= specs/rules/mem.md#mem-7
        //# A request of 0 bytes, or of more than 512, MUST be passed to the raw allocator, and counted
        //# by the heap.
        if size == 0 || size > SMALL { Class::Large } else { Class::Small(size.div_ceil(16) as u8) }
    }

    /// Does a block of this class stay where it is when it is to have so many bytes?
    pub fn stays(self, size: u16) -> bool {
        //= specs/rules/mem.md#mem-14
        //# A small block that grows within its size class, or shrinks by less than a quarter of it,
        //# MUST stay where it is.
        match self {
            Class::Small(n) => {
                let own = 16 * u16::from(n);
                size <= own && 4 * size > 3 * own
            }
            Class::Large => false,
        }
    }
}

/// A block of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block {
    /// It was allocated, and not freed.
    pub live: bool,
    /// In which domain.
    pub domain: Domain,
    /// The interpreter whose heap it came from; `None`: none, it is of the raw domain.
    pub owner: Option<InterpId>,
    /// How large it is.
    pub class: Class,
}

impl Block {
    /// A free slot.
    pub const FREE: Block = Block { live: false, domain: Domain::Raw, owner: None, class: Class::Large };
}

/// An object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// It was made, and not deallocated.
    pub live: bool,
    /// The interpreter whose heap its block came from; `None`: it is static.
    pub owner: Option<InterpId>,
    /// `ob_refcnt`.
    pub refcnt: u64,
    /// Ghost: how many references there are. Not kept up once it was immortal.
    pub refs: i64,
    /// Ghost: an aware client has taken it for immortal.
    pub was_immortal: bool,
    /// Ghost: how many references each interpreter of another heap has; of a mortal `None`, every
    /// interpreter.
    pub away: [u8; super::INTERPS],
}

impl Object {
    /// A free slot.
    pub const FREE: Object = Object {
        live: false,
        owner: None,
        refcnt: 0,
        refs: 0,
        was_immortal: false,
        away: [0; super::INTERPS],
    };
}

/// What is counted over all interpreters, and over the lives of the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Totals {
    /// `interpreter_leaks` of blocks: what ended heaps left.
    pub leaks: i16,
    /// `last_final_leaks`: what earlier lives of the runtime left.
    pub last_final: i16,
    /// An arena is mapped whose heap has ended.
    pub abandoned: bool,
    /// Ghost: blocks allocated less those freed, ever.
    pub blocks: i16,
    /// The reference total, where it is one (ref-total global, per-runtime).
    pub refs: i16,
    /// `interpreter_leaks` of references: the totals of ended interpreters.
    pub ref_leaks: i16,
    /// `last_final_reftotal`: those of earlier lives of the runtime.
    pub ref_last_final: i16,
    /// `_Py_RefTotal`, which unaware clients count in.
    pub legacy: i16,
    /// Ghost: what counts were changed by, ever.
    pub all_refs: i16,
    /// Ghost: a heap has ended with an object that an interpreter of another heap had a reference to.
    pub dangling: bool,
}
