//! `cloister bench`: what it tells and writes. Never how fast anything is.

use cloister_diff_tests::bench::{BEGIN, END, Effort, Python, all, named};
use cloister_diff_tests::citations::project_root;
use cloister_diff_tests::cli::args::BenchArgs;
use cloister_diff_tests::cli::{Context, Exit, bench};
use cloister_diff_tests::progress::{Interrupt, Progress};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn measured(peer: Result<Python, String>, interrupt: Interrupt) -> (Exit, String, Vec<Value>) {
    let folder = tempfile::TempDir::new().unwrap();
    let json = folder.path().join("bench.json");
    let args = BenchArgs { work: None, markdown: false, json: Some(json.clone()) };
    let progress = Progress::new(interrupt);
    let mut out = Vec::new();
    let mut context = Context { out: &mut out, progress: &progress };
    let exit = bench::run_with(&args, &Effort::NONE, peer, &mut context).unwrap();
    let rows = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    (exit, String::from_utf8(out).unwrap(), rows)
}

fn assert_shape(rows: &[Value]) {
    for row in rows {
        assert!(row["work"].is_string() && row["unit"].is_string(), "{row}");
        assert!(row["cloister"].as_f64().unwrap() >= 0.0, "{row}");
        assert!(row["peers"].as_object().unwrap().values().all(Value::is_number), "{row}");
        assert_eq!(row["target"].is_string(), row["met"].is_boolean(), "{row}");
        let [least, greatest] = [0, 1].map(|k| row["ranges"]["Cloister"][k].as_f64().unwrap());
        assert!(least <= greatest, "{row}");
    }
}

#[test]
fn without_cpython_the_rest_is_measured_and_judged() {
    let (exit, told, rows) = measured(Err("there is none here".into()), Interrupt::default());
    assert_eq!(exit, Exit::Ok);
    assert!(told.starts_with("CPython: there is none here\n"), "{told}");
    assert_eq!(rows.len(), 26);
    assert_shape(&rows);
    let targets = if cfg!(feature = "peers") { 11 } else { 8 };
    assert_eq!(rows.iter().filter(|row| row["met"].is_boolean()).count(), targets);
    assert!(!told.contains("CPython 3"), "{told}");
}

#[test]
fn cpython_is_a_peer_if_there_is_one() {
    let executable = Path::new(env!("CARGO_BIN_EXE_cloister"));
    let Ok(python) = Python::load(executable) else { return };
    let name = python.name().to_string();
    let again = Python::load(executable).err().unwrap();
    assert!(again.contains("before"), "{again}");
    let (_, told, rows) = measured(Ok(python), Interrupt::default());
    assert_shape(&rows);
    assert!(told.contains(&name), "{told}");
    assert_eq!(rows.iter().filter(|row| row["peers"][&name].is_number()).count(), 18);
}

#[test]
fn an_interrupt_leaves_what_was_measured() {
    let interrupt = Interrupt::default();
    interrupt.set();
    let (exit, _, rows) = measured(Err("not asked for".into()), interrupt);
    assert_eq!((exit, rows.len()), (Exit::Interrupted, 1));
    assert_shape(&rows);
}

/// How fast anything is differs; what was measured does not.
#[test]
fn the_readme_tells_of_every_work() {
    let path = project_root().unwrap().join("README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(BEGIN).expect("the README has a place for the works");
    let (section, _) = rest.split_once(END).expect("and that place ends");
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    let mut told = rows.iter();
    for set_up in all(None) {
        let work = match set_up() {
            Ok(work) => work,
            Err(error) => panic!("{error}"),
        };
        let row = told.next().unwrap_or_else(|| panic!("nothing is told of {}", work.name));
        assert!(row.starts_with(&named(work.name, work.unit)), "{row}\nshould be of {}", work.name);
        if let Some(target) = work.target {
            assert!(row.contains(&format!(" | {} | ", target.told(work.unit))), "{row}");
        }
        assert_eq!(row.matches(" | ").count(), 8, "{row}");
    }
    assert_eq!(told.next(), None);
}

#[test]
fn only_some_works_are_measured_if_so_asked() {
    let args = |work: &str| BenchArgs { work: Some(work.into()), markdown: false, json: None };
    let progress = Progress::new(Interrupt::default());
    let mut out = Vec::new();
    let mut context = Context { out: &mut out, progress: &progress };
    let peer = || Err("not asked for".to_string());
    bench::run_with(&args("IMMORTAL"), &Effort::NONE, peer(), &mut context).unwrap();
    let error = bench::run_with(&args("coffee"), &Effort::NONE, peer(), &mut context).unwrap_err();
    assert!(
        error.to_string().starts_with("no work has `coffee` in its name; there are: read the"),
        "{error}"
    );
    let told = String::from_utf8(out).unwrap();
    assert!(told.contains("incref + decref, immortal, ns") && !told.contains(", mortal"), "{told}");
}

#[test]
fn what_was_measured_is_markdown_for_the_readme() {
    let args = BenchArgs { work: None, markdown: true, json: None };
    let progress = Progress::new(Interrupt::default());
    let mut out = Vec::new();
    let mut context = Context { out: &mut out, progress: &progress };
    bench::run_with(&args, &Effort::NONE, Err("not asked for".into()), &mut context).unwrap();
    let told = String::from_utf8(out).unwrap();
    assert!(told.starts_with(BEGIN) && told.ends_with(END), "{told}");
    let rows = told.lines().filter(|line| line.starts_with("| "));
    let columns: Vec<_> = rows.map(|row| row.matches('|').count()).collect();
    assert_eq!(columns, [10; 28], "{told}");
}

#[test]
fn wrong_arguments_are_refused() {
    let two = ["bench", "pair", "--markdown"];
    for wrong in [["bench", "--json"].as_slice(), &two, &["bench", "--rounds", "3"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_cloister")).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty());
    }
}
