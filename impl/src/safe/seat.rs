//! An OS thread in an interpreter, and its going away and coming back.

use super::desk::Desk;
use super::error::Error;
use super::interpreter::Interpreter;
use super::obj::Returns;
use super::shared::{Away, Entry, Shared};
use crate::error::CallError;
use crate::home::Here;
use crate::interp::Interp;
use crate::sync;
use crate::thread::Thread;
use crate::tstate::Tstate;
use cloister_specs::InterpreterConfig;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;

/// An OS thread in a runtime.
pub(super) struct Member {
    pub(super) thread: Thread,
    pub(super) shared: Arc<Shared>,
}

/// An OS thread in an interpreter.
pub(super) struct Seat {
    interp: Interp,
    returns: Arc<Returns>,
    tstate: Tstate,
    member: Rc<Member>,
    shared: Arc<Shared>,
    pub(super) entry: Arc<Entry>,
}

impl Seat {
    pub(super) fn new(member: &Rc<Member>, entry: Arc<Entry>) -> Rc<Seat> {
        let (interp, tstate) = (entry.interp, entry.tstate);
        let (member, shared) = (Rc::clone(member), Arc::clone(&member.shared));
        let returns = Arc::clone(&entry.returns);
        Rc::new(Seat { interp, returns, tstate, member, shared, entry })
    }

    /// Where its OS thread works while it is there.
    #[inline]
    pub(super) fn here(&self) -> Here {
        Here { interp: self.interp, owner: self.returns.owner() }
    }

    /// Where references wait to what is in the heap that is used here.
    #[inline]
    pub(super) fn returns(&self) -> &Arc<Returns> {
        &self.returns
    }

    /// Does a reference wait there to be given back?
    #[inline]
    pub(super) fn awaited(&self) -> bool {
        self.returns.waiting()
    }

    /// Gives back those that wait. Its OS thread is there.
    #[inline]
    pub(super) fn give_back(&self) {
        if self.awaited() {
            self.returns.give_back();
        }
    }

    /// Is its OS thread there now, and has not left it for a while?
    #[inline]
    pub(super) fn taken(&self) -> bool {
        sync::current().is_some_and(|current| current.serial == self.tstate.serial)
    }

    #[inline]
    pub(super) fn interp(&self) -> Interp {
        self.interp
    }

    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(super) fn thread(&self) -> &Thread {
        &self.member.thread
    }

    pub(super) fn member(&self) -> &Rc<Member> {
        &self.member
    }

    #[inline]
    pub(super) fn tstate(&self) -> Tstate {
        self.tstate
    }

    #[inline]
    pub(super) fn restore(&self) -> Result<(), CallError> {
        self.thread().restore_thread(self.tstate)
    }

    /// Hands the GIL over if somebody asked for it.
    #[inline]
    pub(super) fn poll(&self) {
        must(self.thread().eval_breaker_poll());
        self.give_back();
    }

    /// Leaves it for a while: it stays in use, its GIL is dropped.
    pub(super) fn detach(&self) -> Detached<'_> {
        let away = self.entry.leave_for_now();
        //= specs/rules/gil.md#gil-16
        //# SaveThread MUST answer with the thread state that was current, leave none current, and have
        //# dropped its GIL.
        must(self.thread().save_thread());
        let before = sync::attached();
        sync::set_attached(true);
        Detached { seat: self, before, _away: away }
    }

    /// Goes to another interpreter of the same runtime for a while.
    pub(super) fn swap(&self, desk: &Desk, interp: &Interpreter) -> Result<Swapped<'_>, Error> {
        if !Arc::ptr_eq(self.shared(), interp.shared()) {
            return Err(Error::OtherRuntime);
        }
        let away = self.entry.leave_for_now();
        let inner = desk.take_seat(&self.member, interp, |seat| {
            //= specs/rules/tls.md#tls-20
            //# Swap MUST answer with the thread state that was current before, and make the given one current.
            self.thread().thread_state_swap(Some(seat.tstate)).map(|_| ())
        })?;
        Ok(Swapped { outer: self, inner, _away: away })
    }

    /// Creates an interpreter, and comes back.
    pub(super) fn create(&self, desk: &Desk, config: &InterpreterConfig) -> Result<Interpreter, Error> {
        if self.shared().closed() {
            return Err(Error::Ended);
        }
        let _away = self.entry.leave_for_now();
        let interp = desk.created(&self.member, config)?;
        must(self.thread().thread_state_swap(Some(self.tstate)));
        Ok(interp)
    }
}

/// Between leaving a seat and coming back.
pub(super) struct Detached<'s> {
    seat: &'s Seat,
    /// Did the OS thread count as attached before, whatever was current?
    before: bool,
    _away: Away<'s>,
}

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        sync::set_attached(self.before);
        must(self.seat.restore());
    }
}

/// Attached to another interpreter.
pub(super) struct Swapped<'s> {
    outer: &'s Seat,
    inner: Rc<Seat>,
    _away: Away<'s>,
}

impl Swapped<'_> {
    pub(super) fn inner(&self) -> &Seat {
        &self.inner
    }
}

impl Drop for Swapped<'_> {
    fn drop(&mut self) {
        must(self.outer.thread().thread_state_swap(Some(self.outer.tstate)));
    }
}

/// A seat that its OS thread left for a while is nobody else's to take away, so coming back
/// is never refused. If it were, a token would stand for a GIL that is not held.
#[inline]
pub(super) fn must<T>(result: Result<T, impl Display>) -> T {
    result.unwrap_or_else(|refusal| lost(&refusal))
}

#[cold]
fn lost(refusal: &dyn Display) -> ! {
    eprintln!("cloister: a fault of the runtime: {refusal}");
    std::process::abort()
}
