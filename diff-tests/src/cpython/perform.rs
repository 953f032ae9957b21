//! Performing operations through the C API.

use super::{
    allocate,
    api::{Address, Api, RawConfig},
    baton::{self, Task},
    beyond,
    child::{Child, child},
    configs::{self, Created},
    faults, interpose, lifecycle, look,
    memory::{self, Allot, Plan},
    pending, references,
    slots::Slots,
    trap,
};
use cloister_specs::{
    CreationError, Fault, GilState, InterpreterConfig, Op, Reply, Start, ThreadId, TstateId,
};

/// What a call answered, in CPython's terms.
pub enum Outcome {
    /// A reply that names no address.
    Plain(Reply),
    /// A creation: status OK, and this thread state.
    Created(Address),
    /// A creation: the function and the message of its status, and the fault that was injected.
    Failed(String, String, Option<Fault>),
    /// A thread state.
    Tstate(Address),
    /// An interpreter.
    Interp(Address),
    /// What came of every configuration.
    Configs(Vec<Created>),
    /// What came of a call that no operation stands for.
    Said(String),
    /// The call makes no sense, and was not made.
    Senseless(String),
}

impl Outcome {
    /// In the words of the specification, with the raw status of a failure.
    pub fn reply(self, slots: &Slots) -> Result<(Reply, Option<(String, String)>), String> {
        let named = |at: Address| slots.tstate(at).ok_or_else(|| format!("unknown thread state {at:#x}"));
        match self {
            Outcome::Plain(reply) => Ok((reply, None)),
            Outcome::Created(0) => Ok((Reply::OkWithNull, None)),
            Outcome::Created(at) => {
                let interp =
                    slots.interp(at - child().layout.initial_thread).ok_or("an unknown interpreter")?;
                Ok((Reply::Created { interp, tstate: named(at)? }, None))
            }
            Outcome::Failed(func, message, fault) => {
                let error =
                    error(&message, fault).ok_or_else(|| format!("unknown status {func}: {message}"))?;
                Ok((Reply::Failed(error), Some((func, message))))
            }
            Outcome::Tstate(0) => Ok((Reply::Tstate(None), None)),
            Outcome::Tstate(at) => Ok((Reply::Tstate(Some(named(at)?)), None)),
            Outcome::Interp(at) => {
                let interp = slots.interp(at).ok_or_else(|| format!("unknown interpreter {at:#x}"))?;
                Ok((Reply::Interp(interp), None))
            }
            Outcome::Configs(_) | Outcome::Said(_) => Err("not a reply".into()),
            Outcome::Senseless(reason) => Err(reason),
        }
    }
}

fn error(message: &str, fault: Option<Fault>) -> Option<CreationError> {
    let by_text =
        [CreationError::Settings, CreationError::GilValue].into_iter().find(|e| e.to_string() == message);
    let by_fault = match fault {
        Some(Fault::CoreInit) => Some(CreationError::CoreInit),
        Some(Fault::MainInit) => Some(CreationError::MainInit),
        Some(Fault::InterpAlloc | Fault::TstateAlloc) => Some(CreationError::NoMemory),
        None => None,
    };
    by_text.or(by_fault)
}

/// `PyInterpreterConfig` of a configuration.
pub fn raw(config: &InterpreterConfig) -> RawConfig {
    RawConfig([
        config.use_main_obmalloc.into(),
        config.allow_fork.into(),
        config.allow_exec.into(),
        config.allow_threads.into(),
        config.allow_daemon_threads.into(),
        config.check_multi_interp_extensions.into(),
        config.gil.into(),
    ])
}

/// Performs one call in the calling thread, which is `me`; stops inside it where it waits.
pub fn perform(me: ThreadId, task: Task) -> Outcome {
    let api = &child().api;
    match task {
        Task::Start(start, hold) => {
            interpose::hold_after(hold.unwrap_or(0));
            let outcome = call(api, me, start).unwrap_or_else(Outcome::Senseless);
            interpose::hold_after(0);
            outcome
        }
        Task::Beyond(call, hold) => {
            interpose::hold_after(hold);
            let outcome = beyond::perform(api, &call).map_or_else(Outcome::Senseless, Outcome::Said);
            interpose::hold_after(0);
            outcome
        }
        Task::Configs => Outcome::Configs(configs::create_each(api)),
        Task::Step | Task::Expire | Task::Spurious => Outcome::Senseless(format!("{me} is outside any call")),
    }
}

