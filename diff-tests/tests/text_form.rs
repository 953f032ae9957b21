//! Runs as people write them and as they see them: the scenarios, drawn.

mod common;

use cloister_diff_tests::citations::project_root;
use cloister_diff_tests::draw::{Row, RowKind, draw, draw_unfolded, rows, threads};
use cloister_specs::ThreadId;
use cloister_specs::text::{Expect, Script};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

const HANDOVER: &str = "\
run handover
threads 2

T0: ThreadStateNew(0) => t1
T1: ThreadStateBind(t1) => done
T1: RestoreThread(t1) => parked gil
T1: .. expire => parked gil
T0: EvalBreakerPoll => parked switch
T1: .. step => done
T0: .. step => parked gil
T1: SaveThread => t1
T0: .. step => done
";

fn drawn(script: &Script) -> String {
    let rows = rows(&script.lines, &[]);
    draw(&threads(&rows), &rows)
}

#[test]
fn a_run_is_drawn_with_a_column_per_thread() {
    let _reviewed = common::reviewed();
    let script: Script = HANDOVER.parse().unwrap();
    insta::assert_snapshot!("drawn_handover", drawn(&script));
}

fn a_fine_run() -> Vec<Row> {
    use RowKind::{Call, Label, Note, Outcome, Parked};
    let row = |thread, kind, text: &str| Row::new(ThreadId(thread), kind, text);
    let config = "isolated, use_main_obmalloc=1, allow_fork=1, allow_exec=1, check_multi_interp_extensions=0";
    vec![
        row(0, Call, &format!("NewInterpreterFromConfig({config})")),
        row(0, Label, "alloc interp"),
        row(0, Label, "alloc tstate"),
        row(1, Call, "RestoreThread(t1)"),
        row(1, Label, "lock mutex"),
        row(1, Label, "read locked"),
        row(1, Label, "wait"),
        row(1, Parked, "waits for the GIL"),
        row(0, Label, "swap out the caller"),
        row(0, Label, "drop_gil: lock mutex"),
        row(0, Label, "drop_gil: clear locked"),
        row(0, Label, "drop_gil: signal"),
        row(0, Label, "drop_gil: unlock mutex"),
        row(0, Outcome, "failed \"per-interpreter GIL does not support the main interpreter's obmalloc\""),
        row(1, Label, "lock mutex"),
        row(1, Outcome, "done"),
        row(2, Call, "SaveThread"),
        row(2, Outcome, "refused TLS-7"),
        row(2, Note, "the caller has no thread state"),
    ]
}

#[test]
fn unswitched_steps_are_folded_and_an_interrupted_call_says_so() {
    let _reviewed = common::reviewed();
    insta::assert_snapshot!("drawn_folded", draw(&threads(&a_fine_run()), &a_fine_run()));
    insta::assert_snapshot!("drawn_unfolded", draw_unfolded(&threads(&a_fine_run()), &a_fine_run()));
}

#[test]
fn no_line_is_wider_than_a_page() {
    for drawn in
        [draw(&threads(&a_fine_run()), &a_fine_run()), draw_unfolded(&threads(&a_fine_run()), &a_fine_run())]
    {
        assert!(drawn.lines().all(|line| line.chars().count() <= 110), "{drawn}");
    }
}

fn scenarios() -> Vec<(String, Script)> {
    let folder = project_root().expect("tests run where the sources are").join("specs/scenarios");
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "run")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let script = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().unwrap().to_string_lossy().into_owned(), script)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_scenario_says_what_comes_of_each_move() {
    for (name, script) in scenarios() {
        assert_eq!(script.name, name.replace('-', " "));
        assert!(!script.lines.is_empty(), "{name}");
        let silent = script.lines.iter().find(|line| line.expect.is_none());
        assert!(silent.is_none(), "{name}: {}", silent.unwrap());
    }
}

#[test]
fn the_scenarios_are_drawn_for_review() {
    let _reviewed = common::reviewed();
    for (name, script) in scenarios() {
        insta::assert_snapshot!(format!("scenario_{}", name.replace('-', "_")), drawn(&script));
    }
}

/// The rules that a caller can break, as far as their answer is no status.
#[test]
fn every_refusal_is_among_the_scenarios() {
    use cloister_specs::Rule::*;
    let caller = [
        Life9, Life10, Life11, Life13, Tls3, Tls4, Tls5, Tls6, Tls7, Tls8, Tls9, Tls10, Tls11, Tls12, Tls13,
        Tls18, Gil12, Tls21, Gil17, Gil19, Gilstate5, Gilstate6, Gilstate7, Gilstate8, Gilstate12, Pend10,
        Fin1, Fin2, Fin3, Fin14, Fin16, Fin17, Fin19, Id4, Id6, Id8, Id12, Id13, Fork5, Mem3, Mem4, Mem5,
        Mem6, Mem10, Mem15, Ref1, Ref2, Ref3, Ref4, Ref8, Ref9,
    ];
    let scenarios = scenarios();
    let lines = scenarios.iter().flat_map(|(_, script)| &script.lines);
    let refused: BTreeSet<_> = lines
        .filter_map(|line| match line.expect {
            Some(Expect::Refused(rule)) => Some(rule),
            _ => None,
        })
        .collect();
    assert_eq!(refused, BTreeSet::from(caller));
}
