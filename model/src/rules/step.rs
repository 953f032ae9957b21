//! Rules over a step.

use cloister_specs::{
    CreationError, InterpreterConfig, MAIN, Move, Op, OpKind, Phase, Reply, Rule, StatusBits, ThreadId,
    TstateId,
};

use super::{Step, StepRule};
use crate::design::TstateInUse;
use crate::label::Label;
use crate::machine::Outcome;
use crate::runtime::{Runtime, Started};

/// Rules of the engine over a step.
pub static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Life1, holds: created_is_current },
    StepRule { rule: Rule::Life2, holds: failure_restores_the_caller },
    StepRule { rule: Rule::Life4, holds: tstate_exactly_when_ok },
    StepRule { rule: Rule::Life5, holds: settings_are_refused },
    StepRule { rule: Rule::Life6, holds: gil_value_is_refused },
    StepRule { rule: Rule::Life7, holds: settings_come_first },
    StepRule { rule: Rule::Life12, holds: ended_leaves_nothing },
    StepRule { rule: Rule::Life13, holds: nothing_new_unless_live },
    StepRule { rule: Rule::Tls3, holds: only_the_unbound_are_bound },
    StepRule { rule: Rule::Tls4, holds: current_only_if_bound_here },
    StepRule { rule: Rule::Tls6, holds: current_only_if_alive },
    StepRule { rule: Rule::Tls8, holds: cleared_once },
    StepRule { rule: Rule::Tls9, holds: cleared_from_inside },
    StepRule { rule: Rule::Tls10, holds: cleared_only_if_detached },
    StepRule { rule: Rule::Tls11, holds: deleted_only_if_cleared },
    StepRule { rule: Rule::Tls12, holds: deleted_only_if_not_current },
    StepRule { rule: Rule::Tls13, holds: not_cleared_or_deleted_in_use },
    StepRule { rule: Rule::Tls15, holds: bind_displaces_nothing },
    StepRule { rule: Rule::Tls19, holds: new_is_blank },
    StepRule { rule: Rule::Tls20, holds: swap_answers_the_old },
    StepRule { rule: Rule::Tls5, holds: restore_begins_detached },
    StepRule { rule: Rule::Life9, holds: ended_by_its_current },
    StepRule { rule: Rule::Life10, holds: ended_by_its_last },
    StepRule { rule: Rule::Life11, holds: main_is_not_ended },
];

/// The operation that this move starts.
pub(super) fn started(s: &Step) -> Option<Op> {
    match s.mv {
        Move::Start(start) if !matches!(s.outcome, Outcome::Refused(_)) => Some(start.op),
        Move::Start(_) | Move::Step { .. } | Move::Expire { .. } | Move::Spurious { .. } => None,
    }
}

/// The lowest label of the mover, before and after: which procedure it was and is in.
pub(super) fn base(r: &Runtime, h: ThreadId) -> Label {
    r.thread(h).stack[0]
}

/// Has the mover's call answered, and not merely given up because its interpreter is gone?
pub(super) fn answered(s: &Step) -> bool {
    match s.outcome {
        Outcome::Replied(Reply::Finalized | Reply::Exited) => false,
        Outcome::Replied(_) => true,
        Outcome::Running | Outcome::Parked(_) | Outcome::Refused(_) | Outcome::Died(_) => false,
    }
}

fn created_is_current(s: &Step) -> bool {
    let h = s.mv.thread();
    match s.outcome {
        Outcome::Replied(Reply::Created { interp, tstate }) => {
            let r = s.after;
            r.interp(interp).phase == Some(Phase::Live)
                && r.own_current(s.design, h) == Some(tstate)
                && r.tstate(tstate).interp == interp
                && r.gil_of(tstate).is_some_and(|g| r.gils[g.index()].holder == Some(h))
        }
        _ => true,
    }
}

/// What the thread had when the call began: in the ghosts, or in the state before if it begins now.
pub(super) fn entry(s: &Step) -> (Option<TstateId>, Option<TstateId>) {
    let h = s.mv.thread();
    match s.mv {
        Move::Start(_) => (s.before.own_current(s.design, h), s.before.thread(h).gilstate),
        Move::Step { .. } | Move::Expire { .. } | Move::Spurious { .. } => {
            (s.before.thread(h).entry, s.before.thread(h).entry_gilstate)
        }
    }
}

