//! The operations: a guard each, and a procedure of labels.

mod acquire;
mod create;
mod end;
mod eval;
mod finalize;
mod finish;
mod fork;
mod gil;
mod gilstate;
mod guard;
mod guard_memory;
mod memory;
mod outside;
mod pending;
mod refs;
mod swap;
mod thread;
mod tstate;
