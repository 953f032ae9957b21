//! The command as people and scripts use it.

mod common;

use clap::{Args, FromArgMatches};
use cloister_diff_tests::capsule::Capsule;
use cloister_diff_tests::cli::args::{
    AskArgs, BenchArgs, CheckArgs, DesignsArgs, ExploreArgs, LockstepArgs, ReplayArgs, ScopeArg,
};
use cloister_diff_tests::cli::{CliError, Context, Engine, Exit, On, ask, exit_code, replay};
use cloister_diff_tests::progress::{Interrupt, Progress};
use cloister_diff_tests::subject::{Event, Shows, Subject, SubjectError};
use cloister_specs::text::{Expect, Script};
use cloister_specs::{Move, Observation, ThreadView};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

fn cloister(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloister")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn one_rule_is_told_in_full() {
    let output = cloister(&["rules", "tls-7"]);
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stdout);
    assert!(told.starts_with("TLS-7  A thread MUST have a current thread state when it saves it.\n"));
    assert!(told.contains("\nCPython     the process ends, \"PyEval_SaveThread: "), "{told}");
    assert!(told.contains("\nDo          restore or swap to a thread state first\n"), "{told}");
}

#[test]
fn the_rules_are_json_for_scripts() {
    let output = cloister(&["rules", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["rules"].as_array().unwrap().len(), cloister_specs::Rule::ALL.len());
    assert_eq!(json["rules"][0]["id"], "LIFE-1");
}

#[test]
fn wrong_use_is_told_in_a_sentence_and_is_2() {
    let output = cloister(&["rules", "GIL-99"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "cloister: there is no rule `GIL-99`; those of GIL end with GIL-20\n");
    assert!(output.stdout.is_empty());
    for wrong in [["rules", "--yaml"].as_slice(), &["rule"], &[]] {
        let output = cloister(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(text(&output.stderr).contains("Usage: cloister"), "{wrong:?}");
    }
}

#[test]
fn a_design_is_judged_by_one_rule_if_so_asked() {
    let asked = |words: &[&str]| {
        let all = ["designs"]
            .iter()
            .chain(words)
            .chain(&["--gil", "own", "--grain", "merged", "--bounds", "2/2/2"]);
        cloister(&all.copied().collect::<Vec<_>>())
    };
    for (words, rule) in [
        (["cross-refs=accepted"].as_slice(), "REF-12"),
        (&["cross-refs=accepted", "--only", "ref-5"], "REF-5"),
    ] {
        let output = asked(words);
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("\n{rule} is broken: ")), "{told}");
    }
    let atomic =
        cloister(&["designs", "cross-refs=accepted", "--only", "REF-5", "--gil", "own", "--bounds", "2/2/2"]);
    assert_eq!(atomic.status.code(), Some(0));
    assert!(text(&atomic.stdout).contains("\nREF-5 holds in all "), "{}", text(&atomic.stdout));
    let output = asked(&["cross-refs=accepted", "--only", "REF-99"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no rule `REF-99`"));
    assert_eq!(cloister(&["designs", "--only", "REF-5"]).status.code(), Some(2));
}

#[test]
fn a_libpython_that_is_none_is_told_before_the_work_begins() {
    for words in [["lockstep"].as_slice(), &["check"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloister"));
        let output = command.args(words).env("CLOISTER_LIBPYTHON", "/dev/null").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let told = text(&output.stderr);
        assert!(told.contains("CLOISTER_LIBPYTHON names /dev/null, which is no libpython"), "{told}");
        assert!(!text(&output.stdout).contains("moves"), "{words:?}");
    }
}

#[test]
fn shuttle_tells_what_happened_to_people_and_to_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("shuttle.json");
    let output =
        cloister(&["shuttle", "--seed", "1", "--schedules", "100", "--json", json.to_str().unwrap()]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.starts_with("seed 1, 100 schedules\n"), "{told}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let of = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((of("programs"), of("uniform"), of("pct"), of("whole")), (4, 60, 40, 50), "{report}");
    assert!(of("waits") > 0 && of("requests") > 0 && of("switches") > 0, "{report}");
    assert!(report["failure"].is_null(), "{report}");
    let line = told.lines().find(|line| line.starts_with("forced switches")).unwrap();
    assert!(line.ends_with(&format!(" {}", of("switches"))), "{told}");
    assert_eq!(cloister(&["shuttle", "--schedules", "0"]).status.code(), Some(2));
}

#[test]
fn a_reader_that_goes_away_is_nobodys_fault() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloister"));
    let mut child = command.arg("rules").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaint.as_str()), (Some(0), ""));
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let code = |result| exit_code(result, &mut io::sink());
    let ends = [Exit::Ok, Exit::Failed, Exit::Interrupted].map(|exit| code(Ok(exit)));
    assert_eq!(ends, [0, 1, 130]);
    assert_eq!(code(Err(CliError::Usage("no".into()))), 2);
    assert_eq!(code(Err(CliError::Output(io::ErrorKind::BrokenPipe.into()))), 0);
    assert_eq!(code(Err(CliError::Output(io::ErrorKind::StorageFull.into()))), 2);
}

fn parsed<T: Args + FromArgMatches>(words: &[&str]) -> Result<T, String> {
    let command = T::augment_args(clap::Command::new("x").no_binary_name(true));
    let matches = command.try_get_matches_from(words).map_err(|error| error.to_string())?;
    T::from_arg_matches(&matches).map_err(|error| error.to_string())
}

const AREAS: &str = "the areas are FIN, FORK, GIL, GILSTATE, ID, LIFE, MEM, PEND, REF, TLS";

#[test]
fn arguments_have_defaults_and_are_checked() {
    let check: CheckArgs = parsed(&[]).unwrap();
    assert_eq!((check.scope, check.area), (ScopeArg::Default, None));
    let check: CheckArgs = parsed(&["--scope", "deep", "--area", "gil"]).unwrap();
    assert_eq!((check.scope, check.area.as_deref()), (ScopeArg::Deep, Some("GIL")));
    assert!(parsed::<CheckArgs>(&["--area", "nose"]).unwrap_err().contains(AREAS));
    let designs: DesignsArgs = parsed(&["gil=own", "attach=late", "--json", "out.json"]).unwrap();
    assert_eq!(
        (designs.words[1].as_str(), designs.grain.name(), designs.gil),
        ("attach=late", "atomic", None)
    );
    assert!(
        parsed::<DesignsArgs>(&["--grain", "rough"])
            .unwrap_err()
            .contains("the grains are atomic, merged, fine")
    );
    assert!(parsed::<DesignsArgs>(&["--bounds", "2/2"]).unwrap_err().contains("bounds are threads/"));
    let lockstep: LockstepArgs = parsed(&["--seed", "7", "--runs", "100"]).unwrap();
    assert_eq!((lockstep.seed, lockstep.runs), (Some(7), Some(100)));
    assert!(parsed::<LockstepArgs>(&["--runs", "0"]).is_err());
    let explore: ExploreArgs = parsed(&[]).unwrap();
    assert_eq!((explore.design.as_str(), explore.address.port()), ("cloister", 3000));
    assert_eq!(parsed::<ReplayArgs>(&["run.json"]).unwrap().on, On::Model);
    assert!(parsed::<ReplayArgs>(&["run.json", "--on", "jython"]).is_err());
    assert!(parsed::<AskArgs>(&[]).is_err());
    assert_eq!(parsed::<BenchArgs>(&[]).unwrap().json, None);
}

/// Does what the run expects, but for one move that it may get wrong.
struct Obedient {
    events: Vec<Event>,
    next: usize,
}

impl Subject for Obedient {
    fn name(&self) -> &'static str {
        "obedient"
    }

    fn shows(&self) -> Shows {
        Shows { phase: false, gils: false, holder: false, refusals: true }
    }

    fn reset(&mut self, _threads: u8) -> Result<(), SubjectError> {
        self.next = 0;
        Ok(())
    }

    fn apply(&mut self, _mv: &Move) -> Result<Event, SubjectError> {
        self.next += 1;
        Ok(self.events[self.next - 1].clone())
    }

    fn observe(&mut self) -> Result<Observation, SubjectError> {
        Ok(Observation::default())
    }
}

