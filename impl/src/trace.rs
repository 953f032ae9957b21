//! The trace of a run of free-running OS threads.
//!
//! An *event* carries a *stamp* from one counter for the whole process. What an event
//! says of shared state is stamped while the lock that guards this state is held, so
//! the order of the stamps is an order in which the effects took place:
//!
//! | event | stamped | as steps of the model |
//! | --- | --- | --- |
//! | [`Called`](Event::Called) | by the caller, before the guards | the call may begin from here on |
//! | [`Effect`](Event::Effect), of lists | under the list lock | its guards, and the change of the lists, as one step |
//! | [`Effect`](Event::Effect), of a ring: `Added`, `Popped` | under the lock of the ring; `Added` before the ring is signalled | a pending call is queued, or taken to be called next; `Live`, `Ending` and `Finalizing`, which open, shut and close a ring, are stamped under its lock as well |
//! | [`Effect`](Event::Effect), of a run: `RunBegan`, `RunEnded` | holding the GIL, unless a call lost it | the interpreter becomes busy, before signals are reset; idle, after they are set again |
//! | [`Dropping`](Event::Dropping) | holding the GIL, before it is unlocked | the steps up to the unlock; the unlock follows, before the next `Took` of this GIL and perhaps after a `Requested` |
//! | [`Took`](Event::Took) | holding the GIL | `take_gil` ends, with the reset of the request |
//! | [`WaitBegin`](Event::WaitBegin) | under the lock of the GIL's queue | the thread waits for the GIL |
//! | [`Requested`](Event::Requested) | under the same lock | its wait expires, and leaves a request; other expiries change nothing and are not told |
//! | [`GaveUp`](Event::GaveUp) | under the same lock | `take_gil` ends in vain, and takes its request back |
//! | [`ThreadsWaitBegin`](Event::ThreadsWaitBegin), [`ThreadsWaitEnd`](Event::ThreadsWaitEnd) | under the list lock | an end waits for threads, and does no more |
//! | [`CallsWaitBegin`](Event::CallsWaitBegin), [`CallsWaitEnd`](Event::CallsWaitEnd) | under the list lock | whoever finalizes waits for calls, and does no more |
//! | [`SwitchWaitBegin`](Event::SwitchWaitBegin) | under the same lock | the GIL is unlocked, the request reset, and the thread waits for a switch |
//! | [`SwitchWaitEnd`](Event::SwitchWaitEnd) | under the same lock | that wait ends |
//! | [`Returned`](Event::Returned) | by the caller, at the end | the call has ended before; a refusal took place since `Called` |
//!
//! `Took` and `Dropping` of one GIL alternate. What has no event (the thread-local, the
//! bit `ACTIVE`) is the thread's own until its next event. A poll that saw no
//! request, and no ring that it might run, changed nothing and is not told. What a pending
//! call does is told between the `Popped` and the `Popped` or `RunEnded` that follows, its
//! calls with their own `Called` and `Returned`.
//!
//! Each thread writes to a buffer of its own; `Runtime::drain` (feature `trace`)
//! collects them. Without the feature there are no buffers, and nothing is stamped.

use crate::serial::Serial;
use crate::thread::Thread;
use cloister_specs::OpKind;

mod values;

pub use values::{Answer, Argument};

/// What a thread did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It begins a call.
    Called {
        /// Which.
        op: OpKind,
        /// On what.
        argument: Argument,
    },
    /// Its call changed the lists.
    Effect(Effect),
    /// It has taken a GIL.
    Took(Gil),
    /// It is about to drop a GIL.
    Dropping(Gil),
    /// It begins to wait for a GIL.
    WaitBegin(Gil),
    /// It asks for the GIL that it waits for.
    Requested(Gil),
    /// It gives up waiting for a GIL whose interpreter is finalizing.
    GaveUp(Gil),
    /// It ends an interpreter with this thread state, and waits for threads.
    ThreadsWaitBegin(Serial),
    /// It waited for them long enough.
    ThreadsWaitEnd(Serial),
    /// It finalizes the runtime with this thread state, and waits for calls.
    CallsWaitBegin(Serial),
    /// It waited for them long enough.
    CallsWaitEnd(Serial),
    /// It has dropped a GIL on request, and waits for another thread state to take it.
    SwitchWaitBegin(Gil),
    /// It waited for that long enough.
    SwitchWaitEnd(Gil),
    /// Its call returns.
    Returned(Answer),
}

