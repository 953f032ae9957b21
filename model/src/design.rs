//! Designs: every change that led to isolated interpreters, and every known fault, is a knob.

use serde::{Deserialize, Serialize};

use crate::mutant::Mutant;

mod knobs;

pub use knobs::*;

macro_rules! designs {
    ($($(#[$doc:meta])* $field:ident: $ty:ident, $knob:literal, $seed:ident, $cpython:ident, $ours:ident;)+) => {
        /// One way to build the runtime.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct Design {
            $($(#[$doc])* pub $field: $ty,)+
            /// A fault in the model itself, for the tests of the checker.
            #[serde(skip)]
            pub mutant: Option<Mutant>,
        }

        impl Design {
            /// Before any of the changes: one GIL, and the attach protocol of 3.11.
            pub const SEED: Design = Design { $($field: $ty::$seed,)+ mutant: None };
            /// What shipped as CPython 3.12.1, faults included.
            pub const CPYTHON_3_12_1: Design = Design { $($field: $ty::$cpython,)+ mutant: None };
            /// Ours: every rule holds.
            pub const CLOISTER: Design = Design { $($field: $ty::$ours,)+ mutant: None };

            /// The knobs, in the order of the fields.
            pub const KNOBS: &'static [Knob] = &[$(Knob {
                name: $knob,
                settings: {
                    const N: usize = $ty::ALL.len();
                    const TEXTS: [&str; N] = {
                        let mut out = [""; N];
                        let mut k = 0;
                        while k < N { out[k] = $ty::ALL[k].text(); k += 1; }
                        out
                    };
                    &TEXTS
                },
                get: |d| d.$field.text(),
                set: |d, text| match $ty::ALL.iter().find(|s| s.text() == text) {
                    Some(s) => { d.$field = *s; true }
                    None => false,
                },
            },)+];
        }
    };
}

