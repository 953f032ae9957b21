//! Probes: for every rule the situation that makes it interesting.

use cloister_specs::{Fault, InterpreterConfig, Move, Op, Parking, Reply, Rule, StatusBits};

use super::Step;
use super::fin::*;
use super::fork::*;
use super::gil::took;
use super::gilstate::*;
use super::id::*;
use super::mem::*;
use super::pend::*;
use super::refs::*;
use super::step::{base, entry, started};
use super::threads::*;
use crate::label::{Asked, Label};
use crate::machine::Outcome;
use crate::runtime::Runtime;

/// How a probe fires.
#[derive(Clone, Copy)]
pub enum ProbeKind {
    /// A call was refused by the rule.
    Refusal,
    /// A step was the interesting one.
    Step(fn(&Step) -> bool),
}

/// The probe of a rule.
pub struct Probe {
    /// Which rule.
    pub rule: Rule,
    /// How it fires.
    pub kind: ProbeKind,
}

/// A probe for every rule.
pub static PROBES: [Probe; Rule::ALL.len()] = {
    let mut probes = [const { Probe { rule: Rule::Life1, kind: ProbeKind::Refusal } }; Rule::ALL.len()];
    let mut k = 0;
    while k < Rule::ALL.len() {
        probes[k] = Probe { rule: Rule::ALL[k], kind: probe(Rule::ALL[k]) };
        k += 1;
    }
    probes
};

