//! `PyInterpreterConfig`, with CPython's field names and presets.

use arbitrary::Arbitrary;
use bitflags::bitflags;
use serde::{Deserialize, Serialize};

/// What `Py_NewInterpreterFromConfig` is given. CPython's fields are ints; all but
/// `gil` are used as truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Arbitrary)]
#[serde(deny_unknown_fields)]
pub struct InterpreterConfig {
    /// Allocate objects with the main interpreter's obmalloc state.
    pub use_main_obmalloc: bool,
    /// `os.fork` is allowed.
    pub allow_fork: bool,
    /// `os.execv` is allowed.
    pub allow_exec: bool,
    /// `threading.Thread` is allowed.
    pub allow_threads: bool,
    /// Daemon threads are allowed.
    pub allow_daemon_threads: bool,
    /// Extension modules must say that they support several interpreters.
    pub check_multi_interp_extensions: bool,
    /// 0 default (shared), 1 shared, 2 own; other values are an error.
    pub gil: u8,
}

/// Which GIL a legal `gil` field asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GilKind {
    /// The main interpreter's.
    Shared,
    /// One of its own.
    Own,
}

impl InterpreterConfig {
    /// `_PyInterpreterConfig_INIT`: isolated, with its own GIL.
    pub const ISOLATED: Self = Self {
        use_main_obmalloc: false,
        allow_fork: false,
        allow_exec: false,
        allow_threads: true,
        allow_daemon_threads: false,
        check_multi_interp_extensions: true,
        gil: 2,
    };
    /// `_PyInterpreterConfig_LEGACY_INIT`: as before 3.12, sharing the main GIL.
    pub const LEGACY: Self = Self {
        use_main_obmalloc: true,
        allow_fork: true,
        allow_exec: true,
        allow_threads: true,
        allow_daemon_threads: true,
        check_multi_interp_extensions: false,
        gil: 1,
    };
    /// What the main interpreter is created with.
    pub const MAIN: Self = Self { gil: 2, ..Self::LEGACY };

    /// The GIL that the `gil` field asks for; `None` where the field has no meaning.
    pub const fn gil_kind(&self) -> Option<GilKind> {
        match self.gil {
            0 | 1 => Some(GilKind::Shared),
            2 => Some(GilKind::Own),
            _ => None,
        }
    }

    /// The feature flags that these settings stand for.
    pub fn flags(&self) -> FeatureFlags {
        let mut flags = FeatureFlags::empty();
        flags.set(FeatureFlags::USE_MAIN_OBMALLOC, self.use_main_obmalloc);
        flags.set(FeatureFlags::FORK, self.allow_fork);
        flags.set(FeatureFlags::EXEC, self.allow_exec);
        flags.set(FeatureFlags::THREADS, self.allow_threads);
        flags.set(FeatureFlags::DAEMON_THREADS, self.allow_daemon_threads);
        flags.set(FeatureFlags::MULTI_INTERP_EXTENSIONS, self.check_multi_interp_extensions);
        flags
    }

    /// All 256 configurations that differ in what they mean: six flags, and `gil` in 0, 1, 2, 7.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..64u8).flat_map(|bits| {
            [0, 1, 2, 7].map(|gil| Self {
                use_main_obmalloc: bits & 1 != 0,
                allow_fork: bits & 2 != 0,
                allow_exec: bits & 4 != 0,
                allow_threads: bits & 8 != 0,
                allow_daemon_threads: bits & 16 != 0,
                check_multi_interp_extensions: bits & 32 != 0,
                gil,
            })
        })
    }
}

bitflags! {
    /// `PyInterpreterState.feature_flags`, with CPython's bits (`Py_RTFLAGS_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    pub struct FeatureFlags: u32 {
        /// Objects come from the main interpreter's obmalloc state.
        const USE_MAIN_OBMALLOC = 1 << 5;
        /// Extension modules are checked for support of several interpreters.
        const MULTI_INTERP_EXTENSIONS = 1 << 8;
        /// Threads may be started.
        const THREADS = 1 << 10;
        /// Daemon threads may be started.
        const DAEMON_THREADS = 1 << 11;
        /// `os.fork` may be called.
        const FORK = 1 << 15;
        /// `os.exec*` may be called.
        const EXEC = 1 << 16;
    }
}
