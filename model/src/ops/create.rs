//! `new_interpreter`: a label for each line, and an error edge from each.

use cloister_specs::{
    CreationError, Fault, GilKind, InterpreterConfig, Phase, Reply, Rule, StatusBits, ThreadId, TstateId,
};

use crate::design::{
    AttachProtocol, CreationErrors, Design, FailedCreation, Gils, IdOrder, LegacyCreation, OutOfMemory,
    OwnGilSharedObmalloc,
};
use crate::label::{Creation, Label, Swap, Undone};
use crate::machine::Flow;
use crate::runtime::{Interp, Runtime};

/// `init_interp_settings`.
fn check_settings(d: &Design, config: &InterpreterConfig) -> Result<(), CreationError> {
    //= specs/rules/life.md#life-5
    //# A configuration with its own allocator MUST ask for the check of extension modules.
    if !config.use_main_obmalloc && !config.check_multi_interp_extensions {
        return Err(CreationError::Settings);
    }
    //= specs/rules/life.md#life-8
    //# An allocator MUST be guarded by one GIL: an interpreter with its own GIL has its own
    //# allocator.
    match (d.own_gil_shared_obmalloc, config.gil_kind()) {
        (OwnGilSharedObmalloc::Refused, Some(GilKind::Own)) if config.use_main_obmalloc => {
            Err(CreationError::OwnGilSharedObmalloc)
        }
        (OwnGilSharedObmalloc::Refused | OwnGilSharedObmalloc::Accepted, _) => Ok(()),
    }
}

/// `init_interp_create_gil`: the field must mean something.
fn check_gil(config: &InterpreterConfig) -> Result<GilKind, CreationError> {
    //= specs/rules/life.md#life-6
    //# The gil field of a configuration MUST be 0 (default), 1 (shared) or 2 (own).
    config.gil_kind().ok_or(CreationError::GilValue)
}

fn fails(mut c: Creation, error: CreationError, has_gil: bool) -> Flow {
    c.error = Some(error);
    Flow::Goto(Label::Undo(c, has_gil))
}

impl Runtime {
    pub(crate) fn new_interpreter(
        &mut self,
        d: &Design,
        h: ThreadId,
        config: InterpreterConfig,
        fault: Option<Fault>,
        at: Option<TstateId>,
        legacy: bool,
    ) -> Flow {
        let settled = d.failed_creation == FailedCreation::RestoresCaller;
        if settled {
            //= specs/rules/life.md#life-7
            //# A configuration with both faults MUST be answered with the allocator's (LIFE-5)
            //# before that of the gil field (LIFE-6).
            let checked = check_settings(d, &config).and_then(|()| check_gil(&config).map(|_| ()));
            if let Err(error) = checked {
                return self.failed(d, error, legacy);
            }
        }
        self.disable_check(d);
        let id = self.next_id;
        //= specs/rules/id.md#id-2
        //# A creation that runs out of memory MUST NOT use up an id.
        match d.id_order {
            IdOrder::BeforeAllocation => self.next_id = self.next_id.saturating_add(1),
            IdOrder::AfterAllocation => {}
        }
        let interp = Runtime::interp_ids().find(|i| !self.interp_listed(*i));
        let Some(interp) = interp.filter(|_| !Runtime::strikes(fault, Fault::InterpAlloc)) else {
            return self.out_of_memory(d, legacy);
        };
        if Runtime::strikes(fault, Fault::TstateAlloc) {
            return self.out_of_memory(d, legacy);
        }
        let Some(tstate) = self.new_tstate(interp, at) else { return self.out_of_memory(d, legacy) };
        //= specs/rules/life.md#life-15
        //# The settings of a live interpreter MUST be those of the configuration it was
        //# created with.
        //= specs/rules/id.md#id-1
        //# The id of a new interpreter MUST be greater than every id that its runtime has given.
        self.next_id = id.saturating_add(1);
        *self.interp_mut(interp) =
            Interp { phase: Some(Phase::Creating), config, settled, id, ..Interp::FREE };
        let save = self.own_current(d, h);
        let slot = self.thread(h).gilstate;
        Flow::Goto(Label::CreateBind(Creation { interp, tstate, save, slot, fault, error: None, legacy }))
    }

    /// `Py_NewInterpreter`.
    pub(crate) fn new_legacy_interpreter(
        &mut self,
        d: &Design,
        h: ThreadId,
        fault: Option<Fault>,
        at: Option<TstateId>,
    ) -> Flow {
        //= specs/rules/life.md#life-16
        //# NewInterpreter MUST create with the legacy configuration.
        self.new_interpreter(d, h, InterpreterConfig::LEGACY, fault, at, true)
    }

