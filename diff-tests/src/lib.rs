//! Everything that holds the model, the implementation and CPython together.

pub mod capsule;
pub mod citations;
pub mod cli;
pub mod cpython;
pub mod draw;
pub mod engine;
pub mod lockstep;
pub mod stages;
pub mod progress;
pub mod subject;
pub mod subjects;
pub mod table;
