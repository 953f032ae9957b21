//! What a thread of the model does without an event.

use cloister_model::label::{Label, Pass, Run};
use cloister_model::{Design, Runtime};
use cloister_specs::{InterpId, MAIN, Move, OpKind, StatusBits, ThreadId, TstateId, memory_kinds};
use cloister_traced::trace::{Answer, Argument, Event};

use super::rejection::Reason;
use super::replay::{Call, Progress, Replay};

/// How a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// With a label that is told.
    Told,
    /// With one that is not.
    Quiet,
    /// With one that is told, unless all that it does is to answer.
    Answer,
    /// With one that is not told, and it may do no more than answer.
    QuietAnswer,
}

const fn beginning(kind: OpKind) -> Beginning {
    match kind {
        OpKind::ThreadStateSwap
        | OpKind::SaveThread
        | OpKind::RestoreThread
        | OpKind::EvalBreakerPoll
        | OpKind::AcquireThread
        | OpKind::ReleaseThread => Beginning::Quiet,
        OpKind::GilStateEnsure | OpKind::GilStateRelease => Beginning::QuietAnswer,
        OpKind::NewInterpreterFromConfig
        | OpKind::NewInterpreter
        | OpKind::GilStateCheck
        | OpKind::AddPendingCall
        | OpKind::MakePendingCalls
        | OpKind::Initialize
        | OpKind::Finalize
        | OpKind::StartThread
        | OpKind::ThreadStateDeleteExcept
        | OpKind::InterpreterLookUpId
        | OpKind::SetRunningMain
        | OpKind::DestroyInterpreter => Beginning::Answer,
        OpKind::EndInterpreter
        | OpKind::ThreadStateNew
        | OpKind::ThreadStateBind
        | OpKind::ThreadStateClear
        | OpKind::ThreadStateDelete
        | OpKind::ThreadStateDeleteCurrent
        | OpKind::RunThread
        | OpKind::InterpreterRequireIdRef
        | OpKind::InterpreterIdIncref
        | OpKind::InterpreterIdDecref
        | OpKind::SetNotRunningMain
        | OpKind::Fork
        | OpKind::Exec
        | memory_kinds!() => Beginning::Told,
    }
}

/// Does a call of this kind that answers so change no list and no ring?
const fn only_answers(kind: OpKind, answer: Answer) -> bool {
    match beginning(kind) {
        Beginning::Told | Beginning::Quiet => false,
        Beginning::QuietAnswer | Beginning::Answer => match kind {
            OpKind::NewInterpreter => matches!(answer, Answer::Tstate(None)),
            OpKind::NewInterpreterFromConfig => matches!(answer, Answer::Failed(_)),
            OpKind::AddPendingCall => matches!(answer, Answer::Full),
            OpKind::StartThread | OpKind::SetRunningMain | OpKind::DestroyInterpreter => {
                matches!(answer, Answer::Denied(_))
            }
            _ => !matches!(answer, Answer::Refused(_)),
        },
    }
}

/// Is the ring empty that this run takes its next call from?
fn has_none(model: &Runtime, run: Run) -> bool {
    match run.pass {
        Pass::Interp => model.interp(model.tstate(run.tstate).interp).pending.is_empty(),
        Pass::Main => model.pending_main.is_empty(),
    }
}

/// The move by which this thread goes on inside its call without an event, if there is one.
pub(super) fn quiet(d: &Design, model: &Runtime, call: Option<Call>, h: ThreadId) -> Option<Move> {
    let call = call?;
    let quiet = match model.thread(h).top() {
        Label::Idle
        | Label::CreateBind(_)
        | Label::UndoDelete(_)
        | Label::EndLast(_)
        | Label::EndClear(_)
        | Label::EndDelete(_)
        | Label::EndFree(_)
        | Label::ClearDone(_)
        | Label::LeaveDelete(..)
        | Label::PendEnd(..)
        | Label::FinishWait { .. }
        | Label::FinalSet(_)
        | Label::FinalWait { .. }
        | Label::FinalClear(_)
        | Label::FinalFree(_)
        | Label::DropHolder { .. }
        | Label::DropWait { .. }
        | Label::TakeLock(_)
        | Label::TakeWait { .. } => false,
        Label::CreateLive(_) => call.live,
        // A run that does not begin is not told.
        Label::PendBegin(run) => model.interp(model.tstate(run.tstate).interp).busy,
        Label::PendNext(run) => has_none(model, run),
        Label::FinalQuiesce(_) => !model.interp_in_use_by_another(h, MAIN),
        Label::FinalOthers(t) => model.tstates_of(MAIN).all(|other| other == t),
        Label::DropTest { tstate, interp } => {
            let last = model.interp(interp).gil.and_then(|g| model.gils[g.index()].last_holder);
            !model.request_seen_in(d, interp) || last != Some(tstate)
        }
        _ => true,
    };
    quiet.then_some(Move::Step { thread: h, prefer: h })
}

