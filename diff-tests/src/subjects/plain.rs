//! The plain build, on OS threads: one for each logical thread.
//!
//! The threads take turns: the harness hands a command over and looks, without sleeping,
//! for the answer. A thread that is not told anything for a while sleeps.

use crate::subject::{Shows, Subject};
use crate::subjects::face::face;
use cloister_specs::Move;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

face!(cloister);

const NAME: &str = "plain build";

/// How long a call may take before it is said to wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a thread looks for a command before it lets others run, and before it sleeps.
const LOOKS: u32 = 100;
const YIELDS: u32 = 1_000;

fn lost(reason: String) -> SubjectError {
    SubjectError { subject: NAME, reason }
}

const EMPTY: u8 = 0;
const TOLD: u8 = 1;
const ANSWERED: u8 = 2;
const ASLEEP: u8 = 3;

/// Where a command goes in, and its answer comes out.
#[derive(Default)]
struct Mailbox {
    state: AtomicU8,
    post: Mutex<Post>,
}

#[derive(Default)]
struct Post {
    command: Option<Command>,
    answered: Option<Answered>,
}

impl Mailbox {
    fn with<T>(&self, change: impl FnOnce(&mut Post) -> T) -> T {
        change(&mut self.post.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The thread's side: waits until something comes.
    fn listen(&self) {
        let mut looks = 0;
        while self.state.load(Ordering::Acquire) != TOLD {
            looks += 1;
            if looks < LOOKS {
                spin_loop();
            } else if looks < YIELDS {
                thread::yield_now();
            } else {
                let slept = self.state.compare_exchange(EMPTY, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
                if slept.is_ok() || slept == Err(ASLEEP) {
                    thread::park();
                }
            }
        }
    }
}

/// One of the OS threads.
struct Worker {
    mailbox: Arc<Mailbox>,
    handle: JoinHandle<()>,
}

impl Worker {
    fn spawn(records: Records) -> Result<Self, SubjectError> {
        let mailbox = Arc::new(Mailbox::default());
        let theirs = Arc::clone(&mailbox);
        let work = move || {
            let mut body = body(records);
            loop {
                theirs.listen();
                let Some(command) = theirs.with(|post| post.command.take()) else {
                    return;
                };
                let answered = body(command);
                theirs.with(|post| post.answered = Some(answered));
                theirs.state.store(ANSWERED, Ordering::Release);
            }
        };
        let handle = thread::Builder::new().spawn(work).map_err(|e| lost(format!("no thread: {e}")))?;
        Ok(Worker { mailbox, handle })
    }

    fn tell(&self) {
        if self.mailbox.state.swap(TOLD, Ordering::AcqRel) == ASLEEP {
            self.handle.thread().unpark();
        }
    }

    /// Performs one command; `None` if it takes too long.
    fn ask(&self, command: Command) -> Option<Answered> {
        self.mailbox.with(|post| post.command = Some(command));
        self.tell();
        let mut looks = 0_u32;
        let mut begun = None;
        while self.mailbox.state.load(Ordering::Acquire) != ANSWERED {
            looks += 1;
            if looks < LOOKS {
                spin_loop();
            } else {
                thread::yield_now();
                if looks.is_multiple_of(1024) && begun.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return None;
                }
            }
        }
        self.mailbox.state.store(EMPTY, Ordering::Release);
        self.mailbox.with(|post| post.answered.take())
    }

    /// Ends the thread, by telling it nothing.
    fn close(self) {
        self.tell();
        let _ = self.handle.join();
    }
}

/// The implementation, its threads free, but one at a time.
pub struct Plain {
    workers: Vec<Worker>,
    records: Records,
    runtime: Option<Runtime>,
    threads: Vec<Serial>,
    currents: Vec<Option<Serial>>,
    names: Names,
}

impl Plain {
    /// With no runtime yet: [`Subject::reset`] starts one.
    pub fn new() -> Self {
        Plain {
            workers: Vec::new(),
            records: Records::default(),
            runtime: None,
            threads: Vec::new(),
            currents: Vec::new(),
            names: Names::new(),
        }
    }

    /// Lets one thread perform a command. If it does not come back it and the others are
    /// given up.
    fn ask(&mut self, thread: u8, command: Command) -> Result<Answered, SubjectError> {
        let worker = self.workers.get(usize::from(thread));
        let worker =
            worker.ok_or_else(|| lost(format!("there is no T{thread}; reset it with more threads")))?;
        if let Some(answered) = worker.ask(command) {
            return Ok(answered);
        }
        self.workers.clear();
        self.threads.clear();
        self.runtime = None;
        Err(lost(format!("T{thread} waits inside its call; send calls that wait to the controlled subject")))
    }

    fn attach(&mut self, thread: u8, command: Command) -> Result<Runtime, SubjectError> {
        match self.ask(thread, command)? {
            Answered::Attached(Ok((runtime, serial))) => {
                self.threads.push(serial);
                Ok(runtime)
            }
            Answered::Attached(Err(error)) => Err(lost(format!("T{thread}: {error}"))),
            Answered::Detached | Answered::Returned(..) | Answered::Unattached => {
                Err(lost(format!("T{thread} answered out of turn")))
            }
        }
    }

    fn stop(&mut self) -> Result<(), SubjectError> {
        for thread in 0..self.threads.len() as u8 {
            self.ask(thread, Command::Detach)?;
        }
        self.threads.clear();
        self.runtime = None;
        Ok(())
    }
}

impl Default for Plain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.stop();
        self.workers.drain(..).for_each(Worker::close);
    }
}

