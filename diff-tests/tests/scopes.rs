//! What is explored: as many states as were reviewed, every rule, every pair of calls.

mod common;

use cloister_diff_tests::citations::project_root;
use cloister_diff_tests::cli::args::ScopeArg;
use cloister_diff_tests::scopes::{
    Counts, Named, RECORDED_PATH, contradiction, list, never_together, pairs, recorded,
};
use cloister_model::Design;
use cloister_model::check::{Exploration, Scope, Tally, Watch};
use cloister_specs::OpKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// What has more states than this is left to `cloister check`.
const LONG: u64 = 2_000_000;

fn explored() -> &'static [(Named, Exploration)] {
    static EXPLORED: OnceLock<Vec<(Named, Exploration)>> = OnceLock::new();
    EXPLORED.get_or_init(|| {
        let explore = |named: Named| {
            let found = named.explore(2, &Watch::default());
            (named, found)
        };
        let counts = recorded().expect("the file is right");
        let short = |named: &Named| counts.get(&named.scope.name).is_none_or(|c| c.unique < LONG);
        list(ScopeArg::Default).into_iter().filter(short).map(explore).collect()
    })
}

fn tally() -> Tally {
    let mut all = Tally::default();
    explored().iter().for_each(|(_, found)| all.merge(&found.tally));
    all
}

#[test]
fn every_scope_is_finished_and_has_the_states_that_were_reviewed() {
    let mut counts = recorded().expect("the file is right");
    for (named, found) in explored() {
        assert!(!found.broke && found.complete, "{}", named.scope.name);
        counts.insert(named.scope.name.clone(), Counts::from(found));
    }
    let all: BTreeSet<_> = list(ScopeArg::Deep).into_iter().map(|named| named.scope.name).collect();
    counts.retain(|name, _| all.contains(name));
    let text: String = counts.iter().map(|(name, counts)| line(name, *counts)).collect();
    let path = project_root().expect("tests run where the sources are").join(RECORDED_PATH);
    common::generated(&path, &text);
}

fn line(name: &str, Counts { unique, generated }: Counts) -> String {
    format!("\"{name}\" = {{ unique = {unique}, generated = {generated} }}\n")
}

#[test]
fn every_scope_of_every_level_has_its_counts_recorded_and_no_other_has() {
    let named: BTreeSet<_> = list(ScopeArg::Deep).into_iter().map(|named| named.scope.name).collect();
    assert_eq!(named.len(), list(ScopeArg::Deep).len(), "two scopes have one name");
    assert_eq!(named, recorded().expect("the file is right").into_keys().collect());
}

#[test]
fn a_level_contains_the_one_before() {
    let names = |level| list(level).into_iter().map(|named| named.scope.name).collect::<BTreeSet<_>>();
    assert!(names(ScopeArg::Quick).is_subset(&names(ScopeArg::Default)));
    assert!(names(ScopeArg::Default).is_subset(&names(ScopeArg::Deep)));
    assert!(
        list(ScopeArg::Default)
            .iter()
            .any(|named| { named.scope.ops == OpKind::CORE && named.scope.bounds.to_string() == "3/3/4" })
    );
}

#[test]
fn every_rule_is_probed() {
    assert_eq!(tally().unprobed(), []);
}

#[test]
fn every_kind_of_call_is_accepted_and_those_with_a_guard_are_refused() {
    // What guards a legacy creation is that of the other one, which another scope has.
    let unguarded = [
        OpKind::NewInterpreter,
        OpKind::GilStateCheck,
        OpKind::Initialize,
        OpKind::InterpreterLookUpId,
        OpKind::InterpreterRequireIdRef,
    ];
    for kind in OpKind::ALL {
        assert!(tally().accepted[kind.index()] > 0, "{}", kind.name());
        assert_eq!(tally().refused[kind.index()] > 0, !unguarded.contains(&kind), "{}", kind.name());
    }
}

#[test]
fn every_pair_of_calls_that_can_be_under_way_together_was() {
    let tally = tally();
    let wrong = pairs().filter(|(a, b)| tally.pair(*a, *b) != never_together(*a, *b).is_none());
    let wrong: Vec<_> =
        wrong.map(|(a, b)| format!("{} and {}: {}", a.name(), b.name(), tally.pair(a, b))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(pairs().filter(|(a, b)| never_together(*a, *b).is_none()).count() > 150);
}

#[test]
fn collisions_are_unlikely() {
    let chance: f64 = explored().iter().map(|(_, found)| found.collision_chance()).sum();
    assert!(chance < 1e-5, "{chance}");
}

#[test]
fn a_fault_an_unfinished_scope_and_another_count_are_told() {
    let smallest = list(ScopeArg::Quick).swap_remove(0);
    let design: Design = "cloister drop-request=per-interpreter".parse().expect("a design");
    let faulty = Named { scope: Scope { design, ..smallest.scope.clone() }, ..smallest.clone() };
    let told = |named: &Named, found: &Exploration, recorded: &BTreeMap<_, _>| {
        contradiction(named, found, recorded).unwrap_or_default()
    };
    let found = faulty.explore(1, &Watch::default());
    assert!(told(&faulty, &found, &BTreeMap::new()).contains("a rule is broken"));

    let stopped = Watch::default();
    stopped.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let found = smallest.explore(1, &stopped);
    assert!(told(&smallest, &found, &BTreeMap::new()).contains("not every state was looked at"));

    let found = smallest.explore(1, &Watch::default());
    assert!(told(&smallest, &found, &BTreeMap::new()).contains("are not in snapshots/scopes.toml"));
    let name = smallest.scope.name.clone();
    let fewer = Counts { unique: found.unique - 1, generated: found.generated };
    let other = BTreeMap::from([(name.clone(), fewer)]);
    assert!(told(&smallest, &found, &other).contains("states and"));
    let same = BTreeMap::from([(name, Counts::from(&found))]);
    assert_eq!(contradiction(&smallest, &found, &same), None);
}
