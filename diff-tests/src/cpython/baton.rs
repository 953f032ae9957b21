//! The logical threads of a run process, and the baton that goes round among them.
//!
//! The thread that stops, because its call has answered or because it would wait,
//! gives the answer and reads the next order itself. When the order is for another
//! thread it hands the baton over through that thread's mailbox, and waits at its own.

use super::{
    beyond::Beyond,
    child::{Child, child},
    heaps::Heaps,
    interpose, look, memory,
    perform::{self, Outcome},
    slots::Slots,
    trap,
    wire::{self, Answer, Order, StatusText},
};
use crate::{cpython::api::Address, subject::Event};
use cloister_specs::{Move, Parking, Reply, Start, ThreadId, ThreadView};
use std::{
    fs::File,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// How many logical threads a run can have.
pub const THREAD_LIMIT: usize = 8;

/// What a thread is told to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Begin this call, and stop after so many unlocks if a number is given.
    Start(Start, Option<u8>),
    /// Make a call that no operation stands for, and stop after so many unlocks; 0 for never.
    Beyond(Beyond, u8),
    /// Try every configuration.
    Configs,
    /// Go on.
    Step,
    /// The timed wait has expired.
    Expire,
    /// The wait ends though nobody has signalled.
    Spurious,
}

/// How a thread stands while it does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It does not exist yet.
    Unstarted,
    /// It is outside any call.
    Idle,
    /// It waits inside a call.
    Waiting {
        /// The condition variable.
        cond: Address,
        /// What that stands for.
        parking: Parking,
        /// Has it been signalled?
        signalled: bool,
    },
    /// It is held after an unlock.
    Held,
    /// CPython has ended it, or it was left behind by a fork.
    Gone,
}

/// A logical thread.
#[derive(Clone, Copy)]
pub struct Logical {
    /// How it stands.
    pub stand: Stand,
    /// Its current thread state when it last stopped.
    pub current: Address,
    /// What its gilstate slot named when it last stopped.
    pub gilstate: Address,
    /// `pthread_self`.
    pub ident: u64,
    /// The first thread state of the interpreter that it is creating.
    pub making: Address,
}

/// Everything about a run.
pub struct Run {
    /// By id.
    pub threads: Vec<Logical>,
    /// Addresses by slot.
    pub slots: Slots,
    /// Blocks and objects by slot, and what is counted.
    pub heaps: Heaps,
    prefer: ThreadId,
    patience_seconds: u32,
    orders: File,
    answers: File,
}

/// Why a thread stops.
pub enum Report {
    /// The run has begun.
    Begun,
    /// Its call has answered.
    Answered(Outcome),
    /// It waits.
    Waits(Address, Parking),
    /// It is held.
    Held,
    /// CPython ends it, with `pthread_exit`.
    Exits,
}

struct Mailbox {
    task: Mutex<Option<Task>>,
    arrived: Condvar,
}

static RUN: Mutex<Option<Run>> = Mutex::new(None);
static MAILBOXES: [Mailbox; THREAD_LIMIT] =
    [const { Mailbox { task: Mutex::new(None), arrived: Condvar::new() } }; THREAD_LIMIT];

fn lock() -> MutexGuard<'static, Option<Run>> {
    RUN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at the run, or changes it.
pub fn with<T>(f: impl FnOnce(&mut Run) -> T) -> T {
    match lock().as_mut() {
        Some(run) => f(run),
        None => trap::die(format_args!("no run has begun")),
    }
}

/// Is the life of this process as the run process of `threads` threads.
pub fn live(threads: u8, patience_seconds: u32, orders: File, answers: File) -> ! {
    let thread = Logical { stand: Stand::Unstarted, current: 0, gilstate: 0, ident: 0, making: 0 };
    let threads = vec![thread; usize::from(threads).clamp(1, THREAD_LIMIT)];
    *lock() = Some(Run {
        threads,
        slots: Slots::default(),
        heaps: Heaps::default(),
        prefer: ThreadId(0),
        patience_seconds,
        orders,
        answers,
    });
    interpose::manage(ThreadId(0));
    work(ThreadId(0), stop(ThreadId(0), Report::Begun))
}

