//! `cloister heap`: what it draws, and what it tells machines.

mod common;

use cloister_diff_tests::cli::args::HeapArgs;
use cloister_diff_tests::cli::{Context, Exit, heap};
use cloister_diff_tests::heap::{HeapError, Plan, run};
use cloister_diff_tests::progress::{Interrupt, Progress};
use serde_json::Value;
use std::process::{Command, Output};

fn cloister_heap(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloister")).arg("heap").args(args).output().unwrap()
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn a_heap_is_drawn_with_what_it_leaves() {
    let _reviewed = common::reviewed();
    let output = cloister_heap(&["--seed", "7", "--ops", "30000", "--keep", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    insta::assert_snapshot!("heap_drawn", text(&output));
}

#[cfg(target_pointer_width = "64")]
#[test]
fn what_lies_where_is_reviewed() {
    let _reviewed = common::reviewed();
    let output = cloister_heap(&["--layout"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    insta::assert_snapshot!("layouts", text(&output));
    let json: Value = serde_json::from_slice(&cloister_heap(&["--layout", "--json"]).stdout).unwrap();
    let types = json["types"].as_array().unwrap();
    for one in types {
        let fields = one["fields"].as_array().unwrap();
        let end = |field: &Value| field["at"].as_u64().unwrap() + field["size"].as_u64().unwrap();
        assert!(fields.windows(2).all(|two| end(&two[0]) <= two[1]["at"].as_u64().unwrap()), "{one}");
        assert!(fields.iter().all(|field| end(field) <= one["size"].as_u64().unwrap()), "{one}");
    }
    assert_eq!(cloister_heap(&["--layout", "--seed", "7"]).status.code(), Some(2));
}

#[test]
fn the_same_is_json_for_machines() {
    let json = |args: &[&str]| -> Value { serde_json::from_slice(&cloister_heap(args).stdout).unwrap() };
    let plan = ["--json", "--seed", "7", "--ops", "30000", "--keep", "1"];
    let told = json(&plan);
    assert_eq!(told, json(&plan), "the same seed");
    assert_eq!((&told["version"], &told["seed"], &told["ops"]), (&1.into(), &7.into(), &30_000.into()));
    let sum = |rows: &Value, what: &str| -> u64 {
        rows.as_array().unwrap().iter().map(|row| row[what].as_u64().unwrap()).sum()
    };
    // The classes are those of the arenas, pool by pool.
    let (mut pools, mut blocks, mut capacity) = (0, 0, 0);
    for pool in told["arenas"].as_array().unwrap().iter().flat_map(|arena| arena["pools"].as_array().unwrap())
    {
        if !pool.is_null() {
            pools += 1;
            blocks += pool["blocks"].as_u64().unwrap();
            capacity += pool["capacity"].as_u64().unwrap();
        }
    }
    let classes = &told["classes"];
    assert_eq!(
        (pools, blocks, capacity),
        (sum(classes, "pools"), sum(classes, "blocks"), sum(classes, "capacity"))
    );
    // What lives is what was made and not freed, and it is what is left.
    let [malloc, calloc, free] =
        ["malloc", "calloc", "free"].map(|call| told["calls"][call].as_u64().unwrap());
    let live = malloc + calloc - free;
    assert_eq!(live, blocks + told["totals"]["large_blocks"].as_u64().unwrap());
    let left = |which: &str| -> u64 {
        told["left"][which].as_array().unwrap().iter().map(|entry| entry[1].as_u64().unwrap()).sum()
    };
    assert_eq!((left("blocks"), left("blocks") + left("large")), (blocks, live));
    assert!(live > 1_000 && told["calls"]["in_place"].as_u64().unwrap() > 100, "{told}");
    assert_eq!(told["problems"], Value::Array(Vec::new()));
}

#[test]
fn a_seed_is_told_and_can_be_told_again() {
    let seed = |args: &[&str]| {
        let output = cloister_heap(args);
        assert_eq!(output.status.code(), Some(0));
        text(&output).lines().next().unwrap().to_string()
    };
    let first = seed(&["--ops", "100"]);
    let number = first.strip_prefix("seed ").and_then(|rest| rest.strip_suffix(", 100 calls")).unwrap();
    assert_eq!(first, seed(&["--ops", "100", "--seed", number]));
    assert_ne!(first, seed(&["--ops", "100"]), "another seed each time");
}

#[test]
fn every_size_of_workload_is_done_and_the_heap_is_right() {
    for (seed, ops) in [1, 2, 3, 4, 5, 10, 100, 1_000, 300_000].into_iter().enumerate() {
        let report = run(&Plan { seed: seed as u64, ops, keep: None }, &mut || true).unwrap();
        let calls = report.calls;
        assert_eq!(calls.malloc + calls.calloc + calls.realloc + calls.free, ops);
        assert_eq!(report.problems, Vec::<String>::new());
    }
}

#[test]
fn how_many_arenas_are_kept_shows() {
    let arenas = |keep: usize| {
        run(&Plan { seed: 1, ops: 300_000, keep: Some(keep) }, &mut || true).unwrap().arenas.len()
    };
    let all: Vec<_> = [0, 1, 100].map(arenas).into();
    assert!(all[0] <= all[1] && all[1] <= all[2] && all[2] > 1, "{all:?}");
}

#[test]
fn an_interrupt_ends_it() {
    let interrupt = Interrupt::default();
    interrupt.set();
    let progress = Progress::new(interrupt);
    let mut out = Vec::new();
    let args = HeapArgs { seed: Some(1), ops: 100_000, keep: None, layout: false, json: false };
    let exit = heap::run(args, &mut Context { out: &mut out, progress: &progress }).unwrap();
    assert_eq!((exit, out.as_slice()), (Exit::Interrupted, b"".as_slice()));
    let mut asked = 0;
    let mut once = || {
        asked += 1;
        asked < 2
    };
    assert_eq!(run(&Plan { seed: 1, ops: 100_000, keep: None }, &mut once), Err(HeapError::Interrupted));
}

#[test]
fn wrong_arguments_are_2() {
    for wrong in [
        ["--ops", "0"].as_slice(),
        &["--ops", "many"],
        &["--ops", "1000000001"],
        &["--seed", "-1"],
        &["--keep", "some"],
        &["--keep"],
        &["--json", "out.json"],
        &["left"],
    ] {
        let output = cloister_heap(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
}
