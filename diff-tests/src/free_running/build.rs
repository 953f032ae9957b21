//! What the builds of the implementation have in common, though their types differ: the
//! calls that a thread makes, and what it tells when all are at rest.

use cloister_specs::{CreationError, Fault, InterpreterConfig, Refusal};
use cloister_traced::Serial;
use cloister_traced::trace::Stamped;

use super::recording::Held;

/// A thread attached to a runtime of one of the builds.
pub trait Face {
    /// An interpreter, by name.
    type Interp: Copy + PartialEq;
    /// A thread state, by name.
    type Tstate: Copy + PartialEq;

    /// Its identity.
    fn identity(&self) -> Serial;
    /// Its current thread state.
    fn current(&self) -> Option<Self::Tstate>;
    /// The identity of an interpreter.
    fn named_interp(interp: Self::Interp) -> Serial;
    /// The identity of a thread state.
    fn named(tstate: Self::Tstate) -> Serial;
    /// `Py_NewInterpreterFromConfig`, with a fault.
    fn create(
        &self,
        config: &InterpreterConfig,
        fault: Option<Fault>,
    ) -> Result<(Self::Interp, Self::Tstate), CreationError>;
    /// `Py_EndInterpreter`.
    fn end(&self, tstate: Self::Tstate) -> Result<(), Refusal>;
    /// `_PyThreadState_New`.
    fn new_tstate(&self, interp: Self::Interp) -> Result<Option<Self::Tstate>, Refusal>;
    /// `_PyThreadState_Bind`.
    fn bind(&self, tstate: Self::Tstate) -> Result<(), Refusal>;
    /// `PyThreadState_Swap`.
    fn swap(&self, tstate: Option<Self::Tstate>) -> Result<(), Refusal>;
    /// `PyThreadState_Clear`.
    fn clear(&self, tstate: Self::Tstate) -> Result<(), Refusal>;
    /// `PyThreadState_Delete`.
    fn delete(&self, tstate: Self::Tstate) -> Result<(), Refusal>;
    /// `PyEval_SaveThread`.
    fn save(&self) -> Result<(), Refusal>;
    /// `PyEval_RestoreThread`.
    fn restore(&self, tstate: Self::Tstate) -> Result<(), Refusal>;
    /// `_Py_HandlePending`.
    fn poll(&self) -> Result<(), Refusal>;
    /// What its runtime holds, and all that was traced so far.
    fn tell(&self) -> (Held, Vec<Stamped>);
}

/// Implements [`Face`] for one build.
macro_rules! face {
    ($build:ident) => {
        impl $crate::free_running::Face for $build::Thread {
            type Interp = $build::Interp;
            type Tstate = $build::Tstate;

            fn identity(&self) -> Serial {
                serial(self.serial())
            }

            fn current(&self) -> Option<Self::Tstate> {
                self.current()
            }

            fn named_interp(interp: Self::Interp) -> Serial {
                serial(interp.serial())
            }

            fn named(tstate: Self::Tstate) -> Serial {
                serial(tstate.serial())
            }

            fn create(
                &self,
                config: &InterpreterConfig,
                mut fault: Option<Fault>,
            ) -> Result<(Self::Interp, Self::Tstate), CreationError> {
                self.new_interpreter_with(config, &mut fault)
            }

            fn end(&self, tstate: Self::Tstate) -> Result<(), Refusal> {
                self.end_interpreter(tstate)
            }

            fn new_tstate(&self, interp: Self::Interp) -> Result<Option<Self::Tstate>, Refusal> {
                self.thread_state_new(interp)
            }

            fn bind(&self, tstate: Self::Tstate) -> Result<(), Refusal> {
                self.thread_state_bind(tstate)
            }

            fn swap(&self, tstate: Option<Self::Tstate>) -> Result<(), Refusal> {
                self.thread_state_swap(tstate).map(drop)
            }

            fn clear(&self, tstate: Self::Tstate) -> Result<(), Refusal> {
                self.thread_state_clear(tstate)
            }

            fn delete(&self, tstate: Self::Tstate) -> Result<(), Refusal> {
                self.thread_state_delete(tstate)
            }

            fn save(&self) -> Result<(), Refusal> {
                self.save_thread().map(drop)
            }

            fn restore(&self, tstate: Self::Tstate) -> Result<(), Refusal> {
                self.restore_thread(tstate)
            }

            fn poll(&self) -> Result<(), Refusal> {
                self.eval_breaker_poll().map(drop)
            }

            fn tell(&self) -> (Held, Vec<Stamped>) {
                let held = held(&self.runtime().snapshot());
                self.runtime().trace(false);
                (held, self.runtime().drain().into_iter().map(stamped).collect())
            }
        }

        fn held(snapshot: &$build::Snapshot) -> Held {
            let interp = |info: &$build::InterpInfo| HeldInterp {
                interp: serial(info.interp.serial()),
                phase: info.phase,
                flags: info.flags,
                own_gil: info.own_gil,
                gil: info.gil.map(|gil| HeldGil {
                    locked: gil.locked,
                    last_holder: gil.last_holder.map(serial),
                    drop_request: gil.drop_request,
                }),
            };
            let tstate = |info: &$build::TstateInfo| HeldTstate {
                tstate: serial(info.tstate.serial()),
                interp: serial(info.interp),
                status: info.status,
                thread: info.thread.map(serial),
            };
            let thread = |info: &$build::ThreadInfo| HeldThread {
                thread: serial(info.thread),
                gilstate: info.gilstate.map(serial),
            };
            Held {
                interps: snapshot.interps.iter().map(interp).collect(),
                tstates: snapshot.tstates.iter().map(tstate).collect(),
                threads: snapshot.threads.iter().map(thread).collect(),
            }
        }
    };
}

