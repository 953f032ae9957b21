//! What the two builds of the implementation have in common, though their types differ:
//! threads that make calls, slots for handles, and an observation by slots.

/// Defines all of it for one build.
macro_rules! face {
    ($build:ident) => {
        use crate::subject::{Event, SubjectError};
        use crate::subjects::slots::Slots;
        use calls::{Answer, Call, Records, perform, settings};
        use cloister_specs::{
            Fault, FeatureFlags, GilView, InterpId, InterpView, Observation, Op, Refusal, Reply, ThreadId,
            ThreadView, TstateId, TstateView, memory_ops,
        };
        use $build::{AttachError, Interp, Runtime, Serial, Snapshot, Thread, Tstate};

        crate::subjects::calls::calls!($build);
        crate::subjects::memory::memory!($build);

        /// What a thread of the subject is told.
        enum Command {
            /// Start a runtime.
            Start,
            /// Attach to it.
            Attach(Runtime),
            /// Leave it.
            Detach,
            /// Make a call.
            Call(Call),
        }

        /// What it answers.
        enum Answered {
            /// It is attached, as this thread.
            Attached(Result<(Runtime, Serial), AttachError>),
            /// It has left.
            Detached,
            /// Its call returned.
            Returned(Result<Answer, Refusal>, Seen),
            /// It is not attached.
            Unattached,
        }

        /// What a thread sees of itself.
        #[derive(Clone, Copy, Debug, Default)]
        struct Seen {
            current: Option<Serial>,
            gilstate: Option<Serial>,
        }

        impl Seen {
            fn by(thread: &Thread) -> Self {
                let serial = |t: Tstate| t.serial();
                Seen { current: thread.current().map(serial), gilstate: thread.gilstate().map(serial) }
            }
        }

        /// What a thread of the subject does with its commands.
        fn body(records: Records) -> impl FnMut(Command) -> Answered + 'static {
            let mut attached: Option<Thread> = None;
            move |command| match command {
                Command::Start => {
                    records.clear();
                    Answered::Attached(Runtime::start(settings()).map(|(runtime, thread)| {
                        let serial = attached.insert(thread).serial();
                        (runtime, serial)
                    }))
                }
                Command::Attach(runtime) => Answered::Attached(runtime.attach().map(|thread| {
                    let serial = attached.insert(thread).serial();
                    (runtime, serial)
                })),
                Command::Detach => {
                    attached = None;
                    Answered::Detached
                }
                Command::Call(call) => match &attached {
                    None => Answered::Unattached,
                    Some(thread) => {
                        let result = perform(thread, call, &records);
                        Answered::Returned(result, Seen::by(thread))
                    }
                },
            }
        }

        /// Which slots the handles stand for.
        #[derive(Debug)]
        struct Names {
            interps: Slots<Interp>,
            tstates: Slots<Tstate>,
            memory: memory::Memory,
            /// What each thread saw of itself when its last call returned, and that call.
            last: Vec<(Seen, Op)>,
            /// The slot that each thread's call is to use, and the one that it used.
            making: Vec<Making>,
            snapshot: Snapshot,
            /// The highest id of an interpreter so far.
            last_id: i64,
            /// The thread that forked the process: the others are not in the child.
            child: Option<u8>,
        }

        /// What a thread's call makes.
        #[derive(Clone, Copy, Debug, Default)]
        struct Making {
            at: Option<u8>,
            made: Option<u8>,
            lists: bool,
        }

        impl Names {
            fn new() -> Self {
                Names {
                    interps: Slots::new(Interp::null()),
                    tstates: Slots::new(Tstate::null()),
                    memory: memory::Memory::new(),
                    last: Vec::new(),
                    making: Vec::new(),
                    snapshot: Snapshot::default(),
                    last_id: -1,
                    child: None,
                }
            }

            /// Begins anew, with this many threads.
            fn reset(&mut self, threads: u8, runtime: &Runtime) -> Result<(), SubjectError> {
                self.interps.clear();
                self.tstates.clear();
                self.making.clear();
                self.making.resize(threads.into(), Making::default());
                self.last_id = -1;
                self.child = None;
                self.memory = memory::Memory::new();
                self.last.clear();
                self.last.resize(threads.into(), (Seen::default(), Op::GilStateCheck));
                self.list(0, runtime)?;
                if let Some(first) = self.snapshot.tstates.first() {
                    self.last[0].0.current = Some(first.tstate.serial());
                }
                self.returned(0);
                Ok(())
            }

            /// The handles for an operation that this thread begins.
            fn call(&mut self, thread: u8, op: &Op, at: Option<TstateId>) -> Result<Call, SubjectError> {
                let at = at.filter(|_| op.makes_tstate()).map(|t| t.0);
                if let Some(slot) = at.filter(|slot| self.tstates.taken(*slot)) {
                    return Err(lost(format!("slot t{slot} is taken; choose a free one")));
                }
                let tstate = |t: TstateId| self.tstates.handle(t.0);
                let seen = self.last[usize::from(thread)].0;
                let memory = self.memory.call(op, self.heap(seen), |i| self.interps.handle(i.0));
                let call = match *op {
                    Op::NewInterpreterFromConfig { config, fault } => Call::Create(config, fault),
                    Op::EndInterpreter(t) => Call::End(tstate(t)),
                    Op::ThreadStateNew(i) => Call::New(self.interps.handle(i.0)),
                    Op::ThreadStateBind(t) => Call::Bind(tstate(t)),
                    Op::ThreadStateSwap(t) => Call::Swap(t.map(tstate)),
                    Op::ThreadStateClear(t) => Call::Clear(tstate(t)),
                    Op::ThreadStateDelete(t) => Call::Delete(tstate(t)),
                    Op::SaveThread => Call::Save,
                    Op::RestoreThread(t) => Call::Restore(tstate(t)),
                    Op::EvalBreakerPoll => Call::Poll,
                    Op::NewInterpreter { fault } => Call::CreateLegacy(fault),
                    Op::ThreadStateDeleteCurrent => Call::DeleteCurrent,
                    Op::AcquireThread(t) => Call::Acquire(tstate(t)),
                    Op::ReleaseThread(t) => Call::Release(tstate(t)),
                    Op::GilStateEnsure { interp, fails } => {
                        Call::Ensure(self.interps.handle(interp.0), fails.then_some(Fault::TstateAlloc))
                    }
                    Op::GilStateRelease(state) => Call::ReleaseEnsured(state),
                    Op::GilStateCheck => Call::Check,
                    Op::AddPendingCall { interp, call } => {
                        Call::Add(interp.map(|i| self.interps.handle(i.0)), call)
                    }
                    Op::MakePendingCalls => Call::Make,
                    Op::Initialize => Call::Initialize,
                    Op::Finalize => Call::Finalize,
                    Op::StartThread { daemon, fails } => Call::Start { daemon, fails },
                    Op::RunThread(t) => Call::Run(tstate(t)),
                    Op::ThreadStateDeleteExcept(t) => Call::DeleteExcept(tstate(t)),
                    Op::InterpreterLookUpId(id) => Call::LookUp(id.into()),
                    Op::InterpreterRequireIdRef { interp, required } => {
                        Call::Require(self.interps.handle(interp.0), required)
                    }
                    Op::InterpreterIdIncref(i) => Call::Incref(self.interps.handle(i.0)),
                    Op::InterpreterIdDecref(i) => Call::Decref(self.interps.handle(i.0)),
                    Op::SetRunningMain => Call::SetRunning,
                    Op::SetNotRunningMain => Call::SetNotRunning,
                    Op::DestroyInterpreter(i) => Call::Destroy(self.interps.handle(i.0)),
                    Op::Fork => Call::Fork,
                    Op::Exec => Call::Exec,
                    memory_ops!() => {
                        Call::Memory(memory.ok_or_else(|| lost(format!("{op} has no handles")))?)
                    }
                };
                let lists = match call {
                    Call::Create(..)
                    | Call::CreateLegacy(_)
                    | Call::End(_)
                    | Call::New(_)
                    | Call::Delete(_)
                    | Call::DeleteCurrent
                    | Call::Ensure(..)
                    | Call::ReleaseEnsured(_)
                    | Call::Initialize
                    | Call::Finalize
                    | Call::Start { .. }
                    | Call::DeleteExcept(_)
                    | Call::Decref(_)
                    | Call::Destroy(_)
                    | Call::Fork => true,
                    Call::Bind(_)
                    | Call::Swap(_)
                    | Call::Clear(_)
                    | Call::Save
                    | Call::Restore(_)
                    | Call::Poll
                    | Call::Acquire(_)
                    | Call::Release(_)
                    | Call::Check
                    | Call::Add(..)
                    | Call::Make
                    | Call::Run(_)
                    | Call::LookUp(_)
                    | Call::Require(..)
                    | Call::Incref(_)
                    | Call::SetRunning
                    | Call::SetNotRunning
                    | Call::Memory(_)
                    | Call::Exec => false,
                };
                self.last[usize::from(thread)].1 = *op;
                self.making[usize::from(thread)] = Making { at, made: None, lists };
                Ok(call)
            }

            /// Looks what the call of this thread listed and unlisted so far.
            fn listed(&mut self, thread: u8, runtime: &Runtime) -> Result<(), SubjectError> {
                if self.making[usize::from(thread)].lists { self.list(thread, runtime) } else { Ok(()) }
            }

            /// The call of this thread has returned.
            fn returned(&mut self, thread: u8) {
                let making = std::mem::take(&mut self.making[usize::from(thread)]);
                if let Some(slot) = making.made {
                    self.tstates.reserve(slot, false);
                }
            }

            fn list(&mut self, thread: u8, runtime: &Runtime) -> Result<(), SubjectError> {
                let Names { interps, tstates, memory, making, snapshot, last_id, .. } = self;
                let making = &mut making[usize::from(thread)];
                runtime.snapshot_into(snapshot);
                interps.retain(|serial| snapshot.interps.iter().any(|i| i.interp.serial().get() == serial));
                memory.retain(|serial| snapshot.interps.iter().any(|i| i.interp.serial().get() == serial));
                tstates.retain(|serial| snapshot.tstates.iter().any(|t| t.tstate.serial().get() == serial));
                for info in &snapshot.interps {
                    let serial = info.interp.serial().get();
                    if !interps.listed(serial) {
                        // Of a runtime that was initialized again.
                        if info.id == 0 && snapshot.interps.len() == 1 {
                            *last_id = -1;
                        }
                        if info.id <= *last_id {
                            let reason =
                                format!("interpreter id {} was used before (last: {last_id})", info.id);
                            return Err(lost(reason));
                        }
                        *last_id = info.id;
                        interps.place(info.interp, serial, None);
                    }
                }
                for info in &snapshot.tstates {
                    let serial = info.tstate.serial().get();
                    if !tstates.listed(serial) {
                        let slot = tstates.place(info.tstate, serial, making.at);
                        tstates.reserve(slot, true);
                        making.made = Some(slot);
                    }
                }
                Ok(())
            }

            fn view(&self, seen: Seen) -> ThreadView {
                let (current, gilstate) = (self.tstate(seen.current), self.tstate(seen.gilstate));
                ThreadView { current, gilstate, parked: None }
            }

            /// The event of a call that has returned.
            fn event(
                &mut self,
                thread: u8,
                runtime: &Runtime,
                result: Result<Answer, Refusal>,
                seen: Seen,
            ) -> Result<Event, SubjectError> {
                self.listed(thread, runtime)?;
                self.returned(thread);
                self.last[usize::from(thread)].0 = seen;
                if matches!(result, Ok(Answer::Forked)) {
                    self.child = Some(thread);
                }
                match result {
                    Err(refusal) => Ok(Event::Refused(refusal.rule)),
                    Ok(Answer::Memory(answer)) => {
                        let (heap, op) = (self.heap(seen), self.last[usize::from(thread)].1);
                        let reply = self.memory.reply(&op, answer, heap).map_err(lost)?;
                        Ok(Event::Replied { reply, view: self.view(seen) })
                    }
                    Ok(answer) => Ok(Event::Replied { reply: self.reply(answer)?, view: self.view(seen) }),
                }
            }

            /// The heap that a thread which sees this works in: the interpreter that has it, by its serial.
            fn heap(&self, seen: Seen) -> Option<u64> {
                let current = seen.current?;
                let tstate = self.snapshot.tstates.iter().find(|t| t.tstate.serial() == current)?;
                let shares = |i: &&$build::InterpInfo| {
                    i.interp.serial() == tstate.interp && i.flags.contains(FeatureFlags::USE_MAIN_OBMALLOC)
                };
                let main = || self.snapshot.interps.iter().find(|i| i.id == 0).map(|i| i.interp.serial());
                let shared = self.snapshot.interps.iter().find(shares).and_then(|_| main());
                Some(shared.unwrap_or(tstate.interp).get())
            }

            fn tstate(&self, serial: Option<Serial>) -> Option<TstateId> {
                serial.and_then(|serial| self.tstates.slot(serial.get())).map(TstateId)
            }

            fn reply(&self, answer: Answer) -> Result<Reply, SubjectError> {
                let named = |t: Tstate| {
                    let slot = self.tstates.slot(t.serial().get()).map(TstateId);
                    slot.ok_or_else(|| lost(format!("{t:?} was answered and never listed")))
                };
                Ok(match answer {
                    Answer::Done => Reply::Done,
                    Answer::Failed(error) => Reply::Failed(error),
                    Answer::Ensured(state) => Reply::Ensured(state),
                    Answer::NotEnsured => Reply::NotEnsured,
                    Answer::Is(yes) => Reply::Is(yes),
                    Answer::Full => Reply::Full,
                    Answer::Denied(denied) => Reply::Denied(denied),
                    Answer::Finalized => Reply::Finalized,
                    Answer::Forked => Reply::Forked,
                    Answer::Interp(i) => {
                        let interp = self.interps.slot(i.serial().get()).map(InterpId);
                        Reply::Interp(
                            interp.ok_or_else(|| lost(format!("{i:?} was answered and never listed")))?,
                        )
                    }
                    Answer::Ran { calls, failed } => Reply::Ran { calls, failed },
                    Answer::Tstate(t) => Reply::Tstate(t.map(named).transpose()?),
                    Answer::Memory(_) => return Err(lost("an answer out of turn".into())),
                    Answer::Created(i, t) => {
                        let interp = self.interps.slot(i.serial().get()).map(InterpId);
                        let interp =
                            interp.ok_or_else(|| lost(format!("{i:?} was answered and never listed")))?;
                        Reply::Created { interp, tstate: named(t)? }
                    }
                })
            }

            /// Everything that can be seen, with what threads see of themselves and wait for.
            fn observe(
                &mut self,
                runtime: &Runtime,
                thread_of: impl Fn(Serial) -> Option<u8>,
                seen_by: impl Fn(u8) -> Seen,
                parked: impl Fn(u8) -> Option<cloister_specs::Parking>,
            ) -> Observation {
                runtime.snapshot_into(&mut self.snapshot);
                let interp = |serial: Serial| self.interps.slot(serial.get()).map(InterpId);
                let bound = |serial: Option<Serial>| serial.and_then(&thread_of).map(ThreadId);
                let mut seen = Observation::default();
                for info in &self.snapshot.interps {
                    let Some(id) = interp(info.interp.serial()) else { continue };
                    let view =
                        InterpView { id, phase: Some(info.phase), flags: info.flags, own_gil: info.own_gil };
                    seen.interps.push(view);
                    if let Some(gil) = info.gil {
                        let holds = |t: &&$build::TstateInfo| Some(t.tstate.serial()) == gil.last_holder;
                        let holder = self.snapshot.tstates.iter().find(holds).and_then(|t| bound(t.thread));
                        seen.gils.push(GilView {
                            id,
                            locked: gil.locked,
                            last_holder: self.tstate(gil.last_holder),
                            drop_request: gil.drop_request,
                            holder: holder.filter(|_| gil.locked),
                        });
                    }
                }
                for info in &self.snapshot.tstates {
                    let Some(id) = self.tstate(Some(info.tstate.serial())) else { continue };
                    let interp = interp(info.interp).unwrap_or(InterpId(u8::MAX));
                    let view = TstateView { id, interp, status: info.status, thread: bound(info.thread) };
                    seen.tstates.push(view);
                }
                seen.interps.sort_unstable_by_key(|i| i.id);
                seen.gils.sort_unstable_by_key(|g| g.id);
                seen.tstates.sort_unstable_by_key(|t| t.id);
                let view = |k| match self.child {
                    Some(child) if child != k => ThreadView::default(),
                    _ => ThreadView { parked: parked(k), ..self.view(seen_by(k)) },
                };
                seen.threads.extend((0..self.making.len() as u8).map(view));
                for info in &self.snapshot.threads {
                    if let Some(k) = thread_of(info.thread)
                        && let Some(view) = seen.threads.get_mut(usize::from(k))
                    {
                        view.gilstate = self.tstate(info.gilstate);
                    }
                }
                seen
            }
        }
    };
}

pub(super) use face;
