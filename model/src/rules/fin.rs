//! Rules of threads, of ends, and of the life of the runtime.

use cloister_specs::{Denied, MAIN, Move, Op, OpKind, Phase, Reply, Rule, StatusBits, ThreadId};

use super::step::{base, started};
use super::threads::{answers, attached, holds_nothing};
use super::{StateRule, Step, StepRule};
use crate::design::{DaemonThreads, Design};
use crate::label::{Asked, Label};
use crate::machine::Outcome;
use crate::runtime::{Runtime, Started, THREADS};

/// Those over a state.
pub(super) static STATE_RULES: &[StateRule] = &[
    StateRule { rule: Rule::Fin8, holds: no_call_is_lost },
    StateRule { rule: Rule::Fin10, holds: the_finalizing_are_alone },
    StateRule { rule: Rule::Fin11, holds: nobody_hangs },
];

/// Those over a step.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Fin1, holds: finalized_from_main },
    StepRule { rule: Rule::Fin2, holds: finalized_by_the_main_thread },
    StepRule { rule: Rule::Fin3, holds: finalized_without_subs },
    StepRule { rule: Rule::Fin4, holds: twice_is_once },
    StepRule { rule: Rule::Fin5, holds: initialized_is_attached },
    StepRule { rule: Rule::Fin6, holds: finalized_is_gone },
    StepRule { rule: Rule::Fin7, holds: threads_are_waited_for },
    StepRule { rule: Rule::Fin9, holds: none_is_started_late },
    StepRule { rule: Rule::Fin11, holds: given_up_is_answered },
    StepRule { rule: Rule::Fin12, holds: given_up_asks_no_more },
    StepRule { rule: Rule::Fin13, holds: a_failed_start_leaves_nothing },
    StepRule { rule: Rule::Fin14, holds: only_the_started_are_run },
    StepRule { rule: Rule::Fin15, holds: run_is_attached },
    StepRule { rule: Rule::Fin16, holds: started_from_inside },
    StepRule { rule: Rule::Fin17, holds: except_the_current },
    StepRule { rule: Rule::Fin18, holds: an_end_lets_its_threads_finish },
    StepRule { rule: Rule::Fin19, holds: created_in_its_life },
    StepRule { rule: Rule::Fin20, holds: nobody_waits_for_itself },
];

fn no_call_is_lost(_: &Design, r: &Runtime) -> bool {
    !r.lost_calls
}

fn the_finalizing_are_alone(d: &Design, r: &Runtime) -> bool {
    Runtime::thread_ids().all(|h| match r.own_current(d, h) {
        Some(t) if r.thread(h).idle() && r.listed(t) => {
            r.interp(r.tstate(t).interp).finalizing.is_none_or(|f| f == t)
        }
        Some(_) | None => true,
    })
}

fn nobody_hangs(_: &Design, r: &Runtime) -> bool {
    r.threads.iter().all(|x| !matches!(x.top(), Label::Hung(_)))
}

fn finalizes(s: &Step) -> bool {
    matches!(started(s), Some(Op::Finalize)) && s.before.initialized()
}

fn finalized_from_main(s: &Step) -> bool {
    !finalizes(s) || s.before.is_current(s.design, s.mv.thread(), MAIN)
}

fn finalized_by_the_main_thread(s: &Step) -> bool {
    !finalizes(s) || s.mv.thread() == s.before.main_thread
}

fn finalized_without_subs(s: &Step) -> bool {
    !finalizes(s) || s.before.interps[1..].iter().all(|i| i.phase.is_none())
}

fn twice_is_once(s: &Step) -> bool {
    let nothing = match started(s) {
        Some(Op::Initialize) => s.before.initialized(),
        Some(Op::Finalize) => !s.before.initialized(),
        _ => false,
    };
    !nothing || s.after == s.before
}

fn initialized_is_attached(s: &Step) -> bool {
    let h = s.mv.thread();
    match answers(s, OpKind::Initialize) {
        Some(_) if !s.before.initialized() => {
            s.after.main_thread == h
                && s.after.interp(MAIN).phase == Some(Phase::Live)
                && s.after.tstates_of(MAIN).count() == 1
                && s.after.own_current(s.design, h).is_some_and(|t| attached(s, t))
        }
        Some(_) | None => true,
    }
}