/// Who is listed.
fn listed(model: &Runtime) -> impl PartialEq + use<> {
    let tstates = model.tstates.map(|t| (t.status.is_empty(), t.status.contains(StatusBits::CLEARED)));
    (tstates, model.interps.map(|i| i.phase))
}

impl Replay {
    /// Does the call of this thread begin now without an event?
    pub fn begins_quietly(&self, h: ThreadId) -> bool {
        let changes = matches!(self.ahead(h), Some(Event::Effect(_)));
        self.call(h).is_some_and(|call| {
            let quiet = match beginning(call.kind) {
                Beginning::Quiet => true,
                // Unless a thread state is made, or cleared.
                Beginning::QuietAnswer => !changes,
                Beginning::Told | Beginning::Answer => false,
            };
            call.progress == Progress::Called && quiet
        })
    }

    /// Is the call of this thread going to be refused?
    fn refused(&self, h: ThreadId) -> bool {
        matches!(self.answer_ahead(h), Some(Answer::Refused(_)))
    }

    /// Takes the calls that do no more than answer, where the model gives that answer.
    pub fn answer(&mut self) {
        for h in Runtime::thread_ids() {
            let accepted = || self.op(h).is_ok_and(|op| self.model.check(&self.design, h, &op).is_ok());
            if !self.only_answers(h) || !accepted() {
                continue;
            }
            let before = (self.model, self.call(h), self.report);
            if self.begin_and_answer(h).is_err() {
                (self.model, self.place(h).call, self.report) = before;
            }
        }
    }

    /// Does the call of this thread, which has not begun, do no more than answer?
    pub fn only_answers(&self, h: ThreadId) -> bool {
        let call = self.call(h).filter(|call| call.progress == Progress::Called);
        call.zip(self.answer_ahead(h)).is_some_and(|(call, answer)| only_answers(call.kind, answer))
    }

    /// Takes such a call.
    pub fn begin_and_answer(&mut self, h: ThreadId) -> Result<(), Reason> {
        let before = listed(&self.model);
        self.begin(h)?;
        self.finish(h)?;
        if listed(&self.model) == before { Ok(()) } else { Err(Reason::Untold) }
    }

    /// The interpreter of this thread state is finalizing from now on: calls that were let in
    /// begin before.
    pub fn begin_waits(&mut self, ender: ThreadId, t: TstateId) {
        let interp = self.model.tstate(t).interp;
        for h in Runtime::thread_ids().filter(|h| *h != ender) {
            let enters = |call: Call| match call.kind {
                OpKind::ThreadStateSwap
                | OpKind::RestoreThread
                | OpKind::AcquireThread
                | OpKind::GilStateEnsure => self.enters(h, call) == Some(interp),
                _ => false,
            };
            if self.begins_quietly(h) && !self.refused(h) && self.call(h).is_some_and(enters) {
                let before = (self.model, self.call(h), self.report);
                if self.begin(h).is_err() {
                    (self.model, self.place(h).call, self.report) = before;
                }
            }
        }
    }

    /// Into which interpreter a call leads.
    fn enters(&self, h: ThreadId, call: Call) -> Option<InterpId> {
        let t = match call.argument {
            Argument::Tstate(serial) => self.names.tstate(serial),
            _ => self.model.thread(h).gilstate,
        };
        t.map(|t| self.model.tstate(t).interp)
    }

    /// Ends the calls of other threads of which nothing but the answer is missing, as long as
    /// they use a thread state of the main interpreter.
    pub fn let_others_end(&mut self, h: ThreadId) {
        for other in Runtime::thread_ids().filter(|k| *k != h) {
            let inside = self.call(other).is_some_and(|call| call.progress == Progress::Begun);
            if !self.model.interp_in_use_by_another(h, MAIN) || !inside || self.answer_ahead(other).is_none()
            {
                continue;
            }
            let before = (self.model, self.call(other), self.report);
            match self.finish(other) {
                Ok(()) => self.report.reordered += 1,
                Err(_) => (self.model, self.place(other).call, self.report) = before,
            }
        }
    }
}