#[derive(Default)]
struct FakeEngine {
    wrong: Option<(usize, Event)>,
}

impl Engine for FakeEngine {
    fn subject(&mut self, on: On, run: &Capsule) -> Result<Box<dyn Subject>, SubjectError> {
        if on == On::Cpython {
            return Err(SubjectError { subject: "cpython", reason: "there is no libpython here".into() });
        }
        let obey = |expect: Option<Expect>| match expect.expect("every move of this run expects something") {
            Expect::Reply(reply) => Event::Replied { reply, view: ThreadView::default() },
            Expect::Refused(rule) => Event::Refused(rule),
            Expect::Parked(parking) => Event::Parked(parking),
            Expect::Died(rule) => Event::Died(rule.id().into()),
        };
        let mut events: Vec<_> = run.moves.iter().map(|line| obey(line.expect)).collect();
        if let Some((at, event)) = self.wrong.take() {
            events[at] = event;
        }
        Ok(Box::new(Obedient { events, next: 0 }))
    }
}

const LEGAL: &str = "run a\nT0: ThreadStateNew(0) => t1\nT1: ThreadStateBind(t1) => done\nT1: RestoreThread(t1) => parked gil\n";
const ILLEGAL: &str = "run b\nT1: SaveThread => refused TLS-7\nT1: ThreadStateNew(0) => t1\nT1: RestoreThread(t1) => refused TLS-4\n";

