//! Rules of ids, and of ending an interpreter from outside.

use cloister_specs::{Denied, InterpId, Op, OpKind, Phase, Reply, Rule};

use super::step::{base, creates, entry, started};
use super::threads::answers;
use super::{Step, StepRule};
use crate::label::{By, Label, Outside};
use crate::machine::Outcome;
use crate::runtime::Runtime;

/// These rules.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Id1, holds: ids_grow },
    StepRule { rule: Rule::Id2, holds: no_id_is_used_up },
    StepRule { rule: Rule::Id3, holds: look_ups_find_it },
    StepRule { rule: Rule::Id4, holds: references_were_taken },
    StepRule { rule: Rule::Id5, holds: ended_with_the_last_reference },
    StepRule { rule: Rule::Id6, holds: ended_through_ones_own },
    StepRule { rule: Rule::Id7, holds: the_caller_comes_back },
    StepRule { rule: Rule::Id8, holds: not_from_within },
    StepRule { rule: Rule::Id9, holds: not_while_it_runs },
    StepRule { rule: Rule::Id10, holds: checked_as_it_ends },
    StepRule { rule: Rule::Id11, holds: run_by_one },
    StepRule { rule: Rule::Id12, holds: said_from_inside },
    StepRule { rule: Rule::Id13, holds: said_of_itself },
];

fn ids_grow(s: &Step) -> bool {
    Runtime::interp_ids().filter(|i| !s.before.interp_listed(*i) && s.after.interp_listed(*i)).all(|i| {
        let new = s.after.interp(i).id;
        let older = |k| s.before.interp_listed(k) && s.before.interp(k).id >= new;
        new >= s.before.next_id || !s.before.initialized() || !Runtime::interp_ids().any(older)
    })
}

fn no_id_is_used_up(s: &Step) -> bool {
    let no_memory = matches!(
        s.outcome,
        Outcome::Replied(
            Reply::Failed(cloister_specs::CreationError::NoMemory) | Reply::OkWithNull | Reply::Tstate(None)
        )
    );
    let begun = started(s).is_some();
    !(no_memory && begun && creates(s)) || s.after.next_id == s.before.next_id
}

fn look_ups_find_it(s: &Step) -> bool {
    let Some(Op::InterpreterLookUpId(id)) = started(s) else { return true };
    let there = Runtime::interp_ids().find(|i| s.before.interp_listed(*i) && s.before.interp(*i).id == id);
    s.outcome == Outcome::Replied(there.map_or(Reply::Denied(Denied::UnknownId), Reply::Interp))
}

fn references_were_taken(s: &Step) -> bool {
    match started(s) {
        Some(Op::InterpreterIdDecref(i)) => s.before.interp(i).id_refs > 0,
        _ => true,
    }
}

/// The mover's end from outside.
fn outside(s: &Step) -> Option<Outside> {
    match base(s.before, s.mv.thread()) {
        Label::OutsideSwap(o) | Label::OutsideEnd(o) | Label::OutsideBack(o) | Label::OutsideDone(o) => {
            Some(o)
        }
        _ => None,
    }
}

fn ended_with_the_last_reference(s: &Step) -> bool {
    match (started(s), s.outcome) {
        (Some(Op::InterpreterIdDecref(i)), Outcome::Replied(_)) => {
            s.before.last_reference(i) != s.after.interp_listed(i)
        }
        _ => true,
    }
}

/// The interpreter that the mover's call begins to end from outside.
fn ends(s: &Step) -> Option<InterpId> {
    match started(s) {
        Some(Op::InterpreterIdDecref(i)) if s.before.last_reference(i) => Some(i),
        Some(Op::DestroyInterpreter(i))
            if !s.before.is_current(s.design, s.mv.thread(), i) && s.before.interp(i).running.is_none() =>
        {
            Some(i)
        }
        _ => None,
    }
}

fn ended_through_ones_own(s: &Step) -> bool {
    ends(s).is_none_or(|i| s.before.head(i).is_some_and(|t| s.before.tstate(t).thread == Some(s.mv.thread())))
}

fn the_caller_comes_back(s: &Step) -> bool {
    let reply = answers(s, OpKind::InterpreterIdDecref).or(answers(s, OpKind::DestroyInterpreter));
    match reply {
        Some(Reply::Finalized | Reply::Exited) | None => true,
        Some(_) => s.after.own_current(s.design, s.mv.thread()) == entry(s).0,
    }
}

