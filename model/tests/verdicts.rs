//! What the checker says of designs, and the runs that it shows for it.

use cloister_model::check::{Bounds, Product, Scope, Verdict, judge, shortest};
use cloister_model::{Design, Grain, Runtime};
use cloister_specs::{InterpreterConfig, Rule};

fn scope(design: Design, grain: Grain, configs: [InterpreterConfig; 2]) -> Scope {
    let whole = Scope::whole("2/2/3", design, grain, Bounds::new(2, 2, 3));
    Scope { configs: configs.to_vec(), ..whole }
}

const SHARED: InterpreterConfig = InterpreterConfig { gil: 1, ..InterpreterConfig::ISOLATED };

fn verdict(settings: &str, grain: Grain, configs: [InterpreterConfig; 2]) -> Verdict {
    let design = settings.parse().expect("a design");
    judge(&scope(design, grain, configs), Some(&Design::CLOISTER), 2, 1_000_000, &Default::default())
}

#[test]
fn one_place_for_the_current_tstate_is_enough_for_one_gil_and_not_for_two() {
    let one = verdict("current=runtime-global", Grain::Merged, [SHARED, InterpreterConfig::LEGACY]);
    assert!(matches!(one, Verdict::Holds(..)), "{}", one.text());
    let two = verdict("current=runtime-global", Grain::Merged, [InterpreterConfig::ISOLATED, SHARED]);
    assert!(matches!(two, Verdict::Broken(_)), "{}", two.text());
}

#[test]
fn a_design_that_nobody_can_tell_from_ours_is_equivalent() {
    let same = verdict("gils=one", Grain::Atomic, [SHARED, InterpreterConfig::LEGACY]);
    assert!(matches!(same, Verdict::Equivalent(_, pairs) if pairs > 1_000), "{}", same.text());
}

#[test]
fn a_design_that_holds_but_differs_shows_where() {
    let Verdict::Holds(_, Some(moves)) = verdict("gils=one", Grain::Atomic, [InterpreterConfig::ISOLATED; 2])
    else {
        panic!("it holds");
    };
    let told: Vec<_> = moves.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["T0: NewInterpreterFromConfig(isolated) at t1"]);
}

#[test]
fn designs_that_differ_from_the_start_need_no_move() {
    let scope = scope("current=runtime-global".parse().expect("a design"), Grain::Atomic, [SHARED; 2]);
    let scope = Scope { symmetry: false, ..scope };
    assert_eq!(Product { scope, other: Design::CLOISTER }.apart(10), Some(Vec::new()));
}

#[test]
fn a_search_that_is_cut_short_says_so() {
    let design = "drop-request=per-interpreter".parse().expect("a design");
    let scope = Scope { symmetry: false, ..scope(design, Grain::Merged, [SHARED; 2]) };
    let (run, whole) = shortest(&scope, 1_000_000);
    let run = run.expect("a waiter of another interpreter asks in vain");
    assert_eq!((run.rule, run.ops, run.preemptions, run.minimal, whole), (Rule::Gil7, 1, 0, true, true));
    let (run, whole) = shortest(&scope, 1);
    assert!(run.is_none() && !whole);
}

#[test]
fn a_state_is_told_in_words() {
    let mut r = Runtime::new(&Design::CLOISTER);
    for line in ["T0: ThreadStateNew(0)", "T1: ThreadStateBind(t1)", "T1: RestoreThread(t1)", "T1: .. expire"]
    {
        let line: cloister_specs::text::Line = line.parse().expect("a move");
        r.apply(&Design::CLOISTER, Grain::Atomic, &line.mv).expect("possible");
    }
    let told = "\
T0: current t0, gilstate t0
T1: current NULL, gilstate t1; in RestoreThread: waits for GIL 0, has asked
interpreter 0: live, GIL 0
GIL 0: held by T0, last t0, is asked
t0: of interpreter 0, bound to T0, in its gilstate slot, active
t1: of interpreter 0, bound to T1, in its gilstate slot";
    assert_eq!(r.to_string(), told);
}