/// Performs call after call, beginning with the first task.
fn work(me: ThreadId, first: Task) -> ! {
    let mut task = first;
    loop {
        task = stop(me, Report::Answered(perform::perform(me, task)));
    }
}

/// Stops the calling thread, which is `me`, until it is told to go on.
pub fn stop(me: ThreadId, report: Report) -> Task {
    let Child { api, .. } = child();
    // SAFETY: sets no handler; a pending alarm is cancelled.
    unsafe { libc::alarm(0) };
    memory::check();
    let mine = with(|run| {
        let thread = &mut run.threads[me.index()];
        (thread.current, thread.gilstate, thread.ident) = (api.current(), api.gilstate(), api.thread_ident());
        thread.stand = match report {
            Report::Begun | Report::Answered(_) => Stand::Idle,
            Report::Waits(cond, parking) => Stand::Waiting { cond, parking, signalled: false },
            Report::Held => Stand::Held,
            Report::Exits => Stand::Gone,
        };
        if thread.stand == Stand::Idle {
            thread.making = 0;
        }
        let answer = match look::follow(run) {
            Ok(()) => run.answer(me, report),
            Err(reason) => Answer::Refused(reason),
        };
        run.tell(&answer);
        run.next(me)
    });
    mine.unwrap_or_else(|| wait(me))
}

