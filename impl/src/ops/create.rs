//! The creation of an interpreter.
//!
//! First the configuration is checked and memory allocated, so that most failures happen
//! before anything is made. Then the new interpreter is listed, the caller leaves its own
//! thread state, enters the new one, and initializes the interpreter from within. A
//! failure there is undone step by step.

use crate::error::{CallError, CreateError};
use crate::faults::Seeded;
use crate::interp::{INTERPS, Interp, InterpSlot};
use crate::lists::Lists;
use crate::pool::NoMemory;
use crate::thread::Thread;
use crate::trace::Effect;
use crate::tstate::{TSTATES, Tstate, TstateSlot};
use cloister_specs::{CreationError, Fault, GilKind, InterpreterConfig, OpKind, Phase, Rule};

/// Makes a creation fail where it is asked to: what stands in for a step that cannot be
/// made to fail from outside.
pub trait CreationFaults {
    /// Is this step to fail?
    fn fails(&mut self, step: Fault) -> bool;
}

/// None.
impl CreationFaults for () {
    fn fails(&mut self, _: Fault) -> bool {
        false
    }
}

/// This one, if it is one.
impl CreationFaults for Option<Fault> {
    fn fails(&mut self, step: Fault) -> bool {
        *self == Some(step)
    }
}

/// What the caller gets back if its creation fails.
struct Caller {
    save: Option<Tstate>,
    gilstate: Option<Tstate>,
}

impl Thread {
    /// `Py_NewInterpreterFromConfig`: creates an interpreter, and makes its first thread
    /// state current in this thread, in place of the current one if there is one.
    ///
    /// # Errors
    ///
    /// FIN-19: the runtime is not initialized, or its end has begun. Or the configuration is at
    /// fault, memory ran out, or the interpreter could not be initialized. The caller is then
    /// as it was, though others may have run meanwhile; unless the runtime was finalized before
    /// it could come back.
    pub fn new_interpreter_from_config(
        &self,
        config: &InterpreterConfig,
    ) -> Result<(Interp, Tstate), CreateError> {
        self.new_interpreter_with(config, &mut ())
    }