fn saved(folder: &tempfile::TempDir, run: &str) -> PathBuf {
    let path = folder.path().join("run");
    let script: Script = run.parse().unwrap();
    Capsule::from(script).write(&path).unwrap();
    path
}

fn in_context(
    command: impl FnOnce(&mut Context<'_>) -> Result<Exit, CliError>,
) -> (Result<Exit, CliError>, String) {
    let mut out = Vec::new();
    let progress = Progress::new(Interrupt::default());
    let exit = command(&mut Context { out: &mut out as &mut dyn Write, progress: &progress });
    (exit, String::from_utf8(out).unwrap())
}

#[test]
fn a_run_is_replayed_drawn_and_compared() {
    let _reviewed = common::reviewed();
    let folder = tempfile::TempDir::new().unwrap();
    let again = |wrong, on| {
        let file = saved(&folder, LEGAL);
        let mut engine = FakeEngine { wrong };
        in_context(|context| replay::run(ReplayArgs { file, on, save: None }, &mut engine, context))
    };
    let (exit, told) = again(None, On::Model);
    assert_eq!(exit.unwrap(), Exit::Ok);
    insta::assert_snapshot!("replay_agrees", told);
    let (exit, told) = again(Some((1, Event::Died("Fatal Python error: bind_tstate".into()))), On::Impl);
    assert_eq!(exit.unwrap(), Exit::Failed);
    insta::assert_snapshot!("replay_differs", told);
    let (exit, _) = again(None, On::Cpython);
    assert_eq!(exit.unwrap_err().to_string(), "cpython: there is no libpython here");
}

#[test]
fn a_sequence_of_calls_is_legal_or_told_its_rules() {
    let _reviewed = common::reviewed();
    let folder = tempfile::TempDir::new().unwrap();
    let asked = |run| {
        let file = saved(&folder, run);
        in_context(|context| ask::run(AskArgs { file }, &mut FakeEngine::default(), context))
    };
    let (exit, told) = asked(LEGAL);
    assert_eq!(
        (exit.unwrap(), told.as_str()),
        (Exit::Ok, "legal: 3 calls; at the end T1 waits for the GIL\n")
    );
    let (exit, told) = asked(ILLEGAL);
    assert_eq!(exit.unwrap(), Exit::Failed);
    insta::assert_snapshot!("ask_not_legal", told);
}

#[test]
#[cfg(unix)]
fn ctrl_c_asks_the_work_to_stop() {
    let progress = Progress::new(Interrupt::listen());
    let stage = progress.stage("work", None);
    assert!(stage.advance(1));
    let interrupt = ["-INT".to_string(), std::process::id().to_string()];
    assert!(Command::new("kill").args(interrupt).status().unwrap().success());
    let patience = Instant::now() + Duration::from_secs(10);
    while stage.advance(1) && Instant::now() < patience {
        sleep(Duration::from_millis(5));
    }
    assert!(progress.interrupted());
    stage.finish("nothing found");
    assert!(progress.finished()[0].starts_with("work: interrupted after "));
}
