//! Rules over a step of taking, dropping and handing over a GIL.

use cloister_specs::{Move, Op, Parking, Reply, Rule, TstateId};

use super::step::{answered, base, becomes_current, entry, started};
use super::{Step, StepRule};
use crate::label::{Asked, Label};
use crate::machine::Outcome;
use crate::runtime::Runtime;

/// These rules.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Gil6, holds: expiry_asks },
    StepRule { rule: Rule::Gil8, holds: taking_resets_the_request },
    StepRule { rule: Rule::Gil9, holds: forced_switch_waits },
    StepRule { rule: Rule::Gil13, holds: poll_comes_back },
    StepRule { rule: Rule::Gil14, holds: poll_without_request_is_nothing },
    StepRule { rule: Rule::Gil15, holds: restore_answers_attached },
    StepRule { rule: Rule::Gil16, holds: save_answers_detached },
];

fn expiry_asks(s: &Step) -> bool {
    let h = s.mv.thread();
    match (s.mv, s.before.thread(h).top()) {
        (Move::Expire { .. }, Label::TakeWait { tstate, gil, asked: Asked::No | Asked::Yes, .. })
            if s.before.gils[gil.index()].locked =>
        {
            s.after.request_seen_in(s.design, s.after.tstate(tstate).interp)
        }
        _ => true,
    }
}

/// The thread state for which the mover takes a GIL in this step, if it does.
pub(super) fn took(s: &Step) -> Option<TstateId> {
    let h = s.mv.thread();
    let for_whom = match s.before.thread(h).top() {
        Label::TakeLock(t) | Label::TakeWait { tstate: t, .. } => Some(t),
        _ => s.after.own_current(s.design, h),
    };
    for_whom.filter(|t| {
        let holder = |r: &Runtime| s.after.gil_of(*t).and_then(|g| r.gils[g.index()].holder);
        holder(s.before) != Some(h) && holder(s.after) == Some(h)
    })
}

fn taking_resets_the_request(s: &Step) -> bool {
    took(s).is_none_or(|t| !s.after.request_seen_in(s.design, s.after.tstate(t).interp))
}

fn forced_switch_waits(s: &Step) -> bool {
    let h = s.mv.thread();
    match (s.mv, s.before.thread(h).top()) {
        (Move::Step { .. }, Label::DropWait { tstate, gil, .. }) => {
            s.before.gils[gil.index()].last_holder != Some(tstate)
        }
        (Move::Step { .. } | Move::Expire { .. }, Label::DropTest { tstate, interp }) => {
            let asked = s.before.request_seen_in(s.design, interp);
            let last = s.before.interp(interp).gil.and_then(|g| s.before.gils[g.index()].last_holder);
            !asked || last != Some(tstate) || s.outcome == Outcome::Parked(Parking::Switch)
        }
        _ => true,
    }
}

fn poll_comes_back(s: &Step) -> bool {
    let h = s.mv.thread();
    let polled = matches!(started(s), Some(Op::EvalBreakerPoll))
        || matches!(
            base(s.before, h),
            Label::PollRequest(_)
                | Label::PollDrop(_)
                | Label::PollTake(_)
                | Label::PollAttach(_)
                | Label::PollDone(_)
        );
    !polled || !answered(s) || s.after.own_current(s.design, h) == entry(s).0
}

fn poll_without_request_is_nothing(s: &Step) -> bool {
    let h = s.mv.thread();
    match (started(s), s.before.own_current(s.design, h)) {
        (Some(Op::EvalBreakerPoll), Some(t))
            if !s.before.request_seen_in(s.design, s.before.tstate(t).interp)
                && !s.before.sees_pending(h, t) =>
        {
            let mut same = *s.after;
            same.interps.iter_mut().zip(s.before.interps).for_each(|(i, was)| i.breaker = was.breaker);
            s.outcome == Outcome::Replied(Reply::Done) && same == *s.before
        }
        _ => true,
    }
}

fn restore_answers_attached(s: &Step) -> bool {
    let h = s.mv.thread();
    let begun = becomes_current(s).filter(|_| !matches!(started(s), Some(Op::AcquireThread(_))));
    let target = match (begun, base(s.before, h)) {
        (Some(t), _) | (_, Label::RestoreAttach(t) | Label::RestoreDone(t)) => Some(t),
        (_, Label::SwapAnswer(swap)) => swap.new,
        _ => None,
    };
    match (target, s.outcome) {
        (Some(t), Outcome::Replied(_)) if answered(s) => {
            s.after.own_current(s.design, h) == Some(t)
                && s.after.gil_of(t).is_some_and(|g| s.after.gils[g.index()].holder == Some(h))
        }
        _ => true,
    }
}

fn save_answers_detached(s: &Step) -> bool {
    let h = s.mv.thread();
    let saved = matches!(started(s), Some(Op::SaveThread))
        || matches!(base(s.before, h), Label::SaveDrop(_) | Label::SaveDone(_));
    match s.outcome {
        Outcome::Replied(reply) if saved && answered(s) => {
            reply == Reply::Tstate(entry(s).0)
                && s.after.own_current(s.design, h).is_none()
                && s.after.gils.iter().all(|g| g.holder != Some(h))
        }
        _ => true,
    }
}
