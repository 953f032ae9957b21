//! Small programs under loom: every schedule with so many preemptions.
//!
//! The first thread starts the runtime and makes a thread state for each other one, which
//! attaches and binds it. That far nothing is explored; from there on everything is, until
//! all threads have come to rest. Each gives up its GIL in the end.

use super::watched::Log;
use super::{Failure, message};
use crate::free_running::{Face, Left, Recording, Report, validate};
use cloister_loomed::faults::Seeded;
use cloister_loomed::{Interp, Runtime, Serial, Settings, Thread, Tstate, explored};
use cloister_specs::{PendingCall, RING};
use cloister_traced::trace::{Event, Stamped};
use loom::thread::{self, JoinHandle};
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A run has fewer switches, loads and lock holds than this.
const BRANCHES: usize = 20_000;

/// What a thread does.
#[derive(Clone, Copy)]
pub struct Part {
    /// Which of its timed waits expire, as bits, the first one lowest.
    pub expire: u64,
    /// What it does before anything is explored, the first thread before the others.
    pub before: fn(&Shared, &Thread),
    /// Its calls.
    pub calls: fn(&Shared, &Thread),
}

/// What two or three threads do.
#[derive(Clone)]
pub struct Program {
    /// The threads, the first of which starts the runtime and holds the main interpreter's GIL.
    pub parts: Vec<Part>,
    /// How often a thread is stopped at most where it could go on.
    pub preemptions: usize,
    /// A fault that is switched on.
    pub seeded: Option<Seeded>,
}

/// What the threads know of.
#[derive(Debug)]
pub struct Shared {
    /// The main interpreter.
    pub main: Interp,
    /// The thread state of each thread, bound to it, in the main interpreter.
    pub tstates: Vec<Tstate>,
    /// Those that a thread has told the others of.
    told: loom::sync::Mutex<Vec<Tstate>>,
    /// What the pending calls do that were to be added, and by whom, for the recording.
    pending: Mutex<Vec<(Serial, PendingCall)>>,
    /// What was said, for the end.
    pub log: Log,
}

impl Shared {
    /// Tells the others of a thread state, under a lock as anybody would.
    pub fn tell(&self, tstate: Tstate) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(tstate);
    }

    /// Says that this thread is about to add a pending call, and what it does.
    pub fn adds(&self, thread: &Thread, call: PendingCall) {
        lock(&self.pending).push((thread.serial(), call));
    }

    /// The one that was told of after so many others.
    pub fn told(&self, place: usize) -> Option<Tstate> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).get(place).copied()
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// How many schedules there are.
    pub schedules: u64,
    /// What happened in them, in all.
    pub happened: Report,
}

impl Explored {
    /// Both together.
    pub fn merge(&mut self, other: &Explored) {
        self.schedules += other.schedules;
        self.happened.merge(&other.happened);
    }
}

/// Takes a program through its schedules; the model must accept what happens in each.
///
/// # Errors
///
/// The first schedule in which it does not, or from which the threads cannot go on.
pub fn explore(program: &Program) -> Result<Explored, Failure> {
    through(program, |program, into: &mut Explored| {
        let played = play_out(program).map_err(Failure::NotSetUp)?;
        let recording = record(&played).map_err(Failure::NotSetUp)?;
        let happened = validate(&recording).map_err(Failure::NotAccepted)?;
        into.merge(&Explored { schedules: 1, happened });
        Ok(())
    })
}

/// Takes a program through its schedules, of which each adds to what came of it so far.
pub(super) fn through<T: Clone + Default + Send + 'static>(
    program: &Program,
    schedule: impl Fn(&Program, &mut T) -> Result<(), Failure> + Send + Sync + 'static,
) -> Result<T, Failure> {
    let mut builder = loom::model::Builder::new();
    builder.max_threads = program.parts.len();
    builder.max_branches = BRANCHES;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = Some(program.preemptions);
    builder.checkpoint_file = None;
    builder.expect_explicit_explore = true;
    let found = Arc::new(Mutex::new((T::default(), None)));
    let (program, into) = (program.clone(), Arc::clone(&found));
    let run = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            let mut one = lock(&into).0.clone();
            match schedule(&program, &mut one) {
                Ok(()) => lock(&into).0 = one,
                Err(failure) => {
                    let told = failure.to_string();
                    lock(&into).1 = Some(failure);
                    // There is no other way to end an exploration.
                    panic!("{told}");
                }
            }
        });
    }));
    let (all, failure) = lock(&found).clone();
    match (run, failure) {
        (_, Some(failure)) => Err(failure),
        (Err(panic), None) => Err(Failure::Stuck(message(&*panic))),
        (Ok(()), None) => Ok(all),
    }
}

