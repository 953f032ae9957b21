//! An asymmetric barrier.
//!
//! Two threads each write one word and then read the other's, and one of them must see
//! what the other wrote. One comes by often and calls [`light`] between its write and its
//! read, the other seldom and calls [`heavy`]. Where the kernel can run a full barrier on
//! every core that runs a thread of this process (Linux, `membarrier`), `light` only
//! keeps the compiler from reordering; elsewhere, and in explored mode, both are full fences.

use super::backend::sync::atomic::fence;
use std::sync::atomic::{AtomicU8, Ordering, compiler_fence};

const UNKNOWN: u8 = 0;
const SYMMETRIC: u8 = 1;
const ASYMMETRIC: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Finds out what the kernel can do. Until then `light` is a full fence.
pub(crate) fn prepare() {
    if MODE.load(Ordering::Relaxed) == UNKNOWN {
        let mode = if kernel::register() { ASYMMETRIC } else { SYMMETRIC };
        MODE.store(mode, Ordering::SeqCst);
    }
}

/// The side of the one who comes by often.
#[inline]
pub(crate) fn light() {
    if MODE.load(Ordering::Relaxed) == ASYMMETRIC {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The side of the other.
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
    if MODE.load(Ordering::Relaxed) == ASYMMETRIC {
        kernel::barrier();
    }
}

#[cfg(all(target_os = "linux", not(any(miri, feature = "loom", feature = "shuttle"))))]
mod kernel {
    fn membarrier(command: libc::c_int) -> bool {
        let (flags, cpu): (libc::c_uint, libc::c_int) = (0, 0);
        // SAFETY: the call takes three integers and touches no memory of this process.
        unsafe { libc::syscall(libc::SYS_membarrier, command, flags, cpu) == 0 }
    }

    pub(super) fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn barrier() {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    }
}

#[cfg(not(all(target_os = "linux", not(any(miri, feature = "loom", feature = "shuttle")))))]
mod kernel {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn barrier() {}
}
