//! Rules of pending calls.

use cloister_specs::{Calls, InterpId, MAIN, Op, OpKind, PendingCall, Reply, Rule, TstateId};

use super::step::started;
use super::threads::answers;
use super::{StateRule, Step, StepRule};
use crate::design::Design;
use crate::label::{Label, Pass, Run};
use crate::machine::Outcome;
use crate::ring::Ring;
use crate::runtime::{Runtime, Thread};

/// Those over a state.
pub(super) static STATE_RULES: &[StateRule] = &[
    StateRule { rule: Rule::Pend6, holds: one_at_a_time },
    StateRule { rule: Rule::Pend9, holds: calls_are_signalled },
];

/// Those over a step.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Pend1, holds: added_behind_or_full },
    StepRule { rule: Rule::Pend2, holds: main_ring_in_the_main_thread },
    StepRule { rule: Rule::Pend3, holds: ring_in_its_interpreter },
    StepRule { rule: Rule::Pend4, holds: in_order },
    StepRule { rule: Rule::Pend5, holds: a_poll_runs_what_it_sees },
    StepRule { rule: Rule::Pend7, holds: a_failure_ends_the_run },
    StepRule { rule: Rule::Pend8, holds: made_in_the_main_thread },
    StepRule { rule: Rule::Pend10, holds: made_attached },
];

/// The runs of pending calls that this thread is in the middle of.
fn runs(x: &Thread) -> impl Iterator<Item = Run> {
    x.stack.into_iter().filter_map(|l| match l {
        Label::PendNext(run)
        | Label::PendDrop(run)
        | Label::PendTake(run)
        | Label::PendAttach(run)
        | Label::PendEnd(run, _) => Some(run),
        _ => None,
    })
}

fn one_at_a_time(_: &Design, r: &Runtime) -> bool {
    Runtime::interp_ids().all(|i| {
        let here = |run: &Run| r.listed(run.tstate) && r.tstate(run.tstate).interp == i;
        let count: usize = r.threads.iter().map(|x| runs(x).filter(here).count()).sum();
        count == usize::from(r.interp(i).busy)
    })
}

fn calls_are_signalled(_: &Design, r: &Runtime) -> bool {
    let fine = |ring: &Ring, i: InterpId| ring.is_empty() || ring.signalled || r.interp(i).busy;
    Runtime::interp_ids().all(|i| fine(&r.interp(i).pending, i)) && fine(&r.pending_main, MAIN)
}

fn ring(r: &Runtime, interp: Option<InterpId>) -> &Ring {
    match interp {
        Some(i) => &r.interp(i).pending,
        None => &r.pending_main,
    }
}

fn added_behind_or_full(s: &Step) -> bool {
    let Some(Op::AddPendingCall { interp, call }) = started(s) else { return true };
    let (before, after) = (ring(s.before, interp), ring(s.after, interp));
    let mut longer = before.calls;
    match longer.iter_mut().find(|place| place.is_none()) {
        Some(place) => {
            *place = Some(call);
            s.outcome == Outcome::Replied(Reply::Done) && after.calls == longer
        }
        None => s.outcome == Outcome::Replied(Reply::Full) && after.calls == before.calls,
    }
}

/// The thread state that runs pending calls in this step: that of the mover's run or end, or
/// the current one where a call begins that runs them.
fn runner(s: &Step) -> Option<TstateId> {
    let h = s.mv.thread();
    let inside = runs(s.before.thread(h)).next().map(|run| run.tstate);
    let ending = s.before.thread(h).stack.into_iter().find_map(|l| match l {
        Label::FinishLook(e)
        | Label::FinishTake(e)
        | Label::FinishAttach(e)
        | Label::FinishJoin(e)
        | Label::FinishPend(e) => Some(e.tstate),
        Label::FinishWait { end, .. } => Some(end.tstate),
        Label::OutsideSwap(o) | Label::OutsideEnd(o) => Some(o.head),
        _ => None,
    });
    inside.or(ending).or_else(|| s.before.own_current(s.design, h))
}

/// The calls that were run in this step, in order.
fn newly_ran(s: &Step) -> Vec<PendingCall> {
    let h = s.mv.thread();
    let all = match s.outcome {
        Outcome::Replied(Reply::Ran { calls, .. }) => calls,
        Outcome::Replied(_) => Calls::NONE,
        Outcome::Running | Outcome::Parked(_) | Outcome::Refused(_) | Outcome::Died(_) => {
            s.after.thread(h).ran
        }
    };
    all.iter().skip(s.before.thread(h).ran.len()).collect()
}

/// Was a call taken out of this ring?
fn taken_from(s: &Step, interp: Option<InterpId>) -> bool {
    let (before, after) = (ring(s.before, interp), ring(s.after, interp));
    !before.is_empty() && !after.calls.starts_with(&before.calls[..before.len()])
}

