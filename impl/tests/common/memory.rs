//! Blocks, and what is in them.

use super::World;
use cloister::{Block, Interp, Tstate};
use cloister_specs::{Domain, InterpreterConfig};

/// With a heap of its own, and the main interpreter's GIL.
pub const SHARED: InterpreterConfig = InterpreterConfig {
    use_main_obmalloc: false,
    check_multi_interp_extensions: true,
    ..InterpreterConfig::LEGACY
};

impl World {
    pub fn block(&self, domain: Domain, size: usize) -> Block {
        self.thread.malloc(domain, size, false).unwrap().unwrap()
    }

    /// An interpreter created with this configuration, its thread state current.
    pub fn created(&self, config: InterpreterConfig) -> (Interp, Tstate) {
        self.thread.new_interpreter_from_config(&config).unwrap()
    }

    pub fn go(&self, tstate: Tstate) {
        self.thread.thread_state_swap(Some(tstate)).unwrap();
    }

    pub fn blocks(&self, interp: Interp) -> usize {
        self.thread.allocated_blocks(interp).unwrap()
    }

    pub fn all_blocks(&self) -> i64 {
        self.thread.global_allocated_blocks().unwrap()
    }
}

/// Writes a pattern over a block, or looks for it.
pub fn fill(block: Block, size: usize, stamp: u8) {
    // SAFETY: the tests fill live blocks with as many bytes as they have.
    unsafe { block.as_ptr().write_bytes(stamp, size) };
}

pub fn has(block: Block, size: usize, stamp: u8) -> bool {
    // SAFETY: as above, and they were filled.
    unsafe { std::slice::from_raw_parts(block.as_ptr(), size) }.iter().all(|byte| *byte == stamp)
}

/// Makes one after the other until one lies at this address.
pub fn again<T: Copy>(at: usize, addr: impl Fn(T) -> usize, make: impl Fn() -> T) -> T {
    (0..100_000).map(|_| make()).find(|new| addr(*new) == at).unwrap()
}

/// How many bytes of address space this process has.
#[cfg(target_os = "linux")]
pub fn mapped() -> usize {
    let told = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = told.split(' ').next().unwrap().parse().unwrap();
    // SAFETY: asks for a number.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize
}