    /// [`Thread::new_interpreter_from_config`], with faults.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn new_interpreter_with(
        &self,
        config: &InterpreterConfig,
        faults: &mut impl CreationFaults,
    ) -> Result<(Interp, Tstate), CreateError> {
        self.called(OpKind::NewInterpreterFromConfig, config);
        //= specs/rules/life.md#life-3
        //# A failed creation MUST be answered with a status and MUST NOT end the process.
        let result = self.create(config, faults);
        //= specs/rules/life.md#life-4
        //# A creation MUST answer with a thread state exactly when its status is no error.
        self.returned(result)
    }

    /// `Py_NewInterpreter`: [`Thread::new_interpreter_from_config`] with the legacy
    /// configuration; `None` (NULL) if it fails.
    ///
    /// # Errors
    ///
    /// FIN-19: the runtime is not initialized, or its end has begun. Or the creation failed, and
    /// the runtime was finalized before the caller could come back.
    pub fn new_interpreter(&self) -> Result<Option<(Interp, Tstate)>, CallError> {
        self.new_legacy_interpreter_with(&mut ())
    }

    /// [`Thread::new_interpreter`], with faults.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn new_legacy_interpreter_with(
        &self,
        faults: &mut impl CreationFaults,
    ) -> Result<Option<(Interp, Tstate)>, CallError> {
        self.called(OpKind::NewInterpreter, ());
        //= specs/rules/life.md#life-16
        //# NewInterpreter MUST create with the legacy configuration.
        let isolated = self.seeded(Seeded::NewInterpreterIsolates);
        let config = if isolated { InterpreterConfig::ISOLATED } else { InterpreterConfig::LEGACY };
        //= specs/rules/life.md#life-17
        //# A NewInterpreter that fails MUST answer NULL, and MUST NOT end the process.
        let result = match self.create(&config, faults) {
            Ok(created) => Ok(Some(created)),
            Err(CreateError::Failed(_)) => Ok(None),
            Err(CreateError::Refused(refusal)) => Err(CallError::Refused(refusal)),
            Err(CreateError::Finalized) => Err(CallError::Finalized),
        };
        self.returned(result)
    }

    fn create(
        &self,
        config: &InterpreterConfig,
        faults: &mut impl CreationFaults,
    ) -> Result<(Interp, Tstate), CreateError> {
        self.may_create()?;
        let kind = self.check(config)?;
        let (interp, tstate, caller) = self.begin(config, faults)?;
        if let Some(save) = caller.save {
            self.use_held(save);
            if let Ok(gil) = self.gil_of(save) {
                self.leave(save);
                gil.drop(self, save, false);
            }
        }
        self.enter_new(interp, tstate, kind)?;
        let result = match initialize(faults) {
            //= specs/rules/life.md#life-1
            //# A successful creation MUST leave the caller in the new interpreter, with its only thread state
            //# current and its GIL held.
            Ok(()) => {
                let lists = self.inner().lists();
                let mut ring = interp.slot.ring.lock();
                if let Some(gil) = interp.slot.gil.load() {
                    ring.open(interp.serial, gil);
                }
                interp.slot.set_phase(Phase::Live);
                self.effect(Effect::Live(interp.serial));
                drop(ring);
                drop(lists);
                Ok((interp, tstate))
            }
            Err(error) => {
                self.undo(interp, tstate, &caller).map_err(CreateError::from).and(Err(error.into()))
            }
        };
        match (caller.save, result) {
            (Some(save), Err(CreateError::Finalized)) => self.let_go(save),
            (Some(save), _) => self.done_with(save),
            (None, _) => {}
        }
        result
    }

    //= specs/rules/fin.md#fin-19
    //# An interpreter MUST NOT be created before the runtime is initialized, or after its end has begun.
    fn may_create(&self) -> Result<(), Rule> {
        let live = self.inner().main().live() || self.seeded(Seeded::CreatesLate);
        if live { Ok(()) } else { Err(Rule::Fin19) }
    }

    /// Checks a configuration, its allocator first.
    //= specs/rules/life.md#life-7
    //# A configuration with both faults MUST be answered with the allocator's (LIFE-5) before that of
    //# the gil field (LIFE-6).
    fn check(&self, config: &InterpreterConfig) -> Result<GilKind, CreationError> {
        //= specs/rules/life.md#life-6
        //# The gil field of a configuration MUST be 0 (default), 1 (shared) or 2 (own).
        let kind = config.gil_kind().ok_or(CreationError::GilValue);
        if self.seeded(Seeded::GilValueFirst) {
            kind?;
        }
        //= specs/rules/life.md#life-5
        //# A configuration with its own allocator MUST ask for the check of extension modules.
        if !config.use_main_obmalloc && !config.check_multi_interp_extensions {
            return Err(CreationError::Settings);
        }
        let kind = kind?;
        //= specs/rules/life.md#life-8
        //# An allocator MUST be guarded by one GIL: an interpreter with its own GIL has its own allocator.
        if kind == GilKind::Own && config.use_main_obmalloc {
            return Err(CreationError::OwnGilSharedObmalloc);
        }
        Ok(kind)
    }

    /// Allocates and lists the interpreter and its thread state, bound to the caller.
    fn begin(
        &self,
        config: &InterpreterConfig,
        faults: &mut impl CreationFaults,
    ) -> Result<(Interp, Tstate, Caller), CreateError> {
        let mut lists = self.inner().lists();
        self.may_create()?;
        //= specs/rules/id.md#id-2
        //# A creation that runs out of memory MUST NOT use up an id.
        let slots = self.allocate_both(&mut lists, faults);
        if slots.is_err() && self.seeded(Seeded::FailedCreationUsesId) {
            lists.lose_id();
        }
        let (interp_slot, tstate_slot) = slots?;
        let caller = Caller { save: self.current(), gilstate: self.gilstate() };
        let interp = lists.new_interp(self.inner().serial(), interp_slot, config);
        let tstate = lists.new_tstate(interp, tstate_slot);
        self.bind(tstate);
        self.effect(Effect::Begun { interp: interp.serial, tstate: tstate.serial });
        Ok((interp, tstate, caller))
    }

    /// Memory for an interpreter and its thread state, and room in the lists.
    fn allocate_both(
        &self,
        lists: &mut Lists,
        faults: &mut impl CreationFaults,
    ) -> Result<(&'static InterpSlot, &'static TstateSlot), NoMemory> {
        if faults.fails(Fault::InterpAlloc) {
            return Err(NoMemory);
        }
        let capacity = self.inner().settings().pending_capacity;
        self.inner().allocates().and_then(|()| lists.reserve())?;
        let interp = self.allocate(&INTERPS)?;
        let ring = self.inner().allocates().and_then(|()| interp.ring.reserve(capacity));
        let fails = ring.is_err() || faults.fails(Fault::TstateAlloc);
        let tstate = if fails { Err(NoMemory) } else { self.allocate(&TSTATES) };
        if tstate.is_err() {
            INTERPS.give(interp);
        }
        Ok((interp, tstate?))
    }

    /// Gives the new interpreter its GIL, takes it, and makes its thread state current.
    fn enter_new(&self, interp: Interp, tstate: Tstate, kind: GilKind) -> Result<(), CallError> {
        let gil = match kind {
            GilKind::Own => {
                interp.slot.own.create(interp.serial);
                &interp.slot.own
            }
            GilKind::Shared => &self.inner().main().own,
        };
        interp.slot.gil.store(Some(gil));
        tstate.slot.gil.store(Some(gil));
        // The runtime is not finalized while it lists the new interpreter.
        gil.take(self, tstate)?;
        self.enter(tstate);
        Ok(())
    }

    /// Undoes a creation whose thread state is current.
    //= specs/rules/life.md#life-2
    //# A failed creation MUST leave the caller as it was: the same thread state current, its GIL held,
    //# and nothing of the new interpreter listed.
    fn undo(&self, interp: Interp, tstate: Tstate, caller: &Caller) -> Result<(), CallError> {
        let lists = self.inner().lists();
        self.finalize_tstate(tstate);
        self.use_held(tstate);
        drop(lists);
        self.close_home(interp);
        self.leave(tstate);
        if let Ok(gil) = self.gil_of(tstate) {
            gil.drop(self, tstate, true);
        }

        let mut lists = self.inner().lists();
        self.unbind_gilstate(tstate);
        lists.delete(tstate);
        lists.free(interp);
        if let Some(before) = caller.gilstate
            && before.alive()
            && before.listed()
            && !self.seeded(Seeded::FailedCreationKeepsSlot)
        {
            self.set_gilstate(before);
        }
        self.effect(Effect::Undone { interp: interp.serial, tstate: tstate.serial });
        drop(lists);

        if let Some(save) = caller.save
            && let Ok(gil) = self.gil_of(save)
        {
            if !self.seeded(Seeded::FailedCreationForgetsGil) {
                gil.take(self, save)?;
            }
            self.enter(save);
        }
        Ok(())
    }
}

/// The two parts of the initialization, inside the new interpreter.
fn initialize(faults: &mut impl CreationFaults) -> Result<(), CreationError> {
    if faults.fails(Fault::CoreInit) {
        return Err(CreationError::CoreInit);
    }
    if faults.fails(Fault::MainInit) {
        return Err(CreationError::MainInit);
    }
    Ok(())
}