const fn probe(rule: Rule) -> ProbeKind {
    use ProbeKind::{Refusal, Step};
    match rule {
        Rule::Life1 | Rule::Life15 => Step(a_creation_succeeds),
        Rule::Life2 | Rule::Life3 => Step(a_creation_fails_with_a_caller),
        Rule::Life4 => Step(memory_runs_out),
        Rule::Life5 => Step(bad_settings_are_asked_for),
        Rule::Life6 => Step(a_bad_gil_value_is_asked_for),
        Rule::Life7 => Step(both_are_asked_for),
        Rule::Life8 => Step(own_gil_with_shared_obmalloc_is_asked_for),
        Rule::Life9 | Rule::Life10 | Rule::Life11 | Rule::Life13 => Refusal,
        Rule::Life12 => Step(an_interpreter_ends),
        Rule::Life14 => Step(a_tstate_is_added_to_a_sub),
        Rule::Tls1 => Step(two_threads_have_a_current_tstate),
        Rule::Tls2 => Step(a_bound_tstate_is_detached_beside_an_active_one),
        Rule::Tls3 | Rule::Tls4 | Rule::Tls5 | Rule::Tls6 | Rule::Tls7 => Refusal,
        Rule::Tls8 | Rule::Tls9 | Rule::Tls10 | Rule::Tls11 | Rule::Tls12 | Rule::Tls13 => Refusal,
        Rule::Tls14 => Step(a_named_tstate_of_another_thread_is_deleted),
        Rule::Tls15 => Step(a_tstate_is_bound_beside_a_named_one),
        Rule::Tls16 => Step(the_slot_moves),
        Rule::Tls17 => Step(a_tstate_is_cleared),
        Rule::Tls18 => Refusal,
        Rule::Tls19 => Step(a_tstate_is_created),
        Rule::Tls20 => Step(a_swap_goes_from_one_to_another),
        Rule::Gil1 => Step(a_gil_changes_hands),
        Rule::Gil2 => Step(a_holder_is_waited_for),
        Rule::Gil3 => Step(a_swap_changes_the_gil),
        Rule::Gil4 => Step(a_gil_is_dropped),
        Rule::Gil5 => Step(a_creation_succeeds),
        Rule::Gil6 => Step(an_interval_expires),
        Rule::Gil7 => Step(a_holder_is_asked),
        Rule::Gil8 => Step(an_asked_for_gil_is_taken),
        Rule::Gil9 => Step(a_forced_switch_ends),
        Rule::Gil10 => Step(a_forced_switch_begins),
        Rule::Gil11 => Step(a_thread_waits_for_a_gil),
        Rule::Gil12 => Refusal,
        Rule::Gil13 => Step(a_poll_that_saw_a_request_answers),
        Rule::Gil14 => Step(a_poll_sees_no_request),
        Rule::Gil15 => Step(a_restore_answers_after_waiting),
        Rule::Gil16 => Step(a_save_answers),
        Rule::Life16 => Step(a_legacy_creation_succeeds),
        Rule::Life17 => Step(a_legacy_creation_fails),
        Rule::Tls21 | Rule::Gil17 | Rule::Gil19 => Refusal,
        Rule::Tls22 => Step(a_current_tstate_is_deleted),
        Rule::Gil18 => Step(an_acquire_answers),
        Rule::Gil20 => Step(a_release_of_a_thread_answers),
        Rule::Gilstate1 => Step(an_ensure_answers),
        Rule::Gilstate2 => Step(an_ensure_finds_a_tstate),
        Rule::Gilstate3 => Step(an_ensure_makes_one_in_a_sub),
        Rule::Gilstate4 => Step(an_ensure_cannot_make_one),
        Rule::Gilstate5 | Rule::Gilstate6 | Rule::Gilstate7 | Rule::Gilstate8 | Rule::Gilstate12 => Refusal,
        Rule::Gilstate9 => Step(a_last_release_answers),
        Rule::Gilstate10 => Step(another_release_answers),
        Rule::Gilstate11 => Step(a_check_after_a_creation_answers_no),
        Rule::Pend1 => Step(a_ring_is_full),
        Rule::Pend2 => Step(another_thread_passes_the_main_ring),
        Rule::Pend3 => Step(a_sub_runs_its_ring),
        Rule::Pend4 => Step(two_calls_are_run),
        Rule::Pend5 => Step(a_poll_runs_a_call),
        Rule::Pend6 => Step(somebody_meets_a_run),
        Rule::Pend7 => Step(a_call_fails_before_another),
        Rule::Pend8 => Step(another_thread_makes_pending_calls),
        Rule::Pend9 => Step(a_ring_has_calls),
        Rule::Pend10 => Refusal,
        Rule::Tls23 => Step(a_tstate_is_new_where_there_is_none),
        Rule::Fin1
        | Rule::Fin2
        | Rule::Fin3
        | Rule::Fin14
        | Rule::Fin19
        | Rule::Fin20
        | Rule::Fin16
        | Rule::Fin17 => Refusal,
        Rule::Fin4 => Step(a_runtime_without_main_is_finalized),
        Rule::Fin5 => Step(it_is_initialized_again),
        Rule::Fin6 => Step(the_runtime_is_finalized),
        Rule::Fin7 => Step(an_end_waits_for_threads),
        Rule::Fin8 => Step(an_end_finds_pending_calls),
        Rule::Fin9 => Step(a_thread_is_started_late),
        Rule::Fin10 | Rule::Fin11 => Step(the_finalized_is_waited_for),
        Rule::Fin12 => Step(an_asking_waiter_gives_up),
        Rule::Fin13 => Step(a_thread_cannot_be_started),
        Rule::Fin18 => Step(a_tstate_of_the_ending_becomes_current),
        Rule::Fin15 => Step(a_started_thread_runs),
        Rule::Id1 => Step(an_interpreter_is_new_beside_another),
        Rule::Id2 => Step(memory_runs_out),
        Rule::Id3 => Step(an_unknown_id_is_looked_up),
        Rule::Id4 | Rule::Id6 | Rule::Id12 | Rule::Id13 => Refusal,
        Rule::Id5 => Step(a_reference_is_given_back),
        Rule::Id7 => Step(an_end_from_outside_answers),
        Rule::Id8 => Step(it_is_destroyed_from_within),
        Rule::Id9 => Step(it_is_destroyed_while_it_runs),
        Rule::Id10 => Step(it_is_destroyed_beside_another_thread),
        Rule::Id11 => Step(two_want_to_run_it),
        Rule::Fork1 => Step(a_fork_is_denied),
        Rule::Fork2 => Step(a_fork_beside_a_sub),
        Rule::Fork3 => Step(a_fork_in_a_sub),
        Rule::Fork4 => Step(a_fork_beside_another_thread),
        Rule::Fork5 => Refusal,
        Rule::Fork6 => Step(an_exec_is_denied),
        Rule::Fork7 => Step(a_thread_is_denied),
        Rule::Fork8 => Step(a_daemon_is_denied),
        Rule::Mem1 => Step(two_heaps_are_in_use),
        Rule::Mem2 => Step(a_sub_allocates),
        Rule::Mem3 | Rule::Mem4 | Rule::Mem5 | Rule::Mem6 | Rule::Mem10 | Rule::Mem15 => Refusal,
        Rule::Mem7 => Step(a_large_block_is_allocated),
        Rule::Mem8 => Step(an_allocation_fails),
        Rule::Mem9 => Step(some_blocks_are_counted),
        Rule::Mem11 => Step(a_heap_with_an_arena_ends),
        Rule::Mem12 => Step(what_was_left_is_counted),
        Rule::Mem13 => Step(a_reallocation_fails),
        Rule::Mem14 => Step(a_block_may_stay),
        Rule::Mem16 => Step(a_raw_block_is_freed_with_nothing_current),
        Rule::Ref1 | Rule::Ref2 | Rule::Ref3 | Rule::Ref4 | Rule::Ref9 => Refusal,
        Rule::Ref5 => Step(a_mortal_object_is_counted),
        Rule::Ref6 => Step(an_immortal_object_is_counted),
        Rule::Ref7 => Step(an_unaware_client_counts_an_immortal_object),
        Rule::Ref8 => Step(the_last_reference_is_given_back),
        Rule::Ref10 => Step(a_sub_counts),
        Rule::Ref11 => Step(references_that_were_left_are_counted),
        Rule::Ref12 => Step(a_heap_with_an_object_ends),
    }
}

