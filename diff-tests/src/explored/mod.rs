//! Threads under a scheduler that tries one schedule after the other, and whether the model
//! could have done what they did in each.
//!
//! - [`loomed`]: loom takes a small program through *every* schedule with so many preemptions,
//!   and lets every load see every store that C11 lets it see.
//! - [`watched`]: loom takes programs of pending calls and ends through their schedules, which do
//!   what a recording does not carry; what came of each is judged instead.
//! - [`shuttled`]: shuttle takes random programs over the calls of the engine through random
//!   schedules, uniform ones and those of PCT. Every load sees the last store.
//! - [`whole`]: shuttle takes programs over the whole raw face, but for fork and exec, through such
//!   schedules as well, and accounts for what each leaves beside that.
//!
//! Both are more builds of the sources of the implementation (`cloister_loomed`,
//! `cloister_shuttled`), and leave the same [recordings](crate::free_running) as OS threads do.
//! A *timed wait* expires where its thread was told before that it does, so an expiry is a
//! part of the program and not of the time.

pub mod loomed;
pub mod shuttled;
pub mod watched;
pub mod whole;

use crate::free_running::Mismatch;
use std::any::Any;

/// A schedule in which something was wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The model could not have done it.
    #[error("it is no run of the model\n{0}")]
    NotAccepted(Box<Mismatch>),
    /// The scheduler could not go on: all threads wait, as a rule.
    #[error("it came to no end: {0}")]
    Stuck(String),
    /// What came of it breaks what has to hold.
    #[error("what came of it is wrong: {0}")]
    Wrong(String),
    /// The threads could not be set up.
    #[error("its threads could not be set up: {0}")]
    NotSetUp(String),
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a thread panicked").into()
}