/// What changed in the lists, or of pending calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A thread state is new in an interpreter.
    Listed {
        /// The thread state.
        tstate: Serial,
        /// The interpreter.
        interp: Serial,
    },
    /// A thread state is bound to this thread.
    Bound(Serial),
    /// A thread state is cleared.
    Cleared(Serial),
    /// A thread state is deleted.
    Deleted(Serial),
    /// An interpreter is being created, and its thread state is bound to this thread.
    Begun {
        /// The interpreter.
        interp: Serial,
        /// The thread state.
        tstate: Serial,
    },
    /// An interpreter has been created.
    Live(Serial),
    /// The creation of an interpreter is undone.
    Undone {
        /// The interpreter.
        interp: Serial,
        /// The thread state.
        tstate: Serial,
    },
    /// The end of an interpreter begins.
    Ending {
        /// The interpreter.
        interp: Serial,
        /// The thread state by which it is ended.
        tstate: Serial,
    },
    /// An interpreter is being torn down.
    Finalizing {
        /// The interpreter.
        interp: Serial,
        /// The thread state by which it is ended.
        tstate: Serial,
    },
    /// A runtime is initialized.
    Initialized {
        /// Its main interpreter.
        interp: Serial,
        /// The thread state of that, which is about to become current.
        tstate: Serial,
    },
    /// A runtime is finalized.
    Finalized {
        /// What was its main interpreter.
        interp: Serial,
        /// The thread state that was its last.
        tstate: Serial,
    },
    /// A thread state is new, for a thread that is being started.
    Started {
        /// The thread state.
        tstate: Serial,
        /// Its interpreter.
        interp: Serial,
        /// Nobody waits for the thread.
        daemon: bool,
    },
    /// That thread could not be started, and its thread state is deleted.
    Unstarted(Serial),
    /// An interpreter requires references to its id, or no longer.
    Requires {
        /// The interpreter.
        interp: Serial,
        /// Does it?
        required: bool,
    },
    /// A reference to the id of this interpreter was taken.
    Referenced(Serial),
    /// A reference to the id of this interpreter was given back.
    Dereferenced(Serial),
    /// A thread state runs its interpreter.
    Running(Serial),
    /// It no longer does.
    NotRunning(Serial),
    /// The process was forked, and this is the child.
    Forked,
    /// An interpreter has ended.
    Ended {
        /// The interpreter.
        interp: Serial,
        /// The thread state that was its last.
        tstate: Serial,
    },
    /// An Ensure made a thread state, bound to this thread, and is about to enter it.
    Ensured {
        /// The thread state.
        tstate: Serial,
        /// Its interpreter.
        interp: Serial,
    },
    /// A pending call was added.
    Added {
        /// To the ring of this interpreter; none: of the main thread.
        ring: Option<Serial>,
    },
    /// A pending call was taken, and is called next.
    Popped {
        /// From the ring of this interpreter; none: of the main thread.
        ring: Option<Serial>,
    },
    /// A run of pending calls begins.
    RunBegan {
        /// In this interpreter.
        interp: Serial,
    },
    /// It has ended.
    RunEnded {
        /// In this interpreter.
        interp: Serial,
        /// Its last call failed.
        failed: bool,
    },
}

/// A GIL, and the thread state that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gil {
    /// The interpreter that created the GIL.
    pub creator: Option<Serial>,
    /// Who takes it, drops it or waits.
    pub tstate: Serial,
}

/// An event, by whom, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// When, counted in events.
    pub stamp: u64,
    /// By this thread.
    pub thread: Serial,
    /// What.
    pub event: Event,
}

impl Thread {
    /// Tells an event, if this is a build that does and the trace is on.
    #[inline]
    pub(crate) fn trace(&self, event: impl FnOnce() -> Event) {
        if self.inner().tracing() {
            self.sink.tell(event());
        }
    }

    #[inline]
    pub(crate) fn called(&self, op: OpKind, argument: impl Into<Argument>) {
        self.trace(|| Event::Called { op, argument: argument.into() });
    }

    #[inline]
    pub(crate) fn effect(&self, effect: Effect) {
        self.trace(|| Event::Effect(effect));
    }

    #[inline]
    pub(crate) fn returned<T, E>(&self, result: Result<T, E>) -> Result<T, E>
    where
        T: Copy + Into<Answer>,
        E: Copy + Into<Answer>,
    {
        self.trace(|| Event::Returned(result.map_or_else(Into::into, Into::into)));
        result
    }
}

#[cfg(not(feature = "trace"))]
mod sink {
    //! No buffers.

    use super::{Event, Serial};
    use crate::runtime::Inner;

    /// Where a thread writes.
    pub(crate) struct Sink;

    /// Those of all threads.
    #[derive(Default)]
    pub(crate) struct Sinks;

    impl Sink {
        pub(crate) const fn new() -> Self {
            Sink
        }

        pub(crate) fn of(&self, _: Serial) {}

        #[inline]
        pub(crate) fn tell(&self, _: Event) {}
    }

    impl Inner {
        #[inline]
        pub(crate) const fn tracing(&self) -> bool {
            false
        }
    }

    impl Sinks {
        pub(crate) fn add(&mut self, _: &Sink) {}

        pub(crate) fn keep(&mut self, _: &Sink) {}
    }
}

#[cfg(feature = "trace")]
mod sink;

pub(crate) use sink::{Sink, Sinks};