/// Is the mover in a call that creates an interpreter, or does it begin one?
pub(super) fn creates(s: &Step) -> bool {
    let kind = match s.mv {
        Move::Start(start) => Some(start.op.kind()),
        Move::Step { thread, .. } | Move::Expire { thread, .. } | Move::Spurious { thread, .. } => {
            base(s.before, *thread).call()
        }
    };
    matches!(kind, Some(OpKind::NewInterpreterFromConfig | OpKind::NewInterpreter))
}

fn failure_restores_the_caller(s: &Step) -> bool {
    let h = s.mv.thread();
    match s.outcome {
        Outcome::Replied(Reply::Failed(_) | Reply::OkWithNull | Reply::Tstate(None)) if creates(s) => {
            let (current, gilstate) = entry(s);
            let r = s.after;
            let holds = |t| r.gil_of(t).is_some_and(|g| r.gils[g.index()].holder == Some(h));
            let kept = gilstate.filter(|t| r.alive(*t) && r.tstate(*t).thread == Some(h));
            r.own_current(s.design, h) == current
                && current.is_none_or(holds)
                && (kept.is_none() || r.thread(h).gilstate == kept)
        }
        _ => true,
    }
}

fn tstate_exactly_when_ok(s: &Step) -> bool {
    s.outcome != Outcome::Replied(Reply::OkWithNull)
}

fn config_of_created(s: &Step) -> Option<InterpreterConfig> {
    match s.outcome {
        Outcome::Replied(Reply::Created { interp, .. }) => Some(s.after.interp(interp).config),
        _ => None,
    }
}

fn settings_are_refused(s: &Step) -> bool {
    config_of_created(s).is_none_or(|c| c.use_main_obmalloc || c.check_multi_interp_extensions)
}

fn gil_value_is_refused(s: &Step) -> bool {
    config_of_created(s).is_none_or(|c| c.gil <= 2)
}

fn settings_come_first(s: &Step) -> bool {
    let bad = |c: InterpreterConfig| !c.use_main_obmalloc && !c.check_multi_interp_extensions;
    let config = match (started(s), base(s.before, s.mv.thread())) {
        (Some(Op::NewInterpreterFromConfig { config, .. }), _) => Some(config),
        (_, Label::Undo(c, _) | Label::UndoDelete(c) | Label::CreateGil(c)) => {
            Some(s.before.interp(c.interp).config)
        }
        _ => None,
    };
    s.outcome != Outcome::Replied(Reply::Failed(CreationError::GilValue)) || !config.is_some_and(bad)
}

fn ended_leaves_nothing(s: &Step) -> bool {
    let h = s.mv.thread();
    let ended = match (base(s.before, h), started(s)) {
        (Label::EndFree(i), _) => Some(i),
        (Label::EndClear(t) | Label::EndDetach(t) | Label::EndDrop(t) | Label::EndDelete(t), _) => {
            Some(s.before.tstate(t).interp)
        }
        (_, Some(Op::EndInterpreter(t))) => Some(s.before.tstate(t).interp),
        _ => None,
    };
    match (ended, s.outcome) {
        (Some(i), Outcome::Replied(_)) if answered(s) => {
            let r = s.after;
            r.interp(i).phase.is_none()
                && !r.gils[i.index()].created
                && r.tstates.iter().all(|x| x.status.is_empty() || x.interp != i)
                && r.own_current(s.design, h).is_none()
                && r.gils.iter().all(|g| g.holder != Some(h))
        }
        _ => true,
    }
}

fn nothing_new_unless_live(s: &Step) -> bool {
    let live = |i| s.before.interp(i).phase == Some(Phase::Live);
    match started(s) {
        Some(Op::ThreadStateNew(i) | Op::AddPendingCall { interp: Some(i), .. }) => live(i),
        Some(Op::ThreadStateBind(t) | Op::ThreadStateDelete(t)) => live(s.before.tstate(t).interp),
        Some(
            Op::ThreadStateSwap(Some(t)) | Op::RestoreThread(t) | Op::AcquireThread(t) | Op::RunThread(t),
        ) => s.before.usable(s.before.tstate(t).interp),
        _ => true,
    }
}

fn only_the_unbound_are_bound(s: &Step) -> bool {
    match started(s) {
        Some(Op::ThreadStateBind(t)) => s.before.alive(t) && !s.before.has(t, StatusBits::BOUND),
        _ => true,
    }
}

pub(super) fn becomes_current(s: &Step) -> Option<TstateId> {
    match started(s) {
        Some(Op::ThreadStateSwap(Some(t)) | Op::RestoreThread(t) | Op::AcquireThread(t)) => Some(t),
        _ => None,
    }
}

