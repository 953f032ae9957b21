//! The faults of CPython that are not in dispute because they can be seen: for each
//! a *witness*, the shortest run that shows it, and a *control*, a run that differs
//! in the one thing that matters and does not show it.

mod borrowing;
mod creation;
mod fork;
mod gilstate;
mod memory;
mod os_threads;
mod switching;

use super::{
    find::{Found, Version},
    parent::Cpython,
};
use crate::subject::SubjectError;
use std::path::Path;

/// What a witness and its control came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The situation.
    pub name: &'static str,
    /// Of the CPython that was asked.
    pub version: Version,
    /// Did the witness show the fault?
    pub witness_shown: bool,
    /// Did the control go without it?
    pub control_clean: bool,
    /// What was seen in both.
    pub seen: String,
}

/// What one witness reports: shown, control clean, seen.
type Report = Result<(bool, bool, String), SubjectError>;

type Run = fn(&mut Cpython) -> Report;

/// Every witness, in the order in which a life meets the faults.
const ALL: [(&str, Run); 18] = [
    ("caller_loses_its_gil_when_a_creation_fails", creation::lost_caller_gil),
    ("own_gil_with_the_main_allocator_is_accepted", creation::configuration_hole),
    ("failed_creation_empties_the_gilstate_slot", creation::gilstate_slot_lost),
    ("memory_exhaustion_answers_a_good_status", creation::ok_with_null),
    ("waiter_of_another_interpreter_starves", switching::starvation),
    ("switch_is_awaited_again_when_an_address_is_reused", switching::reused_address),
    ("thread_state_deleted_during_a_poll", memory::tstate_in_use),
    ("interpreter_ended_during_a_save", memory::interp_in_use),
    ("thread_state_deleted_by_another_thread", memory::gilstate_slot_dangles),
    ("id_released_in_another_thread_borrows_a_thread_state", borrowing::head_thread_state),
    ("interpreter_destroyed_while_another_thread_starts_in_it", borrowing::destroy_race),
    ("gilstate_of_a_fresh_thread_is_mains", gilstate::always_main),
    ("gilstate_check_says_yes_without_a_thread_state", gilstate::vacuous_check),
    ("failed_thread_start_leaves_a_cleared_thread_state", os_threads::cleared_and_listed),
    ("waiter_exits_after_finalization", os_threads::exit_after_finalization),
    ("request_of_a_waiter_that_exits_is_left_behind", os_threads::left_behind),
    ("fork_beside_another_interpreter", fork::beside_another),
    ("fork_in_a_legacy_interpreter", fork::in_legacy),
];

/// Runs every witness on this libpython. `executable` is the `cloister` command.
pub fn all(executable: &Path, found: &Found) -> Result<Vec<Witness>, SubjectError> {
    let mut cpython = Cpython::start(executable, found)?;
    ALL.into_iter()
        .map(|(name, run)| {
            let (witness_shown, control_clean, seen) = run(&mut cpython)?;
            Ok(Witness { name, version: cpython.version(), witness_shown, control_clean, seen })
        })
        .collect()
}
