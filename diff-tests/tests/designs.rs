//! The table of knobs: every verdict is as declared, and the runs that show them are reviewed.

mod common;

use cloister_diff_tests::capsule::Capsule;
use cloister_diff_tests::citations::project_root;
use cloister_diff_tests::designs::GilMode;
use cloister_diff_tests::designs::declared::Declared;
use cloister_diff_tests::designs::differences::markdown;
use cloister_diff_tests::designs::judge::{Judged, judge_all};
use cloister_diff_tests::designs::rows::{Row, turned};
use cloister_diff_tests::designs::show::{capsule, show};
use cloister_diff_tests::designs::table::{readme, text};
use cloister_diff_tests::model_run::play;
use cloister_model::check::{Bounds, Scope, Verdict, Watch, explore};
use cloister_model::{Design, Grain};
use cloister_specs::text::{Expect, Script};
use std::sync::OnceLock;

fn table() -> &'static [Judged] {
    static TABLE: OnceLock<Vec<Judged>> = OnceLock::new();
    TABLE.get_or_init(|| judge_all(|_| true, 2, &Watch::default(), |_| true))
}

fn declared() -> Declared {
    Declared::of_the_project().expect("the file is right")
}

#[test]
fn every_verdict_is_as_declared() {
    let wrong: Vec<_> = table().iter().filter_map(|judged| declared().contradicts(judged)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let idle = declared().idle(table());
    assert!(idle.is_empty(), "{}", idle.join("\n"));
}

#[test]
fn the_table_is_reviewed() {
    let _reviewed = common::reviewed();
    insta::assert_snapshot!("designs", text(table(), &declared()));
}

#[test]
fn what_each_knob_leads_to_is_drawn_for_review() {
    let _reviewed = common::reviewed();
    let drawn = |row: &Row| row.grain != Grain::Fine;
    for knob in Design::KNOBS {
        for setting in knob.settings {
            let rows = table().iter().filter(|j| j.row.turned == Some((knob, *setting)) && drawn(&j.row));
            let shown = in_one(rows.map(show));
            if !shown.is_empty() {
                let name = format!("design_{}_{setting}", knob.name).replace('-', "_");
                insta::assert_snapshot!(name, shown);
            }
        }
    }
    let named = table().iter().filter(|j| j.row.turned.is_none()).map(show);
    insta::assert_snapshot!("design_named", in_one(named));
}

/// Those that differ in their first line alone are told once.
fn in_one(shown: impl Iterator<Item = String>) -> String {
    let mut told: Vec<(Vec<String>, String)> = Vec::new();
    for text in shown {
        let (heading, body) = text.split_once('\n').expect("more than a heading");
        match told.iter_mut().find(|(_, same)| same == body) {
            Some((headings, _)) => headings.push(heading.to_string()),
            None => told.push((vec![heading.to_string()], body.to_string())),
        }
    }
    let parts = told.into_iter().map(|(headings, body)| headings.join("\n") + "\n" + &body);
    parts.collect::<Vec<_>>().join("\n-----\n\n")
}

#[test]
fn every_setting_is_judged_with_both_kinds_of_gil_in_every_grain() {
    for knob in Design::KNOBS {
        for setting in knob.settings {
            let ours = *setting == (knob.get)(&Design::CLOISTER);
            for (gil, grain) in GilMode::ALL.into_iter().flat_map(|gil| Grain::ALL.map(|grain| (gil, grain)))
            {
                let here =
                    |row: &&Row| row.turned == Some((knob, *setting)) && row.gil == gil && row.grain == grain;
                let rows = turned();
                assert_eq!(rows.iter().filter(here).count(), usize::from(!ours), "{knob:?}={setting}");
            }
        }
    }
}

#[test]
fn a_broken_row_names_the_smallest_scope_that_shows_it() {
    for judged in table() {
        let (row, Verdict::Broken(_)) = (&judged.row, &judged.verdict) else { continue };
        if row.mends() || row.turned.is_none() {
            continue;
        }
        let Bounds { threads: t, interps: i, tstates: s } = row.bounds;
        let smaller = [(t - 1, i, s), (t, i - 1, s), (t, i, s - 1)];
        for (t, i, s) in smaller.into_iter().filter(|(t, i, s)| *t > 0 && *i > 0 && *s > 0) {
            let scope = Row { bounds: Bounds::new(t, i, s), ..row.clone() }.scope();
            let found = explore(&scope, 1, 1_000_000, &Watch::default());
            assert!(!found.broke && found.complete, "{row} is broken in {t}/{i}/{s} as well");
        }
    }
}

#[test]
fn the_shortest_runs_are_scripts_that_replay() {
    let mut replayed = 0;
    for judged in table() {
        let Some(text) = capsule(judged) else { continue };
        let script: Script = text.parse().unwrap_or_else(|error| panic!("{}: {error}", judged.row));
        let design: Design = script.design.parse().expect("a design that can be read back");
        assert_eq!(design, judged.row.design());
        let capsule = Capsule::from(script.clone());
        let moves: Vec<_> = capsule.moves().copied().collect();
        let played = play(&design, script.grain, &moves).expect("every move can be made");
        assert_eq!(played.lines, script.lines, "{}", judged.row);
        if let Some(Expect::Died(rule)) = script.lines[script.lines.len() - 1].expect {
            assert_eq!(judged.rule(), Some(rule));
        }
        replayed += 1;
    }
    assert!(replayed > 50, "only {replayed} rows are broken");
}

#[test]
fn a_mended_fault_is_judged_by_the_rule_that_it_breaks() {
    let mended: Vec<_> = table().iter().filter(|judged| judged.row.mends()).collect();
    assert!(mended.len() > 5, "{}", mended.len());
    for judged in mended {
        let design = Design::by_name(judged.row.base).expect("a named design");
        let unmended = Scope { design, ..judged.row.scope() };
        let found = explore(&unmended, 2, 1_000_000, &Watch::default());
        assert!(found.broke, "{}: nothing was broken before", judged.row);
    }
}

#[test]
fn a_declaration_that_means_nothing_is_told() {
    let _reviewed = common::reviewed();
    let row = |lines: &str| format!("[[verdict]]\n{lines}\n");
    let wrong = [
        row("verdict = \"holds\""),
        row("verdict = \"fine\"\nreason = \"why\""),
        row("verdict = \"holds\"\nreason = \"why\"\ngrian = \"atomic\""),
        row("verdict = \"holds\"\nreason = \"why\"\nrule = \"GIL-77\""),
        row("verdict = \"holds\"\nreason = \" \""),
        row("verdict = \"broken\"\nreason = \"why\""),
        row("verdict = \"holds\"\nreason = \"why\"\nbase = \"jython\""),
        row("verdict = \"holds\"\nreason = \"why\"\nknob = \"gils\""),
        row("verdict = \"holds\"\nreason = \"why\"\nknob = \"gil\"\nsetting = \"one\""),
        row("verdict = \"holds\"\nreason = \"why\"\nknob = \"gils\"\nsetting = \"two\"\ngil = \"own\""),
        "verdicts = []".to_string(),
        "[[verdict]".to_string(),
    ];
    let told: Vec<_> = wrong
        .iter()
        .map(|text| Declared::parse(text).map(|_| text.clone()).expect_err("it means nothing").to_string())
        .collect();
    insta::assert_snapshot!("declared_errors", told.join("\n\n"));
}

#[test]
fn a_verdict_that_is_not_declared_or_declared_otherwise_is_told() {
    let told = |text: &str| {
        let declared = Declared::parse(text).expect("it can be read");
        let judged = table().iter().find(|j| j.row.to_string() == "seed, own GILs, atomic").expect("a row");
        (declared.contradicts(judged), declared.idle(table()))
    };
    let (wrong, idle) = told("verdict = []");
    assert_eq!(wrong.as_deref(), Some("seed, own GILs, atomic: nothing is declared of it"));
    assert!(idle.is_empty());
    let seed = "[[verdict]]\nbase = \"seed\"\nverdict = \"holds\"\nreason = \"why\"\n";
    let (wrong, _) = told(seed);
    assert_eq!(wrong.as_deref(), Some("seed, own GILs, atomic: broken LIFE-4, declared as holds"));
    let (wrong, _) = told(&seed.repeat(2));
    assert_eq!(wrong.as_deref(), Some("seed, own GILs, atomic: two verdicts are declared of it"));
    let (_, idle) = told(&(seed.to_string() + "grain = \"fine\""));
    assert_eq!(idle, ["specs/designs.toml declares seed, fine, which is no row of the table"]);
}

const BEGIN: &str = "<!-- begin: made by `cloister designs --markdown`, do not edit -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn the_readme_tells_of_the_knobs() {
    let path = project_root().expect("tests run where the sources are").join("README.md");
    let text = std::fs::read_to_string(&path).expect("the README is text");
    let (before, rest) = text.split_once(BEGIN).expect("the README has a place for the knobs");
    let (_, after) = rest.split_once(END).expect("and that place ends");
    let right = format!("{before}{BEGIN}\n{}\n{END}{after}", readme(table(), &declared()));
    common::generated(&path, &right);
}

#[test]
fn the_differences_are_those_of_the_two_designs() {
    let declared = Declared::of_the_project().expect("the file is right");
    let path = project_root().expect("tests run where the sources are").join("specs/differences.md");
    let right = markdown(&declared);
    assert!(right.contains("`eval-breaker` | as-computed | exact | broken PEND-5"));
    common::generated(&path, &right);
}
