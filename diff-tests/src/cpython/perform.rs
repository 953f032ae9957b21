//! Performing operations through the C API.

use super::{
    api::{Address, Api, RawConfig},
    baton::{self, Task},
    beyond,
    child::{Child, child},
    configs::{self, Created},
    faults, interpose, look,
    memory::{self, Allot, Plan},
    slots::Slots,
    trap,
};
use cloister_specs::{CreationError, Fault, InterpreterConfig, Op, Reply, Start, ThreadId, TstateId};

/// What a call answered, in CPython's terms.
pub enum Outcome {
    /// Nothing.
    Done,
    /// A creation: status OK, and this thread state.
    Created(Address),
    /// A creation: the function and the message of its status, and the fault that was injected.
    Failed(String, String, Option<Fault>),
    /// A thread state.
    Tstate(Address),
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
            Outcome::Done => Ok((Reply::Done, None)),
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
        Task::Ensure => {
            api.ensure();
            Outcome::Done
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
    Ok(match start.op {
        Op::NewInterpreterFromConfig { config, fault } => create(api, me, &config, fault, start.at)?,
        Op::EndInterpreter(t) => {
            api.end_interpreter(tstate(t)?);
            Outcome::Done
        }
        Op::ThreadStateNew(interp) => {
            let interp = baton::with(|run| run.slots.interp_address(interp))?;
            let region = choose(start.at)?;
            memory::prepare(Plan { interp: None, tstate: Some(Allot::In(region.1)) });
            let new = if api.can_bind() { api.tstate_new(interp) } else { api.tstate_new_bound(interp) };
            memory::forget_plan();
            Outcome::Tstate(new)
        }
        Op::ThreadStateBind(t) => {
            api.bind(tstate(t)?);
            Outcome::Done
        }
        Op::ThreadStateSwap(to) => {
            let to = to.map_or(Ok(0), tstate)?;
            Outcome::Tstate(api.swap(to))
        }
        Op::ThreadStateClear(t) => {
            api.clear(tstate(t)?);
            Outcome::Done
        }
        Op::ThreadStateDelete(t) => {
            api.delete(tstate(t)?);
            Outcome::Done
        }
        Op::SaveThread => Outcome::Tstate(api.save()),
        Op::RestoreThread(t) => {
            api.restore(tstate(t)?);
            Outcome::Done
        }
        Op::EvalBreakerPoll => {
            api.poll()?;
            Outcome::Done
        }
    })
}

fn choose(at: Option<TstateId>) -> Result<(TstateId, super::region::Region), String> {
    baton::with(|run| {
        let named = look::named(run);
        run.slots.choose(at, &named)
    })
}

fn create(
    api: &Api,
    me: ThreadId,
    config: &InterpreterConfig,
    fault: Option<Fault>,
    at: Option<TstateId>,
) -> Result<Outcome, String> {
    let (_, region) = choose(at)?;
    baton::with(|run| run.threads[me.index()].making = region.tstate());
    memory::prepare(Plan {
        interp: Some(if fault == Some(Fault::InterpAlloc) { Allot::Fail } else { Allot::In(region) }),
        tstate: (fault == Some(Fault::TstateAlloc)).then_some(Allot::Fail),
    });
    faults::arm(api, fault);
    let result = api.new_interpreter(raw(config));
    faults::disarm();
    memory::forget_plan();
    match result {
        Ok(new) if new != 0 && new != region.tstate() => {
            let Child { version, .. } = child();
            trap::die(format_args!("the first thread state of {version} is not where it should be"))
        }
        Ok(new) => Ok(Outcome::Created(new)),
        Err((func, message)) => Ok(Outcome::Failed(func, message, fault)),
    }
}