/// Translates the trace of another build into that of the traced one.
macro_rules! translated {
    ($build:ident) => {
        fn serial(serial: $build::Serial) -> Serial {
            NonZeroU64::new(serial.get()).map_or(Serial::named(NonZeroU64::MAX), Serial::named)
        }

        fn stamped(told: $build::trace::Stamped) -> Stamped {
            Stamped { stamp: told.stamp, thread: serial(told.thread), event: event(told.event) }
        }

        fn event(event: $build::trace::Event) -> Event {
            use $build::trace::Event as Told;
            match event {
                Told::Called { op, argument } => Event::Called { op, argument: self::argument(argument) },
                Told::Effect(told) => Event::Effect(effect(told)),
                Told::Took(told) => Event::Took(gil(told)),
                Told::Dropping(told) => Event::Dropping(gil(told)),
                Told::WaitBegin(told) => Event::WaitBegin(gil(told)),
                Told::Requested(told) => Event::Requested(gil(told)),
                Told::SwitchWaitBegin(told) => Event::SwitchWaitBegin(gil(told)),
                Told::SwitchWaitEnd(told) => Event::SwitchWaitEnd(gil(told)),
                Told::Returned(told) => Event::Returned(answer(told)),
            }
        }

        fn gil(gil: $build::trace::Gil) -> Gil {
            Gil { creator: gil.creator.map(serial), tstate: serial(gil.tstate) }
        }

        fn argument(argument: $build::trace::Argument) -> Argument {
            use $build::trace::Argument as Told;
            match argument {
                Told::None => Argument::None,
                Told::Tstate(t) => Argument::Tstate(serial(t)),
                Told::Interp(i) => Argument::Interp(serial(i)),
                Told::Config(config) => Argument::Config(config),
                Told::GilState(state) => Argument::GilState(state),
            }
        }

        fn effect(effect: $build::trace::Effect) -> Effect {
            use $build::trace::Effect as Told;
            let s = serial;
            match effect {
                Told::Listed { tstate, interp } => Effect::Listed { tstate: s(tstate), interp: s(interp) },
                Told::Bound(t) => Effect::Bound(s(t)),
                Told::Cleared(t) => Effect::Cleared(s(t)),
                Told::Deleted(t) => Effect::Deleted(s(t)),
                Told::Begun { interp, tstate } => Effect::Begun { interp: s(interp), tstate: s(tstate) },
                Told::Live(i) => Effect::Live(s(i)),
                Told::Undone { interp, tstate } => Effect::Undone { interp: s(interp), tstate: s(tstate) },
                Told::Ending { interp, tstate } => Effect::Ending { interp: s(interp), tstate: s(tstate) },
                Told::Ended { interp, tstate } => Effect::Ended { interp: s(interp), tstate: s(tstate) },
                Told::Ensured { tstate, interp } => Effect::Ensured { tstate: s(tstate), interp: s(interp) },
                Told::Added { ring } => Effect::Added { ring: ring.map(s) },
                Told::Popped { ring } => Effect::Popped { ring: ring.map(s) },
                Told::RunBegan { interp } => Effect::RunBegan { interp: s(interp) },
                Told::RunEnded { interp, failed } => Effect::RunEnded { interp: s(interp), failed },
            }
        }

        fn answer(answer: $build::trace::Answer) -> Answer {
            use $build::trace::Answer as Told;
            match answer {
                Told::Done => Answer::Done,
                Told::Tstate(t) => Answer::Tstate(t.map(serial)),
                Told::Created(i, t) => Answer::Created(serial(i), serial(t)),
                Told::Failed(error) => Answer::Failed(error),
                Told::Refused(rule) => Answer::Refused(rule),
                Told::Ensured(state) => Answer::Ensured(state),
                Told::NotEnsured => Answer::NotEnsured,
                Told::Is(yes) => Answer::Is(yes),
                Told::Full => Answer::Full,
                Told::Ran($build::Ran { calls, failed }) => {
                    Answer::Ran(cloister_traced::Ran { calls, failed })
                }
            }
        }
    };
}

mod traced {
    use super::super::recording::{Held, HeldGil, HeldInterp, HeldThread, HeldTstate};
    use cloister_specs::{CreationError, Fault, InterpreterConfig, Refusal};
    use cloister_traced::Serial;
    use cloister_traced::trace::Stamped;

    face!(cloister_traced);

    const fn serial(serial: Serial) -> Serial {
        serial
    }

    const fn stamped(told: Stamped) -> Stamped {
        told
    }
}

mod loomed {
    use super::super::recording::{Held, HeldGil, HeldInterp, HeldThread, HeldTstate};
    use cloister_specs::{CreationError, Fault, InterpreterConfig, Refusal};
    use cloister_traced::Serial;
    use cloister_traced::trace::{Answer, Argument, Effect, Event, Gil, Stamped};
    use std::num::NonZeroU64;

    face!(cloister_loomed);
    translated!(cloister_loomed);
}

mod shuttled {
    use super::super::recording::{Held, HeldGil, HeldInterp, HeldThread, HeldTstate};
    use cloister_specs::{CreationError, Fault, InterpreterConfig, Refusal};
    use cloister_traced::Serial;
    use cloister_traced::trace::{Answer, Argument, Effect, Event, Gil, Stamped};
    use std::num::NonZeroU64;

    face!(cloister_shuttled);
    translated!(cloister_shuttled);
}
