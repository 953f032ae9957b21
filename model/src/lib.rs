//! The reference model: simple enough to be believed.
//!
//! [`Runtime`] is the state, a plain struct. An operation is a *guard*
//! ([`Runtime::check`]) and a procedure of *labels* ([`Label`]); a move
//! ([`Runtime::apply`]) starts a call or takes a label, in a [`Grain`]. A [`Design`] is
//! a choice for every knob. [`rules`] say what must hold, and [`check`] explores.
//!
//! Read `runtime.rs`, then `ops/`, then `rules/`.

pub mod check;
pub mod counts;
pub mod design;
mod dispatch;
pub mod label;
mod machine;
pub mod mutant;
mod observe;
mod ops;
mod request;
mod ring;
pub mod rules;
mod runtime;
mod visible;
mod words;

pub use cloister_specs::text::Grain;
pub use design::{Design, DesignError, admissible};
pub use label::Label;
pub use machine::{BadMove, Flow, Outcome};
pub use ring::Ring;
pub use runtime::{
    BLOCKS, Block, Class, DEPTH, Ensures, Gil, INTERPS, Interp, OBJECTS, Object, Runtime, Started, THREADS,
    TSTATES, Thread, Totals, Tstate,
};
pub use visible::visible;