fn main_ring_in_the_main_thread(s: &Step) -> bool {
    !taken_from(s, None)
        || (s.mv.thread() == s.before.main_thread
            && runner(s).is_some_and(|t| s.before.tstate(t).interp == MAIN))
}

fn ring_in_its_interpreter(s: &Step) -> bool {
    Runtime::interp_ids()
        .filter(|i| s.after.interp_listed(*i))
        .all(|i| !taken_from(s, Some(i)) || runner(s).is_some_and(|t| s.before.tstate(t).interp == i))
}

fn in_order(s: &Step) -> bool {
    let Some(t) = runner(s) else { return true };
    let ran = newly_ran(s);
    let passed = runs(s.before.thread(s.mv.thread())).next().map(|run| run.pass);
    let interp = s.before.interp(s.before.tstate(t).interp).pending;
    let first = match passed {
        None | Some(Pass::Interp) => interp.calls,
        Some(Pass::Main) => s.before.pending_main.calls,
    };
    ran.iter().zip(first.iter().flatten()).all(|(did, was)| did == was)
}

fn a_poll_runs_what_it_sees(s: &Step) -> bool {
    let h = s.mv.thread();
    let (Some(Op::EvalBreakerPoll), Some(t)) = (started(s), s.before.own_current(s.design, h)) else {
        return true;
    };
    let interp = s.before.interp(s.before.tstate(t).interp);
    let mine = !interp.pending.is_empty();
    let mains = s.before.runs_main_ring(h, t) && !s.before.pending_main.is_empty();
    let over = matches!(s.outcome, Outcome::Replied(_) | Outcome::Parked(_));
    interp.busy || !(mine || mains) || !over || !newly_ran(s).is_empty()
}

fn a_failure_ends_the_run(s: &Step) -> bool {
    match s.outcome {
        Outcome::Replied(Reply::Ran { calls, failed }) => {
            let failure = calls.iter().position(|call| call == PendingCall::Fails);
            failed == failure.is_some() && failure.is_none_or(|at| at + 1 == calls.len())
        }
        _ => true,
    }
}

fn made_in_the_main_thread(s: &Step) -> bool {
    let nothing = Reply::Ran { calls: Calls::NONE, failed: false };
    let h = s.mv.thread();
    let here = s.before.own_current(s.design, h).is_some_and(|t| s.before.runs_main_ring(h, t));
    match (started(s), answers(s, OpKind::MakePendingCalls)) {
        (Some(_), Some(reply)) => here || reply == nothing,
        (Some(_) | None, _) => true,
    }
}

fn made_attached(s: &Step) -> bool {
    match started(s) {
        Some(Op::MakePendingCalls) => s.before.own_current(s.design, s.mv.thread()).is_some(),
        _ => true,
    }
}

pub(super) fn a_ring_is_full(s: &Step) -> bool {
    answers(s, OpKind::AddPendingCall) == Some(Reply::Full)
}

pub(super) fn another_thread_passes_the_main_ring(s: &Step) -> bool {
    let elsewhere = s.mv.thread() != s.before.main_thread;
    elsewhere && matches!(started(s), Some(Op::EvalBreakerPoll)) && !s.before.pending_main.is_empty()
}

pub(super) fn a_sub_runs_its_ring(s: &Step) -> bool {
    Runtime::interp_ids().skip(1).filter(|i| s.after.interp_listed(*i)).any(|i| taken_from(s, Some(i)))
}

pub(super) fn two_calls_are_run(s: &Step) -> bool {
    match s.outcome {
        Outcome::Replied(Reply::Ran { calls, .. }) => calls.len() >= 2,
        _ => false,
    }
}

pub(super) fn a_poll_runs_a_call(s: &Step) -> bool {
    matches!(started(s), Some(Op::EvalBreakerPoll)) && !newly_ran(s).is_empty()
}

pub(super) fn somebody_meets_a_run(s: &Step) -> bool {
    let run = |op| matches!(op, Op::EvalBreakerPoll | Op::MakePendingCalls);
    match (started(s), s.before.own_current(s.design, s.mv.thread())) {
        (Some(op), Some(t)) if run(op) => s.before.interp(s.before.tstate(t).interp).busy,
        _ => newly_ran(s).contains(&PendingCall::Makes),
    }
}

pub(super) fn a_call_fails_before_another(s: &Step) -> bool {
    let left = |r: &Runtime| r.interps.iter().any(|i| !i.pending.is_empty()) || !r.pending_main.is_empty();
    matches!(s.outcome, Outcome::Replied(Reply::Ran { failed: true, .. })) && left(s.after)
}

pub(super) fn another_thread_makes_pending_calls(s: &Step) -> bool {
    let elsewhere = s.mv.thread() != s.before.main_thread;
    elsewhere && matches!(started(s), Some(Op::MakePendingCalls)) && !s.before.pending_main.is_empty()
}

pub(super) fn a_ring_has_calls(s: &Step) -> bool {
    !s.after.pending_main.is_empty()
}
