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
    initializing_keeps_the_main_thread: InitializeKeepsMainThread;
    finalizing_leaves_gilstate_slots: FinalizeLeavesSlots;
    an_end_does_not_wait_for_threads: EndSkipsThreads;
    an_end_leaves_pending_calls: EndLeavesCalls;
    a_thread_is_started_late: StartsLate;
    a_waiter_hangs_when_the_runtime_is_finalized: WaiterHangs;
    who_gives_up_keeps_its_request: GiveUpKeepsRequest;
    a_failed_start_leaves_its_tstate: FailedStartLeavesTstate;
    a_started_tstate_is_run_again: RunsAgain;
    delete_except_does_not_look_at_use: DeleteExceptIgnoresUse;
    an_interpreter_is_created_late: CreatesLate;
    a_failed_creation_uses_an_id: FailedCreationUsesId;
    a_look_up_finds_any_interpreter: LookUpFindsMain;
    a_reference_given_back_ends_the_interpreter_early: DecrefEndsEarly;
    an_end_borrows_a_tstate_of_another_thread: BorrowsHead;
    an_end_from_outside_stays_away: OutsideStaysAway;
    an_interpreter_that_is_run_is_destroyed: DestroyIgnoresRunning;
    an_interpreter_to_be_destroyed_is_still_live: DestroyInTwoSteps;
    an_interpreter_is_run_by_two: RunsBesides;
    a_child_keeps_the_other_interpreters: ForkKeepsInterps;
    an_isolated_interpreter_execs: ExecAnywhere;
    a_thread_is_started_where_none_may_be: StartsAnywhere;
    a_daemon_is_started_where_none_may_be: DaemonsAnywhere;
    a_block_of_another_heap_is_taken: FreeGoesToSelected;
    large_blocks_are_counted_twice: CountsLargeTwice;
    a_reallocation_leaves_the_old_block: ReallocForgetsToFree;
    what_was_left_is_forgotten_with_the_runtime: LeaksNotCarried;
    blocks_are_counted_beside_who_has_the_gil: CountsBesideOthers;
    an_immortal_object_is_counted_in: ImmortalIsWritten;
    a_count_that_overflows_is_near_the_edge: OverflowNotSticky;
    an_object_goes_with_its_last_reference_but_one: DeallocAtOne;
    every_change_goes_to_the_main_interpreters_total: TotalToMain;
}
