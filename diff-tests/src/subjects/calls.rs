//! A call by handles, its answer, and how a thread of one build of the implementation
//! performs it; also what pending calls do.

/// Defines all of it for one build, in a module of its own.
macro_rules! calls {
    ($build:ident) => {
        mod calls {
            use cloister_specs::{
                Calls, Denied, Fault, GilState, InterpreterConfig, PendingCall, RING, Refusal,
            };
            use std::collections::HashMap;
            use std::sync::{Arc, Mutex, PoisonError};
            use $build::{
                CallError, CreateError, EnsureError, ForkError, Forked, GateError, Interp, NotAdded,
                PendingFailed, PendingFn, Ran, Serial, Settings, Thread, Tstate,
            };

            /// A call by handles.
            #[derive(Clone, Copy, Debug)]
            pub(super) enum Call {
                Create(InterpreterConfig, Option<Fault>),
                End(Tstate),
                New(Interp),
                Bind(Tstate),
                Swap(Option<Tstate>),
                Clear(Tstate),
                Delete(Tstate),
                Save,
                Restore(Tstate),
                Poll,
                CreateLegacy(Option<Fault>),
                DeleteCurrent,
                Acquire(Tstate),
                Release(Tstate),
                Ensure(Interp, Option<Fault>),
                ReleaseEnsured(GilState),
                Check,
                Add(Option<Interp>, PendingCall),
                Make,
                Initialize,
                Finalize,
                Start { daemon: bool, fails: bool },
                Run(Tstate),
                DeleteExcept(Tstate),
                LookUp(i64),
                Require(Interp, bool),
                Incref(Interp),
                Decref(Interp),
                SetRunning,
                SetNotRunning,
                Destroy(Interp),
                Fork,
                Exec,
                Memory(super::memory::Call),
            }

            /// An answer by handles.
            #[derive(Clone, Copy, Debug)]
            pub(super) enum Answer {
                Done,
                Created(Interp, Tstate),
                Failed(cloister_specs::CreationError),
                Tstate(Option<Tstate>),
                Ensured(GilState),
                NotEnsured,
                Is(bool),
                Full,
                Ran { calls: Calls, failed: bool },
                Interp(Interp),
                Denied(Denied),
                Finalized,
                Forked,
                Memory(super::memory::Answer),
            }

            /// A refusal, or an answer that stands in another place here.
            fn told<E: Into<GateError>>(result: Result<Answer, E>) -> Result<Answer, Refusal> {
                match result.map_err(Into::into) {
                    Ok(answer) => Ok(answer),
                    Err(GateError::Refused(refusal)) => Err(refusal),
                    Err(GateError::Denied(denied)) => Ok(Answer::Denied(denied)),
                    Err(GateError::Finalized) => Ok(Answer::Finalized),
                }
            }

            const DONE: fn(()) -> Answer = |()| Answer::Done;

            /// Which pending calls each thread has run in the call that it is in.
            #[derive(Clone, Default)]
            pub(super) struct Records(Arc<Mutex<HashMap<Serial, Calls>>>);

            impl Records {
                fn push(&self, thread: &Thread, call: PendingCall) {
                    let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    records.entry(thread.serial()).or_default().push(call);
                }

                /// Begins anew: the threads of another runtime are no more.
                pub(super) fn clear(&self) {
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }

                fn take(&self, thread: &Thread) -> Calls {
                    let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    records.remove(&thread.serial()).unwrap_or_default()
                }

                /// What a pending call in this ring does.
                fn function(&self, ring: Option<Interp>, call: PendingCall) -> PendingFn {
                    let records = self.clone();
                    Box::new(move |thread| {
                        records.push(thread, call);
                        match call {
                            PendingCall::Succeeds => Ok(()),
                            PendingCall::Fails => Err(PendingFailed),
                            PendingCall::Makes => {
                                thread.make_pending_calls().map(|_| ()).map_err(|_| PendingFailed)
                            }
                            PendingCall::Adds => {
                                let another = records.function(ring, PendingCall::Succeeds);
                                match thread.add_pending_call(ring, another) {
                                    Ok(()) | Err(NotAdded::Full(_)) => Ok(()),
                                    Err(NotAdded::Refused(_)) => Err(PendingFailed),
                                }
                            }
                            PendingCall::Blocks => {
                                let saved = thread.save_thread().map_err(|_| PendingFailed)?;
                                thread.restore_thread(saved).map_err(|_| PendingFailed)
                            }
                        }
                    })
                }
            }

            /// Performs a call.
            pub(super) fn perform(thread: &Thread, call: Call, records: &Records) -> Result<Answer, Refusal> {
                let done = |()| Answer::Done;
                match call {
                    Call::Create(config, mut fault) => {
                        match thread.new_interpreter_with(&config, &mut fault) {
                            Ok((interp, tstate)) => Ok(Answer::Created(interp, tstate)),
                            Err(CreateError::Failed(error)) => Ok(Answer::Failed(error)),
                            Err(CreateError::Refused(refusal)) => Err(refusal),
                            Err(CreateError::Finalized) => Ok(Answer::Finalized),
                        }
                    }
                    Call::End(t) => {
                        let result = told(thread.end_interpreter(t).map(DONE));
                        records.take(thread);
                        result
                    }
                    Call::New(i) => thread.thread_state_new(i).map(Answer::Tstate),
                    Call::Bind(t) => thread.thread_state_bind(t).map(done),
                    Call::Swap(t) => told(thread.thread_state_swap(t).map(Answer::Tstate)),
                    Call::Clear(t) => thread.thread_state_clear(t).map(done),
                    Call::Delete(t) => thread.thread_state_delete(t).map(done),
                    Call::Save => thread.save_thread().map(|t| Answer::Tstate(Some(t))),
                    Call::Restore(t) => told(thread.restore_thread(t).map(DONE)),
                    Call::Poll => match thread.eval_breaker_poll() {
                        Ok(Ran { calls: 0, .. }) => Ok(Answer::Done),
                        Ok(Ran { failed, .. }) => Ok(Answer::Ran { calls: records.take(thread), failed }),
                        Err(CallError::Refused(refusal)) => Err(refusal),
                        Err(CallError::Finalized) => {
                            records.take(thread);
                            Ok(Answer::Finalized)
                        }
                    },
                    Call::CreateLegacy(mut fault) => {
                        let created = thread.new_legacy_interpreter_with(&mut fault);
                        told(created.map(|created| match created {
                            Some((interp, tstate)) => Answer::Created(interp, tstate),
                            None => Answer::Tstate(None),
                        }))
                    }
                    Call::DeleteCurrent => thread.thread_state_delete_current().map(done),
                    Call::Acquire(t) => told(thread.acquire_thread(t).map(DONE)),
                    Call::Release(t) => thread.release_thread(t).map(done),
                    Call::Ensure(i, mut fault) => match thread.gilstate_ensure_with(i, &mut fault) {
                        Ok(state) => Ok(Answer::Ensured(state)),
                        Err(EnsureError::NoMemory) => Ok(Answer::NotEnsured),
                        Err(EnsureError::Refused(refusal)) => Err(refusal),
                        Err(EnsureError::Finalized) => Ok(Answer::Finalized),
                    },
                    Call::ReleaseEnsured(state) => thread.gilstate_release(state).map(done),
                    Call::Check => Ok(Answer::Is(thread.gilstate_check())),
                    Call::Add(ring, call) => {
                        match thread.add_pending_call(ring, records.function(ring, call)) {
                            Ok(()) => Ok(Answer::Done),
                            Err(NotAdded::Full(_)) => Ok(Answer::Full),
                            Err(NotAdded::Refused(refusal)) => Err(refusal),
                        }
                    }
                    Call::Make => {
                        let ran = thread.make_pending_calls()?;
                        Ok(Answer::Ran { calls: records.take(thread), failed: ran.failed })
                    }
                    Call::Initialize => Ok(match thread.initialize() {
                        Ok(()) => Answer::Done,
                        Err(_) => Answer::NotEnsured,
                    }),
                    Call::Finalize => {
                        let result = told(thread.finalize().map(DONE));
                        records.take(thread);
                        result
                    }
                    Call::Start { daemon, fails } => {
                        let spawn = |_| if fails { Err(()) } else { Ok(()) };
                        told(thread.start_thread(daemon, spawn).map(|(t, ())| Answer::Tstate(Some(t))))
                    }
                    Call::Run(t) => told(thread.run_thread(t).map(DONE)),
                    Call::DeleteExcept(t) => thread.thread_state_delete_except(t).map(done),
                    Call::LookUp(id) => told(thread.interpreter_look_up_id(id).map(Answer::Interp)),
                    Call::Require(i, required) => thread.interpreter_require_idref(i, required).map(done),
                    Call::Incref(i) => thread.interpreter_id_incref(i).map(done),
                    Call::Decref(i) => {
                        let result = told(thread.interpreter_id_decref(i).map(DONE));
                        records.take(thread);
                        result
                    }
                    Call::SetRunning => told(thread.set_running_main().map(DONE)),
                    Call::SetNotRunning => thread.set_not_running_main().map(done),
                    Call::Destroy(i) => {
                        let result = told(thread.destroy_interpreter(i).map(DONE));
                        records.take(thread);
                        result
                    }
                    // SAFETY: nothing is forked. The other threads make no more calls: it is the last move of
                    // a run, and they only leave the runtime.
                    Call::Fork => match unsafe { thread.fork_with(|| Ok(Forked::Child)) } {
                        Ok(_) => Ok(Answer::Forked),
                        Err(ForkError::Refused(refusal)) => Err(refusal),
                        Err(ForkError::Denied(denied)) => Ok(Answer::Denied(denied)),
                        Err(ForkError::Os(_)) => Ok(Answer::NotEnsured),
                    },
                    Call::Exec => told(thread.exec_allowed().map(DONE)),
                    Call::Memory(call) => super::memory::perform(thread, call).map(Answer::Memory),
                }
            }

            /// With rings of the model's size.
            pub(super) fn settings() -> Settings {
                Settings::default().with_pending_capacity(RING)
            }
        }
    };
}

pub(super) use calls;
