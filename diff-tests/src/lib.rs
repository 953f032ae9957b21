//! Everything that holds the model, the implementation and CPython together.

pub mod subject;
