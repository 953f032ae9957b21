//! The operations: a guard each, and a procedure of labels.

mod create;
mod end;
mod eval;
mod gil;
mod guard;
mod swap;
mod tstate;