    fn out_of_memory(&self, d: &Design, legacy: bool) -> Flow {
        //= specs/rules/life.md#life-4
        //# A creation MUST answer with a thread state exactly when its status is no error.
        match d.out_of_memory {
            OutOfMemory::OkWithNull if legacy => Flow::Answer(Reply::Tstate(None)),
            OutOfMemory::OkWithNull => Flow::Answer(Reply::OkWithNull),
            OutOfMemory::Error => self.failed(d, CreationError::NoMemory, legacy),
        }
    }

    fn failed(&self, d: &Design, error: CreationError, legacy: bool) -> Flow {
        //= specs/rules/life.md#life-17
        //# A NewInterpreter that fails MUST answer NULL, and MUST NOT end the process.
        if legacy {
            return match d.legacy_creation {
                LegacyCreation::Fatal => Flow::Died(Rule::Life17),
                LegacyCreation::Null => Flow::Answer(Reply::Tstate(None)),
            };
        }
        //= specs/rules/life.md#life-3
        //# A failed creation MUST be answered with a status and MUST NOT end the process.
        match d.creation_errors {
            CreationErrors::Fatal => Flow::Died(Rule::Life3),
            CreationErrors::Returned => Flow::Answer(Reply::Failed(error)),
        }
    }

    pub(crate) fn create_bind(&mut self, h: ThreadId, c: Creation) -> Flow {
        match self.bind_to(h, c.tstate) {
            Ok(()) => Flow::Goto(Label::CreateSwap(c)),
            Err(rule) => Flow::Died(rule),
        }
    }

    pub(crate) fn create_swap(&self, d: &Design, c: Creation) -> Flow {
        let new = match d.attach {
            AttachProtocol::SwapLeavesGil | AttachProtocol::ReleaseThenClear => Some(c.tstate),
            AttachProtocol::ClearThenRelease => None,
        };
        Flow::Call(Label::CreateRelease(c), Label::ClearCurrent(Swap { old: c.save, new }))
    }

    pub(crate) fn create_release(&self, d: &Design, c: Creation) -> Flow {
        match (c.save, d.attach) {
            (Some(save), AttachProtocol::ReleaseThenClear | AttachProtocol::ClearThenRelease) => {
                Flow::Call(Label::CreateSettings(c), Label::DropHolder { tstate: save, last: false })
            }
            (Some(_), AttachProtocol::SwapLeavesGil) | (None, _) => Flow::Goto(Label::CreateSettings(c)),
        }
    }

    pub(crate) fn create_settings(&mut self, d: &Design, c: Creation) -> Flow {
        // The configuration of the caller's interpreter is copied, which is found through what was saved.
        if c.save.is_some_and(|t| !self.listed(t)) {
            return Flow::Died(Rule::Gil12);
        }
        match check_settings(d, &self.interp(c.interp).config) {
            Err(error) => fails(c, error, false),
            Ok(()) => {
                self.interp_mut(c.interp).settled = true;
                Flow::Goto(Label::CreateGil(c))
            }
        }
    }

    pub(crate) fn create_gil(&mut self, d: &Design, c: Creation) -> Flow {
        let own = match (check_gil(&self.interp(c.interp).config), d.gils) {
            (Err(error), _) => return fails(c, error, false),
            (Ok(GilKind::Own), Gils::PerInterpreter) => true,
            (Ok(GilKind::Own), Gils::One) | (Ok(GilKind::Shared), _) => false,
        };
        let take = self.init_gil(c.tstate, own);
        match (take, d.attach) {
            (Some(t), AttachProtocol::ReleaseThenClear | AttachProtocol::ClearThenRelease) => {
                Flow::Call(Label::CreateAttach(c), Label::TakeLock(t))
            }
            (Some(_), AttachProtocol::SwapLeavesGil) | (None, _) => Flow::Goto(Label::CreateAttach(c)),
        }
    }

    pub(crate) fn create_attach(&self, d: &Design, c: Creation) -> Flow {
        match d.attach {
            AttachProtocol::SwapLeavesGil | AttachProtocol::ReleaseThenClear => {
                Flow::Goto(Label::CreateCore(c))
            }
            AttachProtocol::ClearThenRelease => {
                Flow::Call(Label::CreateCore(c), Label::ClearCurrent(Swap { old: None, new: Some(c.tstate) }))
            }
        }
    }

    pub(crate) fn create_core(&self, c: Creation) -> Flow {
        if Runtime::strikes(c.fault, Fault::CoreInit) {
            return fails(c, CreationError::CoreInit, true);
        }
        Flow::Goto(Label::CreateMain(c))
    }

    pub(crate) fn create_main(&self, c: Creation) -> Flow {
        if Runtime::strikes(c.fault, Fault::MainInit) {
            return fails(c, CreationError::MainInit, true);
        }
        Flow::Goto(Label::CreateLive(c))
    }

