//! Faults in the model itself are caught, each by a named rule.

use cloister_model::check::{Bounds, Scope, shortest};
use cloister_model::mutant::{Book, Mutant, Slip};
use cloister_model::rules::{Step, broken_by};
use cloister_model::{Design, Grain, Runtime};
use cloister_specs::OpKind::{self, *};
use cloister_specs::{Fault, InterpreterConfig, Parking, Rule};

fn is_caught(mutant: Mutant, by: Rule) {
    let d = Design { mutant: Some(mutant), ..Design::CLOISTER };
    let scope = Scope::whole("mutant", d, Grain::Merged, Bounds::new(2, 2, 3));
    is_caught_in(scope, by);
}

/// Caught among these calls, creations succeeding.
fn is_caught_among(mutant: Mutant, by: Rule, ops: &[OpKind]) {
    let d = Design { mutant: Some(mutant), ..Design::CLOISTER };
    let scope = Scope::whole("mutant", d, Grain::Merged, Bounds::new(2, 2, 3)).with_ops(ops);
    let configs = vec![InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY];
    let faults = vec![None, Some(Fault::TstateAlloc)];
    is_caught_in(Scope { configs, faults, queued: 1, ensures: 2, spurious: false, ..scope }, by);
}

fn is_caught_in(scope: Scope, by: Rule) {
    let mutant = scope.design.mutant;
    let scope = Scope { symmetry: false, only: Some(by), ..scope };
    let (run, _) = shortest(&scope, 400_000);
    let run = run.unwrap_or_else(|| panic!("{mutant:?} is not caught by {by}"));
    assert_eq!(run.rule, by);

    let design = Design::CLOISTER;
    let mut before = Runtime::new(&design);
    for mv in &run.moves {
        let mut after = before;
        let Ok(outcome) = after.apply(&design, scope.grain, mv) else { break };
        let step = Step { design: &design, before: &before, mv, outcome, after: &after };
        assert_eq!(broken_by(&step), None, "the same run is harmless without the fault");
        before = after;
    }
}

