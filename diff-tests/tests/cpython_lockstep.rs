//! `model(cpython_3_12_1)` beside CPython 3.12.1: what was recorded from it, and, where a
//! libpython is found, the real one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use cloister_diff_tests::cpython::{Cpython, Found, NOT_FOUND, find, read, write};
use cloister_diff_tests::lockstep::{Ended, Lockstep};
use cloister_diff_tests::stages::cpython::{corpus_path, generated, mix, plan, record, recorded};
use cloister_model::Design;
use cloister_specs::text::Script;
use cloister_specs::{Move, OpKind};

const CLOISTER: &str = env!("CARGO_BIN_EXE_cloister");

fn modelled() -> Option<Found> {
    let found = find(Path::new(CLOISTER)).unwrap().into_iter().find(|f| f.version.is_modelled());
    if found.is_none() {
        println!("not run: {NOT_FOUND}");
    }
    found
}

#[test]
fn the_model_does_what_was_recorded() {
    let tally = recorded().expect("the recorded runs are those of the model");
    assert!(tally.runs >= 200, "{} recorded runs", tally.runs);
}

#[test]
fn every_kind_of_call_was_recorded() {
    let corpus = read(&corpus_path().expect("the sources are here")).expect("a corpus");
    let moves = corpus.runs.iter().flat_map(|run| &run.moves);
    let mut made = BTreeSet::new();
    for mv in moves {
        if let Move::Start(start) = mv {
            made.insert(start.op.kind());
        }
    }
    // A release build cannot be told the others.
    let told = |kind: &OpKind| mix().weights[kind.index()] > 0;
    let missing: Vec<_> = OpKind::ALL.into_iter().filter(told).filter(|kind| !made.contains(kind)).collect();
    assert_eq!(missing, []);
}

/// With `INSTA_UPDATE=always`, as for snapshots, it is recorded again.
#[test]
fn what_was_recorded_still_comes_out() {
    let Some(found) = modelled() else { return };
    let mut cpython = Cpython::start(Path::new(CLOISTER), &found).expect("it starts");
    let path = corpus_path().expect("the sources are here");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let corpus = record(&mut cpython).expect("it is not lost");
        write(&corpus, &path).expect("the file can be written");
    }
    let corpus = read(&path).expect("a corpus").told_to(&cpython);
    assert!(corpus.runs.len() > 50, "{} runs", corpus.runs.len());
    let differences = corpus.compare(&mut cpython).expect("it is not lost");
    assert_eq!(differences, []);
}

#[test]
fn generated_runs_agree_without_a_tolerated_difference() {
    let Some(found) = modelled() else { return };
    let row = generated(Path::new(CLOISTER), &found, &plan(77, 150), &AtomicBool::new(false), &mut |_| ())
        .expect("it is not lost");
    if let Some((diverged, path)) = row.divergence {
        panic!("{}: {}", path.display(), diverged.difference);
    }
    assert_eq!(row.tally.diverged, 0);
    assert!(row.tally.ops > 3_000, "{} moves compared", row.tally.ops);
    assert!(row.tally.agreed_share() >= 95.0);
    assert_eq!(row.tally.starved(30), []);
    assert!(row.tally.waits[..3].iter().all(|n| *n > 50), "threads wait: {:?}", row.tally.waits);
}

/// The last call of each breaks a rule whose answer is a fatal error in the calling thread.
const FATAL: [&str; 4] = [
    "T0: SaveThread => t0\nT0: SaveThread => refused TLS-7",
    "T0: NewInterpreter(isolated) => 1 t1\nT0: ThreadStateSwap(t0) => t1\nT0: EndInterpreter(t1) => refused LIFE-9",
    "T0: NewInterpreter(isolated) => 1 t1\nT0: ThreadStateNew(1) => t2\nT0: EndInterpreter(t1) => refused LIFE-10",
    "T0: NewInterpreter(isolated, gil=7) => failed \"invalid interpreter config 'gil' value\"\nT0: SaveThread => died GIL-4",
];

//= specs/rules/tls.md#tls-7
//= type=test
//# A thread MUST have a current thread state when it saves it.
//= specs/rules/life.md#life-9
//= type=test
//# An interpreter MUST be ended by a thread whose current thread state is the one given.
//= specs/rules/life.md#life-10
//= type=test
//# An interpreter MUST NOT be ended while it has another thread state.
//= specs/rules/gil.md#gil-4
//= type=test
//# A thread MUST hold a GIL when it drops it.
#[test]
fn a_breach_that_is_fatal_ends_the_process_with_the_text_of_the_rule() {
    let Some(found) = modelled() else { return };
    let mut cpython = Cpython::start(Path::new(CLOISTER), &found).expect("it starts");
    for text in FATAL {
        let script: Script = text.parse().expect("a run");
        let moves: Vec<Move> = script.lines.iter().map(|line| line.mv).collect();
        let mut lockstep = Lockstep::new(Design::CPYTHON_3_12_1, &mut cpython);
        lockstep.reset(1).expect("it starts again");
        for mv in &moves[..moves.len() - 1] {
            lockstep.step(mv, None).expect("it is not lost");
        }
        let last = lockstep.step(&moves[moves.len() - 1], None).expect("it is not lost");
        assert!(matches!(last, cloister_diff_tests::lockstep::Step::Over), "{text}: {last:?}");
    }
}

#[test]
fn a_capsule_of_a_recorded_run_replays() {
    let Some(found) = modelled() else { return };
    let mut cpython = Cpython::start(Path::new(CLOISTER), &found).expect("it starts");
    let corpus = read(&corpus_path().expect("the sources are here")).expect("a corpus").told_to(&cpython);
    for run in corpus.runs.iter().take(20) {
        let ended = Lockstep::new(Design::CPYTHON_3_12_1, &mut cpython).replay(corpus.threads, &run.moves);
        assert!(matches!(ended.expect("it is not lost"), Ended::Agreed | Ended::Poisoned));
    }
}
