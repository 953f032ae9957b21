//! The faults of CPython that are not in dispute because they can be seen: for each
//! a *witness*, the shortest run that shows it, and a *control*, a run that differs
//! in the one thing that matters and does not show it.

mod borrowing;
mod counts;
mod creation;
mod fork;
mod gilstate;
mod heaps;
mod list;
mod listed;
mod memory;
mod os_threads;
mod pending;
mod switching;

pub use list::ALL;

use super::{
    find::{Found, Version},
    parent::Cpython,
};
use crate::subject::SubjectError;
use std::path::Path;

/// A witness as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The situation.
    pub name: &'static str,
    /// The knob of the design that it belongs to.
    pub knob: &'static str,
    /// The setting that it shows.
    pub setting: &'static str,
    /// Does each of the releases that were looked at show it?
    shows: [bool; LOOKED_AT.len()],
    run: Run,
}

impl PartialEq for Known {
    fn eq(&self, other: &Known) -> bool {
        self.name == other.name
    }
}

impl Eq for Known {}

/// The releases that were looked at when this was written.
pub const LOOKED_AT: [Version; 2] = [Version { minor: 12, micro: 1 }, Version { minor: 13, micro: 0 }];

impl Known {
    /// Should this release show it? `None`: it was not looked at.
    pub fn expected(&self, version: Version) -> Option<bool> {
        let at = LOOKED_AT.iter().position(|v| *v == version)?;
        Some(self.shows[at])
    }

    const fn not_on_3_12_1(mut self) -> Known {
        self.shows[0] = false;
        self
    }

    const fn not_on_3_13_0(mut self) -> Known {
        self.shows[1] = false;
        self
    }

    /// Its name in words.
    pub fn title(&self) -> String {
        self.name.replace('_', " ")
    }
}

/// The releases that show this setting; none if there is no witness of it.
pub fn shown_in(knob: &str, setting: &str) -> Option<Vec<Version>> {
    let of_it: Vec<_> = ALL.iter().filter(|known| (known.knob, known.setting) == (knob, setting)).collect();
    let shows = |version: &Version| of_it.iter().any(|known| known.expected(*version) == Some(true));
    (!of_it.is_empty()).then(|| LOOKED_AT.into_iter().filter(shows).collect())
}

/// What a witness and its control came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Which one.
    pub known: Known,
    /// Of the CPython that was asked.
    pub version: Version,
    /// Did the witness show the fault?
    pub witness_shown: bool,
    /// Did the control go without it?
    pub control_clean: bool,
    /// What was seen in both.
    pub seen: String,
}

impl Witness {
    /// Is the setting shown, and by nothing but the one thing that matters?
    pub fn confirmed(&self) -> bool {
        self.witness_shown && self.control_clean
    }
}

/// What one witness reports: shown, control clean, seen.
type Report = Result<(bool, bool, String), SubjectError>;

type Run = fn(&mut Cpython) -> Report;

const fn known(name: &'static str, shows: (&'static str, &'static str), run: Run) -> Known {
    Known { name, knob: shows.0, setting: shows.1, shows: [true; LOOKED_AT.len()], run }
}

/// Runs every witness on this libpython. `executable` is the `cloister` command.
pub fn all(executable: &Path, found: &Found) -> Result<Vec<Witness>, SubjectError> {
    let mut cpython = Cpython::start(executable, found)?;
    ALL.iter()
        .map(|&known| {
            let (witness_shown, control_clean, seen) = (known.run)(&mut cpython)?;
            Ok(Witness { known, version: cpython.version(), witness_shown, control_clean, seen })
        })
        .collect()
}
