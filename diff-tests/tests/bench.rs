//! `cloister bench`: what it tells and writes. Never how fast anything is.

use cloister_diff_tests::bench::{Effort, Python};
use cloister_diff_tests::cli::args::BenchArgs;
use cloister_diff_tests::cli::{Context, Exit, bench};
use cloister_diff_tests::progress::{Interrupt, Progress};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn measured(peer: Result<Python, String>, interrupt: Interrupt) -> (Exit, String, Vec<Value>) {
    let folder = tempfile::TempDir::new().unwrap();
    let json = folder.path().join("bench.json");
    let args = BenchArgs { json: Some(json.clone()) };
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

#[test]
fn wrong_arguments_are_refused() {
    for wrong in [["bench", "--json"].as_slice(), &["bench", "fast"], &["bench", "--rounds", "3"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_cloister")).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty());
    }
}
