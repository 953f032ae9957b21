//! Memory and counts of references: the calls that allocate, free and count.

use super::{Address, Api, Library, symbol};
use cloister_specs::Domain;
use std::ffi::{CStr, c_void};

/// `PyObjectArenaAllocator`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ArenaAllocator {
    /// Passed to both functions.
    pub context: *mut c_void,
    /// Maps an arena.
    pub alloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    /// Unmaps one.
    pub free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
}

functions! {
    raw_malloc: c"PyMem_RawMalloc" => fn(usize) -> Address;
    raw_calloc: c"PyMem_RawCalloc" => fn(usize, usize) -> Address;
    raw_realloc: c"PyMem_RawRealloc" => fn(Address, usize) -> Address;
    raw_free: c"PyMem_RawFree" => fn(Address);
    mem_malloc: c"PyMem_Malloc" => fn(usize) -> Address;
    mem_calloc: c"PyMem_Calloc" => fn(usize, usize) -> Address;
    mem_realloc: c"PyMem_Realloc" => fn(Address, usize) -> Address;
    mem_free: c"PyMem_Free" => fn(Address);
    obj_malloc: c"PyObject_Malloc" => fn(usize) -> Address;
    obj_calloc: c"PyObject_Calloc" => fn(usize, usize) -> Address;
    obj_realloc: c"PyObject_Realloc" => fn(Address, usize) -> Address;
    obj_free: c"PyObject_Free" => fn(Address);
    get_arenas: c"PyObject_GetArenaAllocator" => fn(*mut ArenaAllocator);
    set_arenas: c"PyObject_SetArenaAllocator" => fn(*const ArenaAllocator);
    object_new: c"_PyObject_New" => fn(Address) -> Address;
    incref: c"Py_IncRef" => fn(Address);
    dealloc: c"_Py_Dealloc" => fn(Address);
}

/// The exported function by which the place of local ones is told.
pub const LANDMARK: &CStr = c"PyObject_Malloc";

impl Api {
    /// `PyMem_RawMalloc`, `PyMem_Malloc` or `PyObject_Malloc`.
    pub fn malloc(&self, domain: Domain, bytes: usize) -> Address {
        let f = match domain {
            Domain::Raw => self.heap.raw_malloc,
            Domain::Mem => self.heap.mem_malloc,
            Domain::Obj => self.heap.obj_malloc,
        };
        // SAFETY: as for the other calls.
        unsafe { f(bytes) }
    }

    /// The same for zeroed memory, of one item.
    pub fn calloc(&self, domain: Domain, bytes: usize) -> Address {
        let f = match domain {
            Domain::Raw => self.heap.raw_calloc,
            Domain::Mem => self.heap.mem_calloc,
            Domain::Obj => self.heap.obj_calloc,
        };
        // SAFETY: as for the other calls.
        unsafe { f(1, bytes) }
    }

    /// `PyMem_RawRealloc`, `PyMem_Realloc` or `PyObject_Realloc`.
    pub fn realloc(&self, domain: Domain, at: Address, bytes: usize) -> Address {
        let f = match domain {
            Domain::Raw => self.heap.raw_realloc,
            Domain::Mem => self.heap.mem_realloc,
            Domain::Obj => self.heap.obj_realloc,
        };
        // SAFETY: as for the other calls.
        unsafe { f(at, bytes) }
    }

    /// `PyMem_RawFree`, `PyMem_Free` or `PyObject_Free`.
    pub fn free(&self, domain: Domain, at: Address) {
        let f = match domain {
            Domain::Raw => self.heap.raw_free,
            Domain::Mem => self.heap.mem_free,
            Domain::Obj => self.heap.obj_free,
        };
        // SAFETY: as for the other calls.
        unsafe { f(at) }
    }

    /// `PyObject_GetArenaAllocator`.
    pub fn arenas(&self) -> ArenaAllocator {
        let mut allocator = std::mem::MaybeUninit::uninit();
        // SAFETY: the call fills it in.
        unsafe {
            (self.heap.get_arenas)(allocator.as_mut_ptr());
            allocator.assume_init()
        }
    }

    /// `PyObject_SetArenaAllocator`.
    pub fn set_arenas(&self, allocator: &ArenaAllocator) {
        // SAFETY: the new one is an allocator too.
        unsafe { (self.heap.set_arenas)(allocator) }
    }

    /// `PyObject_New` of the smallest object there is: one of `object` itself.
    pub fn new_object(&self) -> Address {
        // SAFETY: `PyBaseObject_Type` is a static type, whose instances need no more than that.
        unsafe { (self.heap.object_new)(self.base_type) }
    }

    /// `Py_IncRef`.
    pub fn incref(&self, object: Address) {
        // SAFETY: as for the other calls.
        unsafe { (self.heap.incref)(object) }
    }

    /// `_Py_Dealloc`, which `Py_DECREF` calls when no reference is left.
    pub fn dealloc(&self, object: Address) {
        // SAFETY: as for the other calls.
        unsafe { (self.heap.dealloc)(object) }
    }

    /// `_Py_NoneStruct`.
    pub fn none(&self) -> Address {
        self.none
    }

    /// The address of an exported function or variable.
    pub fn address_of(&self, name: &CStr) -> Result<Address, String> {
        address_of(&self.library, name)
    }
}

/// The address of an exported function or variable.
pub(super) fn address_of(library: &Library, name: &CStr) -> Result<Address, String> {
    // SAFETY: only the address is taken.
    unsafe { symbol::<*const c_void>(library, &[name]) }.map(|at| at as Address)
}
