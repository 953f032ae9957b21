//! Rules of fork, and of what a configuration does not allow.

use cloister_specs::{Denied, FeatureFlags, MAIN, Op, OpKind, Reply, Rule};

use super::step::started;
use super::threads::{answers, attached};
use super::{Step, StepRule};
use crate::machine::Outcome;

/// These rules.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Fork1, holds: fork_if_allowed },
    StepRule { rule: Rule::Fork2, holds: the_child_runs },
    StepRule { rule: Rule::Fork3, holds: not_from_a_sub },
    StepRule { rule: Rule::Fork4, holds: the_child_is_alone },
    StepRule { rule: Rule::Fork5, holds: from_inside },
    StepRule { rule: Rule::Fork6, holds: exec_if_allowed },
    StepRule { rule: Rule::Fork7, holds: threads_if_allowed },
    StepRule { rule: Rule::Fork8, holds: daemons_if_allowed },
];

/// The flags of the mover's interpreter.
fn flags(s: &Step) -> FeatureFlags {
    let current = s.before.own_current(s.design, s.mv.thread());
    current.map_or(FeatureFlags::empty(), |t| s.before.interp(s.before.tstate(t).interp).flags())
}

/// Is the call denied exactly where the flag is missing?
fn denied_without(s: &Step, flag: FeatureFlags, with: Denied) -> bool {
    (s.outcome == Outcome::Replied(Reply::Denied(with))) != flags(s).contains(flag)
}

fn fork_if_allowed(s: &Step) -> bool {
    !matches!(started(s), Some(Op::Fork)) || denied_without(s, FeatureFlags::FORK, Denied::Fork)
}

fn exec_if_allowed(s: &Step) -> bool {
    !matches!(started(s), Some(Op::Exec)) || denied_without(s, FeatureFlags::EXEC, Denied::Exec)
}

fn threads_if_allowed(s: &Step) -> bool {
    match started(s) {
        Some(Op::StartThread { daemon: false, .. }) => {
            denied_without(s, FeatureFlags::THREADS, Denied::Threads)
        }
        _ => true,
    }
}

fn daemons_if_allowed(s: &Step) -> bool {
    match started(s) {
        Some(Op::StartThread { daemon: true, .. }) => {
            denied_without(s, FeatureFlags::DAEMON_THREADS, Denied::Daemons)
        }
        _ => true,
    }
}

fn forked(s: &Step) -> bool {
    answers(s, OpKind::Fork) == Some(Reply::Forked)
}

fn the_child_runs(s: &Step) -> bool {
    let before = s.before.own_current(s.design, s.mv.thread());
    !forked(s) || before.is_some_and(|t| attached(s, t))
}

fn not_from_a_sub(s: &Step) -> bool {
    !forked(s) || s.before.is_current(s.design, s.mv.thread(), MAIN)
}

fn the_child_is_alone(s: &Step) -> bool {
    let h = s.mv.thread();
    let r = s.after;
    !forked(s)
        || (r.interps[1..].iter().all(|i| i.phase.is_none())
            && r.tstates.iter().filter(|x| !x.status.is_empty()).count() == 1
            && r.threads.iter().enumerate().all(|(k, x)| k == h.index() || (x.gone && x.gilstate.is_none()))
            && r.gils.iter().all(|g| g.holder.is_none_or(|holder| holder == h)))
}

fn from_inside(s: &Step) -> bool {
    match started(s) {
        Some(Op::Fork | Op::Exec) => s.before.own_current(s.design, s.mv.thread()).is_some(),
        _ => true,
    }
}

pub(super) fn a_fork_is_denied(s: &Step) -> bool {
    answers(s, OpKind::Fork) == Some(Reply::Denied(Denied::Fork))
}

pub(super) fn a_fork_beside_a_sub(s: &Step) -> bool {
    forked(s) && s.before.interps[1..].iter().any(|i| i.phase.is_some())
}

pub(super) fn a_fork_in_a_sub(s: &Step) -> bool {
    answers(s, OpKind::Fork) == Some(Reply::Denied(Denied::ForkInSub))
}

pub(super) fn a_fork_beside_another_thread(s: &Step) -> bool {
    forked(s) && s.before.tstates.iter().any(|x| x.thread.is_some_and(|k| k != s.mv.thread()))
}

pub(super) fn an_exec_is_denied(s: &Step) -> bool {
    answers(s, OpKind::Exec) == Some(Reply::Denied(Denied::Exec))
}

pub(super) fn a_thread_is_denied(s: &Step) -> bool {
    answers(s, OpKind::StartThread) == Some(Reply::Denied(Denied::Threads))
}

pub(super) fn a_daemon_is_denied(s: &Step) -> bool {
    answers(s, OpKind::StartThread) == Some(Reply::Denied(Denied::Daemons))
}
