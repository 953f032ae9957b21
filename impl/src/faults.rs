//! Faults to inject: allocations that fail, and mistakes of the runtime itself.
//!
//! A *seeded fault* ([`Seeded`]) is a mistake that somebody could make here. Switched on
//! in a runtime it changes what the runtime does, and the check that holds the rule it
//! breaks must find it. Without the feature `faults` no fault can be switched on, and
//! asking for one is the constant `false`.

use crate::pool::{NoMemory, Pool};
use crate::runtime::Inner;
use crate::thread::Thread;
use cloister_specs::Rule;

macro_rules! seeded {
    ($($(#[$doc:meta])* $name:ident breaks $rule:ident;)+) => {
        /// A mistake of the runtime.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Seeded {
            $($(#[$doc])* $name,)+
        }

        impl Seeded {
            /// Every one of them.
            pub const ALL: &'static [Seeded] = &[$(Seeded::$name),+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Seeded::$name => stringify!($name)),+ }
            }

            /// The rule that it breaks first.
            pub const fn breaks(self) -> Rule {
                match self { $(Seeded::$name => Rule::$rule),+ }
            }
        }
    };
}

seeded! {
    /// The gil field is checked before the allocator.
    GilValueFirst breaks Life7;
    /// A failed creation makes the caller's thread state current without taking its GIL.
    FailedCreationForgetsGil breaks Life2;
    /// A failed creation does not let the gilstate slot name again what it named before.
    FailedCreationKeepsSlot breaks Life2;
    /// The end of an interpreter does not drop the GIL.
    EndKeepsGil breaks Life12;
    /// The end of an interpreter leaves its thread state in the list.
    EndLeavesTstate breaks Life12;
    /// A bound thread state can be bound again.
    BindRebinds breaks Tls3;
    /// Binding lets the gilstate slot name the thread state, whatever it named.
    BindDisplaces breaks Tls15;
    /// A thread state can be made current in a thread that it is not bound to.
    SwapIgnoresThread breaks Tls4;
    /// A swap deactivates the new thread state instead of the old one.
    SwapLeavesWrong breaks Tls2;
    /// A swap answers the new thread state.
    SwapAnswersNew breaks Tls20;
    /// A thread state becomes current, but the gilstate slot goes on naming another.
    SwapKeepsGilstate breaks Tls16;
    /// A thread state that another thread's call uses can be cleared.
    ClearIgnoresUse breaks Tls13;
    /// Deleting empties the caller's gilstate slot.
    DeleteEmptiesCallers breaks Tls14;
    /// Taking does not remember the new holder.
    TakeForgetsLastHolder breaks Gil9;
    /// Taking does not reset the request.
    TakeKeepsRequest breaks Gil8;
    /// A waiter leaves its request with its own interpreter.
    RequestPerInterpreter breaks Gil7;
    /// Dropping wakes nobody.
    DropLosesSignal breaks Gil11;
    /// A holder that drops on request goes on at once.
    ForcedSwitchSkipped breaks Gil9;
    /// A poll hands the GIL over with its thread state still current.
    PollStaysCurrent breaks Gil13;
    /// ReleaseThread releases what is current, whatever it is given.
    ReleaseTakesAny breaks Gil19;
    /// DeleteCurrent does not drop the GIL.
    DeleteCurrentKeepsGil breaks Tls22;
    /// NewInterpreter creates with the isolated configuration.
    NewInterpreterIsolates breaks Life16;
    /// An Ensure that has to take the GIL makes a thread state beside the one that is named.
    EnsureMakesSecond breaks Gilstate2;
    /// An Ensure leads into the main interpreter, or wherever what is named belongs.
    EnsureTargetsMain breaks Gilstate3;
    /// A Release does not look at what it is given.
    ReleaseIgnoresState breaks Gilstate6;
    /// The last Release leaves a thread state that an Ensure made.
    ReleaseKeepsMade breaks Gilstate9;
    /// Every Release takes the thread state away.
    ReleaseDetaches breaks Gilstate10;
    /// A check says yes.
    CheckSaysYes breaks Gilstate11;
    /// A call added to a full ring takes the place of the first.
    FullRingOverwrites breaks Pend1;
    /// Any thread in the main interpreter runs the ring of the main thread.
    AnyThreadRunsMainRing breaks Pend2;
    /// A run takes the last call of a ring first.
    RunTakesLast breaks Pend4;
    /// Adding a call does not signal its ring.
    AddForgetsSignal breaks Pend9;
    /// A run begins in an interpreter that is busy.
    RunIgnoresBusy breaks Pend6;
    /// A ring is not signalled again after a call of it failed.
    FailureLosesSignal breaks Pend7;
    /// MakePendingCalls runs the calls of any interpreter, in any thread.
    MakeRunsAnywhere breaks Pend8;
    /// Initializing leaves the main thread as it was.
    InitializeKeepsMainThread breaks Fin5;
    /// Finalizing leaves what the gilstate slots of other threads name.
    FinalizeLeavesSlots breaks Fin6;
    /// An end does not wait for threads.
    EndSkipsThreads breaks Fin7;
    /// An end drops the pending calls that are left.
    EndLeavesCalls breaks Fin8;
    /// A thread can be started in an interpreter whose end has begun.
    StartsLate breaks Fin9;
    /// A waiter goes on waiting for a GIL that nobody will ever drop for it.
    WaiterHangs breaks Fin11;
    /// A waiter that gives up leaves its request.
    GiveUpKeepsRequest breaks Fin12;
    /// A thread that could not be started leaves its thread state.
    FailedStartLeavesTstate breaks Fin13;
    /// A started thread state can be run that is bound already.
    RunsAgain breaks Fin14;
    /// DeleteExcept deletes what another thread's call uses.
    DeleteExceptIgnoresUse breaks Fin17;
    /// An interpreter can be created while the runtime is being finalized.
    CreatesLate breaks Fin19;
    /// A creation that runs out of memory uses up an id.
    FailedCreationUsesId breaks Id2;
    /// A look-up takes no notice of the id.
    LookUpFindsMain breaks Id3;
    /// An interpreter ends with any reference that is given back.
    DecrefEndsEarly breaks Id5;
    /// An interpreter is ended from outside through a thread state of any thread.
    BorrowsHead breaks Id6;
    /// Who ends an interpreter from outside does not come back.
    OutsideStaysAway breaks Id7;
    /// An interpreter that is run can be destroyed.
    DestroyIgnoresRunning breaks Id9;
    /// An interpreter can be used while the call that destroys it is on its way in.
    DestroyInTwoSteps breaks Id10;
    /// A second one can say that it runs an interpreter.
    RunsBesides breaks Id11;
    /// The child of a fork keeps the other interpreters.
    ForkKeepsInterps breaks Fork4;
    /// An interpreter replaces the process whatever its configuration says.
    ExecAnywhere breaks Fork6;
    /// A thread is started whatever the configuration says.
    StartsAnywhere breaks Fork7;
    /// A daemon is started whatever the configuration says.
    DaemonsAnywhere breaks Fork8;
    /// A block of another heap is taken, as if it were one of this.
    FreeGoesToSelected breaks Mem4;
    /// Large blocks are counted twice.
    CountsLargeTwice breaks Mem9;
    /// A block that moves is not freed where it was.
    ReallocForgetsToFree breaks Mem9;
    /// What earlier lives of the runtime left is forgotten.
    LeaksNotCarried breaks Mem12;
    /// Blocks and references are counted while another thread holds the GIL.
    CountsBesideOthers breaks Mem15;
    /// An aware client changes the count of an immortal object.
    ImmortalIsWritten breaks Ref6;
    /// A count that has come near an end of the immortal half is left there.
    OverflowNotSticky breaks Ref7;
    /// An object is deallocated when one reference is left.
    DeallocAtOne breaks Ref8;
    /// References are added to the total of the main interpreter.
    TotalToMain breaks Ref10;
}

impl Thread {
    /// Is this fault switched on?
    #[inline]
    pub(crate) fn seeded(&self, fault: Seeded) -> bool {
        #[cfg(feature = "faults")]
        return self.inner().faults.on(fault);
        #[cfg(not(feature = "faults"))]
        {
            let _ = fault;
            false
        }
    }

    /// A slot of this pool.
    pub(crate) fn allocate<T: Default>(&self, pool: &Pool<T>) -> Result<&'static T, NoMemory> {
        self.inner().allocate(pool)
    }
}

impl Inner {
    /// Memory is about to be allocated, or something else of which there may be too little.
    pub(crate) fn allocates(&self) -> Result<(), NoMemory> {
        #[cfg(feature = "faults")]
        if self.faults.allocation_fails() {
            return Err(NoMemory);
        }
        Ok(())
    }

    /// A slot of this pool.
    pub(crate) fn allocate<T: Default>(&self, pool: &Pool<T>) -> Result<&'static T, NoMemory> {
        self.allocates()?;
        pool.take()
    }
}

