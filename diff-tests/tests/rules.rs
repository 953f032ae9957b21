//! The rules, and where they are cited.

mod common;

use cloister_diff_tests::citations::{Citations, Place, Wrong, project_root};
use cloister_diff_tests::cli::rules::coverage;
use cloister_specs::Rule;
use std::path::Path;

fn scanned(file: &str, comments: &[&str]) -> Citations {
    let text: String = comments.iter().map(|comment| format!("    //{comment}\n")).collect();
    let mut citations = Citations::default();
    citations.scan(Path::new(file), &format!("fn before() {{}}\n{text}fn after() {{}}\n"));
    citations
}

fn places(file: &str, comments: &[&str]) -> Vec<Place> {
    let citations = scanned(file, comments);
    assert_eq!(citations.problems, []);
    citations.good.into_iter().map(|citation| citation.place).collect()
}

const GIL_8: &str = "= specs/rules/gil.md#gil-8";
const QUOTE: &str = "# Taking a GIL MUST reset the request";

#[test]
fn where_a_citation_stands_says_what_it_means() {
    let cited = [GIL_8, QUOTE];
    assert_eq!(places("model/src/gil.rs", &cited), [Place::Model]);
    assert_eq!(places("impl/src/sync/gil.rs", &cited), [Place::Impl]);
    assert_eq!(places("impl/tests/gil.rs", &cited), [Place::Test]);
    assert_eq!(places("model/tests/gil.rs", &cited), [Place::Test]);
    assert_eq!(places("diff-tests/src/lockstep.rs", &cited), [Place::Test]);
    assert_eq!(places("model/src/gil.rs", &[GIL_8, "= type=test", QUOTE]), [Place::Test]);
}

#[test]
fn several_citations_may_follow_each_other() {
    let two =
        [GIL_8, QUOTE, "= specs/rules/gil.md#gil-4", "# A thread MUST hold a GIL", "#   when it drops it."];
    let citations = scanned("model/src/gil.rs", &two);
    assert_eq!(citations.problems, []);
    let found: Vec<_> = citations.good.iter().map(|c| (c.rule, c.line)).collect();
    assert_eq!(found, [(Rule::Gil8, 2), (Rule::Gil4, 4)]);
}

#[test]
fn a_citation_that_does_not_hold_is_a_problem() {
    let wrong = |comments: &[&str]| {
        let citations = scanned("model/src/gil.rs", comments);
        assert_eq!(citations.good, []);
        citations.problems.into_iter().map(|problem| problem.wrong).next().unwrap()
    };
    let target = "specs/rules/gil.md#gil-99".to_string();
    assert_eq!(wrong(&["= specs/rules/gil.md#gil-99", QUOTE]), Wrong::UnknownRule(target));
    let target = "specs/rules/tls.md#gil-8".to_string();
    assert_eq!(wrong(&["= specs/rules/tls.md#gil-8", QUOTE]), Wrong::UnknownRule(target));
    let quote = "Taking a GIL MUST reset a request".to_string();
    assert_eq!(
        wrong(&[GIL_8, "# Taking a GIL MUST reset a request"]),
        Wrong::WrongQuote { rule: Rule::Gil8, quote }
    );
    assert_eq!(wrong(&[GIL_8]), Wrong::NoQuote(Rule::Gil8));
    assert_eq!(wrong(&[GIL_8, "= type=todo", QUOTE]), Wrong::UnknownType("todo".into()));
}

fn of_the_project() -> Citations {
    Citations::read(&project_root().expect("tests run where the sources are")).unwrap()
}

#[test]
fn every_citation_of_the_project_holds() {
    let problems = of_the_project().problems;
    assert!(problems.is_empty(), "{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>());
}

#[test]
fn the_coverage_of_the_rules_is_reviewed() {
    let _reviewed = common::reviewed();
    insta::assert_snapshot!("rule_coverage", coverage(&of_the_project()));
}

#[test]
fn every_rule_is_served_and_checked() {
    let citations = of_the_project();
    let missing: String = Rule::ALL
        .into_iter()
        .flat_map(|rule| citations.missing(rule).into_iter().map(move |place| (rule, place)))
        .map(|(rule, place)| format!("{rule} has no citation in {}\n", place.name()))
        .collect();
    assert!(missing.is_empty(), "{missing}");
}
