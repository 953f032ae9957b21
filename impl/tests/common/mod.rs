//! What several tests share.
#![allow(dead_code)]

#[cfg(unix)]
pub mod child;
pub mod memory;
pub mod pending;

use cloister::{Interp, Runtime, Settings, Thread, Tstate};
use cloister_specs::{InterpreterConfig, Rule};
use std::fmt::Debug;
use std::thread;
use std::time::Duration;

/// A runtime whose rings hold [`cloister_specs::RING`] calls, and its main thread.
pub struct World {
    pub runtime: Runtime,
    pub thread: Thread,
    pub main: Interp,
    pub t0: Tstate,
}

impl World {
    pub fn new() -> World {
        let settings = Settings::default()
            .with_switch_interval(Duration::from_millis(1))
            .with_pending_capacity(cloister_specs::RING);
        let (runtime, thread) = Runtime::start(settings).unwrap();
        let (main, t0) = (runtime.main().unwrap(), thread.current().unwrap());
        World { runtime, thread, main, t0 }
    }

    /// An interpreter with its own GIL, its thread state current.
    pub fn isolated(&self) -> (Interp, Tstate) {
        self.thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap()
    }

    /// A thread state of the main interpreter, bound to this thread.
    pub fn bound(&self) -> Tstate {
        bound(&self.thread, self.main)
    }

    pub fn deleted(&self) -> Tstate {
        let tstate = self.bound();
        self.thread.thread_state_clear(tstate).unwrap();
        self.thread.thread_state_delete(tstate).unwrap();
        tstate
    }

    /// Is the main GIL taken?
    pub fn locked(&self) -> bool {
        self.gil().locked
    }

    pub fn gil(&self) -> cloister::GilInfo {
        self.runtime.snapshot().interps.iter().find(|i| i.interp == self.main).unwrap().gil.unwrap()
    }

    /// The call is refused by this rule, and nothing has changed.
    #[track_caller]
    pub fn refuses<T: Debug, E: RuleOf>(&self, rule: Rule, call: impl FnOnce(&Thread) -> Result<T, E>) {
        refuses_in(&self.runtime, &self.thread, rule, call);
    }
}

/// A new thread state of this interpreter, bound to this thread.
pub fn bound(thread: &Thread, interp: Interp) -> Tstate {
    let tstate = thread.thread_state_new(interp).unwrap().unwrap();
    thread.thread_state_bind(tstate).unwrap();
    tstate
}

/// Everything that can be seen.
pub fn look(runtime: &Runtime, thread: &Thread) -> String {
    format!("{:?} {:?} {:?}", runtime.snapshot(), thread.current(), thread.gilstate())
}

#[track_caller]
pub fn refuses_in<T: Debug, E: RuleOf>(
    runtime: &Runtime,
    thread: &Thread,
    rule: Rule,
    call: impl FnOnce(&Thread) -> Result<T, E>,
) {
    let before = look(runtime, thread);
    assert_eq!(call(thread).unwrap_err().rule(), Some(rule));
    assert_eq!(look(runtime, thread), before);
}

/// An error that may be a refusal.
pub trait RuleOf {
    fn rule(&self) -> Option<Rule>;
}

impl RuleOf for cloister_specs::Refusal {
    fn rule(&self) -> Option<Rule> {
        Some(self.rule)
    }
}

macro_rules! rule_of {
    ($($error:ident),+) => {
        $(impl RuleOf for cloister::$error {
            fn rule(&self) -> Option<Rule> {
                cloister::$error::rule(self)
            }
        })+
    };
}

rule_of!(CallError, CreateError, EnsureError, ForkError, GateError);

impl RuleOf for cloister::NotAdded {
    fn rule(&self) -> Option<Rule> {
        match self {
            cloister::NotAdded::Refused(refusal) => Some(refusal.rule),
            cloister::NotAdded::Full(_) => None,
        }
    }
}

/// Runs this in a thread that has no thread state, while the main thread has none current.
pub fn in_a_fresh_thread(w: &World, body: impl FnOnce(&Thread) + Send) {
    let runtime = &w.runtime;
    let saved = w.thread.save_thread().ok();
    thread::scope(|scope| {
        scope.spawn(move || body(&runtime.attach().unwrap()));
    });
    if let Some(saved) = saved {
        w.thread.restore_thread(saved).unwrap();
    }
}
