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
};
use cloister_specs::{Op, Reply, Start};
use std::sync::{Mutex, PoisonError};

static KEPT: Mutex<Vec<(Address, Kept)>> = Mutex::new(Vec::new());
static SERVE: Method = Method::without_arguments(c"serve", serve);

/// Starts a thread whose thread state will lie at this address.
pub fn start(api: &Api, tstate: Address, fails: bool) -> Result<(), String> {
    let start = functions::get(|f| f.start_new_thread)?;
    let call = || api.call(start, &[api.new_function(&SERVE), api.no_arguments()]);
    if fails {
        os_threads::fail_next();
    }
    let (answer, kept) = os_threads::keeping(call);
    answer?;
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|(at, _)| *at != tstate);
    all.push((tstate, kept.ok_or("no OS thread was asked for")?));
    Ok(())
}

/// Runs the thread of this thread state in the calling one, up to its end.
pub fn run(tstate: Address) -> Result<(), String> {
    let kept = {
        let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(at, _)| *at == tstate).ok_or("this thread state was not started")?;
        all.swap_remove(at).1
    };
    kept.run();
    Ok(())
}

unsafe extern "C" fn serve(_: Address, _: Address) -> Address {
    let api = &child().api;
    if let Some(me) = interpose::me() {
        interpose::hold_after(0);
        let mine = api.current();
        let life = baton::with(|run| run.slots.life(mine));
        let mut answer = Outcome::Plain(Reply::Done);
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