#[cfg(feature = "faults")]
pub(crate) use switches::Switches;

#[cfg(feature = "faults")]
mod switches {
    use super::Seeded;
    use crate::runtime::Runtime;
    use crate::sync::plain::{AtomicU8, AtomicU64, Ordering};

    /// Which faults are switched on in a runtime.
    #[derive(Default)]
    pub(crate) struct Switches {
        /// 0, or the number of the seeded fault plus 1.
        seeded: AtomicU8,
        /// 0, or which of the next allocations fails.
        failing: AtomicU64,
    }

    impl Switches {
        #[inline]
        pub(crate) fn on(&self, fault: Seeded) -> bool {
            self.seeded.load(Ordering::Relaxed) == fault as u8 + 1
        }

        pub(crate) fn allocation_fails(&self) -> bool {
            let count = |n: u64| n.checked_sub(1);
            self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count) == Ok(1)
        }
    }

    impl Runtime {
        /// Switches a seeded fault on, in place of the one that was; or all off.
        pub fn seed(&self, fault: Option<Seeded>) {
            let number = fault.map_or(0, |fault| fault as u8 + 1);
            self.inner().faults.seeded.store(number, Ordering::Relaxed);
        }

        /// Makes the `nth` allocation from now on fail, counted from 1; with 0, none.
        pub fn fail_allocation(&self, nth: u64) {
            self.inner().faults.failing.store(nth, Ordering::Relaxed);
        }

        /// How many allocations are left until the one that fails; 0: it has, or none will.
        pub fn allocations_left(&self) -> u64 {
            self.inner().faults.failing.load(Ordering::Relaxed)
        }
    }
}
