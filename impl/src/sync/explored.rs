//! Explored mode: every operation on a lock, a condition variable or an atomic is a place
//! where the schedule may go to another thread, and what is global lives for one execution.
//!
//! loom and shuttle know no time, so a timed wait ends by a signal alone, unless its thread
//! said before that it [expires](expire_waits): it then lets go of the lock and takes it
//! again. That is all there is to an expiry, since others may come in between, as many as
//! the schedule likes.

use std::cell::Cell;
use std::thread;

super::backend::thread_local! {
    static EXPIRING: Cell<u64> = Cell::new(0)
}

/// Says which of the next timed waits of the calling thread expire: bit 0 is the next one,
/// bit 1 the one after that. Those that no bit is left for end by a signal.
pub fn expire_waits(which: u64) {
    EXPIRING.with(|expiring| expiring.set(which));
}

/// Begins a timed wait; answers whether it expires.
pub(super) fn expires() -> bool {
    EXPIRING.with(|expiring| {
        let which = expiring.get();
        expiring.set(which >> 1);
        which & 1 != 0
    })
}

/// Is the execution being given up? Its threads stand wherever they are, and what they hold
/// must be left alone.
pub(crate) fn given_up() -> bool {
    thread::panicking()
}
