//! What an OS thread remembers: the runtimes that it is a *member* of, and its *seats*, one
//! thread state in each interpreter that it was ever attached to.
//!
//! The first time an OS thread attaches to an interpreter it gets a seat; from then on it
//! takes the last seat that it left, if that is the one, without looking at any list. A seat
//! may be swept away while its OS thread is elsewhere: when its interpreter is ended, or in
//! vain tried to be. Then the thread state is refused, and a new one is made if that can be.
//!
//! Being a member is a [`Thread`] of the raw face, kept for later. The OS thread counts as
//! attached to a runtime only while it is inside an attach closure, so it may be a member of
//! several. Inside, a thread state is current, which says so; while it is left, a mark does.

use super::error::Error;
use super::interpreter::Interpreter;
use super::seat::{Member, Seat, must};
use super::shared::{Entry, Shared};
use crate::error::CallError;
use crate::interp::Interp;
use crate::sync;
use crate::thread::Thread;
use cloister_specs::InterpreterConfig;
use std::cell::{Cell, RefCell};
use std::mem;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

thread_local! {
    static DESK: Desk = const { Desk { seats: RefCell::new(Vec::new()), members: RefCell::new(Vec::new()) } };
    /// The seat on the desk that was taken last.
    static LAST: Cell<Option<NonNull<Seat>>> = const { Cell::new(None) };
}

/// The calling OS thread. What it keeps is never borrowed while code of a caller runs.
pub(super) struct Desk {
    seats: RefCell<Vec<Rc<Seat>>>,
    members: RefCell<Vec<Rc<Member>>>,
}

/// A seat in use, by address: see [`Desk::remove`].
#[derive(Clone, Copy)]
struct Held(NonNull<Seat>);

impl Held {
    #[inline]
    fn seat(&self) -> &Seat {
        // SAFETY: made for a seat that this OS thread has just taken, and used by the closure that
        // runs there and by its guard: the seat is in use, and `Desk::remove` leaves it.
        unsafe { self.0.as_ref() }
    }
}

/// Attached to an interpreter; dropping it leaves.
pub(super) struct Inside {
    seat: Held,
}

impl Inside {
    /// Attaches to an interpreter.
    #[inline]
    pub(super) fn enter(interp: &Interpreter) -> Result<Inside, Error> {
        let last = if sync::attached() { None } else { enter_last(interp) };
        let seat = match last {
            Some(seat) => seat,
            None => enter_slowly(interp)?,
        };
        if seat.seat().awaited() {
            return Ok(Inside::late(seat));
        }
        Ok(Inside { seat })
    }

    /// In a seat in whose interpreter references wait to be given back.
    #[cold]
    #[inline(never)]
    fn late(seat: Held) -> Inside {
        let inside = Inside { seat };
        inside.seat().give_back();
        inside
    }

    #[inline]
    pub(super) fn seat(&self) -> &Seat {
        self.seat.seat()
    }

    /// Ends the interpreter, and leaves.
    pub(super) fn end(self) -> Result<(), Error> {
        let seat = self.seat();
        seat.shared().end(seat.thread(), &seat.entry)?;
        let interp = seat.interp();
        // It has left: there is nothing to leave any more.
        mem::forget(self);
        Desk::with(|desk| {
            desk.forget(interp);
            Ok(())
        })
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        let seat = self.seat.seat();
        must(seat.thread().save_thread());
        // Left first, then looked: `Shared::close` does it the other way round, so one of the two
        // sees what the other did, and cleans up.
        sync::barrier::light();
        if seat.shared().closed() {
            clean_up(seat.shared());
        }
    }
}

/// Takes the seat that was taken last, if it is in this interpreter and its GIL is free.
#[inline]
fn enter_last(interp: &Interpreter) -> Option<Held> {
    let last = LAST.get()?;
    // SAFETY: `Desk::remove` and the end of the desk empty `LAST` before a seat is freed.
    let seat = unsafe { last.as_ref() };
    (fits(seat, interp) && seat.thread().restore_own(seat.tstate())).then_some(Held(last))
}

#[cold]
#[inline(never)]
fn enter_slowly(interp: &Interpreter) -> Result<Held, Error> {
    if interp.id().is_none() {
        return Err(Error::Ended);
    }
    Desk::with(|desk| {
        let member = desk.member(interp.shared())?;
        let seat = desk.take_seat(&member, interp, Seat::restore)?;
        let last = NonNull::from(&*seat);
        LAST.set(Some(last));
        Ok(Held(last))
    })
}

