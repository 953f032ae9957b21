//! Rules over a step of Ensure, Release and Check.

use cloister_specs::{GilState, InterpId, Move, Op, OpKind, Reply, Rule};

use super::step::{base, entry, started};
use super::threads::{answers, attached, gone, holds_nothing};
use super::{Step, StepRule};
use crate::label::{Label, Leaving};

/// These rules.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Gilstate1, holds: ensured_is_attached },
    StepRule { rule: Rule::Gilstate2, holds: ensure_takes_up_the_named },
    StepRule { rule: Rule::Gilstate3, holds: ensure_leads_where_it_is_asked },
    StepRule { rule: Rule::Gilstate4, holds: a_failed_ensure_changes_nothing },
    StepRule { rule: Rule::Gilstate5, holds: releases_match },
    StepRule { rule: Rule::Gilstate6, holds: releases_are_given_the_answer },
    StepRule { rule: Rule::Gilstate7, holds: releases_find_a_slot },
    StepRule { rule: Rule::Gilstate8, holds: releases_find_it_current },
    StepRule { rule: Rule::Gilstate9, holds: the_last_release_deletes },
    StepRule { rule: Rule::Gilstate10, holds: a_release_restores },
    StepRule { rule: Rule::Gilstate11, holds: check_tells_the_truth },
    StepRule { rule: Rule::Gilstate12, holds: ensures_for_the_named },
];

fn ensured(s: &Step) -> Option<GilState> {
    match answers(s, OpKind::GilStateEnsure) {
        Some(Reply::Ensured(state)) => Some(state),
        _ => None,
    }
}

/// For which interpreter the mover's Ensure is.
fn asked(s: &Step) -> Option<InterpId> {
    match (started(s), base(s.before, s.mv.thread())) {
        (Some(Op::GilStateEnsure { interp, .. }), _) => Some(interp),
        (_, Label::EnsureAttach(e) | Label::EnsureDone(e)) => Some(e.asked),
        _ => None,
    }
}

fn ensured_is_attached(s: &Step) -> bool {
    match (ensured(s), s.after.own_current(s.design, s.mv.thread())) {
        (Some(_), Some(t)) => attached(s, t),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn ensure_takes_up_the_named(s: &Step) -> bool {
    match (ensured(s), entry(s).1) {
        (Some(_), Some(named)) => s.after.own_current(s.design, s.mv.thread()) == Some(named),
        (Some(_), None) | (None, _) => true,
    }
}

fn ensure_leads_where_it_is_asked(s: &Step) -> bool {
    let current = s.after.own_current(s.design, s.mv.thread());
    match (ensured(s), asked(s), current) {
        (Some(_), Some(i), Some(t)) => s.after.tstate(t).interp == i,
        _ => true,
    }
}

fn a_failed_ensure_changes_nothing(s: &Step) -> bool {
    answers(s, OpKind::GilStateEnsure) != Some(Reply::NotEnsured) || s.after == s.before
}

fn released(s: &Step) -> Option<GilState> {
    match started(s) {
        Some(Op::GilStateRelease(state)) => Some(state),
        _ => None,
    }
}

fn releases_match(s: &Step) -> bool {
    let slot = s.before.thread(s.mv.thread()).gilstate;
    released(s).is_none() || slot.is_none_or(|t| s.before.tstate(t).ensures.depth > 0)
}

fn releases_are_given_the_answer(s: &Step) -> bool {
    match (released(s), s.before.thread(s.mv.thread()).gilstate) {
        (Some(state), Some(t)) => s.before.tstate(t).ensures.last().is_none_or(|last| last == state),
        (Some(_), None) | (None, _) => true,
    }
}

fn releases_find_a_slot(s: &Step) -> bool {
    released(s).is_none() || s.before.thread(s.mv.thread()).gilstate.is_some()
}

fn releases_find_it_current(s: &Step) -> bool {
    let h = s.mv.thread();
    let slot = s.before.thread(h).gilstate;
    released(s).is_none() || slot.is_none() || s.before.own_current(s.design, h) == slot
}

/// Does the mover's Release delete the thread state?
fn is_last(s: &Step) -> bool {
    match (released(s), s.before.thread(s.mv.thread()).gilstate) {
        (Some(_), Some(t)) => {
            let ensures = s.before.tstate(t).ensures;
            ensures.made && ensures.depth == 1
        }
        (Some(_), None) => false,
        (None, _) => matches!(
            base(s.before, s.mv.thread()),
            Label::LeaveDetach(_, Leaving::Release)
                | Label::LeaveDrop(_, Leaving::Release)
                | Label::LeaveDelete(_, Leaving::Release)
        ),
    }
}

fn the_last_release_deletes(s: &Step) -> bool {
    match answers(s, OpKind::GilStateRelease) {
        Some(_) if is_last(s) => gone(s),
        Some(_) | None => true,
    }
}

fn a_release_restores(s: &Step) -> bool {
    let h = s.mv.thread();
    let after = s.after.own_current(s.design, h);
    match answers(s, OpKind::GilStateRelease) {
        Some(_) if !is_last(s) => match released(s) {
            Some(GilState::Locked) => after == entry(s).0,
            Some(GilState::Unlocked) | None => {
                after.is_none() && holds_nothing(s) && s.after.thread(h).gilstate == entry(s).1
            }
        },
        Some(_) | None => true,
    }
}

fn check_tells_the_truth(s: &Step) -> bool {
    let h = s.mv.thread();
    let current = s.before.own_current(s.design, h);
    let named = current.is_some() && s.before.thread(h).gilstate == current;
    match answers(s, OpKind::GilStateCheck) {
        Some(reply) => reply == Reply::Is(named),
        None => true,
    }
}

fn ensures_for_the_named(s: &Step) -> bool {
    match (started(s), s.before.thread(s.mv.thread()).gilstate) {
        (Some(Op::GilStateEnsure { interp, .. }), Some(t)) => s.before.tstate(t).interp == interp,
        _ => true,
    }
}

pub(super) fn an_ensure_answers(s: &Step) -> bool {
    ensured(s) == Some(GilState::Unlocked)
}

pub(super) fn an_ensure_finds_a_tstate(s: &Step) -> bool {
    ensured(s).is_some() && entry(s).1.is_some()
}

pub(super) fn an_ensure_makes_one_in_a_sub(s: &Step) -> bool {
    let sub = asked(s).is_some_and(|i| i != cloister_specs::MAIN);
    sub && ensured(s).is_some() && entry(s).1.is_none()
}

pub(super) fn an_ensure_cannot_make_one(s: &Step) -> bool {
    matches!(s.mv, Move::Start(start) if matches!(start.op, Op::GilStateEnsure { fails: true, .. }))
        && entry(s).1.is_none()
}

pub(super) fn a_last_release_answers(s: &Step) -> bool {
    answers(s, OpKind::GilStateRelease).is_some() && is_last(s)
}

pub(super) fn another_release_answers(s: &Step) -> bool {
    answers(s, OpKind::GilStateRelease).is_some() && !is_last(s)
}

pub(super) fn a_check_after_a_creation_answers_no(s: &Step) -> bool {
    let subs = s.before.interps[1..].iter().any(|i| i.phase.is_some());
    subs && answers(s, OpKind::GilStateCheck) == Some(Reply::Is(false))
}
