//! Faults in the model itself. The tests of the checker switch one on and expect a
//! named rule to catch it; nothing else does. They act on the engine, not on the
//! procedures, so that those stay readable.

use cloister_specs::{Parking, Rule};

/// A fault in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The guard forgets this rule.
    DropGuard(Rule),
    /// This label has no effect, but control goes on.
    SkipEffect(&'static str),
    /// No thread that waits like this is ever woken by a signal.
    LoseSignals(Parking),
    /// A call that reaches this label answers `Done` at once.
    AnswerAt(&'static str),
}