fn asked_for(s: &Step, what: fn(&InterpreterConfig) -> bool) -> bool {
    matches!(started(s), Some(Op::NewInterpreterFromConfig { config, .. }) if what(&config))
}

fn a_creation_succeeds(s: &Step) -> bool {
    matches!(s.outcome, Outcome::Replied(Reply::Created { .. }))
}

fn a_creation_fails_with_a_caller(s: &Step) -> bool {
    matches!(s.outcome, Outcome::Replied(Reply::Failed(_))) && entry(s).0.is_some()
}

fn memory_runs_out(s: &Step) -> bool {
    let fault = |f| f == Some(Fault::InterpAlloc) || f == Some(Fault::TstateAlloc);
    matches!(started(s), Some(Op::NewInterpreterFromConfig { fault: f, .. }) if fault(f))
}

fn bad_settings_are_asked_for(s: &Step) -> bool {
    asked_for(s, |c| !c.use_main_obmalloc && !c.check_multi_interp_extensions)
}

fn a_bad_gil_value_is_asked_for(s: &Step) -> bool {
    asked_for(s, |c| c.gil > 2)
}

fn both_are_asked_for(s: &Step) -> bool {
    asked_for(s, |c| c.gil > 2 && !c.use_main_obmalloc && !c.check_multi_interp_extensions)
}

fn own_gil_with_shared_obmalloc_is_asked_for(s: &Step) -> bool {
    asked_for(s, |c| c.gil == 2 && c.use_main_obmalloc)
}

fn an_interpreter_ends(s: &Step) -> bool {
    let h = s.mv.thread();
    let ending =
        matches!(started(s), Some(Op::EndInterpreter(_))) || matches!(base(s.before, h), Label::EndFree(_));
    ending && matches!(s.outcome, Outcome::Replied(_))
}

fn a_tstate_is_added_to_a_sub(s: &Step) -> bool {
    matches!(started(s), Some(Op::ThreadStateNew(i)) if i != cloister_specs::MAIN)
}

fn two_threads_have_a_current_tstate(s: &Step) -> bool {
    Runtime::thread_ids().filter(|h| s.after.own_current(s.design, *h).is_some()).count() >= 2
}

fn a_bound_tstate_is_detached_beside_an_active_one(s: &Step) -> bool {
    let bound = |active: bool| {
        s.after
            .tstates
            .iter()
            .any(|x| x.status.contains(StatusBits::BOUND) && x.status.contains(StatusBits::ACTIVE) == active)
    };
    bound(true) && bound(false)
}

fn a_named_tstate_of_another_thread_is_deleted(s: &Step) -> bool {
    match started(s) {
        Some(Op::ThreadStateDelete(t)) => {
            Runtime::thread_ids().any(|h| h != s.mv.thread() && s.before.thread(h).gilstate == Some(t))
        }
        _ => false,
    }
}

fn a_tstate_is_bound_beside_a_named_one(s: &Step) -> bool {
    matches!(started(s), Some(Op::ThreadStateBind(_))) && s.before.thread(s.mv.thread()).gilstate.is_some()
}

fn the_slot_moves(s: &Step) -> bool {
    let h = s.mv.thread();
    let slot = |r: &Runtime| r.thread(h).gilstate;
    slot(s.before).is_some() && slot(s.after).is_some() && slot(s.before) != slot(s.after)
}

