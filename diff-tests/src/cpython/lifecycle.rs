//! Performing the calls that begin and end the runtime, threads and interpreters.

use super::{
    api::Api,
    baton,
    child::{self, Child, child},
    fork_child, functions, look,
    memory::{self, Allot, Plan},
    perform::{Outcome, choose},
    started,
};
use cloister_specs::{Denied, InterpId, Op, Reply, Start, ThreadId, TstateId};

/// Performs such a call; `None` if it is another one.
pub fn call(api: &Api, me: ThreadId, start: Start) -> Result<Option<Outcome>, String> {
    let tstate = |id: TstateId| baton::with(|run| run.slots.tstate_address(id));
    let interp = |id: InterpId| baton::with(|run| run.slots.interp_address(id));
    let reply = match start.op {
        Op::Initialize => initialize(start.at)?,
        Op::Finalize => match api.finalize() {
            0 => Reply::Done,
            other => return Err(format!("Py_FinalizeEx has answered {other}")),
        },
        Op::StartThread { daemon, fails } => return start_thread(api, daemon, fails, start.at).map(Some),
        Op::RunThread(t) => {
            started::run(tstate(t)?)?;
            Reply::Done
        }
        Op::ThreadStateDeleteExcept(t) => {
            if !api.delete_except(tstate(t)?) {
                return Err("this CPython keeps _PyThreadState_DeleteExcept to itself".into());
            }
            Reply::Done
        }
        Op::InterpreterLookUpId(id) => match api.look_up_id(id.into()) {
            0 => denied(&api.take_error())?,
            found => return Ok(Some(Outcome::Interp(found))),
        },
        Op::InterpreterRequireIdRef { interp: i, required } => {
            api.require_idref(interp(i)?, required.into());
            Reply::Done
        }
        Op::InterpreterIdIncref(i) => match api.id_incref(interp(i)?) {
            0 => Reply::Done,
            _ => denied(&api.take_error())?,
        },
        Op::InterpreterIdDecref(i) => {
            api.id_decref(interp(i)?);
            Reply::Done
        }
        Op::SetRunningMain => match api.set_running(api.interp_of_thread(api.current())) {
            0 => Reply::Done,
            _ => denied(&api.take_error())?,
        },
        Op::SetNotRunningMain => {
            api.set_not_running(api.interp_of_thread(api.current()));
            Reply::Done
        }
        Op::DestroyInterpreter(i) => {
            let id = api.long(api.interp_id(interp(i)?));
            answer(api.call(functions::get(|f| f.destroy)?, &[id]))?
        }
        Op::Fork => match fork_child::fork(api, me)? {
            Ok(()) => Reply::Forked,
            Err(said) => denied(&said)?,
        },
        Op::Exec => exec(api)?,
        _ => return Ok(None),
    };
    Ok(Some(Outcome::Plain(reply)))
}

/// What an exception says, as a reply.
fn denied(said: &str) -> Result<Reply, String> {
    let why = Denied::ALL.into_iter().find(|why| said.starts_with(&why.to_string()));
    why.map(Reply::Denied).ok_or_else(|| format!("an exception that no reply stands for: {said}"))
}

fn answer(called: Result<i64, String>) -> Result<Reply, String> {
    match called {
        Ok(_) => Ok(Reply::Done),
        Err(said) => denied(&said),
    }
}

/// `Py_InitializeEx`. What the harness needs in CPython is gone with it, and is put back.
fn initialize(at: Option<TstateId>) -> Result<Reply, String> {
    let Child { api, path, main_tstate, .. } = child();
    if api.is_initialized() != 0 {
        api.initialize(path)?;
        return Ok(Reply::Done);
    }
    baton::with(|run| {
        let named = look::named(run);
        run.slots.choose_main(at, &named, *main_tstate)
    })?;
    child::initialize(api, path)?;
    memory::install_again(api);
    child::keep_breaker_quiet(api)?;
    Ok(Reply::Done)
}

/// `_thread.start_new_thread`, for a daemon after the question that `threading.Thread` asks.
fn start_thread(api: &Api, daemon: bool, fails: bool, at: Option<TstateId>) -> Result<Outcome, String> {
    if daemon && api.call(functions::get(|f| f.daemon_threads_allowed)?, &[])? == 0 {
        return Ok(Outcome::Plain(Reply::Denied(Denied::Daemons)));
    }
    let region = choose(at)?.1;
    memory::prepare(Plan { interp: None, tstate: Some(Allot::In(region)) });
    let started = started::start(api, region.tstate(), daemon, fails);
    memory::forget_plan();
    match started {
        Ok(()) => Ok(Outcome::Tstate(region.tstate())),
        Err(said) => denied(&said).map(Outcome::Plain),
    }
}

/// `os.execv` of a program that does not exist.
fn exec(api: &Api) -> Result<Reply, String> {
    const NOWHERE: &std::ffi::CStr = c"/nowhere/cloister";
    const NOT_THERE: &str = "[Errno 2] No such file or directory";
    let execv = functions::get(|f| f.execv)?;
    match api.call(execv, &[api.unicode(NOWHERE), api.tuple_of(api.unicode(NOWHERE))]) {
        Err(said) if said.starts_with(NOT_THERE) => Ok(Reply::Done),
        other => answer(other),
    }
}
