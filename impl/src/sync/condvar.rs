//! Condition variables whose waits say what they wait for.

use super::Guard;
use super::backend::sync;
use cloister_specs::Parking;
use std::sync::PoisonError;
use std::time::Duration;

#[cfg(feature = "controlled")]
use super::control;

/// How a timed wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// By a signal, or for no reason.
    Early,
    /// Its time was over.
    Expired,
}

/// A condition variable.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    os: sync::Condvar,
    #[cfg(feature = "controlled")]
    logical: control::Waiters,
}

impl Condvar {
    /// Wakes one waiter, if there is one.
    pub(crate) fn notify_one(&self) {
        #[cfg(feature = "controlled")]
        if self.logical.notify_one() {
            return;
        }
        self.os.notify_one();
    }

    /// Wakes every waiter.
    pub(crate) fn notify_all(&self) {
        #[cfg(feature = "controlled")]
        if self.logical.notify_all() {
            return;
        }
        self.os.notify_all();
    }

    /// Waits without a limit.
    pub(crate) fn wait<'a, T>(
        &self,
        mutex: &'a super::Mutex<T>,
        guard: Guard<'a, T>,
        parking: Parking,
    ) -> Guard<'a, T> {
        #[cfg(feature = "controlled")]
        if control::running() {
            drop(guard);
            self.logical.wait(parking);
            return mutex.lock();
        }
        let _ = (mutex, parking);
        self.os.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for at most `limit`.
    pub(crate) fn timed_wait<'a, T>(
        &self,
        mutex: &'a super::Mutex<T>,
        guard: Guard<'a, T>,
        limit: Duration,
        parking: Parking,
    ) -> (Guard<'a, T>, Woken) {
        #[cfg(feature = "controlled")]
        if control::running() {
            drop(guard);
            let woken = match self.logical.wait(parking) {
                control::Wake::Expired => Woken::Expired,
                control::Wake::Call | control::Wake::Signalled | control::Wake::Spurious => Woken::Early,
            };
            return (mutex.lock(), woken);
        }
        #[cfg(any(feature = "loom", feature = "shuttle"))]
        if parking == Parking::Calls {
            // Calls may end without a signal, so whoever waits for them has to look again.
            drop(guard);
            super::backend::thread::yield_now();
            return (mutex.lock(), Woken::Expired);
        }
        #[cfg(any(feature = "loom", feature = "shuttle"))]
        if super::explored::expires() {
            drop(guard);
            return (mutex.lock(), Woken::Expired);
        }
        let _ = (mutex, parking);
        let (guard, result) = self.os.wait_timeout(guard, limit).unwrap_or_else(PoisonError::into_inner);
        (guard, if result.timed_out() { Woken::Expired } else { Woken::Early })
    }

    /// Forgets the waiters of a scheduler that was reset.
    #[cfg(feature = "controlled")]
    pub(crate) fn reset(&self) {
        self.logical.reset();
    }
}
