//! `cloister check` and `cloister designs` as people and scripts use them.

use cloister_diff_tests::cli::args::{CheckArgs, ScopeArg};
use cloister_diff_tests::cli::check::{Asked, Stage, run_stages};
use cloister_diff_tests::cli::{CliError, Context, Exit};
use cloister_diff_tests::progress::{Interrupt, Progress};
use cloister_diff_tests::report::Report;
use std::process::{Command, Output};

struct Finds(&'static [&'static str]);

impl Stage for Finds {
    fn name(&self) -> &'static str {
        "Finds"
    }

    fn run(&self, asked: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        writeln!(context.out, "wants LIFE: {}", asked.wants(&["LIFE"]))?;
        report.problems.extend(self.0.iter().map(ToString::to_string));
        Ok(())
    }
}

fn check(stages: &[Box<dyn Stage>], area: Option<&str>, interrupted: bool) -> (Exit, String) {
    let interrupt = Interrupt::default();
    if interrupted {
        interrupt.set();
    }
    let (mut out, progress) = (Vec::new(), Progress::new(interrupt));
    let args = CheckArgs { scope: ScopeArg::Quick, area: area.map(str::to_string), json: None };
    let exit = run_stages(stages, args, &mut Context { out: &mut out, progress: &progress });
    (exit.expect("nothing went wrong"), String::from_utf8(out).expect("text"))
}

#[test]
fn a_check_ends_with_one_clear_line() {
    let (exit, told) = check(&[Box::new(Finds(&[])), Box::new(Finds(&[]))], None, false);
    assert_eq!((exit, told.lines().last()), (Exit::Ok, Some("Everything is as declared (quick, 0 s).")));
    assert!(told.contains("wants LIFE: true"));
    let (exit, told) = check(&[Box::new(Finds(&["GIL-1 is gone"]))], Some("GIL"), false);
    let end =
        "wants LIFE: false\n\nNOT AS DECLARED  GIL-1 is gone\nOne thing is not as declared (quick, 0 s).\n";
    assert_eq!(exit, Exit::Failed);
    assert!(told.ends_with(end), "{told}");
    let (exit, told) = check(&[Box::new(Finds(&["a", "b"]))], None, false);
    assert_eq!(exit, Exit::Failed);
    assert!(told.ends_with("2 things are not as declared (quick, 0 s).\n"), "{told}");
    let (exit, told) = check(&[Box::new(Finds(&[]))], None, true);
    assert_eq!((exit, told.as_str()), (Exit::Interrupted, "Interrupted after 0 s: nothing can be said.\n"));
}

#[test]
fn the_report_is_json_for_scripts() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("check.json");
    let (mut out, progress) = (Vec::new(), Progress::new(Interrupt::default()));
    let args = CheckArgs { scope: ScopeArg::Default, area: None, json: Some(path.clone()) };
    let stages: [Box<dyn Stage>; 1] = [Box::new(Finds(&["x"]))];
    run_stages(&stages, args, &mut Context { out: &mut out, progress: &progress }).expect("it runs");
    let text = std::fs::read_to_string(path).expect("it was written");
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(json["version"], 1);
    assert_eq!((&json["scope"], &json["as_declared"]), (&"default".into(), &false.into()));
    assert_eq!(json["problems"][0], "x");
    for (part, field) in [("rules", "total"), ("rules", "unprobed"), ("cpython", "found")] {
        assert!(!json[part][field].is_null(), "{part}.{field}");
    }
    for list in ["scopes", "designs", "lockstep", "canaries"] {
        assert!(json[list].is_array(), "{list}");
    }
}

fn cloister(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloister")).args(args).output().expect("it starts")
}

#[test]
fn any_combination_of_knobs_is_judged_and_its_run_drawn() {
    let output =
        cloister(&["designs", "drop-request=per-interpreter", "--gil", "shared", "--bounds", "2/2/2"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("cloister drop-request=per-interpreter, 2/2/2, atomic\n\nT1\n---"), "{told}");
    assert!(told.ends_with("GIL-7: no run of this scope is shorter.\n"), "{told}");
    let both =
        ["designs", "cloister", "gils=one", "last-holder=address", "--bounds", "2/2/2", "--gil", "shared"];
    let output = cloister(&both);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("Nobody can tell it from cloister"), "{told}");
}

#[test]
fn a_design_that_means_nothing_is_told_in_a_sentence_and_is_2() {
    for (words, said) in [
        (["designs", "jython"], "there is no design `jython`"),
        (["designs", "gils=one seed"], "`seed` is no setting"),
        (["designs", "gil=own"], "there is no knob `gil`"),
        (["designs", "gils=two"], "`gils` has no setting `two`"),
        (["designs", "attach=swap-leaves-gil"], "means something only with gils=one"),
        (["explore", "gils=two"], "`gils` has no setting `two`"),
    ] {
        let output = cloister(&words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(told.starts_with("cloister: ") && told.contains(said), "{told}");
    }
    let output = cloister(&["designs", "seed", "--bounds", "9/9/9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1/1/1 to 3/3/4"));
}
