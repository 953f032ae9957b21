//! The soak: a sample of it, bounded by work and not by time, and what it has to find.
//!
//! Each soak has a process of its own, since the pools and the memory that it looks at are
//! those of the process.

mod common;

use cloister_diff_tests::cli::args::SoakArgs;
use cloister_diff_tests::cli::soak::{Kinds, PoolReport, SoakReport, told};
use cloister_diff_tests::cli::{Context, Exit, soak};
use cloister_diff_tests::progress::{Interrupt, Progress};
use cloister_diff_tests::soak::{Count, Forget, Loss, Memory, TOLERANCE_KIB, WARM_UP};
use serde_json::Value;
use std::process::{Command, Output};

fn cloister(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloister")).arg("soak").args(args).output().unwrap()
}

/// The exit code, the text, and the JSON of a soak.
fn soaked(args: &[&str]) -> (Option<i32>, String, Value) {
    let folder = tempfile::TempDir::new().unwrap();
    let json = folder.path().join("soak.json");
    let output = cloister(&[args, &["--json", json.to_str().unwrap()]].concat());
    let told = String::from_utf8(output.stdout).unwrap();
    let report = std::fs::read(json).unwrap_or_else(|_| panic!("{told}"));
    (output.status.code(), told, serde_json::from_slice(&report).unwrap())
}

fn losses(report: &Value) -> Vec<&str> {
    report["losses"].as_array().unwrap().iter().map(|loss| loss.as_str().unwrap()).collect()
}

/// How much of each kind a sample has to see at least, in interpreters of either kind.
const FLOORS: [(Count, u64); 27] = [
    (Count::Created, 50_000),
    (Count::Ended, 50_000),
    (Count::Injected, 20_000),
    (Count::BadConfig, 10_000),
    (Count::Made, 50_000),
    (Count::Bound, 50_000),
    (Count::Cleared, 50_000),
    (Count::Deleted, 50_000),
    (Count::Entered, 200_000),
    (Count::Visited, 100_000),
    (Count::Left, 50_000),
    (Count::Polls, 500_000),
    (Count::Ensured, 20_000),
    (Count::EnsureMade, 1_000),
    (Count::DeletedCurrent, 5_000),
    (Count::Added, 20_000),
    (Count::Full, 1),
    (Count::Started, 1_000),
    (Count::StartedAtEnd, 100),
    (Count::LastRef, 1_000),
    (Count::Destroyed, 500),
    (Count::Allocated, 20_000),
    (Count::Freed, 10_000),
    (Count::Objects, 20_000),
    (Count::References, 20_000),
    (Count::HandOvers, 20_000),
    (Count::OnRequest, 1),
];

#[test]
fn eight_threads_create_use_and_end_interpreters_and_lose_nothing() {
    const ROUNDS: u64 = 500;
    let (code, told, report) = soaked(&["--rounds", &ROUNDS.to_string(), "--threads", "8", "--seed", "1"]);
    assert_eq!((code, losses(&report)), (Some(0), vec![]), "{told}");
    assert_eq!((&report["rounds"], &report["threads"]), (&ROUNDS.into(), &8.into()));
    assert_eq!(FLOORS.map(|(count, _)| count).as_slice(), Count::ALL);
    for (count, floor) in FLOORS {
        let name = count.name().trim_start();
        for kind in ["own", "shared"] {
            let times = report["counts"][name][kind].as_u64().unwrap();
            assert!(times >= floor, "{name}: {times} of {floor}\n{told}");
        }
    }
    let all = |count: Count, kind: &str| report["counts"][count.name()][kind].as_u64().unwrap();
    for kind in ["own", "shared"] {
        assert_eq!(all(Count::Created, kind), all(Count::Ended, kind));
    }
    for rule in ["GIL-12", "LIFE-10", "TLS-3", "TLS-6", "TLS-13"] {
        assert!(report["refusals"][rule].as_u64() >= Some(10), "{rule}\n{told}");
    }
    assert!(
        report["wrong"].as_u64() >= Some(100_000) && report["reattached"].as_u64() >= Some(500),
        "{told}"
    );
    let pools = report["pools"].as_array().unwrap();
    assert_eq!(pools.iter().map(|pool| &pool["made"]).collect::<Vec<_>>(), [26, 89, 17]);
    assert!(pools.iter().all(|pool| pool["full"] == pool["made"] && pool["used"] == 1), "{told}");
    if cfg!(target_os = "linux") {
        let [warm, last] = ["warm", "last"].map(|which| report["memory"][which].as_u64().unwrap());
        assert!(warm > 0 && last <= warm + TOLERANCE_KIB, "{told}");
    }
}

