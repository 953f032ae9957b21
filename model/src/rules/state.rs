//! Rules over a state.

use cloister_specs::{GilKind, InterpId, MAIN, Phase, Rule, StatusBits, ThreadId};

use super::StateRule;
use crate::design::{Design, Gils};
use crate::label::{Asked, Label};
use crate::runtime::{Runtime, THREADS, Thread};

/// Rules of the engine over a state.
pub static STATE_RULES: &[StateRule] = &[
    StateRule { rule: Rule::Gil1, holds: gil_locked_exactly_when_held },
    StateRule { rule: Rule::Gil2, holds: idle_with_current_holds_its_gil },
    StateRule { rule: Rule::Gil3, holds: idle_holds_no_other_gil },
    StateRule { rule: Rule::Gil5, holds: live_has_a_gil },
    StateRule { rule: Rule::Gil7, holds: holder_sees_the_request },
    StateRule { rule: Rule::Gil10, holds: forced_switch_has_a_taker },
    StateRule { rule: Rule::Gil11, holds: waiters_can_go_on },
    StateRule { rule: Rule::Tls1, holds: current_only_where_bound },
    StateRule { rule: Rule::Tls2, holds: active_exactly_when_current },
    StateRule { rule: Rule::Tls14, holds: slots_name_the_living },
    StateRule { rule: Rule::Tls16, holds: slot_follows_current },
    StateRule { rule: Rule::Tls17, holds: status_in_order },
    StateRule { rule: Rule::Life2, holds: creating_has_a_creator },
    StateRule { rule: Rule::Life8, holds: one_gil_for_an_allocator },
    StateRule { rule: Rule::Life14, holds: tstates_have_an_interp },
    StateRule { rule: Rule::Life15, holds: live_is_settled },
];

fn outside_a_call(r: &Runtime) -> impl Iterator<Item = (ThreadId, &Thread)> {
    Runtime::thread_ids().map(|h| (h, r.thread(h))).filter(|(_, x)| x.idle())
}

fn holds_gil(r: &Runtime, h: ThreadId, g: InterpId) -> bool {
    r.gils[g.index()].holder == Some(h)
}

fn gil_locked_exactly_when_held(_: &Design, r: &Runtime) -> bool {
    r.gils.iter().all(|g| g.locked == g.holder.is_some())
}

//= specs/rules/gil.md#gil-2
//# Outside a call, a thread with a current thread state MUST hold the GIL of its
//# interpreter.
fn idle_with_current_holds_its_gil(d: &Design, r: &Runtime) -> bool {
    outside_a_call(r).all(|(h, _)| match r.own_current(d, h) {
        Some(t) => r.gil_of(t).is_some_and(|g| holds_gil(r, h, g)),
        None => true,
    })
}

//= specs/rules/gil.md#gil-3
//# Outside a call, a thread MUST NOT hold a GIL other than that of its current thread
//# state.
fn idle_holds_no_other_gil(d: &Design, r: &Runtime) -> bool {
    outside_a_call(r).all(|(h, _)| {
        let own = r.own_current(d, h).and_then(|t| r.gil_of(t));
        Runtime::interp_ids().all(|g| !holds_gil(r, h, g) || own == Some(g))
    })
}

fn live_has_a_gil(d: &Design, r: &Runtime) -> bool {
    Runtime::interp_ids().all(|i| {
        let x = r.interp(i);
        let wanted = match (x.config.gil_kind(), d.gils) {
            (Some(GilKind::Own), Gils::PerInterpreter) => Some(i),
            (Some(GilKind::Own), Gils::One) | (Some(GilKind::Shared), _) => Some(MAIN),
            (None, _) => None,
        };
        x.phase != Some(Phase::Live) || (x.gil == wanted && x.gil.is_some_and(|g| r.gils[g.index()].created))
    })
}

fn holder_sees_the_request(d: &Design, r: &Runtime) -> bool {
    r.threads.iter().all(|x| match x.top() {
        Label::TakeWait { gil, asked: Asked::Yes, .. } => match r.gils[gil.index()].holder {
            Some(h) if r.thread(h).idle() => match r.own_current(d, h) {
                Some(t) => r.request_seen_in(d, r.tstate(t).interp),
                None => true,
            },
            Some(_) | None => true,
        },
        _ => true,
    })
}

fn forced_switch_has_a_taker(_: &Design, r: &Runtime) -> bool {
    let about_to_take = |x: &Thread, g: InterpId| {
        x.stack.iter().any(|l| match l {
            Label::TakeWait { gil, .. } => *gil == g,
            Label::TakeLock(t) => r.gil_of(*t) == Some(g),
            _ => false,
        })
    };
    (0..THREADS).all(|k| match r.threads[k].top() {
        Label::DropWait { gil, signalled: false, .. } => {
            (0..THREADS).any(|other| other != k && about_to_take(&r.threads[other], gil))
        }
        _ => true,
    })
}