fn wait(me: ThreadId) -> Task {
    let mailbox = &MAILBOXES[me.index()];
    let mut task = mailbox.task.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match task.take() {
            Some(task) => return task,
            None => task = mailbox.arrived.wait(task).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Run {
    /// What this thread saw when it last stopped.
    pub fn view(&self, id: ThreadId) -> ThreadView {
        let thread = &self.threads[id.index()];
        ThreadView {
            current: self.slots.tstate(thread.current),
            gilstate: self.slots.tstate(thread.gilstate),
            parked: match thread.stand {
                Stand::Waiting { parking, .. } => Some(parking),
                Stand::Unstarted | Stand::Idle | Stand::Held | Stand::Gone => None,
            },
        }
    }

    /// Marks the one thread that a signal wakes, if any waits there.
    pub fn signal(&mut self, cond: Address) {
        let waits =
            |t: &Logical| matches!(t.stand, Stand::Waiting { cond: c, signalled: false, .. } if c == cond);
        let preferred = self.threads.get(self.prefer.index()).is_some_and(waits);
        let woken = if preferred { Some(self.prefer.index()) } else { self.threads.iter().position(waits) };
        if let Some(thread) = woken
            && let Stand::Waiting { signalled, .. } = &mut self.threads[thread].stand
        {
            *signalled = true;
        }
    }

    /// How long a call may take.
    pub fn patience_seconds(&self) -> u32 {
        self.patience_seconds
    }

    /// The process was forked by `me`, and this is the child: the other threads are not here.
    pub fn leave_others_behind(&mut self, me: ThreadId) {
        for k in (0..self.threads.len()).filter(|k| *k != me.index()) {
            self.threads[k] = Logical { stand: Stand::Gone, current: 0, gilstate: 0, ident: 0, making: 0 };
        }
    }

    fn answer(&self, me: ThreadId, report: Report) -> Answer {
        let event = match report {
            Report::Begun => return Answer::Started,
            Report::Held => Event::Running,
            Report::Exits => Event::Replied { reply: Reply::Exited, view: self.view(me) },
            Report::Answered(Outcome::Said(text)) => return Answer::Said { text, view: self.view(me) },
            Report::Waits(_, parking) => Event::Parked(parking),
            Report::Answered(Outcome::Configs(created)) => return Answer::Configs(created),
            Report::Answered(outcome) => match outcome.reply(&self.slots) {
                Ok((reply, status)) => {
                    let event = Event::Replied { reply, view: self.view(me) };
                    let status = status.map(|(func, message)| StatusText { func, message });
                    return Answer::Event { event, status };
                }
                Err(reason) => return Answer::Refused(reason),
            },
        };
        Answer::Event { event, status: None }
    }

    fn tell(&mut self, answer: &Answer) {
        if wire::send(&mut self.answers, answer).is_err() {
            finish();
        }
    }

    /// Serves orders until one is for a thread: `Some` if for `me`, `None` if another has it now.
    fn next(&mut self, me: ThreadId) -> Option<Task> {
        loop {
            let order = match wire::receive::<Order>(&mut self.orders) {
                Ok(Some(order)) => order,
                Ok(None) | Err(_) => finish(),
            };
            let told = match order {
                Order::Finish => finish(),
                Order::Observe => {
                    self.tell(&Answer::Observation(Box::new(look::observe(self))));
                    continue;
                }
                Order::Run { .. } => Err("a run is under way".to_string()),
                Order::Configs => self.check_idle(ThreadId(0)).map(|()| (ThreadId(0), Task::Configs)),
                Order::Beyond { thread, call, unlocks } => {
                    self.check_idle(thread).map(|()| (thread, Task::Beyond(call, unlocks)))
                }
                Order::Held { start, unlocks } => {
                    self.check_idle(start.thread).map(|()| (start.thread, Task::Start(start, Some(unlocks))))
                }
                Order::Move(mv) => {
                    self.prefer = mv.prefer();
                    self.task(mv).map(|task| (mv.thread(), task))
                }
            };
            match told {
                Ok((thread, task)) => {
                    // SAFETY: without a handler, the alarm ends the process.
                    unsafe { libc::alarm(self.patience_seconds) };
                    if thread == me {
                        return Some(task);
                    }
                    self.hand_over(thread, task);
                    return None;
                }
                Err(reason) => self.tell(&Answer::Refused(reason)),
            }
        }
    }

    fn check_idle(&self, thread: ThreadId) -> Result<(), String> {
        match self.threads.get(thread.index()).map(|t| t.stand) {
            Some(Stand::Unstarted | Stand::Idle) => Ok(()),
            Some(Stand::Gone) => {
                Err(format!("{thread} is no more: CPython ended it, or a fork left it behind"))
            }
            Some(stand) => Err(format!("{thread} is inside a call: {stand:?}")),
            None => Err(format!("there is no {thread}")),
        }
    }

    fn task(&self, mv: Move) -> Result<Task, String> {
        let thread = mv.thread();
        let stand = self.threads.get(thread.index()).map(|t| t.stand);
        match (mv, stand) {
            (Move::Start(start), _) => self.check_idle(thread).map(|()| Task::Start(start, None)),
            (Move::Step { .. }, Some(Stand::Held | Stand::Waiting { signalled: true, .. })) => Ok(Task::Step),
            (Move::Expire { .. }, Some(Stand::Waiting { parking: Parking::Gil, .. })) => Ok(Task::Expire),
            (Move::Spurious { .. }, Some(Stand::Waiting { parking: Parking::Switch, .. })) => {
                Ok(Task::Spurious)
            }
            (_, stand) => Err(format!("{mv:?} is not possible: {thread} is {stand:?}")),
        }
    }

    fn hand_over(&mut self, to: ThreadId, task: Task) {
        let stand = &mut self.threads[to.index()].stand;
        if *stand == Stand::Unstarted {
            *stand = Stand::Idle;
            let spawned = thread::Builder::new().spawn(move || {
                interpose::manage(to);
                let first = wait(to);
                work(to, first)
            });
            if let Err(e) = spawned {
                trap::die(format_args!("{to} cannot be started: {e}"));
            }
        }
        let mailbox = &MAILBOXES[to.index()];
        *mailbox.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        mailbox.arrived.notify_one();
    }
}

fn finish() -> ! {
    // SAFETY: ends the process; there is nothing to clean up.
    unsafe { libc::_exit(0) }
}