    pub(crate) fn create_live(&mut self, c: Creation) -> Flow {
        //= specs/rules/life.md#life-1
        //# A successful creation MUST leave the caller in the new interpreter, with its only
        //# thread state current and its GIL held.
        self.interp_mut(c.interp).phase = Some(Phase::Live);
        Flow::Answer(Reply::Created { interp: c.interp, tstate: c.tstate })
    }

    //= specs/rules/life.md#life-2
    //# A failed creation MUST leave the caller as it was: the same thread state current, its
    //# GIL held, and nothing of the new interpreter listed.
    pub(crate) fn undo(&self, d: &Design, h: ThreadId, c: Creation, has_gil: bool) -> Flow {
        let back = Swap { old: self.own_current(d, h), new: c.save };
        match d.failed_creation {
            FailedCreation::CleansUpByItself | FailedCreation::RestoresCaller => {
                Flow::Goto(Label::UndoClear(c, has_gil))
            }
            FailedCreation::SwapsBackWithoutGil => {
                let procedure =
                    if has_gil { Runtime::swap_procedure(d, back) } else { Label::ClearCurrent(back) };
                Flow::Call(Label::UndoClear(c, has_gil), procedure)
            }
        }
    }

    pub(crate) fn undo_clear(&mut self, d: &Design, c: Creation, has_gil: bool) -> Flow {
        if !self.listed(c.tstate) {
            return Flow::Died(Rule::Gil12);
        }
        self.tstate_mut(c.tstate).status.insert(StatusBits::FINALIZING | StatusBits::CLEARED);
        match d.failed_creation {
            FailedCreation::CleansUpByItself | FailedCreation::SwapsBackWithoutGil => {
                Flow::Goto(Label::UndoDelete(c))
            }
            FailedCreation::RestoresCaller => Flow::Goto(Label::UndoDetach(c, has_gil)),
        }
    }

    pub(crate) fn undo_detach(&self, d: &Design, h: ThreadId, c: Creation, has_gil: bool) -> Flow {
        let away = Swap { old: self.own_current(d, h), new: None };
        Flow::Call(Label::UndoDrop(c, has_gil), Label::ClearCurrent(away))
    }

    pub(crate) fn undo_drop(&self, d: &Design, c: Creation, has_gil: bool) -> Flow {
        match d.attach {
            AttachProtocol::ReleaseThenClear | AttachProtocol::ClearThenRelease if has_gil => {
                Flow::Call(Label::UndoDelete(c), Label::DropHolder { tstate: c.tstate, last: true })
            }
            AttachProtocol::SwapLeavesGil
            | AttachProtocol::ReleaseThenClear
            | AttachProtocol::ClearThenRelease => Flow::Goto(Label::UndoDelete(c)),
        }
    }

    pub(crate) fn undo_delete(&mut self, d: &Design, h: ThreadId, c: Creation) -> Flow {
        if let Err(rule) = self.free_one(d, h, c.tstate) {
            return Flow::Died(rule);
        }
        self.free_interp(d, c.interp);
        let undone =
            Undone { save: c.save, error: c.error.unwrap_or(CreationError::NoMemory), legacy: c.legacy };
        match d.failed_creation {
            FailedCreation::CleansUpByItself | FailedCreation::SwapsBackWithoutGil => {
                Flow::Goto(Label::UndoDone(undone))
            }
            FailedCreation::RestoresCaller => {
                let named = c.slot.filter(|t| self.alive(*t) && self.tstate(*t).thread == Some(h));
                if let (Some(t), None) = (named, self.thread(h).gilstate)
                    && let Err(rule) = self.bind_gilstate(h, t)
                {
                    return Flow::Died(rule);
                }
                Flow::Goto(Label::UndoTake(undone))
            }
        }
    }

    pub(crate) fn undo_take(&self, d: &Design, u: Undone) -> Flow {
        match (u.save, d.attach) {
            (None, _) => Flow::Goto(Label::UndoDone(u)),
            (Some(_), AttachProtocol::SwapLeavesGil) => Flow::Goto(Label::UndoAttach(u)),
            (Some(save), AttachProtocol::ReleaseThenClear | AttachProtocol::ClearThenRelease) => {
                Flow::Call(Label::UndoAttach(u), Label::TakeLock(save))
            }
        }
    }

    pub(crate) fn undo_attach(&self, u: Undone) -> Flow {
        Flow::Call(Label::UndoDone(u), Label::ClearCurrent(Swap { old: None, new: u.save }))
    }

    pub(crate) fn undo_done(&self, d: &Design, u: Undone) -> Flow {
        self.failed(d, u.error, u.legacy)
    }
}
