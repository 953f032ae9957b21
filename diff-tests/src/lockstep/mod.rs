//! Lockstep: the model goes ahead, a subject is told the same moves, and everything that
//! both show is compared.
//!
//! *Agreed*: the move led to the same. *Poisoned*: the model died of something that
//! CPython does not check, so whatever the subject does from here on means nothing.
//! *Diverged*: it led to something else; the run is shrunk and saved.

mod compare;
mod generate;
mod run;
mod shrink;
mod tally;
pub mod wide;

pub use compare::{Difference, same_event, same_observation};
pub use generate::{Generator, Mix, weights};
pub use run::{Divergence, Ended, Lockstep, Plan, Step};
pub use shrink::{diverges, shrink};
pub use tally::Tally;