fn call(api: &Api, me: ThreadId, start: Start) -> Result<Outcome, String> {
    let tstate = |id: TstateId| baton::with(|run| run.slots.tstate_address(id));
    pending::begin();
    Ok(Outcome::Plain(match start.op {
        Op::NewInterpreterFromConfig { config, fault } => {
            return create(api, me, start.at, fault, |fault| match api.new_interpreter(raw(&config)) {
                Ok(new) => Outcome::Created(new),
                Err((func, message)) => Outcome::Failed(func, message, fault),
            });
        }
        Op::NewInterpreter { fault } => {
            return create(api, me, start.at, fault, |_| match api.new_interpreter_legacy() {
                0 => Outcome::Tstate(0),
                new => Outcome::Created(new),
            });
        }
        Op::EndInterpreter(t) => {
            api.end_interpreter(tstate(t)?);
            Reply::Done
        }
        Op::ThreadStateNew(interp) => {
            let interp = baton::with(|run| run.slots.interp_address(interp))?;
            let region = choose(start.at)?;
            memory::prepare(Plan { interp: None, tstate: Some(Allot::In(region.1)) });
            let new = if api.can_bind() { api.tstate_new(interp) } else { api.tstate_new_bound(interp) };
            memory::forget_plan();
            return Ok(Outcome::Tstate(new));
        }
        Op::ThreadStateBind(t) => {
            api.bind(tstate(t)?);
            Reply::Done
        }
        Op::ThreadStateSwap(to) => {
            let to = to.map_or(Ok(0), tstate)?;
            return Ok(Outcome::Tstate(api.swap(to)));
        }
        Op::ThreadStateClear(t) => {
            api.clear(tstate(t)?);
            Reply::Done
        }
        Op::ThreadStateDelete(t) => {
            api.delete(tstate(t)?);
            Reply::Done
        }
        Op::ThreadStateDeleteCurrent => {
            api.clear(api.current());
            api.delete_current();
            Reply::Done
        }
        Op::SaveThread => return Ok(Outcome::Tstate(api.save())),
        Op::RestoreThread(t) => {
            api.restore(tstate(t)?);
            Reply::Done
        }
        Op::AcquireThread(t) => {
            api.acquire(tstate(t)?);
            Reply::Done
        }
        Op::ReleaseThread(t) => {
            api.release(tstate(t)?);
            Reply::Done
        }
        Op::EvalBreakerPoll => {
            let quiet = api.poll()?;
            match pending::ran() {
                (_, false) if !quiet => return Err("the code for a poll has raised an exception".into()),
                (_, true) if quiet => return Err("a pending call that failed has raised nothing".into()),
                (calls, false) if calls.is_empty() => Reply::Done,
                (calls, failed) => Reply::Ran { calls, failed },
            }
        }
        Op::GilStateEnsure { interp: _, fails } => Reply::Ensured(ensure(api, fails, start.at)?),
        Op::GilStateRelease(state) => {
            api.gilstate_release(match state {
                GilState::Locked => 0,
                GilState::Unlocked => 1,
            });
            Reply::Done
        }
        Op::GilStateCheck => Reply::Is(api.gilstate_check() != 0),
        Op::AddPendingCall { interp, call } => {
            let interp = interp.map(|i| baton::with(|run| run.slots.interp_address(i))).transpose()?;
            if pending::add(api, interp, call)? { Reply::Done } else { Reply::Full }
        }
        Op::MakePendingCalls => {
            let failed = api.make_pending() != 0;
            if failed {
                api.clear_error();
            }
            Reply::Ran { calls: pending::ran().0, failed }
        }
        other => {
            if let Some(called) = lifecycle::call(api, me, start)? {
                return Ok(called);
            }
            let called = match allocate::call(api, &other)? {
                Some(reply) => Some(reply),
                None => references::call(api, &other)?,
            };
            called.ok_or_else(|| format!("{other} is no call of CPython's"))?
        }
    }))
}

/// `PyGILState_Ensure`. Only a thread that has no thread state for it needs a slot for one.
fn ensure(api: &Api, fails: bool, at: Option<TstateId>) -> Result<GilState, String> {
    if api.gilstate() == 0 {
        let tstate = if fails { Allot::Fail } else { Allot::In(choose(at)?.1) };
        memory::prepare(Plan { interp: None, tstate: Some(tstate) });
    }
    match api.ensure() {
        0 => Ok(GilState::Locked),
        1 => Ok(GilState::Unlocked),
        other => Err(format!("PyGILState_Ensure has answered {other}")),
    }
}

/// Chooses the slot of a thread state that a call makes, and where it will lie.
pub fn choose(at: Option<TstateId>) -> Result<(TstateId, super::region::Region), String> {
    baton::with(|run| {
        let named = look::named(run);
        run.slots.choose(at, &named)
    })
}

/// Creates an interpreter by this call, which is given the fault that is injected.
fn create(
    api: &Api,
    me: ThreadId,
    at: Option<TstateId>,
    fault: Option<Fault>,
    call: impl FnOnce(Option<Fault>) -> Outcome,
) -> Result<Outcome, String> {
    let (_, region) = choose(at)?;
    baton::with(|run| run.threads[me.index()].making = region.tstate());
    memory::prepare(Plan {
        interp: Some(if fault == Some(Fault::InterpAlloc) { Allot::Fail } else { Allot::In(region) }),
        tstate: (fault == Some(Fault::TstateAlloc)).then_some(Allot::Fail),
    });
    faults::arm(api, fault);
    let outcome = call(fault);
    faults::disarm();
    memory::forget_plan();
    match outcome {
        Outcome::Created(new) if new != 0 && new != region.tstate() => {
            let Child { version, .. } = child();
            trap::die(format_args!("the first thread state of {version} is not where it should be"))
        }
        outcome => Ok(outcome),
    }
}