fn current_only_if_bound_here(s: &Step) -> bool {
    becomes_current(s).is_none_or(|t| s.before.tstate(t).thread == Some(s.mv.thread()))
}

fn current_only_if_alive(s: &Step) -> bool {
    becomes_current(s).is_none_or(|t| s.before.alive(t))
}

fn restore_begins_detached(s: &Step) -> bool {
    match started(s) {
        Some(Op::RestoreThread(_)) => s.before.own_current(s.design, s.mv.thread()).is_none(),
        _ => true,
    }
}

fn cleared_once(s: &Step) -> bool {
    match started(s) {
        Some(Op::ThreadStateClear(t)) => s.before.alive(t),
        _ => true,
    }
}

fn cleared_from_inside(s: &Step) -> bool {
    match started(s) {
        Some(Op::ThreadStateClear(t)) => {
            let current = s.before.own_current(s.design, s.mv.thread());
            current.is_some_and(|c| s.before.tstate(c).interp == s.before.tstate(t).interp)
        }
        _ => true,
    }
}

fn cleared_only_if_detached(s: &Step) -> bool {
    match started(s) {
        Some(Op::ThreadStateClear(t)) => !s.before.has(t, StatusBits::ACTIVE),
        _ => true,
    }
}

fn deleted_only_if_cleared(s: &Step) -> bool {
    match started(s) {
        Some(Op::ThreadStateDelete(t)) => s.before.has(t, StatusBits::CLEARED),
        _ => true,
    }
}

fn deleted_only_if_not_current(s: &Step) -> bool {
    match started(s) {
        Some(Op::ThreadStateDelete(t)) => !s.before.has(t, StatusBits::ACTIVE),
        _ => true,
    }
}

fn not_cleared_or_deleted_in_use(s: &Step) -> bool {
    match (started(s), s.design.tstate_in_use) {
        (Some(Op::ThreadStateClear(t) | Op::ThreadStateDelete(t)), TstateInUse::Guarded) => {
            !s.before.in_use_by_another(s.mv.thread(), t)
        }
        _ => true,
    }
}

fn bind_displaces_nothing(s: &Step) -> bool {
    let h = s.mv.thread();
    match started(s) {
        Some(Op::ThreadStateBind(t)) => match s.before.thread(h).gilstate {
            Some(named) => s.after.thread(h).gilstate == Some(named),
            None => s.after.thread(h).gilstate == Some(t),
        },
        _ => true,
    }
}

fn new_is_blank(s: &Step) -> bool {
    match (started(s), s.outcome) {
        (Some(Op::ThreadStateNew(i)), Outcome::Replied(Reply::Tstate(Some(t)))) => {
            let x = s.after.tstate(t);
            x.status == StatusBits::INITIALIZED
                && x.interp == i
                && x.thread.is_none()
                && !named_as_its_own(s.after, t)
        }
        _ => true,
    }
}

fn named_as_its_own(r: &Runtime, t: TstateId) -> bool {
    r.threads.iter().any(|x| x.current == Some(t) || x.gilstate == Some(t))
}

fn swap_answers_the_old(s: &Step) -> bool {
    let h = s.mv.thread();
    let new = match (started(s), base(s.before, h)) {
        (Some(Op::ThreadStateSwap(new)), _) => new,
        (_, Label::SwapAnswer(swap)) => swap.new,
        _ => return true,
    };
    match s.outcome {
        Outcome::Replied(reply) if answered(s) => {
            reply == Reply::Tstate(entry(s).0) && s.after.own_current(s.design, h) == new
        }
        _ => true,
    }
}

fn ended_by_its_current(s: &Step) -> bool {
    match started(s) {
        Some(Op::EndInterpreter(t)) => s.before.own_current(s.design, s.mv.thread()) == Some(t),
        _ => true,
    }
}

fn ended_by_its_last(s: &Step) -> bool {
    match started(s) {
        Some(Op::EndInterpreter(t)) => {
            let waited_for = |x| s.before.tstate(x).started == Some(Started::Joined);
            s.before.tstates_of(s.before.tstate(t).interp).all(|x| x == t || waited_for(x))
        }
        _ => true,
    }
}

fn main_is_not_ended(s: &Step) -> bool {
    match started(s) {
        Some(Op::EndInterpreter(t)) => s.before.tstate(t).interp != MAIN,
        _ => true,
    }
}