/// Does what [`Desk::close`] says, in this OS thread.
#[cold]
pub(super) fn clean_up(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let cleaned = Desk::with(|desk| {
        desk.close(&shared);
        Ok(())
    });
    // An OS thread that is ending has no desk; what is left ends with its memory.
    debug_assert!(matches!(cleaned, Ok(()) | Err(Error::ThreadEnding)));
}

impl Desk {
    /// That of the calling OS thread.
    pub(super) fn with<R>(run: impl FnOnce(&Desk) -> Result<R, Error>) -> Result<R, Error> {
        DESK.try_with(run).unwrap_or(Err(Error::ThreadEnding))
    }

    /// Takes the seat in this interpreter; makes one if there is none, or none any more.
    pub(super) fn take_seat(
        &self,
        member: &Rc<Member>,
        interp: &Interpreter,
        take: impl Fn(&Seat) -> Result<(), CallError>,
    ) -> Result<Rc<Seat>, Error> {
        //= specs/rules/gil.md#gil-12
        //# A thread MUST NOT touch an interpreter, a GIL or a thread state after it has been freed.
        if member.shared.closed() {
            return Err(Error::Ended);
        }
        let interp = interp.raw();
        if let Some(seat) = self.seat_in(interp) {
            match take(&seat).map_err(Error::from) {
                Ok(()) => return Ok(seat),
                Err(Error::Ended) => self.forget(interp),
                Err(error) => return Err(error),
            }
        }
        loop {
            let seat = self.sit(Seat::new(member, member.shared.make(&member.thread, interp)?));
            match take(&seat).map_err(Error::from) {
                Ok(()) => {
                    member.shared.reap(&member.thread, interp);
                    return Ok(seat);
                }
                // Swept away since, and perhaps the interpreter with it: `make` will tell.
                Err(Error::Ended) => self.forget(interp),
                Err(error) => return Err(error),
            }
        }
    }

    fn seat_in(&self, interp: Interp) -> Option<Rc<Seat>> {
        self.seats.borrow().iter().find(|seat| seat.interp() == interp).cloned()
    }

    fn sit(&self, seat: Rc<Seat>) -> Rc<Seat> {
        self.remove(|seat| !seat.tstate().listed());
        self.seats.borrow_mut().push(Rc::clone(&seat));
        seat
    }

    fn forget(&self, interp: Interp) {
        self.remove(|seat| seat.interp() == interp);
    }

    /// Removes the seats of which this is true, but for those that the OS thread is in, or will
    /// come back to. Nothing else frees a seat before the OS thread ends.
    fn remove(&self, gone: impl Fn(&Seat) -> bool) {
        LAST.set(None);
        self.seats.borrow_mut().retain(|seat| {
            let stays = !gone(seat) || seat.entry.in_use();
            if !stays {
                seat.entry.give_up();
            }
            stays
        });
    }

    /// The OS thread as a member of this runtime, with no thread state current.
    fn member(&self, shared: &Arc<Shared>) -> Result<Rc<Member>, Error> {
        outside()?;
        if sync::attached() && !self.away_from(shared) {
            return Err(Error::OtherRuntime);
        }
        let known = self.members.borrow().iter().find(|m| Arc::ptr_eq(&m.shared, shared)).cloned();
        if let Some(member) = known {
            return Ok(member);
        }
        if shared.closed() {
            return Err(Error::Ended);
        }
        self.give_up_closed();
        let thread = shared.raw.attach()?;
        Ok(self.join(thread, shared))
    }

    fn join(&self, thread: Thread, shared: &Arc<Shared>) -> Rc<Member> {
        sync::set_attached(false);
        let member = Rc::new(Member { thread, shared: Arc::clone(shared) });
        self.members.borrow_mut().push(Rc::clone(&member));
        member
    }

    /// Takes in the OS thread that started a runtime, and has left its first thread state.
    pub(super) fn started(&self, thread: Thread, shared: &Arc<Shared>, entry: Arc<Entry>) {
        let member = self.join(thread, shared);
        self.sit(Seat::new(&member, entry));
    }

    /// Creates an interpreter, from outside any.
    pub(super) fn create(
        &self,
        shared: &Arc<Shared>,
        config: &InterpreterConfig,
    ) -> Result<Interpreter, Error> {
        let member = self.member(shared)?;
        let interp = self.created(&member, config)?;
        must(member.thread.save_thread());
        Ok(interp)
    }