fn finalized_is_gone(s: &Step) -> bool {
    match answers(s, OpKind::Finalize) {
        Some(Reply::Done) => {
            let r = s.after;
            !r.initialized()
                && r.tstates.iter().all(|x| x.status.is_empty())
                && r.gils.iter().all(|g| !g.created)
                && r.pending_main.is_empty()
                && r.threads.iter().all(|x| x.gilstate.is_none())
                && r.own_current(s.design, s.mv.thread()).is_none()
        }
        Some(_) | None => true,
    }
}

/// The interpreters that begin to be torn down in this step.
fn torn_down(s: &Step) -> impl Iterator<Item = cloister_specs::InterpId> {
    let phases = |r: &Runtime| r.interps.map(|i| i.phase);
    let (before, after) = (phases(s.before), phases(s.after));
    Runtime::interp_ids().filter(move |i| {
        let up = matches!(before[i.index()], Some(Phase::Live | Phase::Ending));
        up && matches!(after[i.index()], None | Some(Phase::Finalizing))
    })
}

fn threads_are_waited_for(s: &Step) -> bool {
    let running = |i| s.before.tstates_of(i).any(|t| s.before.tstate(t).started == Some(Started::Joined));
    matches!(s.outcome, Outcome::Replied(Reply::Forked)) || torn_down(s).all(|i| !running(i))
}

fn none_is_started_late(s: &Step) -> bool {
    let h = s.mv.thread();
    match (started(s), s.outcome, s.before.own_current(s.design, h)) {
        (Some(Op::StartThread { .. }), Outcome::Replied(Reply::Tstate(Some(_))), Some(t)) => {
            s.before.interp(s.before.tstate(t).interp).phase == Some(Phase::Live)
        }
        _ => true,
    }
}

/// Did the mover give up waiting for a GIL in this step?
fn gave_up(s: &Step) -> bool {
    matches!(s.outcome, Outcome::Replied(Reply::Finalized | Reply::Exited))
}

fn given_up_is_answered(s: &Step) -> bool {
    let h = s.mv.thread();
    !gave_up(s)
        || (s.outcome == Outcome::Replied(Reply::Finalized)
            && s.after.own_current(s.design, h).is_none()
            && holds_nothing(s))
}

fn given_up_asks_no_more(s: &Step) -> bool {
    let h = s.mv.thread();
    let waits =
        |k: usize| matches!(s.after.threads[k].top(), Label::TakeWait { .. }) && ThreadId(k as u8) != h;
    match s.before.thread(h).top() {
        Label::TakeWait { tstate, asked: Asked::Yes, .. }
            if gave_up(s) && s.before.listed(tstate) && !(0..THREADS).any(waits) =>
        {
            !s.after.request_seen_in(s.design, s.before.tstate(tstate).interp)
        }
        _ => true,
    }
}

fn a_failed_start_leaves_nothing(s: &Step) -> bool {
    answers(s, OpKind::StartThread) != Some(Reply::Denied(Denied::CannotStart))
        || s.after.tstates == s.before.tstates
}

fn only_the_started_are_run(s: &Step) -> bool {
    match started(s) {
        Some(Op::RunThread(t)) => {
            let fresh = s.before.tstate(t).started.is_some() && !s.before.has(t, StatusBits::BOUND);
            fresh && s.before.alive(t) && s.before.own_current(s.design, s.mv.thread()).is_none()
        }
        _ => true,
    }
}

fn run_is_attached(s: &Step) -> bool {
    let t = match (started(s), base(s.before, s.mv.thread())) {
        (Some(Op::RunThread(t)), _) | (_, Label::RunAttach(t) | Label::RunDone(t)) => Some(t),
        _ => None,
    };
    match (answers(s, OpKind::RunThread), t) {
        (Some(Reply::Done), Some(t)) => attached(s, t) && s.after.tstate(t).thread == Some(s.mv.thread()),
        _ => true,
    }
}