designs! {
    /// How many GILs there are.
    gils: Gils, "gils", One, PerInterpreter, PerInterpreter;
    /// What Swap does with the GIL.
    attach: AttachProtocol, "attach", SwapLeavesGil, ReleaseThenClear, ClearThenRelease;
    /// Where the current thread state is kept.
    current: CurrentTstate, "current", RuntimeGlobal, ThreadLocal, ThreadLocal;
    /// How a failed creation cleans up.
    failed_creation: FailedCreation, "failed-creation", CleansUpByItself, SwapsBackWithoutGil, RestoresCaller;
    /// What becomes of an error in a creation.
    creation_errors: CreationErrors, "creation-errors", Fatal, Returned, Returned;
    /// What a creation answers when memory runs out.
    out_of_memory: OutOfMemory, "out-of-memory", OkWithNull, OkWithNull, Error;
    /// Where a waiter leaves its request.
    drop_request: DropRequest, "drop-request", PerInterpreter, PerInterpreter, PerGil;
    /// Clearing a thread state that another thread's call still uses.
    tstate_in_use: TstateInUse, "tstate-in-use", Unguarded, Unguarded, Guarded;
    /// Whose gilstate slot a deletion empties.
    gilstate_unbind: GilstateUnbind, "gilstate-unbind", CallersSlot, CallersSlot, OwnersSlot;
    /// How `last_holder` names a thread state.
    last_holder: LastHolder, "last-holder", Address, Address, Identity;
    /// Own GIL with the shared allocator.
    own_gil_shared_obmalloc: OwnGilSharedObmalloc, "own-gil-shared-obmalloc", Accepted, Accepted, Refused;
    /// Where the thread state that an Ensure makes belongs.
    gilstate_target: GilstateTarget, "gilstate-target", Main, Main, Callers;
    /// What becomes of an Ensure that cannot make a thread state.
    ensure_errors: EnsureErrors, "ensure-errors", Fatal, Fatal, Returned;
    /// Whether `PyGILState_Check` looks at anything.
    gilstate_check: GilstateCheck, "gilstate-check", OffAfterSub, OffAfterSub, Always;
    /// What a poll looks at to learn of pending calls.
    eval_breaker: EvalBreaker, "eval-breaker", AsComputed, AsComputed, Exact;
    /// Which rings are signalled again when a pending call has failed.
    failed_pending: FailedPending, "failed-pending", ItsRing, ItsRing, EveryRing;
    /// What becomes of a `Py_NewInterpreter` that fails.
    legacy_creation: LegacyCreation, "legacy-creation", Fatal, Fatal, Null;
    /// What becomes of a call that waits for the GIL of an interpreter when that is finalized (gh-87135).
    daemon_threads: DaemonThreads, "daemon-threads", Exit, Exit, Refused;
    /// What becomes of the request of a waiter that gives up (gh-96387).
    exiting_waiter: ExitingWaiter, "exiting-waiter", LeavesRequest, ClearsRequest, ClearsRequest;
    /// May a thread be started in an interpreter whose end has begun (gh-104690)?
    thread_start: ThreadStart, "thread-start", Allowed, Refused, Refused;
    /// What a thread that could not be started leaves behind (gh-109746).
    failed_thread: FailedThread, "failed-thread", LeavesCleared, LeavesCleared, Deletes;
    /// Which pending calls an end runs.
    finish_pending: FinishPending, "finish-pending", UntilFailure, UntilFailure, All;
    /// What `_PyThreadState_DeleteExcept` does with the gilstate slots of other threads.
    delete_except: DeleteExcept, "delete-except", LeavesBindings, LeavesBindings, Unbinds;
    /// Through which thread state an interpreter is ended from outside.
    head_tstate: HeadTstate, "head-tstate", Borrowed, Borrowed, Refused;
    /// When an interpreter that is to be destroyed is looked at (gh-127041).
    destroy_check: DestroyCheck, "destroy-check", TwoSteps, TwoSteps, OneStep;
    /// What becomes of a new thread state in an interpreter that lists none.
    empty_interp: EmptyInterp, "empty-interp", Fatal, Fatal, Usable;
    /// When a new interpreter gets its id.
    id_order: IdOrder, "id-order", BeforeAllocation, BeforeAllocation, AfterAllocation;
    /// How the child of a fork clears the other interpreters (gh-101437).
    fork_clear: ForkClear, "fork-clear", DetachedAndLocked, DetachedAndLocked, Properly;
    /// What becomes of a fork in a sub-interpreter that may fork.
    fork_in_sub: ForkInSub, "fork-in-sub", FatalInChild, FatalInChild, Refused;
    /// How many allocator states there are.
    obmalloc: Obmalloc, "obmalloc", PerRuntime, PerInterpreter, PerInterpreter;
    /// Which heap a block is freed to.
    free_goes_to: FreeGoesTo, "free-goes-to", Selected, Selected, Owner;
    /// A block that is freed where its heap is not the current one.
    foreign_free: ForeignFree, "foreign-free", Undetected, Undetected, Refused;
    /// What becomes of the arenas of a heap that ends.
    arenas: Arenas, "arenas", Abandoned, Abandoned, AlwaysFreed;
    /// How the blocks that ended heaps left are carried over.
    block_totals: BlockTotals, "block-totals", Once, Once, Once;
    /// Counting what other threads may change.
    counting: Counting, "counting", Unguarded, Unguarded, Guarded;
    /// Is `None` immortal?
    none: NoneIs, "none", Mortal, Immortal, Immortal;
    /// How a count says that an object is immortal.
    immortality: Immortality, "immortality", Sign64, Sign64, Sticky;
    /// How a count is changed.
    counts: Counts, "counts", Plain, Plain, Plain;
    /// A reference that is passed to an interpreter of another heap.
    cross_refs: CrossRefs, "cross-refs", Accepted, Accepted, Refused;
    /// Where references are totalled.
    ref_total: RefTotal, "ref-total", Global, PerInterpreter, PerInterpreter;
    /// How often what unaware clients have counted is carried over.
    legacy_total: LegacyTotal, "legacy-total", Once, EachLife, Once;
}

/// A knob by name.
#[derive(Clone, Copy)]
pub struct Knob {
    /// How it is written.
    pub name: &'static str,
    /// How its settings are written.
    pub settings: &'static [&'static str],
    /// Its setting in a design.
    pub get: fn(&Design) -> &'static str,
    /// Sets it; `false` if there is no such setting.
    pub set: fn(&mut Design, &str) -> bool,
}

