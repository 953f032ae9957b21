//! Small ids. A slot may be used again after what it named is gone.

use arbitrary::Arbitrary;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Arbitrary)]
        #[serde(transparent)]
        pub struct $name(pub u8);

        impl $name {
            /// The slot as an index.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// The slot of an interpreter; also that of the GIL which it created. 0 is main. Written `1`.
    InterpId,
    ""
);
id!(
    /// The slot of a thread state, which stands for its address: a freed slot that
    /// something still names is a dangling pointer, and using it again is address
    /// reuse. Written `t1`.
    TstateId,
    "t"
);
id!(
    /// An OS thread. Written `T1`.
    ThreadId,
    "T"
);

id!(
    /// The slot of a block of memory, which stands for its address. Written `b1`.
    BlockId,
    "b"
);
id!(
    /// The slot of an object, which stands for its address. 0 is `None`. Written `o1`.
    ObjectId,
    "o"
);

/// `None`, the static object that all interpreters share.
pub const NONE: ObjectId = ObjectId(0);
/// The main interpreter.
pub const MAIN: InterpId = InterpId(0);