macro_rules! caught {
    ($($name:ident: $mutant:expr => $rule:ident;)+) => {
        $(#[test] fn $name() { is_caught($mutant, Rule::$rule); })+
    };
}

caught! {
    ending_another_threads_interpreter: Mutant::DropGuard(Rule::Life9) => Life9;
    ending_with_another_tstate_listed: Mutant::DropGuard(Rule::Life10) => Life10;
    ending_main: Mutant::DropGuard(Rule::Life11) => Life11;
    a_tstate_in_an_interpreter_that_is_not_live: Mutant::DropGuard(Rule::Life13) => Life13;
    binding_twice: Mutant::DropGuard(Rule::Tls3) => Tls3;
    borrowing_a_tstate_of_another_thread: Mutant::DropGuard(Rule::Tls4) => Tls4;
    restoring_while_attached: Mutant::DropGuard(Rule::Tls5) => Tls5;
    restoring_the_cleared: Mutant::DropGuard(Rule::Tls6) => Tls6;
    saving_nothing: Mutant::DropGuard(Rule::Tls7) => Tls7;
    clearing_twice: Mutant::DropGuard(Rule::Tls8) => Tls8;
    clearing_from_outside: Mutant::DropGuard(Rule::Tls9) => Tls9;
    clearing_the_active: Mutant::DropGuard(Rule::Tls10) => Tls10;
    deleting_the_uncleared: Mutant::DropGuard(Rule::Tls11) => Tls11;
    deleting_the_current: Mutant::DropGuard(Rule::Tls12) => Tls12;
    clearing_what_another_call_uses: Mutant::DropGuard(Rule::Tls13) => Tls13;
    polling_detached: Mutant::DropGuard(Rule::Tls18) => Tls18;
    a_lost_wake_up_in_the_forced_switch: Mutant::LoseSignals(Parking::Switch) => Gil10;
    a_binding_that_binds_nothing: Mutant::SkipEffect("CreateBind") => Tls1;
    a_creation_that_never_goes_live: Mutant::SkipEffect("CreateLive") => Life1;
    an_undo_that_deletes_nothing: Mutant::SkipEffect("UndoDelete") => Life2;
    an_end_that_frees_nothing: Mutant::SkipEffect("EndFree") => Life12;
    a_detached_tstate_that_stays_active: Mutant::SkipEffect("Deactivate") => Tls2;
    a_gil_that_is_never_unlocked: Mutant::SkipEffect("DropUnlock") => Gil3;
    an_expiry_that_does_not_ask: Mutant::SkipEffect("TakeWait") => Gil6;
    an_interpreter_without_a_gil: Mutant::SkipEffect("CreateGil") => Gil5;
    a_restore_that_answers_too_early: Mutant::AnswerAt("RestoreAttach") => Gil15;
    a_save_that_keeps_the_gil: Mutant::AnswerAt("SaveDrop") => Gil16;
    a_poll_that_does_not_come_back: Mutant::AnswerAt("PollTake") => Gil13;
    an_undo_that_leaves_the_caller_detached: Mutant::AnswerAt("UndoAttach") => Gil3;
    a_swap_that_answers_before_it_attaches: Mutant::AnswerAt("SwapAttach") => Tls20;
}

macro_rules! caught_among {
    ($($name:ident: $mutant:expr => $rule:ident among $ops:expr;)+) => {
        $(#[test] fn $name() { is_caught_among($mutant, Rule::$rule, &$ops); })+
    };
}

const ACQUIRING: [OpKind; 6] = [
    ThreadStateNew,
    ThreadStateBind,
    AcquireThread,
    ReleaseThread,
    EvalBreakerPoll,
    ThreadStateDeleteCurrent,
];
const ENSURING: [OpKind; 6] =
    [NewInterpreterFromConfig, ThreadStateSwap, SaveThread, GilStateEnsure, GilStateRelease, GilStateCheck];
const PENDING: [OpKind; 5] = [ThreadStateSwap, SaveThread, EvalBreakerPoll, AddPendingCall, MakePendingCalls];
const ENDING: [OpKind; 8] = [
    Initialize,
    Finalize,
    StartThread,
    RunThread,
    ThreadStateDeleteCurrent,
    SaveThread,
    RestoreThread,
    AddPendingCall,
];
const OUTSIDE: [OpKind; 8] = [
    NewInterpreterFromConfig,
    ThreadStateSwap,
    InterpreterRequireIdRef,
    InterpreterIdIncref,
    InterpreterIdDecref,
    SetRunningMain,
    SetNotRunningMain,
    DestroyInterpreter,
];
const FORKING: [OpKind; 4] = [NewInterpreterFromConfig, ThreadStateSwap, StartThread, Fork];

const BLOCKS: [OpKind; 8] = [
    NewInterpreterFromConfig,
    EndInterpreter,
    ThreadStateSwap,
    Malloc,
    Realloc,
    Free,
    AllocatedBlocks,
    GlobalAllocatedBlocks,
];
const OBJECTS: [OpKind; 8] = [
    NewInterpreterFromConfig,
    ThreadStateSwap,
    ObjectNew,
    IncRef,
    DecRef,
    SetImmortal,
    ClearImmortal,
    PassRef,
];
const TOTALS: [OpKind; 8] = [
    NewInterpreterFromConfig,
    EndInterpreter,
    ThreadStateSwap,
    Initialize,
    Finalize,
    ObjectNew,
    IncRef,
    GlobalRefTotal,
];

caught_among! {
    a_legacy_creation_that_answers_too_early: Mutant::AnswerAt("CreateLive") => Life17 among [NewInterpreter];
    deleting_a_current_that_is_none: Mutant::DropGuard(Rule::Tls21) => Tls21 among ACQUIRING;
    a_deletion_that_stays_current: Mutant::SkipEffect("LeaveDelete") => Tls22 among ACQUIRING;
    acquiring_beside_a_current_one: Mutant::DropGuard(Rule::Gil17) => Gil17 among ACQUIRING;
    an_acquire_that_does_not_attach: Mutant::AnswerAt("AcquireAttach") => Gil18 among ACQUIRING;
    releasing_what_is_not_current: Mutant::DropGuard(Rule::Gil19) => Gil19 among ACQUIRING;
    a_release_that_keeps_the_gil: Mutant::AnswerAt("ReleaseThreadDrop") => Gil20 among ACQUIRING;
    releasing_what_was_not_ensured: Mutant::DropGuard(Rule::Gilstate5) => Gilstate5 among ENSURING;
    releasing_another_state: Mutant::DropGuard(Rule::Gilstate6) => Gilstate6 among ENSURING;
    releasing_without_a_slot: Mutant::DropGuard(Rule::Gilstate7) => Gilstate7 among ENSURING;
    releasing_a_detached_tstate: Mutant::DropGuard(Rule::Gilstate8) => Gilstate8 among ENSURING;
    ensuring_for_another_interpreter: Mutant::DropGuard(Rule::Gilstate12) => Gilstate12 among ENSURING;
    a_last_release_that_deletes_nothing: Mutant::SkipEffect("LeaveDelete") => Gilstate9 among ENSURING;
    a_release_that_stays_attached: Mutant::AnswerAt("ReleaseDrop") => Gilstate10 among ENSURING;
    a_run_that_nobody_is_busy_with: Mutant::SkipEffect("PendBegin") => Pend6 among PENDING;
    a_run_that_never_ends: Mutant::SkipEffect("PendEnd") => Pend6 among PENDING;
    making_pending_calls_detached: Mutant::DropGuard(Rule::Pend10) => Pend10 among PENDING;
    finalizing_from_a_sub: Mutant::DropGuard(Rule::Fin1) => Fin1 among
        [NewInterpreterFromConfig, ThreadStateSwap, Finalize];
    finalizing_in_another_thread: Mutant::DropGuard(Rule::Fin2) => Fin2 among ENDING;
    finalizing_beside_a_sub: Mutant::DropGuard(Rule::Fin3) => Fin3 among
        [NewInterpreterFromConfig, ThreadStateSwap, Finalize];
    a_finalization_that_frees_nothing: Mutant::SkipEffect("FinalFree") => Fin6 among ENDING;
    running_what_was_not_started: Mutant::DropGuard(Rule::Fin14) => Fin14 among ENDING;
    a_thread_that_is_not_attached: Mutant::AnswerAt("RunAttach") => Fin15 among ENDING;
    starting_a_thread_detached: Mutant::DropGuard(Rule::Fin16) => Fin16 among ENDING;
    ending_what_would_wait_for_itself: Mutant::DropGuard(Rule::Fin20) => Fin20 among
        [NewInterpreterFromConfig, StartThread, ThreadStateDeleteCurrent, RunThread, EndInterpreter];
    deleting_all_but_another: Mutant::DropGuard(Rule::Fin17) => Fin17 among
        [ThreadStateNew, ThreadStateBind, ThreadStateDeleteExcept];
    creating_after_the_end: Mutant::DropGuard(Rule::Fin19) => Fin19 among [NewInterpreterFromConfig, Finalize];
    giving_back_what_was_not_taken: Mutant::DropGuard(Rule::Id4) => Id4 among OUTSIDE;
    ending_through_another_thread: Mutant::DropGuard(Rule::Id6) => Id6 among OUTSIDE;
    an_end_that_does_not_come_back: Mutant::AnswerAt("OutsideBack") => Id7 among OUTSIDE;
    giving_back_from_within: Mutant::DropGuard(Rule::Id8) => Id8 among OUTSIDE;
    destroying_with_nothing_current: Mutant::DropGuard(Rule::Id12) => Id12 among OUTSIDE;
    saying_it_for_another: Mutant::DropGuard(Rule::Id13) => Id13 among OUTSIDE;
    forking_with_nothing_current: Mutant::DropGuard(Rule::Fork5) => Fork5 among FORKING;
    allocating_with_nothing_current: Mutant::DropGuard(Rule::Mem3) => Mem3 among BLOCKS;
    freeing_in_another_heap: Mutant::DropGuard(Rule::Mem4) => Mem4 among BLOCKS;
    freeing_in_another_domain: Mutant::DropGuard(Rule::Mem5) => Mem5 among BLOCKS;
    freeing_twice: Mutant::DropGuard(Rule::Mem6) => Mem6 among BLOCKS;
    counting_where_there_is_no_heap: Mutant::DropGuard(Rule::Mem10) => Mem10 among BLOCKS;
    counting_beside_another_thread: Mutant::DropGuard(Rule::Mem15) => Mem15 among
        [NewInterpreterFromConfig, ThreadStateNew, ThreadStateBind, RestoreThread, AllocatedBlocks];
    a_heap_that_gives_nothing: Mutant::SkipEffect("HeapWork") => Mem2 among BLOCKS;
    blocks_that_are_not_noted: Mutant::Forget(Book::Blocks) => Mem2 among BLOCKS;
    a_block_that_is_noted_as_mains: Mutant::Slip(Slip::Owner) => Mem2 among BLOCKS;
    a_block_that_does_not_stay: Mutant::Slip(Slip::Class) => Mem14 among [Malloc, Realloc];
    large_blocks_that_are_not_counted: Mutant::Forget(Book::RawBlocks) => Mem7 among BLOCKS;
    what_a_heap_left_forgotten: Mutant::Forget(Book::Leaks) => Mem12 among BLOCKS;
    what_a_life_left_forgotten: Mutant::Forget(Book::LastFinal) => Mem12 among
        [Initialize, Finalize, Malloc, GlobalAllocatedBlocks];
    making_an_object_with_nothing_current: Mutant::DropGuard(Rule::Ref1) => Ref1 among OBJECTS;
    using_the_deallocated: Mutant::DropGuard(Rule::Ref2) => Ref2 among OBJECTS;
    using_it_in_another_heap: Mutant::DropGuard(Rule::Ref3) => Ref3 among OBJECTS;
    passing_it_to_another_heap: Mutant::DropGuard(Rule::Ref4) => Ref4 among OBJECTS;
    clearing_what_is_mortal: Mutant::DropGuard(Rule::Ref9) => Ref9 among OBJECTS;
    a_count_that_is_not_written: Mutant::SkipEffect("RefStore") => Ref10 among OBJECTS;
    a_total_that_is_not_written: Mutant::SkipEffect("TotalStore") => Ref10 among OBJECTS;
    objects_that_are_not_noted: Mutant::Forget(Book::Objects) => Mem2 among OBJECTS;
    counts_that_are_forgotten: Mutant::Forget(Book::Refcnts) => Ref5 among OBJECTS;
    totals_that_are_forgotten: Mutant::Forget(Book::RefTotals) => Ref10 among OBJECTS;
    the_total_of_the_ended_forgotten: Mutant::Forget(Book::RefLeaks) => Ref11 among TOTALS;
    that_of_earlier_lives_forgotten: Mutant::Forget(Book::RefLastFinal) => Ref11 among TOTALS;
    what_the_unaware_count_forgotten: Mutant::Forget(Book::Legacy) => Ref11 among TOTALS;
}
