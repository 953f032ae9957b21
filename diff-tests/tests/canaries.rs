//! Faults seeded in the implementation are found by the lockstep, each by name.

use std::sync::atomic::AtomicBool;

use cloister_diff_tests::stages::canaries::seeded;
use cloister_traced::faults::Seeded;

fn is_found(fault: Seeded) {
    let canary = seeded(fault, &AtomicBool::new(false)).expect("the subject is not lost");
    let found = canary.found.unwrap_or_else(|| panic!("{} is not found", canary.name));
    assert!(!found.moves.is_empty() && found.moves.len() <= 60, "{} moves", found.moves.len());
}

macro_rules! found {
    ($($name:ident: $fault:ident;)+) => {
        $(#[test] fn $name() { is_found(Seeded::$fault); })+

        #[test]
        fn every_seeded_fault_has_a_test() {
            let tested = [$(Seeded::$fault.name()),+];
            let all: Vec<_> = Seeded::ALL.iter().map(|f| f.name()).collect();
            assert_eq!(all, tested);
        }
    };
}

found! {
    the_gil_field_is_checked_before_the_allocator: GilValueFirst;
    a_failed_creation_forgets_the_callers_gil: FailedCreationForgetsGil;
    a_failed_creation_keeps_the_gilstate_slot: FailedCreationKeepsSlot;
    an_end_keeps_the_gil: EndKeepsGil;
    an_end_leaves_its_tstate_listed: EndLeavesTstate;
    a_bound_tstate_is_bound_again: BindRebinds;
    a_binding_displaces_what_the_slot_names: BindDisplaces;
    a_swap_takes_a_tstate_of_another_thread: SwapIgnoresThread;
    a_swap_deactivates_the_wrong_tstate: SwapLeavesWrong;
    a_swap_answers_the_new_tstate: SwapAnswersNew;
    a_swap_leaves_the_gilstate_slot: SwapKeepsGilstate;
    a_clear_does_not_look_whether_the_tstate_is_in_use: ClearIgnoresUse;
    a_delete_empties_the_callers_slot: DeleteEmptiesCallers;
    taking_forgets_the_last_holder: TakeForgetsLastHolder;
    taking_keeps_the_request: TakeKeepsRequest;
    a_request_goes_to_the_waiters_interpreter: RequestPerInterpreter;
    a_drop_wakes_nobody: DropLosesSignal;
    the_forced_switch_is_skipped: ForcedSwitchSkipped;
    a_poll_stays_current: PollStaysCurrent;
    a_release_takes_what_is_current: ReleaseTakesAny;
    a_deleted_current_tstate_keeps_the_gil: DeleteCurrentKeepsGil;
    a_legacy_creation_isolates: NewInterpreterIsolates;
    an_ensure_makes_a_second_tstate: EnsureMakesSecond;
    an_ensure_leads_into_the_main_interpreter: EnsureTargetsMain;
    a_release_does_not_look_at_its_state: ReleaseIgnoresState;
    a_last_release_keeps_the_tstate: ReleaseKeepsMade;
    every_release_detaches: ReleaseDetaches;
    a_check_says_yes: CheckSaysYes;
    a_full_ring_overwrites_its_first_call: FullRingOverwrites;
    any_thread_runs_the_main_threads_calls: AnyThreadRunsMainRing;
    a_run_takes_the_last_call_first: RunTakesLast;
    an_added_call_is_not_signalled: AddForgetsSignal;
    a_run_begins_in_a_busy_interpreter: RunIgnoresBusy;
    a_failure_leaves_the_ring_without_signal: FailureLosesSignal;
    calls_are_made_anywhere: MakeRunsAnywhere;
}
