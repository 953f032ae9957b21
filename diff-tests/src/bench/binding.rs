//! Which functions a loaded library really calls.
//!
//! Our executable exports some pthread functions so that the lockstep's libpython calls
//! them (`cpython::interpose`). The one that is measured must not: it is loaded with
//! `RTLD_DEEPBIND`, by which a library prefers its own dependencies to the executable, and
//! then its relocations are read to see that this worked.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;

/// `struct link_map`: what a handle of `dlopen` points to.
#[repr(C)]
struct LinkMap {
    base: usize,
    name: *const c_char,
    dynamic: *const Dynamic,
}

/// `Elf64_Dyn`.
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: usize,
}

/// `Elf64_Rela`.
#[repr(C)]
struct Relocation {
    offset: usize,
    info: u64,
    addend: i64,
}

/// `Elf64_Sym`.
#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: u64,
    size: u64,
}

const END: i64 = 0;
const JUMPS_SIZE: i64 = 2;
const STRINGS: i64 = 5;
const SYMBOLS: i64 = 6;
const RELOCATIONS: i64 = 7;
const RELOCATIONS_SIZE: i64 = 8;
const JUMPS: i64 = 23;

/// The functions among `names` that this library was bound to, and whether any of them is
/// our executable's own: `None` if it calls none of them at all.
///
/// # Safety
///
/// `handle` comes from `dlopen` with `RTLD_NOW`, is of glibc, and is not closed meanwhile.
pub unsafe fn calls_ours(handle: *mut c_void, names: &[&CStr]) -> Option<bool> {
    let mut map: *const LinkMap = ptr::null();
    // SAFETY: the handle is open, and this request stores one pointer.
    let failed = unsafe { libc::dlinfo(handle, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
    if failed != 0 || map.is_null() {
        return None;
    }
    // SAFETY: the dynamic section of an open library is mapped, and ends with `END`; the loader
    // has filled in where its tables are, and they are as long as it says.
    unsafe {
        let base = (*map).base;
        let entry = |tag: i64| {
            let mut at = (*map).dynamic;
            while (*at).tag != END && (*at).tag != tag {
                at = at.add(1);
            }
            ((*at).tag == tag).then_some((*at).value)
        };
        let table = |tag| entry(tag).map(|at| if at < base { at + base } else { at });
        let (symbols, strings) = (table(SYMBOLS)? as *const Symbol, table(STRINGS)? as *const c_char);
        let mut found = None;
        for (table_tag, size) in [(JUMPS, JUMPS_SIZE), (RELOCATIONS, RELOCATIONS_SIZE)] {
            let (Some(at), Some(size)) = (table(table_tag), entry(size)) else { continue };
            let relocations =
                std::slice::from_raw_parts(at as *const Relocation, size / size_of::<Relocation>());
            for relocation in relocations {
                let symbol = symbols.add((relocation.info >> 32) as usize);
                let name = CStr::from_ptr(strings.add((*symbol).name as usize));
                if names.contains(&name) {
                    let bound = ((base + relocation.offset) as *const *const c_void).read();
                    found = Some(found.unwrap_or(false) || object_of(bound) == object_of(here()));
                }
            }
        }
        found
    }
}

/// A place in our own code.
fn here() -> *const c_void {
    here as fn() -> *const c_void as *const c_void
}

/// Where the object begins that this address is in.
fn object_of(address: *const c_void) -> *mut c_void {
    let mut told = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: takes any address, and fills the struct in if it knows it; zeroed is valid too.
    let (known, told): (c_int, libc::Dl_info) =
        unsafe { (libc::dladdr(address, told.as_mut_ptr()), told.assume_init()) };
    if known == 0 { ptr::null_mut() } else { told.dli_fbase }
}
