//! Running out of memory.
//!
//! CPython serves a small request from the pools that it has, then from a new arena, and in
//! the end from the raw domain. So for as long as there is to be no memory, no arena is
//! mapped, the raw domain answers NULL, and what is left in the pools is used up first.
//! What comes of a call then is CPython's own doing: one that needs nothing succeeds.

use super::{
    api::{Address, Api, ArenaAllocator},
    memory,
};
use cloister_specs::{Domain, SMALL};
use std::ffi::c_void;

unsafe extern "C" fn no_arena(_: *mut c_void, _: usize) -> *mut c_void {
    std::ptr::null_mut()
}

/// Makes a call while there is no memory for a request of so many bytes.
pub fn while_exhausted<T>(api: &Api, bytes: usize, call: impl FnOnce() -> T) -> T {
    let arenas = api.arenas();
    api.set_arenas(&ArenaAllocator { alloc: no_arena, ..arenas });
    memory::exhaust(true);
    let used_up = if api.current() != 0 { use_up(api, bytes) } else { 0 };
    let result = call();
    memory::exhaust(false);
    api.set_arenas(&arenas);
    give_back(api, used_up);
    result
}

/// Takes all small blocks that there are for such requests: the last of them. Each holds
/// the address of the one before.
fn use_up(api: &Api, bytes: usize) -> Address {
    let mut last = 0;
    while (1..=usize::from(SMALL)).contains(&bytes) {
        let block = api.malloc(Domain::Obj, bytes);
        if block == 0 {
            break;
        }
        // SAFETY: the block was just handed out, and blocks are 16 bytes long at least.
        unsafe { (block as *mut Address).write(last) };
        last = block;
    }
    last
}

fn give_back(api: &Api, mut last: Address) {
    while last != 0 {
        // SAFETY: `use_up` wrote it, and nobody else knows of the block.
        let before = unsafe { (last as *const Address).read() };
        api.free(Domain::Obj, last);
        last = before;
    }
}
