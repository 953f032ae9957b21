//! Threads that Python starts: `_thread.start_new_thread`, and what a logical thread does in
//! place of the new OS thread.
//!
//! Python is given a function of ours to run in the thread. It serves the orders of its
//! logical thread from inside, and returns when that is to end with the thread state that
//! was started: then CPython's own `thread_run` clears and deletes it.

use super::{
    api::{Address, Api, Method},
    baton::{self, Task},
    child::child,
    functions, interpose,
    os_threads::{self, Kept},
    pending,
    perform::{self, Outcome},
    waited,
};
use cloister_specs::{Op, Reply, Start};
use std::{
    cell::Cell,
    sync::{Mutex, PoisonError},
};

/// A thread that was started and does not run yet.
struct Thread {
    tstate: Address,
    daemon: bool,
    kept: Kept,
}

thread_local! {
    /// Is an end to wait for the thread that the calling one is about to run?
    static WAITED_FOR: Cell<bool> = const { Cell::new(false) };
}

static STARTED: Mutex<Vec<Thread>> = Mutex::new(Vec::new());
static SERVE: Method = Method::without_arguments(c"serve", serve);

/// Starts a thread whose thread state will lie at this address.
pub fn start(api: &Api, tstate: Address, daemon: bool, fails: bool) -> Result<(), String> {
    let start = functions::get(|f| f.start_new_thread)?;
    let call = || api.call(start, &[api.new_function(&SERVE), api.no_arguments()]);
    if !daemon {
        waited::prepare(api);
    }
    if fails {
        os_threads::fail_next();
    }
    let (answer, kept) = os_threads::keeping(call);
    answer?;
    let kept = kept.ok_or("no OS thread was asked for")?;
    let mut all = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|thread| thread.tstate != tstate);
    all.push(Thread { tstate, daemon, kept });
    Ok(())
}

/// Runs the thread of this thread state in the calling one, up to its end.
pub fn run(tstate: Address) -> Result<(), String> {
    let thread = {
        let mut all = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|t| t.tstate == tstate).ok_or("this thread state was not started")?;
        all.swap_remove(at)
    };
    WAITED_FOR.set(!thread.daemon);
    thread.kept.run();
    Ok(())
}

unsafe extern "C" fn serve(_: Address, _: Address) -> Address {
    let api = &child().api;
    if let Some(me) = interpose::me() {
        interpose::hold_after(0);
        let mine = api.current();
        let life = baton::with(|run| run.slots.life(mine));
        let registered = if WAITED_FOR.replace(false) { waited::register(api) } else { Ok(()) };
        let mut answer = registered.map_or_else(Outcome::Senseless, |()| Outcome::Plain(Reply::Done));
        loop {
            let task = baton::stop(me, baton::Report::Answered(answer));
            if let Some(hold) = ends(&task)
                && api.current() == mine
                && baton::with(|run| run.slots.life(mine)) == life
            {
                pending::begin();
                interpose::hold_after(hold);
                break;
            }
            answer = perform::perform(me, task);
        }
    }
    api.any_object()
}

/// Is a thread to end with its current thread state? After how many unlocks it is held then.
fn ends(task: &Task) -> Option<u8> {
    match task {
        Task::Start(Start { op: Op::ThreadStateDeleteCurrent, .. }, hold) => Some(hold.unwrap_or(0)),
        _ => None,
    }
}
