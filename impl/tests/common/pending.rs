//! Pending calls that write down that they were run.

use super::World;
use cloister::{Interp, PendingFailed, PendingFn, Ran};
use std::sync::{Arc, Mutex};

/// What calls have written down.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u32>>>);

impl Log {
    /// A call that writes down a number, and answers this.
    pub fn answers(&self, number: u32, result: Result<(), PendingFailed>) -> PendingFn {
        let log = self.clone();
        Box::new(move |_| {
            log.0.lock().unwrap().push(number);
            result
        })
    }

    pub fn writes(&self, number: u32) -> PendingFn {
        self.answers(number, Ok(()))
    }

    pub fn fails(&self, number: u32) -> PendingFn {
        self.answers(number, Err(PendingFailed))
    }

    /// What was written since it was last asked.
    pub fn take(&self) -> Vec<u32> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub fn ran(calls: u32) -> Ran {
    Ran { calls, failed: false }
}

pub fn failed(calls: u32) -> Ran {
    Ran { calls, failed: true }
}

/// Calls and signal of the ring of an interpreter, or of the main thread.
pub fn ring(w: &World, interp: Option<Interp>) -> (usize, bool) {
    let snapshot = w.runtime.snapshot();
    let info = match interp {
        None => snapshot.main_ring,
        Some(interp) => snapshot.interps.iter().find(|i| i.interp == interp).unwrap().ring,
    };
    (info.calls, info.signalled)
}