fn started_from_inside(s: &Step) -> bool {
    match started(s) {
        Some(Op::StartThread { .. }) => s.before.own_current(s.design, s.mv.thread()).is_some(),
        _ => true,
    }
}

fn except_the_current(s: &Step) -> bool {
    let h = s.mv.thread();
    match started(s) {
        Some(Op::ThreadStateDeleteExcept(t)) => {
            s.before.own_current(s.design, h) == Some(t)
                && !s.before.interp_in_use_by_another(h, s.before.tstate(t).interp)
                && (s.after.dead.is_some() || s.after.tstates_of(s.after.tstate(t).interp).eq([t]))
        }
        _ => true,
    }
}

fn an_end_lets_its_threads_finish(s: &Step) -> bool {
    match (s.mv, s.outcome) {
        (Move::Start(start), Outcome::Refused(Rule::Life13)) => match start.op {
            Op::RestoreThread(t) | Op::ThreadStateSwap(Some(t)) | Op::AcquireThread(t) | Op::RunThread(t) => {
                !s.before.usable(s.before.tstate(t).interp)
            }
            _ => true,
        },
        _ => true,
    }
}

fn created_in_its_life(s: &Step) -> bool {
    match started(s) {
        Some(Op::NewInterpreterFromConfig { .. } | Op::NewInterpreter { .. }) => {
            s.before.interp(MAIN).phase == Some(Phase::Live)
        }
        _ => true,
    }
}

fn nobody_waits_for_itself(s: &Step) -> bool {
    match s.after.thread(s.mv.thread()).top() {
        Label::FinishWait { end, .. } => s.after.tstate(end.tstate).started != Some(Started::Joined),
        _ => true,
    }
}

pub(super) fn a_tstate_of_the_ending_becomes_current(s: &Step) -> bool {
    let t = match started(s) {
        Some(Op::RestoreThread(t) | Op::ThreadStateSwap(Some(t)) | Op::RunThread(t)) => t,
        _ => return false,
    };
    s.before.interp(s.before.tstate(t).interp).phase == Some(Phase::Ending)
}

pub(super) fn the_runtime_is_finalized(s: &Step) -> bool {
    answers(s, OpKind::Finalize) == Some(Reply::Done) && s.before.initialized()
}

pub(super) fn it_is_initialized_again(s: &Step) -> bool {
    answers(s, OpKind::Initialize).is_some() && !s.before.initialized()
}

pub(super) fn a_runtime_without_main_is_finalized(s: &Step) -> bool {
    matches!(s.mv, Move::Start(_)) && !s.before.initialized()
}

pub(super) fn an_end_waits_for_threads(s: &Step) -> bool {
    matches!(s.outcome, Outcome::Parked(cloister_specs::Parking::Threads))
}

pub(super) fn an_end_finds_pending_calls(s: &Step) -> bool {
    matches!(started(s), Some(Op::EndInterpreter(_) | Op::Finalize))
        && s.before.own_current(s.design, s.mv.thread()).is_some_and(|t| s.before.has_calls(s.mv.thread(), t))
}

pub(super) fn a_thread_is_started_late(s: &Step) -> bool {
    answers(s, OpKind::StartThread) == Some(Reply::Denied(Denied::Shutdown))
}

pub(super) fn the_finalized_is_waited_for(s: &Step) -> bool {
    match s.before.thread(s.mv.thread()).top() {
        Label::TakeWait { tstate, .. } => s.before.listed(tstate) && s.before.must_leave(tstate),
        _ => false,
    }
}

pub(super) fn an_asking_waiter_gives_up(s: &Step) -> bool {
    let asks = matches!(s.before.thread(s.mv.thread()).top(), Label::TakeWait { asked: Asked::Yes, .. });
    asks && (gave_up(s) || s.design.daemon_threads == DaemonThreads::Hang)
}

pub(super) fn a_thread_cannot_be_started(s: &Step) -> bool {
    matches!(started(s), Some(Op::StartThread { fails: true, .. }))
}

pub(super) fn a_started_thread_runs(s: &Step) -> bool {
    answers(s, OpKind::RunThread) == Some(Reply::Done)
}
