//! The buffers.

use super::{Event, Stamped};
use crate::runtime::{Inner, Runtime};
use crate::serial::Serial;
use crate::sync::plain::{AtomicU64, Mutex, MutexGuard, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

static STAMP: AtomicU64 = AtomicU64::new(0);

/// Where a thread writes.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Buffer>);

#[derive(Default)]
struct Buffer {
    thread: OnceLock<Serial>,
    events: Mutex<Vec<Stamped>>,
}

/// Those of all threads, also of those that have gone.
#[derive(Default)]
pub(crate) struct Sinks(Vec<Sink>);

impl Sink {
    pub(crate) fn new() -> Self {
        Sink::default()
    }

    pub(crate) fn of(&self, thread: Serial) {
        let _ = self.0.thread.set(thread);
    }

    pub(crate) fn tell(&self, event: Event) {
        let stamp = STAMP.fetch_add(1, Ordering::SeqCst);
        if let Some(thread) = self.0.thread.get().copied() {
            self.0.events().push(Stamped { stamp, thread, event });
        }
    }
}

impl Buffer {
    fn events(&self) -> MutexGuard<'_, Vec<Stamped>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sinks {
    pub(crate) fn add(&mut self, sink: &Sink) {
        self.0.push(sink.clone());
    }
}

impl Inner {
    #[inline]
    pub(crate) fn tracing(&self) -> bool {
        self.tracing.load(Ordering::Relaxed)
    }
}

impl Runtime {
    /// Switches the trace on or off.
    pub fn trace(&self, on: bool) {
        self.inner().tracing.store(on, Ordering::Relaxed);
    }

    /// Takes what was traced so far, in the order of the stamps.
    pub fn drain(&self) -> Vec<Stamped> {
        let mut events = Vec::new();
        {
            let mut lists = self.inner().lists();
            for sink in &lists.sinks.0 {
                events.append(&mut sink.0.events());
            }
            lists.sinks.0.retain(|sink| Arc::strong_count(&sink.0) > 1);
        }
        events.sort_unstable_by_key(|event| event.stamp);
        events
    }
}
