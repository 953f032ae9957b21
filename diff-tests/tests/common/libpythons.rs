//! The CPythons of this machine.

use cloister_diff_tests::cpython::{Found, NOT_FOUND, find};
use std::{path::Path, sync::OnceLock};

/// The command, which starts the run processes.
pub fn executable() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_cloister"))
}

/// Every CPython of this machine; says so if there is none.
pub fn found() -> &'static [Found] {
    static FOUND: OnceLock<Vec<Found>> = OnceLock::new();
    let found = FOUND.get_or_init(|| find(executable()).unwrap_or_else(|error| panic!("{error}")));
    if found.is_empty() {
        println!("{NOT_FOUND}");
    }
    found
}