    /// Creates an interpreter; its thread state is current then.
    pub(super) fn created(
        &self,
        member: &Rc<Member>,
        config: &InterpreterConfig,
    ) -> Result<Interpreter, Error> {
        let (interp, tstate) = member.thread.new_interpreter_from_config(config)?;
        let entry = member.shared.created(interp, tstate);
        self.sit(Seat::new(member, entry));
        Ok(Interpreter::new(&member.shared, interp))
    }

    /// Will the OS thread come back to a seat in this runtime?
    fn away_from(&self, shared: &Arc<Shared>) -> bool {
        self.seats.borrow().iter().any(|seat| Arc::ptr_eq(seat.shared(), shared) && seat.entry.away())
    }

    /// Cleans up a runtime that was closed: ends the interpreters that nobody uses, and is a
    /// member no longer. What is in use is left to those who use it.
    fn close(&self, shared: &Arc<Shared>) {
        let known = self.members.borrow().iter().any(|m| Arc::ptr_eq(&m.shared, shared));
        if outside().is_err() || (!known && sync::attached()) {
            return;
        }
        for interp in shared.subs() {
            while !shared.busy(interp) && self.end_unused(shared, interp) == Some(false) {}
        }
        while shared.waits_in_main() && self.visit(shared, shared.main()).is_some() {}
        self.give_up_closed();
    }

    /// Ends an interpreter of a closed runtime, if nobody came between; `None`: it cannot be
    /// entered, as others have ended it or memory ran out.
    fn end_unused(&self, shared: &Arc<Shared>, interp: Interp) -> Option<bool> {
        let (member, entry) = self.enter_closed(shared, interp)?;
        let Some(entry) = entry else { return Some(false) };
        let ended = shared.end(&member.thread, &entry).is_ok();
        if !ended {
            must(member.thread.save_thread());
        }
        Some(ended)
    }

    /// Comes by in an interpreter of a closed runtime, to give back the references that wait there;
    /// `None`: it cannot be entered.
    fn visit(&self, shared: &Arc<Shared>, interp: Interp) -> Option<()> {
        let (member, entry) = self.enter_closed(shared, interp)?;
        if let Some(entry) = entry {
            entry.give_back();
            must(member.thread.save_thread());
        }
        Some(())
    }

    /// Enters an interpreter of a closed runtime; without an entry, it was swept away meanwhile.
    fn enter_closed(&self, shared: &Arc<Shared>, interp: Interp) -> Option<(Rc<Member>, Option<Arc<Entry>>)> {
        let known = self.members.borrow().iter().find(|m| Arc::ptr_eq(&m.shared, shared)).cloned();
        let member = match known {
            Some(member) => member,
            None => self.join(shared.raw.attach().ok()?, shared),
        };
        let entry = match self.seat_in(interp) {
            Some(seat) => Arc::clone(&seat.entry),
            None => {
                let entry = shared.make(&member.thread, interp).ok()?;
                Arc::clone(&self.sit(Seat::new(&member, entry)).entry)
            }
        };
        if member.thread.restore_thread(entry.tstate).is_err() {
            self.forget(interp);
            return Some((member, None));
        }
        Some((member, Some(entry)))
    }

    /// Is no longer a member of the runtimes that were closed, but for one that the OS thread
    /// will come back to.
    fn give_up_closed(&self) {
        let before = sync::attached();
        let left: Vec<Rc<Member>> = self
            .members
            .borrow()
            .iter()
            .filter(|m| m.shared.closed() && !self.away_from(&m.shared))
            .cloned()
            .collect();
        self.members.borrow_mut().retain(|m| !left.iter().any(|l| Rc::ptr_eq(l, m)));
        self.remove(|seat| left.iter().any(|m| Rc::ptr_eq(m, seat.member())));
        drop(left);
        sync::set_attached(before);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        LAST.set(None);
        for seat in self.seats.get_mut().iter() {
            seat.entry.give_up();
        }
    }
}

/// Is no thread state current in this OS thread?
//= specs/rules/tls.md#tls-5
//# A thread MUST NOT restore a thread state while it has a current one.
pub(super) fn outside() -> Result<(), Error> {
    #[cfg(feature = "controlled")]
    if sync::control::running() {
        return Err(Error::LogicalThread);
    }
    if sync::current().is_some() { Err(Error::Attached) } else { Ok(()) }
}

#[inline]
fn fits(seat: &Seat, interp: &Interpreter) -> bool {
    #[cfg(feature = "controlled")]
    if sync::control::running() {
        return false;
    }
    seat.interp() == interp.raw() && !interp.shared().closed()
}