fn a_tstate_is_cleared(s: &Step) -> bool {
    matches!(started(s), Some(Op::ThreadStateClear(_)))
}

fn a_tstate_is_new_where_there_is_none(s: &Step) -> bool {
    matches!(started(s), Some(Op::ThreadStateNew(i)) if s.before.tstates_of(i).next().is_none())
}

fn a_tstate_is_created(s: &Step) -> bool {
    matches!(started(s), Some(Op::ThreadStateNew(_)))
}

fn swapped(s: &Step) -> Option<(Option<cloister_specs::TstateId>, Option<cloister_specs::TstateId>)> {
    let h = s.mv.thread();
    let new = match (started(s), base(s.before, h)) {
        (Some(Op::ThreadStateSwap(new)), _) => new,
        (_, Label::SwapAnswer(swap)) => swap.new,
        _ => return None,
    };
    matches!(s.outcome, Outcome::Replied(_)).then_some((entry(s).0, new))
}

fn a_swap_goes_from_one_to_another(s: &Step) -> bool {
    matches!(swapped(s), Some((Some(old), Some(new))) if old != new)
}

fn a_swap_changes_the_gil(s: &Step) -> bool {
    let gil = |t| s.after.gil_of(t);
    matches!(swapped(s), Some((Some(old), Some(new))) if gil(old) != gil(new))
}

fn a_gil_changes_hands(s: &Step) -> bool {
    s.before.gils.iter().zip(&s.after.gils).any(|(a, b)| a.holder != b.holder)
}

fn a_holder_is_waited_for(s: &Step) -> bool {
    s.after.threads.iter().any(|x| match x.top() {
        Label::TakeWait { gil, .. } => {
            s.after.gils[gil.index()].holder.is_some_and(|h| s.after.thread(h).idle())
        }
        _ => false,
    })
}

fn a_gil_is_dropped(s: &Step) -> bool {
    s.before.gils.iter().zip(&s.after.gils).any(|(a, b)| a.locked && !b.locked)
}

fn an_interval_expires(s: &Step) -> bool {
    let h = s.mv.thread();
    matches!(s.mv, Move::Expire { .. })
        && matches!(s.before.thread(h).top(), Label::TakeWait { asked: Asked::No, .. })
}

fn a_holder_is_asked(s: &Step) -> bool {
    s.after.threads.iter().any(|x| match x.top() {
        Label::TakeWait { gil, asked: Asked::Yes, .. } => {
            s.after.gils[gil.index()].holder.is_some_and(|h| s.after.thread(h).idle())
        }
        _ => false,
    })
}

fn an_asked_for_gil_is_taken(s: &Step) -> bool {
    took(s).is_some_and(|t| s.before.request_seen_in(s.design, s.after.tstate(t).interp))
}

fn a_forced_switch_begins(s: &Step) -> bool {
    s.outcome == Outcome::Parked(Parking::Switch)
}

fn a_forced_switch_ends(s: &Step) -> bool {
    matches!(s.mv, Move::Step { .. })
        && matches!(s.before.thread(s.mv.thread()).top(), Label::DropWait { .. })
}

fn a_thread_waits_for_a_gil(s: &Step) -> bool {
    s.outcome == Outcome::Parked(Parking::Gil)
}

fn a_poll_that_saw_a_request_answers(s: &Step) -> bool {
    let polling = matches!(
        base(s.before, s.mv.thread()),
        Label::PollDrop(_) | Label::PollTake(_) | Label::PollAttach(_) | Label::PollDone(_)
    );
    polling && matches!(s.outcome, Outcome::Replied(_))
}

fn a_poll_sees_no_request(s: &Step) -> bool {
    matches!(started(s), Some(Op::EvalBreakerPoll)) && matches!(s.outcome, Outcome::Replied(_))
}

fn a_restore_answers_after_waiting(s: &Step) -> bool {
    matches!(base(s.before, s.mv.thread()), Label::RestoreAttach(_) | Label::RestoreDone(_))
        && matches!(s.outcome, Outcome::Replied(_))
}

fn a_save_answers(s: &Step) -> bool {
    let h = s.mv.thread();
    let saving = matches!(started(s), Some(Op::SaveThread))
        || matches!(base(s.before, h), Label::SaveDrop(_) | Label::SaveDone(_));
    saving && matches!(s.outcome, Outcome::Replied(_))
}
