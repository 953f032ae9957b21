//! Every knob, with its settings.

use serde::{Deserialize, Serialize};

macro_rules! knob {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every setting of this knob.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// How the setting is written.
            pub const fn text(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

knob!(
    /// How many GILs there are (gh-104210).
    Gils {
        /// Every interpreter shares the main one's; the `gil` field is only checked.
        One = "one",
        /// An interpreter may have its own.
        PerInterpreter = "per-interpreter",
    }
);
knob!(
    /// What `PyThreadState_Swap` does with the GIL, and in which order.
    AttachProtocol {
        /// 3.11: nothing; the caller has it and keeps it.
        SwapLeavesGil = "swap-leaves-gil",
        /// 3.12: release, then clear the current thread state; set the new one, then acquire.
        ReleaseThenClear = "release-then-clear",
        /// Ours: clear, then release; acquire, then set.
        ClearThenRelease = "clear-then-release",
    }
);
knob!(
    /// Where the current thread state is kept (gh-103324).
    CurrentTstate {
        /// One for the runtime: that of whoever holds the GIL.
        RuntimeGlobal = "runtime-global",
        /// One for each OS thread.
        ThreadLocal = "thread-local",
    }
);
knob!(
    /// How a creation that failed cleans up (gh-102658).
    FailedCreation {
        /// Before: the new thread state clears and deletes itself.
        CleansUpByItself = "cleans-up-by-itself",
        /// 3.12: swaps back first; without taking the caller's GIL if the new one was never taken.
        SwapsBackWithoutGil = "swaps-back-without-gil",
        /// Ours: checks the configuration before anything is made, and restores the caller wholly.
        RestoresCaller = "restores-caller",
    }
);
knob!(
    /// What becomes of an error in a creation (gh-102657).
    CreationErrors {
        /// It ends the process.
        Fatal = "fatal",
        /// It is answered as a status.
        Returned = "returned",
    }
);
knob!(
    /// What a creation answers when memory runs out.
    OutOfMemory {
        /// 3.12: a good status, and no thread state.
        OkWithNull = "ok-with-null",
        /// An error status.
        Error = "error",
    }
);
knob!(
    /// Where a waiter leaves its request.
    DropRequest {
        /// 3.12: in its own interpreter.
        PerInterpreter = "per-interpreter",
        /// In the GIL it waits for.
        PerGil = "per-gil",
    }
);
knob!(
    /// May a thread state be cleared while the end of another thread's call uses it (gh-104341, gh-100711)?
    TstateInUse {
        /// Nobody looks.
        Unguarded = "unguarded",
        /// Refused.
        Guarded = "guarded",
    }
);
knob!(
    /// Whose gilstate slot is emptied when a thread state is deleted.
    GilstateUnbind {
        /// 3.12: that of the calling thread.
        CallersSlot = "callers-slot",
        /// That which names it.
        OwnersSlot = "owners-slot",
    }
);
knob!(
    /// How `last_holder` names a thread state.
    LastHolder {
        /// By its address, which may be used again.
        Address = "address",
        /// By an identity that ends with it.
        Identity = "identity",
    }
);
knob!(
    /// An interpreter with its own GIL, but the main interpreter's allocator.
    OwnGilSharedObmalloc {
        /// 3.12: accepted.
        Accepted = "accepted",
        /// Answered with an error status.
        Refused = "refused",
    }
);

knob!(
    /// Where the thread state that an Ensure makes belongs (gh-59956).
    GilstateTarget {
        /// 3.12: to the main interpreter, always.
        Main = "main",
        /// To the interpreter that the caller works for.
        Callers = "callers",
    }
);
knob!(
    /// What becomes of an Ensure that cannot make a thread state.
    EnsureErrors {
        /// 3.12: it ends the process.
        Fatal = "fatal",
        /// It is answered.
        Returned = "returned",
    }
);
knob!(
    /// Whether `PyGILState_Check` looks at anything.
    GilstateCheck {
        /// 3.12: not after the first creation of an interpreter; then it answers yes.
        OffAfterSub = "off-after-sub",
        /// Always.
        Always = "always",
    }
);
knob!(
    /// What a poll looks at to learn of pending calls.
    EvalBreaker {
        /// 3.12: a flag of the interpreter, computed anew by whoever adds a call, takes the
        /// GIL or polls, as that thread would see it.
        AsComputed = "as-computed",
        /// The signals of the rings that the polling thread may run.
        Exact = "exact",
    }
);
knob!(
    /// Which rings are signalled again when a pending call has failed.
    FailedPending {
        /// 3.12: the ring of that call alone, though the main thread's was reset as well.
        ItsRing = "its-ring",
        /// Every ring that was reset and still has calls.
        EveryRing = "every-ring",
    }
);
knob!(
    /// What becomes of a `Py_NewInterpreter` that fails.
    LegacyCreation {
        /// 3.12: it ends the process.
        Fatal = "fatal",
        /// It answers NULL.
        Null = "null",
    }
);

knob!(
    /// What becomes of a call that waits for the GIL of an interpreter when that is finalized (gh-87135).
    DaemonThreads {
        /// 3.12: its OS thread ends.
        Exit = "exit",
        /// 3.14: it hangs.
        Hang = "hang",
        /// It is answered, and the end waits for that.
        Refused = "refused",
    }
);
knob!(
    /// What becomes of the request of a waiter that gives up (gh-96387).
    ExitingWaiter {
        /// Before 3.12: it stays.
        LeavesRequest = "leaves-request",
        /// It is reset.
        ClearsRequest = "clears-request",
    }
);
knob!(
    /// May a thread be started in an interpreter whose end has begun (gh-104690)?
    ThreadStart {
        /// Before 3.12: yes.
        Allowed = "allowed",
        /// No.
        Refused = "refused",
    }
);
knob!(
    /// What a thread that could not be started leaves behind (gh-109746).
    FailedThread {
        /// A thread state that is cleared, and stays listed.
        LeavesCleared = "leaves-cleared",
        /// Nothing.
        Deletes = "deletes",
    }
);
knob!(
    /// Which pending calls an end runs.
    FinishPending {
        /// 3.12: those up to the first that fails; none, if another thread runs some.
        UntilFailure = "until-failure",
        /// All.
        All = "all",
    }
);
knob!(
    /// What `_PyThreadState_DeleteExcept` does with the gilstate slots of other threads.
    DeleteExcept {
        /// 3.12: nothing; they name freed memory.
        LeavesBindings = "leaves-bindings",
        /// It empties those that name what it deletes.
        Unbinds = "unbinds",
    }
);
knob!(
    /// Through which thread state an interpreter is ended from outside.
    HeadTstate {
        /// 3.12: the first of its list, whosever it is.
        Borrowed = "borrowed",
        /// One of the calling thread; otherwise not at all.
        Refused = "refused",
    }
);
knob!(
    /// When an interpreter that is to be destroyed is looked at (gh-127041).
    DestroyCheck {
        /// 3.12: before the swap to it; its end begins after.
        TwoSteps = "two-steps",
        /// As its end begins.
        OneStep = "one-step",
    }
);
knob!(
    /// When a new interpreter gets its id.
    IdOrder {
        /// 3.12: before its memory.
        BeforeAllocation = "before-allocation",
        /// After it.
        AfterAllocation = "after-allocation",
    }
);
knob!(
    /// How the child of a fork clears the other interpreters (gh-101437).
    ForkClear {
        /// 3.12: with nothing current, and the list lock held.
        DetachedAndLocked = "detached-and-locked",
        /// From within each, and without a lock.
        Properly = "properly",
    }
);
knob!(
    /// What becomes of a fork in a sub-interpreter that may fork.
    ForkInSub {
        /// 3.12: the child dies.
        FatalInChild = "fatal-in-child",
        /// It is refused.
        Refused = "refused",
    }
);
knob!(
    /// What becomes of a new thread state in an interpreter that lists none.
    EmptyInterp {
        /// 3.12: its first one is used again, as it was left, and the process ends.
        Fatal = "fatal",
        /// It is made like any other.
        Usable = "usable",
    }
);
knob!(
    /// How many allocator states there are (gh-101660).
    Obmalloc {
        /// One for all interpreters.
        PerRuntime = "per-runtime",
        /// Each interpreter that does not share the main one's has its own.
        PerInterpreter = "per-interpreter",
    }
);
knob!(
    /// Which heap a block is freed to.
    FreeGoesTo {
        /// 3.12: the one of the current interpreter.
        Selected = "selected",
        /// Ours: the one that the header of its pool names.
        Owner = "owner",
    }
);
knob!(
    /// A block that is freed where its heap is not the current one.
    ForeignFree {
        /// Nobody looks.
        Undetected = "undetected",
        /// It is refused.
        Refused = "refused",
    }
);
knob!(
    /// What becomes of the arenas of a heap that ends (gh-113055).
    Arenas {
        /// 3.12: nobody knows of them any more.
        Abandoned = "abandoned",
        /// 3.13: freed if no block was left, abandoned otherwise.
        FreedWhenEmpty = "freed-when-empty",
        /// Ours: freed.
        AlwaysFreed = "always-freed",
    }
);
knob!(
    /// How the blocks that ended heaps left are carried into the next life of the runtime.
    BlockTotals {
        /// Once: they are part of what the last life left.
        Once = "once",
        /// And counted beside that again.
        Twice = "twice",
    }
);
knob!(
    /// Counting blocks and references of interpreters that other threads are in.
    Counting {
        /// Nobody looks.
        Unguarded = "unguarded",
        /// It is refused.
        Guarded = "guarded",
    }
);
knob!(
    /// Is `None` immortal (PEP 683)?
    NoneIs {
        /// No: its references are counted.
        Mortal = "mortal",
        /// Yes.
        Immortal = "immortal",
    }
);
knob!(
    /// How a count says that an object is immortal (PEP 683, gh-125174).
    Immortality {
        /// 3.12 with 32 bits: it is exactly 2^30 - 1.
        Equality32 = "equality-32",
        /// 3.12 with 64 bits: its lower half is negative.
        Sign64 = "sign-64",
        /// Ours: it is negative, and a count that becomes so goes to the middle of the negative ones.
        Sticky = "sticky",
    }
);
knob!(
    /// How a count is changed.
    Counts {
        /// Read, then written.
        Plain = "plain",
        /// In one go.
        Atomic = "atomic",
    }
);
knob!(
    /// A reference that is passed to an interpreter of another heap.
    CrossRefs {
        /// Nobody looks.
        Accepted = "accepted",
        /// It is refused, unless the object is static.
        Refused = "refused",
    }
);
knob!(
    /// Where references are totalled (gh-102543, gh-102545).
    RefTotal {
        /// In a variable of the process.
        Global = "global",
        /// In one of the runtime, which the next life of it begins at 0.
        PerRuntime = "per-runtime",
        /// In one of the interpreter.
        PerInterpreter = "per-interpreter",
    }
);
knob!(
    /// How often what unaware clients have counted is carried into the next life of the runtime.
    LegacyTotal {
        /// 3.12: with each life once more.
        EachLife = "each-life",
        /// Once.
        Once = "once",
    }
);
