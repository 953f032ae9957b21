//! Faults in the model itself are caught, each by a named rule.

use cloister_model::check::{Bounds, Scope, shortest};
use cloister_model::mutant::Mutant;
use cloister_model::rules::{Step, broken_by};
use cloister_model::{Design, Grain, Runtime};
use cloister_specs::{Parking, Rule};

fn is_caught(mutant: Mutant, by: Rule) {
    let d = Design { mutant: Some(mutant), ..Design::CLOISTER };
    let scope = Scope::whole("mutant", d, Grain::Merged, Bounds::new(2, 2, 3));
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