/// Progress as safety: only a holder that sees a request is trusted to poll.
//= specs/rules/gil.md#gil-11
//# A thread that waits for a GIL MUST be able to go on: the GIL is free, or its holder is
//# inside a call that can go on, or outside one.
fn waiters_can_go_on(d: &Design, r: &Runtime) -> bool {
    let moves = |h: ThreadId| r.next_move(d, h, h).is_some();
    r.dead.is_some()
        || r.threads.iter().all(|x| match x.top() {
            Label::TakeWait { gil, .. } => {
                Runtime::thread_ids().any(moves)
                    || r.gils[gil.index()].holder.is_some_and(|h| {
                        let seen = |t| r.request_seen_in(d, r.tstate(t).interp);
                        r.thread(h).idle() && r.own_current(d, h).is_some_and(seen)
                    })
            }
            _ => true,
        })
}

fn current_only_where_bound(d: &Design, r: &Runtime) -> bool {
    let current = |k: usize| r.own_current(d, ThreadId(k as u8));
    (0..THREADS).all(|k| match current(k) {
        Some(t) => {
            r.listed(t)
                && r.tstate(t).thread == Some(ThreadId(k as u8))
                && (k + 1..THREADS).all(|other| current(other) != Some(t))
        }
        None => true,
    })
}

fn active_exactly_when_current(d: &Design, r: &Runtime) -> bool {
    Runtime::tstate_ids().filter(|t| r.listed(*t)).all(|t| match r.tstate(t).thread {
        Some(h) if r.thread(h).idle() => r.has(t, StatusBits::ACTIVE) == (r.own_current(d, h) == Some(t)),
        Some(_) => true,
        None => !r.has(t, StatusBits::ACTIVE),
    })
}

fn slots_name_the_living(_: &Design, r: &Runtime) -> bool {
    Runtime::thread_ids().all(|h| match r.thread(h).gilstate {
        Some(t) => r.listed(t) && r.tstate(t).thread == Some(h) && r.has(t, StatusBits::BOUND_GILSTATE),
        None => true,
    }) && Runtime::tstate_ids().filter(|t| r.has(*t, StatusBits::BOUND_GILSTATE)).all(|t| {
        let owner = r.tstate(t).thread;
        owner.is_some_and(|h| r.thread(h).gilstate == Some(t))
    })
}

fn slot_follows_current(d: &Design, r: &Runtime) -> bool {
    outside_a_call(r).all(|(h, x)| match r.own_current(d, h) {
        Some(t) => x.gilstate == Some(t),
        None => true,
    })
}

fn status_in_order(_: &Design, r: &Runtime) -> bool {
    let implies = |s: StatusBits, a: StatusBits, b: StatusBits| !s.intersects(a) || s.contains(b);
    r.tstates.iter().map(|x| x.status).filter(|s| !s.is_empty()).all(|s| {
        s.contains(StatusBits::INITIALIZED)
            && implies(
                s,
                StatusBits::ACTIVE | StatusBits::BOUND_GILSTATE | StatusBits::UNBOUND,
                StatusBits::BOUND,
            )
            && implies(s, StatusBits::CLEARED, StatusBits::FINALIZING)
    })
}

fn creating_has_a_creator(_: &Design, r: &Runtime) -> bool {
    let created = |l: &Label, i: InterpId| match l {
        Label::CreateBind(c)
        | Label::CreateSwap(c)
        | Label::CreateRelease(c)
        | Label::CreateSettings(c)
        | Label::CreateGil(c)
        | Label::CreateAttach(c)
        | Label::CreateCore(c)
        | Label::CreateMain(c)
        | Label::CreateLive(c)
        | Label::Undo(c, _)
        | Label::UndoClear(c, _)
        | Label::UndoDetach(c, _)
        | Label::UndoDrop(c, _)
        | Label::UndoDelete(c) => c.interp == i,
        _ => false,
    };
    Runtime::interp_ids().filter(|i| r.interp(*i).phase == Some(Phase::Creating)).all(|i| {
        let inside = |x: &Thread| x.stack.iter().any(|l| created(l, i));
        r.threads.iter().any(inside)
    })
}

fn one_gil_for_an_allocator(_: &Design, r: &Runtime) -> bool {
    Runtime::interp_ids().all(|i| {
        let x = r.interp(i);
        x.phase.is_none() || !x.config.use_main_obmalloc || x.gil.is_none_or(|g| g == MAIN)
    })
}

//= specs/rules/life.md#life-14
//# A listed thread state MUST belong to a listed interpreter.
fn tstates_have_an_interp(_: &Design, r: &Runtime) -> bool {
    r.tstates.iter().all(|x| x.status.is_empty() || r.interp_listed(x.interp))
}

fn live_is_settled(_: &Design, r: &Runtime) -> bool {
    r.interps.iter().all(|x| x.phase != Some(Phase::Live) || x.settled)
}
