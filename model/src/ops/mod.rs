//! The operations: a guard each, and a procedure of labels.

mod acquire;
mod create;
mod end;
mod eval;
mod gil;
mod gilstate;
mod guard;
mod pending;
mod swap;
mod tstate;
