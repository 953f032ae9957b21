//! What becomes of a design when one knob is turned: the table of verdicts.
//!
//! A *row* is a base design, a knob in another setting, a GIL mode and a grain, and names
//! the scope that it is judged in ([`rows`]). Four kinds of rows:
//!
//! - `cloister` with a knob turned: is the setting broken, does every rule hold, can
//!   anybody tell it from ours?
//! - `cloister` with a fault, and *beside* it a knob in each of its settings ([`crossed`]).
//! - `cpython_3_12_1` with a fault *mended*, the knob in our setting: does the rule that the
//!   fault breaks in `cloister` hold then, or does another fault break it as well?
//! - the named designs themselves, with every rule that a run can break first.
//!
//! [`judge`] reaches the verdicts; [`declared`] holds what people say they are, in
//! `specs/designs.toml`, and compares afterwards.

pub mod breaches;
pub mod crossed;
pub mod declared;
pub mod differences;
pub mod judge;
pub mod rows;
pub mod show;
pub mod table;

use clap::ValueEnum;
use cloister_specs::InterpreterConfig;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which GILs the interpreters of a scope ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum GilMode {
    /// The main interpreter's.
    Shared,
    /// One each.
    Own,
}

impl GilMode {
    /// Both.
    pub const ALL: [GilMode; 2] = [GilMode::Shared, GilMode::Own];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            GilMode::Shared => "shared",
            GilMode::Own => "own",
        }
    }

    /// A configuration for each way in which a creation goes, all with such a GIL.
    pub fn configs(self) -> Vec<InterpreterConfig> {
        let gil = match self {
            GilMode::Shared => 1,
            GilMode::Own => 2,
        };
        let good = InterpreterConfig { gil, ..InterpreterConfig::ISOLATED };
        let bad_settings = InterpreterConfig { check_multi_interp_extensions: false, ..good };
        let bad_gil = InterpreterConfig { gil: 7, ..good };
        let both = InterpreterConfig { gil: 7, ..bad_settings };
        let main_obmalloc = InterpreterConfig { use_main_obmalloc: true, ..good };
        vec![good, bad_settings, bad_gil, both, main_obmalloc]
    }
}

impl fmt::Display for GilMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
