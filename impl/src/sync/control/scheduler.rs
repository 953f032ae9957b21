//! The side of the scheduler.

use super::logical::{Lane, Pause, Turn, Wake, bit, exchange, with_lane};
use crate::sync::locals::Locals;
use crate::tstate::Tstate;
use cloister_specs::Parking;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How far a logical thread came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<R> {
    /// It performed its command.
    Done(R),
    /// It waits.
    Parked(Parking),
}

/// What a scheduler was asked for in vain. Nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// There is no such thread.
    #[error("there is no such logical thread")]
    NoThread,
    /// The thread is inside a call; wake it instead.
    #[error("the logical thread is inside a call; wake it instead")]
    Inside,
    /// The thread is outside any call; call it instead.
    #[error("the logical thread is outside any call; call it instead")]
    Outside,
    /// The thread has no signal; it may expire or be woken for no reason.
    #[error("the logical thread has no signal")]
    NotSignalled,
    /// The thread was signalled; resume it instead.
    #[error("the logical thread was signalled; resume it instead")]
    Signalled,
    /// The thread waits with a limit, or without, and it had to be the other way.
    #[error("the logical thread waits for something else")]
    OtherWait,
    /// It did neither answer nor wait.
    #[error("the logical thread ended")]
    Ended,
}

/// Where a command goes in, and its result comes out.
struct Mailbox<C, R> {
    command: Cell<Option<C>>,
    result: Cell<Option<R>>,
    body: RefCell<Box<dyn FnMut(C) -> R>>,
}

struct Logical<C, R> {
    coroutine: Option<Coroutine<Wake, Pause, ()>>,
    mailbox: Rc<Mailbox<C, R>>,
    locals: Locals,
    parked: Option<Parking>,
}

/// Logical threads, and who of them has been signalled.
pub struct Scheduler<C, R> {
    threads: Vec<Logical<C, R>>,
    signalled: u64,
}

impl<C: 'static, R: 'static> Logical<C, R> {
    fn new(body: Box<dyn FnMut(C) -> R>) -> Self {
        let mailbox =
            Rc::new(Mailbox { command: Cell::new(None), result: Cell::new(None), body: RefCell::new(body) });
        let coroutine = Some(coroutine(DefaultStack::default(), Rc::clone(&mailbox)));
        Logical { coroutine, mailbox, locals: Locals::default(), parked: None }
    }

    /// Unwinds what the thread is in the middle of.
    fn abandon(&mut self) {
        if self.parked.take().is_some()
            && let Some(mut old) = self.coroutine.take()
        {
            old.force_unwind();
            self.coroutine = Some(coroutine(old.into_stack(), Rc::clone(&self.mailbox)));
        }
    }
}

fn coroutine<C: 'static, R: 'static>(
    stack: DefaultStack,
    mailbox: Rc<Mailbox<C, R>>,
) -> Coroutine<Wake, Pause, ()> {
    Coroutine::with_stack(stack, move |lane: &Lane, _: Wake| {
        loop {
            if let Some(command) = mailbox.command.take() {
                let result = with_lane(lane, || mailbox.body.borrow_mut()(command));
                mailbox.result.set(Some(result));
            }
            lane.suspend(Pause::Idle);
        }
    })
}

impl<C: 'static, R: 'static> Scheduler<C, R> {
    /// Logical threads that perform commands with these bodies; at most 64.
    pub fn new(bodies: impl IntoIterator<Item = Box<dyn FnMut(C) -> R>>) -> Self {
        let threads = bodies.into_iter().take(64).map(Logical::new).collect();
        Scheduler { threads, signalled: 0 }
    }

    /// Gives a thread outside any call a command. A signal prefers thread `prefer`.
    ///
    /// # Errors
    ///
    /// There is no such thread, or it is inside a call.
    pub fn call(&mut self, thread: u8, prefer: u8, command: C) -> Result<Step<R>, Misuse> {
        let logical = self.threads.get(usize::from(thread)).ok_or(Misuse::NoThread)?;
        if logical.parked.is_some() {
            return Err(Misuse::Inside);
        }
        logical.mailbox.command.set(Some(command));
        self.go(thread, prefer, Wake::Call)
    }

