//! What `check` does besides exploring: lockstep, canaries, and CPython. Each stage is a
//! function that counts what it did and takes a flag that stops it.

pub mod canaries;
pub mod counts;
pub mod cpython;
pub mod lockstep;
