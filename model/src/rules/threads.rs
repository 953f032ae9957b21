//! Rules over a step of the calls that a thread makes at its beginning and its end, and of
//! the legacy creation.

use cloister_specs::{InterpreterConfig, Op, OpKind, Reply, Rule, StatusBits, TstateId};

use super::step::{base, becomes_current, creates, entry, started};
use super::{Step, StepRule};
use crate::label::{Label, Leaving};
use crate::machine::Outcome;
use crate::runtime::Runtime;

/// These rules.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Life16, holds: legacy_is_legacy },
    StepRule { rule: Rule::Life17, holds: legacy_failure_is_null },
    StepRule { rule: Rule::Tls21, holds: deletes_something },
    StepRule { rule: Rule::Tls22, holds: delete_current_leaves_nothing },
    StepRule { rule: Rule::Gil17, holds: acquire_begins_detached },
    StepRule { rule: Rule::Gil18, holds: acquire_answers_attached },
    StepRule { rule: Rule::Gil19, holds: releases_the_current },
    StepRule { rule: Rule::Gil20, holds: release_answers_detached },
];

/// Does a call of this kind answer in this step?
pub(super) fn answers(s: &Step, kind: OpKind) -> Option<Reply> {
    let Outcome::Replied(reply) = s.outcome else { return None };
    let begun = started(s).map(|op| op.kind()).or_else(|| base(s.before, s.mv.thread()).call());
    (begun == Some(kind)).then_some(reply)
}

/// Does the mover hold no GIL?
pub(super) fn holds_nothing(s: &Step) -> bool {
    s.after.gils.iter().all(|g| g.holder != Some(s.mv.thread()))
}

/// Is this one current in the mover, with its GIL held?
pub(super) fn attached(s: &Step, t: TstateId) -> bool {
    let h = s.mv.thread();
    s.after.own_current(s.design, h) == Some(t)
        && s.after.gil_of(t).is_some_and(|g| s.after.gils[g.index()].holder == Some(h))
}

fn legacy_is_legacy(s: &Step) -> bool {
    match answers(s, OpKind::NewInterpreter) {
        Some(Reply::Created { interp, .. }) => s.after.interp(interp).config == InterpreterConfig::LEGACY,
        _ => true,
    }
}

fn legacy_failure_is_null(s: &Step) -> bool {
    let reply = answers(s, OpKind::NewInterpreter);
    matches!(reply, None | Some(Reply::Created { .. } | Reply::Tstate(None)))
}

fn deletes_something(s: &Step) -> bool {
    match started(s) {
        Some(Op::ThreadStateDeleteCurrent) => s.before.own_current(s.design, s.mv.thread()).is_some(),
        _ => true,
    }
}

fn delete_current_leaves_nothing(s: &Step) -> bool {
    match answers(s, OpKind::ThreadStateDeleteCurrent) {
        Some(_) => gone(s),
        None => true,
    }
}

/// Has the thread state gone that was current when the call began, and all that named it?
pub(super) fn gone(s: &Step) -> bool {
    let thread = s.after.thread(s.mv.thread());
    let was = entry(s).0;
    s.after.own_current(s.design, s.mv.thread()).is_none()
        && holds_nothing(s)
        && was.is_none_or(|t| thread.gilstate != Some(t) && unlisted(s.after, t))
}

fn unlisted(r: &Runtime, t: TstateId) -> bool {
    !r.listed(t) || !r.has(t, StatusBits::CLEARED)
}

fn acquire_begins_detached(s: &Step) -> bool {
    match started(s) {
        Some(Op::AcquireThread(_)) => s.before.own_current(s.design, s.mv.thread()).is_none(),
        _ => true,
    }
}

fn acquire_answers_attached(s: &Step) -> bool {
    let target = match base(s.before, s.mv.thread()) {
        Label::AcquireAttach(t) | Label::AcquireDone(t) => Some(t),
        _ => becomes_current(s),
    };
    match (answers(s, OpKind::AcquireThread), target) {
        (Some(_), Some(t)) => attached(s, t),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn releases_the_current(s: &Step) -> bool {
    match started(s) {
        Some(Op::ReleaseThread(t)) => s.before.own_current(s.design, s.mv.thread()) == Some(t),
        _ => true,
    }
}

fn release_answers_detached(s: &Step) -> bool {
    match answers(s, OpKind::ReleaseThread) {
        Some(_) => s.after.own_current(s.design, s.mv.thread()).is_none() && holds_nothing(s),
        None => true,
    }
}

pub(super) fn a_legacy_creation_succeeds(s: &Step) -> bool {
    matches!(answers(s, OpKind::NewInterpreter), Some(Reply::Created { .. }))
}

pub(super) fn a_legacy_creation_fails(s: &Step) -> bool {
    creates(s) && answers(s, OpKind::NewInterpreter) == Some(Reply::Tstate(None))
}

pub(super) fn a_current_tstate_is_deleted(s: &Step) -> bool {
    matches!(base(s.before, s.mv.thread()), Label::LeaveDelete(_, Leaving::DeleteCurrent))
        || matches!(started(s), Some(Op::ThreadStateDeleteCurrent))
}

pub(super) fn an_acquire_answers(s: &Step) -> bool {
    answers(s, OpKind::AcquireThread).is_some()
}

pub(super) fn a_release_of_a_thread_answers(s: &Step) -> bool {
    answers(s, OpKind::ReleaseThread).is_some()
}
