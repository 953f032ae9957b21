//! The operations, as methods of [`Thread`](crate::Thread).
//!
//! A call first checks its guards, in the order that its documentation lists; a refused
//! call changes nothing. A guard that another thread could undo is checked under the lock
//! that this thread would need: the list lock, or the GIL.
//!
//! *In use*: while a call may wait it marks the thread states that it works on, and
//! [`Thread::thread_state_clear`](crate::Thread::thread_state_clear) refuses them. A mark is
//! set under the list lock, or while holding the GIL of the thread state; clearing needs
//! both. A run of pending calls marks its thread state apart, since its calls may save and
//! restore it. A call that does not wait needs no mark, since it holds the GIL; but one that ends its
//! own thread state marks it, since deleting that needs no GIL.

mod create;
mod current;
mod end;
mod except;
mod finalize;
mod finish;
mod fork;
mod gilstate;
mod guards;
mod ids;
mod memory;
mod outside;
mod pending;
mod refs;
mod start;
mod tstates;

pub use create::CreationFaults;
pub use fork::Forked;

pub(crate) use pending::Addition;
