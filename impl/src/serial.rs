//! Identities that are never used again.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::plain;
use std::num::NonZeroU64;

static NEXT: plain::AtomicU64 = plain::AtomicU64::new(1);

/// The identity of a thread state, an interpreter or an attached thread: unlike its
/// address, and unlike the id of an interpreter, unique in the process for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(NonZeroU64);

impl Serial {
    pub(crate) fn next() -> Serial {
        Serial(NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU64::MAX))
    }

    /// That of nothing.
    pub(crate) const NEVER: Serial = Serial(NonZeroU64::MAX);

    /// The one with this number, as another build of these sources told it.
    #[cfg(feature = "trace")]
    pub const fn named(number: NonZeroU64) -> Serial {
        Serial(number)
    }

    /// As a number.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// An atomic `Option<Serial>`.
#[derive(Debug, Default)]
pub(crate) struct AtomicSerial(AtomicU64);

impl AtomicSerial {
    #[inline]
    pub(crate) fn load(&self) -> Option<Serial> {
        NonZeroU64::new(self.0.load(Ordering::Acquire)).map(Serial)
    }

    #[inline]
    pub(crate) fn is(&self, serial: Serial) -> bool {
        self.0.load(Ordering::Acquire) == serial.get()
    }

    #[cfg(not(feature = "loom"))]
    #[inline]
    pub(crate) fn store(&self, serial: Option<Serial>) {
        self.0.store(serial.map_or(0, Serial::get), Ordering::Release);
    }

    /// loom does not know that [`forget`](Self::forget) writes right after what it has read, unless
    /// every other write reads as well.
    #[cfg(feature = "loom")]
    pub(crate) fn store(&self, serial: Option<Serial>) {
        self.0.swap(serial.map_or(0, Serial::get), Ordering::Release);
    }

    /// Empties it if it holds this one, whoever else writes to it.
    pub(crate) fn forget(&self, serial: Serial) {
        let _ = self.0.compare_exchange(serial.get(), 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}