impl Subject for Plain {
    fn name(&self) -> &'static str {
        NAME
    }

    fn shows(&self) -> Shows {
        Shows { phase: true, gils: true, holder: true, refusals: true }
    }

    fn reset(&mut self, threads: u8) -> Result<(), SubjectError> {
        self.stop()?;
        while self.workers.len() < usize::from(threads) {
            self.workers.push(Worker::spawn(self.records.clone())?);
        }
        let runtime = self.attach(0, Command::Start)?;
        for thread in 1..threads {
            self.attach(thread, Command::Attach(runtime.clone()))?;
        }
        self.names.reset(threads, &runtime)?;
        self.currents.clear();
        self.currents.resize(threads.into(), None);
        if let Some(first) = self.currents.first_mut() {
            *first = Some(self.names.tstates.handle(0).serial());
        }
        self.runtime = Some(runtime);
        Ok(())
    }

    fn apply(&mut self, mv: &Move) -> Result<Event, SubjectError> {
        let ThreadId(thread) = mv.thread();
        let Move::Start(start) = mv else {
            return Err(lost(format!("T{thread} does not wait; only the controlled subject shows waits")));
        };
        let runtime = self.runtime.clone().ok_or_else(|| lost("reset it first".into()))?;
        if usize::from(thread) >= self.threads.len() {
            return Err(lost(format!("there is no T{thread}; reset it with more threads")));
        }
        let call = self.names.call(thread, &start.op, start.at)?;
        match self.ask(thread, Command::Call(call))? {
            Answered::Returned(result, seen) => {
                self.currents[usize::from(thread)] = seen.current;
                self.names.event(thread, &runtime, result, seen)
            }
            Answered::Attached(_) | Answered::Detached | Answered::Unattached => {
                Err(lost(format!("T{thread} answered out of turn")))
            }
        }
    }

    fn observe(&mut self) -> Result<Observation, SubjectError> {
        let Plain { runtime, threads, currents, names, .. } = self;
        let runtime = runtime.as_ref().ok_or_else(|| lost("reset it first".into()))?;
        let thread_of = |serial| (0..).zip(&*threads).find(|(_, s)| **s == serial).map(|(k, _)| k);
        Ok(names.observe(
            runtime,
            thread_of,
            |k| Seen { current: currents[usize::from(k)], gilstate: None },
            |_| None,
        ))
    }
}