impl Design {
    /// The named designs.
    pub const NAMED: [(&'static str, Design); 3] =
        [("seed", Design::SEED), ("cpython_3_12_1", Design::CPYTHON_3_12_1), ("cloister", Design::CLOISTER)];

    /// The design of this name.
    pub fn by_name(name: &str) -> Option<Design> {
        Design::NAMED.iter().find(|(n, _)| *n == name).map(|(_, d)| *d)
    }

    /// The knob of this name.
    pub fn knob(name: &str) -> Option<&'static Knob> {
        Design::KNOBS.iter().find(|k| k.name == name)
    }
}

/// Does this combination of settings mean anything?
///
/// Before the attach protocol took and released GILs in Swap, a thread could not move
/// between two of them.
pub fn admissible(d: &Design) -> bool {
    match (d.attach, d.gils) {
        (AttachProtocol::SwapLeavesGil, Gils::PerInterpreter) => false,
        (AttachProtocol::SwapLeavesGil, Gils::One)
        | (
            AttachProtocol::ReleaseThenClear | AttachProtocol::ClearThenRelease,
            Gils::One | Gils::PerInterpreter,
        ) => true,
    }
}

/// A text that names no design. Says what would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesignError {
    /// No named design begins it.
    Unknown(String),
    /// A word behind the design is no setting.
    NoSetting(String),
    /// There is no such knob.
    Knob(String),
    /// The knob has no such setting.
    Setting(&'static Knob, String),
    /// The settings exclude each other.
    Inadmissible,
}

impl std::error::Error for DesignError {}

impl std::fmt::Display for DesignError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |names: &[&str]| names.join(", ");
        match self {
            DesignError::Unknown(name) => {
                write!(f, "there is no design `{name}`; there are {}", list(&Design::NAMED.map(|(n, _)| n)))
            }
            DesignError::NoSetting(word) => {
                write!(f, "`{word}` is no setting; say KNOB=SETTING, and the design before all settings")
            }
            DesignError::Knob(name) => {
                let names: Vec<_> = Design::KNOBS.iter().map(|k| k.name).collect();
                write!(f, "there is no knob `{name}`; there are {}", list(&names))
            }
            DesignError::Setting(knob, text) => {
                write!(f, "`{}` has no setting `{text}`; it has {}", knob.name, list(knob.settings))
            }
            DesignError::Inadmissible => {
                f.write_str("attach=swap-leaves-gil means something only with gils=one: set both")
            }
        }
    }
}

impl PartialEq for Knob {
    fn eq(&self, other: &Knob) -> bool {
        self.name == other.name
    }
}

impl Eq for Knob {}

impl std::fmt::Debug for Knob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Design {
    /// This design with more settings, each written `knob=setting`.
    pub fn with_settings<'a>(
        mut self,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<Design, DesignError> {
        for word in words {
            let (name, setting) =
                word.split_once('=').ok_or_else(|| DesignError::NoSetting(word.to_string()))?;
            let knob = Design::knob(name).ok_or_else(|| DesignError::Knob(name.to_string()))?;
            if !(knob.set)(&mut self, setting) {
                return Err(DesignError::Setting(knob, setting.to_string()));
            }
        }
        if admissible(&self) { Ok(self) } else { Err(DesignError::Inadmissible) }
    }
}

/// `cloister`, or `cloister drop-request=per-interpreter gils=one`: a named design (without
/// one: `cloister`), then settings.
impl std::str::FromStr for Design {
    type Err = DesignError;

    fn from_str(text: &str) -> Result<Design, DesignError> {
        let mut words = text.split_whitespace().peekable();
        let base = match words.peek() {
            Some(name) if !name.contains('=') => {
                let design = Design::by_name(name).ok_or_else(|| DesignError::Unknown(name.to_string()))?;
                words.next();
                design
            }
            Some(_) | None => Design::CLOISTER,
        };
        base.with_settings(words)
    }
}

/// As it is parsed: the named design that is nearest, then the settings that differ.
impl std::fmt::Display for Design {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let apart = |base: &Design| Design::KNOBS.iter().filter(|k| (k.get)(self) != (k.get)(base)).count();
        let nearest = Design::NAMED.iter().rev().min_by_key(|(_, base)| apart(base));
        let Some((name, base)) = nearest else { return Ok(()) };
        f.write_str(name)?;
        for knob in Design::KNOBS.iter().filter(|k| (k.get)(self) != (k.get)(base)) {
            write!(f, " {}={}", knob.name, (knob.get)(self))?;
        }
        Ok(())
    }
}
