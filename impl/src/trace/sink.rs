//! The buffers.

use super::{Event, Stamped};
use crate::runtime::{Inner, Runtime};
use crate::serial::{AtomicSerial, Serial};
use crate::sync::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

static STAMP: AtomicU64 = AtomicU64::new(0);

/// Where a thread writes.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Buffer>);

#[derive(Default)]
struct Buffer {
    thread: AtomicSerial,
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
        self.0.thread.store(Some(thread));
    }

    pub(crate) fn tell(&self, event: Event) {
        let stamp = STAMP.fetch_add(1, Ordering::SeqCst);
        if let Some(thread) = self.0.thread.load() {
            self.0.events.lock().push(Stamped { stamp, thread, event });
        }
    }
}

impl Sinks {
    pub(crate) fn add(&mut self, sink: &Sink) {
        self.0.push(sink.clone());
    }

    /// In the child of a fork: the others may be locked for ever.
    pub(crate) fn keep(&mut self, sink: &Sink) {
        self.0.retain(|other| Arc::ptr_eq(&other.0, &sink.0));
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
                events.append(&mut sink.0.events.lock());
            }
            lists.sinks.0.retain(|sink| Arc::strong_count(&sink.0) > 1);
        }
        events.sort_unstable_by_key(|event| event.stamp);
        events
    }
}
