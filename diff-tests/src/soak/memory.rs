//! The resident memory of the process.

/// How far resident memory may be above what it was after the warm-up, in KiB.
///
/// This is for the allocator, not for us: with glibc's arenas, one thread's block that another
/// frees makes it drift by some hundred KiB in minutes. With `MALLOC_ARENA_MAX=1` and
/// `GLIBC_TUNABLES=glibc.malloc.tcache_count=0` it did not move by a page in a minute.
pub const TOLERANCE_KIB: u64 = 2 * 1024;

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// After the warm-up; until then, at the last checkpoint.
    pub warm: u64,
    /// The most at a checkpoint since then.
    pub peak: u64,
    /// At the last checkpoint.
    pub last: u64,
}

impl Memory {
    /// What it is now; none: this system does not tell.
    pub(super) fn now() -> Option<Memory> {
        resident().map(|kib| Memory { warm: kib, peak: kib, last: kib })
    }

    /// Looks again.
    pub(super) fn look(&mut self, warm: bool) {
        let Some(kib) = resident() else { return };
        *self = match warm {
            true => Memory { peak: self.peak.max(kib), last: kib, ..*self },
            false => Memory { warm: kib, peak: kib, last: kib },
        };
    }

    /// Is it flat?
    pub fn is_flat(&self) -> bool {
        self.last <= self.warm + TOLERANCE_KIB
    }
}

/// The second number of `/proc/self/statm`, in KiB.
#[cfg(target_os = "linux")]
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: asks for a constant of the system.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    Some(pages * page / 1024)
}

#[cfg(not(target_os = "linux"))]
fn resident() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::{Memory, TOLERANCE_KIB};

    #[test]
    fn memory_is_flat_up_to_the_tolerance() {
        let memory = |last| Memory { warm: 5_000, peak: 90_000, last };
        assert!(memory(4_000).is_flat() && memory(5_000 + TOLERANCE_KIB).is_flat());
        assert!(!memory(5_001 + TOLERANCE_KIB).is_flat());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_is_touched_is_resident() {
        let before = Memory::now().unwrap();
        let mut after = before;
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        after.look(true);
        assert!(after.peak >= before.warm + 32 * 1024, "{before:?} {after:?} {}", block.len());
        assert_eq!(after.warm, before.warm);
    }
}
