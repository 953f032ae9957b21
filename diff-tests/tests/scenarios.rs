//! The hand-written runs come out as they say, on every subject.

use std::path::{Path, PathBuf};

use cloister_diff_tests::capsule::{Capsule, expectation};
use cloister_diff_tests::cli::{Engine, On, replay::perform};
use cloister_diff_tests::cpython::{NOT_FOUND, find};
use cloister_diff_tests::engine::Subjects;

fn scenarios() -> Vec<(PathBuf, Capsule)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../specs/scenarios");
    let mut paths: Vec<_> =
        std::fs::read_dir(dir).expect("they are there").map(|e| e.expect("readable").path()).collect();
    paths.sort();
    paths.into_iter().map(|p| (p.clone(), Capsule::read(&p).expect("it is a run"))).collect()
}

fn come_out_as_they_say(on: On, chosen: impl Fn(&str) -> bool) -> usize {
    let mut subjects = Subjects::new(env!("CARGO_BIN_EXE_cloister").into());
    let mut compared = 0;
    let name =
        |path: &PathBuf| path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    for (path, run) in scenarios().into_iter().filter(|(path, _)| chosen(&name(path))) {
        let mut subject = subjects.subject(on, &run).expect("it is here");
        let events = perform(&run, subject.as_mut(), || false).expect("it is not lost");
        assert_eq!(events.len(), run.moves.len(), "{}", path.display());
        for (line, event) in run.moves.iter().zip(&events) {
            if line.expect.is_some() {
                assert_eq!(line.expect, expectation(event), "{}: {}", path.display(), line.mv);
                compared += 1;
            }
        }
    }
    compared
}

#[test]
fn on_the_model() {
    assert!(come_out_as_they_say(On::Model, |_| true) >= 250);
}

#[test]
fn on_the_implementation() {
    assert!(come_out_as_they_say(On::Impl, |_| true) >= 250);
}

/// Runs without a call that CPython does not check, and without a fault that it still has.
const ON_CPYTHON: [&str; 9] = [
    "acquire",
    "forced-switch",
    "gilstate",
    "handover",
    "ids",
    "own-gil",
    "pending-calls",
    "recorded-on-cpython",
    "three-threads",
];

#[test]
fn on_cpython() {
    if !find(Path::new(env!("CARGO_BIN_EXE_cloister"))).unwrap().iter().any(|f| f.version.is_modelled()) {
        println!("not run: {NOT_FOUND}");
        return;
    }
    assert!(come_out_as_they_say(On::Cpython, |name| ON_CPYTHON.contains(&name)) >= 120);
}