/// The threads of one schedule, all of them at rest.
pub(super) struct Played {
    pub shared: Arc<Shared>,
    /// All threads, the first of them first.
    pub threads: Vec<Thread>,
}

/// What they did. Nothing is current in any of them.
pub(super) fn record(Played { shared, threads }: &Played) -> Result<Recording, String> {
    let first = threads.first().ok_or("there is no thread")?;
    let (held, events) = first.tell();
    let told = (held, begun_early(events));
    let mut left = std::array::from_fn(|_| Left::nobody());
    for (left, thread) in left.iter_mut().zip(threads) {
        let own = lock(&shared.pending);
        let own = own.iter().filter(|(adder, _)| *adder == thread.serial()).map(|(_, call)| *call);
        *left = Left { pending: own.collect(), ..Left::of(thread, Vec::new()) };
    }
    Ok(Recording::new(Thread::named_interp(shared.main), Thread::named(shared.tstates[0]), left, told))
}

/// Lets the threads of a program do what they do, in the schedule that loom is at.
pub(super) fn play_out(program: &Program) -> Result<Played, String> {
    let (runtime, first) =
        Runtime::start(Settings::default().with_pending_capacity(RING)).map_err(|e| e.to_string())?;
    let main = runtime.main().ok_or("there is no main interpreter")?;
    let mut tstates = vec![first.current().ok_or("nothing is current")?];
    runtime.seed(program.seeded);
    runtime.trace(true);
    for _ in program.parts.iter().skip(1) {
        let made = first.thread_state_new(main).map_err(|e| e.to_string())?;
        tstates.push(made.ok_or("memory ran out")?);
    }
    let (told, pending) = (loom::sync::Mutex::default(), Mutex::default());
    let shared = Arc::new(Shared { main, tstates, told, pending, log: Log::default() });
    let part = program.parts.first().copied().ok_or("there is no thread")?;
    (part.before)(&shared, &first);
    let ready = Ready::new();
    let others: Vec<JoinHandle<Result<Thread, String>>> = program
        .parts
        .iter()
        .enumerate()
        .skip(1)
        .map(|(me, part)| {
            let (runtime, shared, ready, part) = (runtime.clone(), Arc::clone(&shared), ready.clone(), *part);
            thread::spawn(move || {
                let thread = set_up(&runtime, shared.tstates[me]);
                thread.iter().for_each(|thread| (part.before)(&shared, thread));
                ready.arrive();
                if let Ok(thread) = &thread {
                    play(part, &shared, thread);
                }
                thread
            })
        })
        .collect();
    ready.wait(&others);
    play(part, &shared, &first);
    let joined = others.into_iter().map(|other| other.join().map_err(|panic| message(&*panic))?);
    let others = joined.collect::<Result<Vec<Thread>, String>>()?;
    loom::stop_exploring();
    Ok(Played { shared, threads: iter::once(first).chain(others).collect() })
}

/// Lets each call begin right after its thread's event before it.
///
/// What a call sees may be as old as that: the stamps of other threads in between order nothing,
/// since loom knows of stamps as little as hardware does.
fn begun_early(events: Vec<Stamped>) -> Vec<Stamped> {
    let mut early: Vec<Stamped> = Vec::with_capacity(events.len());
    for event in events {
        let before = early.iter().rposition(|e| e.thread == event.thread);
        match (event.event, before) {
            (Event::Called { .. }, Some(before)) => early.insert(before + 1, event),
            _ => early.push(event),
        }
    }
    early
}

fn set_up(runtime: &Runtime, tstate: Tstate) -> Result<Thread, String> {
    let thread = runtime.attach().map_err(|e| e.to_string())?;
    thread.thread_state_bind(tstate).map_err(|e| e.to_string())?;
    Ok(thread)
}

fn play(part: Part, shared: &Shared, thread: &Thread) {
    explored::expire_waits(part.expire);
    (part.calls)(shared, thread);
    if thread.current().is_some() {
        let _ = thread.save_thread();
    }
}

/// How many threads are set up, and whom to tell.
#[derive(Clone)]
struct Ready {
    count: Arc<AtomicUsize>,
    first: thread::Thread,
}

impl Ready {
    fn new() -> Self {
        Ready { count: Arc::default(), first: thread::current() }
    }

    fn arrive(&self) {
        self.count.fetch_add(1, SeqCst);
        self.first.unpark();
        thread::park();
    }

    /// Waits until all these are set up, and lets them go.
    fn wait<T>(&self, others: &[JoinHandle<T>]) {
        while self.count.load(SeqCst) < others.len() {
            thread::park();
        }
        loom::explore();
        others.iter().for_each(|o| o.thread().unpark());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
