//! Looking again and again before waiting.

use std::hint::spin_loop;
use std::sync::LazyLock;
use std::thread::available_parallelism;

/// Is there a second processor, on which somebody could do what is looked for?
static PARALLEL: LazyLock<bool> = LazyLock::new(|| available_parallelism().is_ok_and(|n| n.get() > 1));

/// For how long.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spins {
    /// As long as somebody may hold a GIL between two calls: about a microsecond.
    Short = 64,
    /// As long as two sleeping threads would take to wake each other.
    Long = 4096,
}

/// Looks until this no longer holds; answers whether it does not.
///
/// A logical thread looks but once: nobody else runs while it does. In explored mode a thread
/// looks once as well: if others come in between it looks later, and that is all.
pub(crate) fn spin_while(spins: Spins, holds: impl Fn() -> bool) -> bool {
    #[cfg(feature = "controlled")]
    if super::control::running() {
        return !holds();
    }
    let explored = cfg!(any(feature = "loom", feature = "shuttle"));
    let spins = if *PARALLEL && !explored { spins as u32 } else { 0 };
    for _ in 0..spins {
        if !holds() {
            return true;
        }
        spin_loop();
    }
    !holds()
}