fn not_from_within(s: &Step) -> bool {
    let h = s.mv.thread();
    match started(s) {
        Some(Op::DestroyInterpreter(i)) if s.before.is_current(s.design, h, i) => {
            s.outcome == Outcome::Replied(Reply::Denied(Denied::DestroyCurrent))
        }
        Some(Op::InterpreterIdDecref(i)) if s.before.last_reference(i) => {
            !s.before.is_current(s.design, h, i)
        }
        _ => true,
    }
}

fn not_while_it_runs(s: &Step) -> bool {
    match started(s) {
        Some(Op::DestroyInterpreter(i))
            if s.before.interp(i).running.is_some() && !s.before.is_current(s.design, s.mv.thread(), i) =>
        {
            s.outcome == Outcome::Replied(Reply::Denied(Denied::Running))
        }
        _ => true,
    }
}

fn checked_as_it_ends(s: &Step) -> bool {
    match outside(s) {
        Some(o) if o.by == By::Destroy && s.before.listed(o.head) => {
            let i = s.before.tstate(o.head).interp;
            let begins =
                s.before.interp(i).phase == Some(Phase::Live) && s.after.interp(i).phase != Some(Phase::Live);
            !begins || s.before.interp(i).running.is_none()
        }
        Some(_) | None => true,
    }
}

fn run_by_one(s: &Step) -> bool {
    let current = s.before.own_current(s.design, s.mv.thread());
    match (started(s), current) {
        (Some(Op::SetRunningMain), Some(t)) => {
            let busy = s.before.interp(s.before.tstate(t).interp).running.is_some();
            (s.outcome == Outcome::Replied(Reply::Denied(Denied::AlreadyRunning))) == busy
        }
        _ => true,
    }
}

fn said_from_inside(s: &Step) -> bool {
    match started(s) {
        Some(Op::SetRunningMain | Op::SetNotRunningMain | Op::DestroyInterpreter(_)) => {
            s.before.own_current(s.design, s.mv.thread()).is_some()
        }
        _ => true,
    }
}

fn said_of_itself(s: &Step) -> bool {
    match (started(s), s.before.own_current(s.design, s.mv.thread())) {
        (Some(Op::SetNotRunningMain), Some(t)) => {
            s.before.interp(s.before.tstate(t).interp).running == Some(t)
        }
        _ => true,
    }
}

pub(super) fn an_interpreter_is_new_beside_another(s: &Step) -> bool {
    s.before.interps[1..].iter().any(|i| i.phase.is_some())
        && Runtime::interp_ids().any(|i| !s.before.interp_listed(i) && s.after.interp_listed(i))
}

pub(super) fn an_unknown_id_is_looked_up(s: &Step) -> bool {
    answers(s, OpKind::InterpreterLookUpId) == Some(Reply::Denied(Denied::UnknownId))
}

pub(super) fn a_reference_is_given_back(s: &Step) -> bool {
    matches!(started(s), Some(Op::InterpreterIdDecref(i)) if s.before.last_reference(i))
}

pub(super) fn an_end_from_outside_answers(s: &Step) -> bool {
    let reply = answers(s, OpKind::InterpreterIdDecref).or(answers(s, OpKind::DestroyInterpreter));
    reply == Some(Reply::Done)
        && Runtime::interp_ids().any(|i| s.before.interp_listed(i) && !s.after.interp_listed(i))
}

pub(super) fn a_destroy_answers(s: &Step, with: Denied) -> bool {
    answers(s, OpKind::DestroyInterpreter) == Some(Reply::Denied(with))
}

pub(super) fn it_is_destroyed_from_within(s: &Step) -> bool {
    a_destroy_answers(s, Denied::DestroyCurrent)
}

pub(super) fn it_is_destroyed_while_it_runs(s: &Step) -> bool {
    a_destroy_answers(s, Denied::Running)
}

pub(super) fn it_is_destroyed_beside_another_thread(s: &Step) -> bool {
    matches!(started(s), Some(Op::DestroyInterpreter(_))) && ends(s).is_some()
}

pub(super) fn two_want_to_run_it(s: &Step) -> bool {
    answers(s, OpKind::SetRunningMain) == Some(Reply::Denied(Denied::AlreadyRunning))
}