/// Soaks that lose something on purpose find it. What may be found besides depends on how much
/// there is at that moment; nothing else is found.
fn is_found(forget: Forget, sentences: &[&str], besides: &[&str]) {
    let word = format!("{forget:?}").to_lowercase();
    let (code, told, report) = soaked(&["--rounds", "1000", "--forget", &word, "--seed", "1"]);
    let losses = losses(&report);
    assert_eq!(code, Some(1), "{told}");
    assert!(report["rounds"].as_u64() > Some(WARM_UP), "{told}");
    for sentence in sentences {
        assert!(losses.iter().any(|loss| loss.contains(sentence)), "{sentence}: {losses:#?}");
    }
    for loss in &losses {
        let explained = |sentence: &&str| loss.contains(*sentence);
        assert!(told.contains(loss) && sentences.iter().chain(besides).any(explained), "{told}");
    }
}

macro_rules! found {
    ($($name:ident: $forget:ident => $sentences:expr, $besides:expr;)+) => {
        $(#[test] fn $name() { is_found(Forget::$forget, &$sentences, &$besides); })+

        #[test]
        fn whatever_can_be_forgotten_has_a_test() {
            assert_eq!(Forget::ALL, [$(Forget::$forget),+]);
        }
    };
}

found! {
    a_thread_state_that_is_not_deleted_is_found: Tstate => ["LIFE-12: thread state "], [];
    an_interpreter_that_is_not_ended_is_found: Interp => [
        "LIFE-12: interpreter ", "LIFE-12: thread state ",
    ], ["FIN-8: of the pending calls of interpreter "];
    a_gil_that_is_kept_is_found: Gil => [
        "GIL-3: the GIL of interpreter ", "its bit `active` differs",
    ], [];
    a_pending_call_that_is_not_counted_is_found: Call => ["FIN-8: of the pending calls of "], [];
    a_runtime_that_is_not_ended_is_found: Runtime => [
        "slots of interpreters are used", "slots of thread states are used",
    ], ["the pool of interpreters has grown", "the pool of thread states has grown", "the pool of threads has grown"];
    a_block_that_is_not_freed_is_found: Block => ["MEM-12: "], [];
    memory_that_is_not_freed_is_found: Memory => ["resident memory has grown from "], [];
}

#[test]
fn one_thread_alone_loses_nothing_either() {
    let (code, told, report) = soaked(&["--rounds", "30", "--threads", "1", "--seed", "7"]);
    assert_eq!((code, losses(&report)), (Some(0), vec![]), "{told}");
    assert!(told.starts_with("seed 7, 1 threads\n"), "{told}");
    assert!(report["counts"][Count::Ended.name()]["own"].as_u64() > Some(100), "{told}");
}

#[test]
fn an_interrupted_soak_ends_at_its_next_checkpoint() {
    let interrupt = Interrupt::default();
    interrupt.set();
    let progress = Progress::new(interrupt);
    let mut out = Vec::new();
    let args =
        SoakArgs { seconds: Some(3_600), rounds: None, threads: 2, seed: Some(1), forget: None, json: None };
    let exit = soak::run(args, &mut Context { out: &mut out, progress: &progress }).unwrap();
    let told = String::from_utf8(out).unwrap();
    assert_eq!(exit, Exit::Interrupted, "{told}");
    assert!(told.contains("resident memory is not looked at"), "{told}");
}

#[test]
fn wrong_arguments_are_refused() {
    for wrong in [
        ["--seconds", "0"].as_slice(),
        &["--threads", "0"],
        &["--threads", "65"],
        &["--seconds", "1", "--rounds", "1"],
        &["--forget", "nothing"],
        &["--seed", "early"],
        &["faster"],
    ] {
        let output = cloister(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
    let output = cloister(&["--rounds", "1", "--json", "/nowhere/soak.json"]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("cloister: /nowhere/soak.json: cannot be written"), "{complaint}");
}

#[test]
fn the_report_is_a_table() {
    let _reviewed = common::reviewed();
    let count =
        |(n, count): (u64, &Count)| (count.name().trim_start(), Kinds { own: 1_000_000 >> n, shared: 7 * n });
    let pool = |pool, full, used| PoolReport { pool, full, made: full, used };
    let mut report = SoakReport {
        seed: 7,
        threads: 8,
        seconds: 600.25,
        rounds: 4_711,
        counts: (0..).zip(Count::ALL).map(count).collect(),
        refusals: [("LIFE-10", 1_234), ("TLS-3", 5)].into(),
        wrong: 98_765,
        reattached: 432,
        pools: vec![pool("interpreters", 26, 1), pool("thread states", 82, 1), pool("threads", 9, 1)],
        memory: Some(Memory { warm: 5_000, peak: 5_500, last: 5_400 }),
        losses: vec![],
    };
    insta::assert_snapshot!("soak_report", told(&report));
    report.memory = None;
    report.losses = vec![
        Loss::TstateLeft { serial: 12, interp: Some(3) }.told(),
        Loss::PoolGrew { pool: "threads", before: 9, after: 10 }.told(),
    ];
    let text = told(&report);
    let end = &text[text.find("resident").unwrap()..];
    assert_eq!(
        end,
        "resident memory is not looked at: only Linux tells it\n\nlost:\n  \
         LIFE-12: thread state 12 of interpreter 3 is listed, but nobody has it\n  \
         the pool of threads has grown from 9 to 10 slots\n"
    );
}
