//! Operations without their arguments.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($name:ident $area:literal,)+) => {
        /// An operation without its arguments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum OpKind {
            $($name,)+
        }

        impl OpKind {
            /// Every kind, in the order in which areas were added.
            pub const ALL: [OpKind; [$($area),+].len()] = [$(OpKind::$name),+];

            /// Its name, as in the text form.
            pub const fn name(self) -> &'static str {
                match self { $(OpKind::$name => stringify!($name),)+ }
            }

            /// The area whose rules speak of it first.
            pub const fn area(self) -> &'static str {
                match self { $(OpKind::$name => $area,)+ }
            }
        }
    };
}

kinds! {
    NewInterpreterFromConfig "LIFE",
    EndInterpreter "LIFE",
    ThreadStateNew "TLS",
    ThreadStateBind "TLS",
    ThreadStateSwap "TLS",
    ThreadStateClear "TLS",
    ThreadStateDelete "TLS",
    SaveThread "GIL",
    RestoreThread "GIL",
    EvalBreakerPoll "GIL",
    NewInterpreter "LIFE",
    ThreadStateDeleteCurrent "TLS",
    AcquireThread "GIL",
    ReleaseThread "GIL",
    GilStateEnsure "GILSTATE",
    GilStateRelease "GILSTATE",
    GilStateCheck "GILSTATE",
    AddPendingCall "PEND",
    MakePendingCalls "PEND",
    Initialize "FIN",
    Finalize "FIN",
    StartThread "FIN",
    RunThread "FIN",
    ThreadStateDeleteExcept "FIN",
    InterpreterLookUpId "ID",
    InterpreterRequireIdRef "ID",
    InterpreterIdIncref "ID",
    InterpreterIdDecref "ID",
    SetRunningMain "ID",
    SetNotRunningMain "ID",
    DestroyInterpreter "ID",
    Fork "FORK",
    Exec "FORK",
    Malloc "MEM",
    Calloc "MEM",
    Realloc "MEM",
    Free "MEM",
    AllocatedBlocks "MEM",
    GlobalAllocatedBlocks "MEM",
    ObjectNew "REF",
    SetRefCnt "REF",
    IncRef "REF",
    DecRef "REF",
    SetImmortal "REF",
    ClearImmortal "REF",
    PassRef "REF",
    RefTotal "REF",
    GlobalRefTotal "REF",
}

impl OpKind {
    /// The calls of the engine: creating and ending, thread states, the GIL.
    pub const CORE: [OpKind; 10] = [
        OpKind::NewInterpreterFromConfig,
        OpKind::EndInterpreter,
        OpKind::ThreadStateNew,
        OpKind::ThreadStateBind,
        OpKind::ThreadStateSwap,
        OpKind::ThreadStateClear,
        OpKind::ThreadStateDelete,
        OpKind::SaveThread,
        OpKind::RestoreThread,
        OpKind::EvalBreakerPoll,
    ];

    /// Its place in [`OpKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}