    /// Goes on with a thread that was signalled.
    ///
    /// # Errors
    ///
    /// There is no such thread, it is outside any call, or it was not signalled.
    pub fn resume(&mut self, thread: u8, prefer: u8) -> Result<Step<R>, Misuse> {
        self.waits(thread)?;
        if !self.is_signalled(thread) {
            return Err(Misuse::NotSignalled);
        }
        self.go(thread, prefer, Wake::Signalled)
    }

    /// Lets the timed wait of a thread expire.
    ///
    /// # Errors
    ///
    /// There is no such thread, it is outside any call, waits without a limit, or was
    /// signalled.
    pub fn expire(&mut self, thread: u8, prefer: u8) -> Result<Step<R>, Misuse> {
        match self.waits(thread)? {
            _ if self.is_signalled(thread) => Err(Misuse::Signalled),
            Parking::Gil => self.go(thread, prefer, Wake::Expired),
            Parking::Switch | Parking::Threads | Parking::Calls | Parking::Forever => Err(Misuse::OtherWait),
        }
    }

    /// Wakes a thread that waits without a limit for no reason.
    ///
    /// # Errors
    ///
    /// There is no such thread, it is outside any call, waits with a limit, or was
    /// signalled.
    pub fn spurious(&mut self, thread: u8, prefer: u8) -> Result<Step<R>, Misuse> {
        match self.waits(thread)? {
            _ if self.is_signalled(thread) => Err(Misuse::Signalled),
            Parking::Switch => self.go(thread, prefer, Wake::Spurious),
            Parking::Gil | Parking::Threads | Parking::Calls | Parking::Forever => Err(Misuse::OtherWait),
        }
    }

    /// Has this thread a signal that it has not been woken by?
    pub fn is_signalled(&self, thread: u8) -> bool {
        self.signalled & bit(thread) != 0
    }

    /// What a thread waits for, if it is inside a call.
    pub fn parked(&self, thread: u8) -> Option<Parking> {
        self.threads.get(usize::from(thread)).and_then(|t| t.parked)
    }

    /// The current thread state of a thread, as its thread-local has it.
    pub fn current(&self, thread: u8) -> Option<Tstate> {
        self.threads.get(usize::from(thread)).and_then(|t| t.locals.current())
    }

    /// How many threads there are.
    pub fn len(&self) -> usize {
        self.threads.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// Unwinds every thread that waits: the runtimes that they used must be given up.
    /// Bodies and thread-locals stay.
    pub fn abandon(&mut self) {
        for (thread, logical) in (0..).zip(&mut self.threads) {
            let turn = Turn { thread, prefer: thread, signalled: 0 };
            let before = exchange(Some(turn));
            logical.locals.exchange();
            logical.abandon();
            logical.locals.exchange();
            exchange(before);
        }
        self.signalled = 0;
    }

    fn waits(&self, thread: u8) -> Result<Parking, Misuse> {
        let logical = self.threads.get(usize::from(thread)).ok_or(Misuse::NoThread)?;
        logical.parked.ok_or(Misuse::Outside)
    }

    fn go(&mut self, thread: u8, prefer: u8, wake: Wake) -> Result<Step<R>, Misuse> {
        let logical = self.threads.get_mut(usize::from(thread)).ok_or(Misuse::NoThread)?;
        let coroutine = logical.coroutine.as_mut().ok_or(Misuse::Ended)?;
        let signalled = self.signalled & !bit(thread);
        let before = exchange(Some(Turn { thread, prefer, signalled }));
        logical.locals.exchange();
        let pause = coroutine.resume(wake);
        logical.locals.exchange();
        self.signalled = exchange(before).map_or(0, |turn| turn.signalled);
        match pause {
            CoroutineResult::Yield(Pause::Parked(parking)) => {
                logical.parked = Some(parking);
                Ok(Step::Parked(parking))
            }
            CoroutineResult::Yield(Pause::Idle) => {
                logical.parked = None;
                logical.mailbox.result.take().map(Step::Done).ok_or(Misuse::Ended)
            }
            CoroutineResult::Return(()) => Err(Misuse::Ended),
        }
    }
}

impl<C, R> Drop for Scheduler<C, R> {
    fn drop(&mut self) {
        for logical in &mut self.threads {
            if let Some(mut coroutine) = logical.coroutine.take() {
                coroutine.force_unwind();
            }
        }
    }
}
