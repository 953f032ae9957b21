//! Runs in files: what is written is read back, and what is no run says why.

mod common;

use cloister_diff_tests::capsule::{Capsule, CapsuleError, expectation};
use cloister_diff_tests::subject::Event;
use cloister_specs::text::{Expect, Grain, Line};
use cloister_specs::{Parking, Reply, Rule, ThreadView, TstateId};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use tempfile::TempDir;

fn lines(texts: &[&str]) -> Vec<Line> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn a_capsule() -> Capsule {
    let moves =
        lines(&["T0: SaveThread => t0", "T0: ThreadStateSwap(t1) => refused TLS-4", "T0: EvalBreakerPoll"]);
    let replied = Event::Replied { reply: Reply::Tstate(Some(TstateId(0))), view: ThreadView::default() };
    let events = vec![replied, Event::Refused(Rule::Tls4), Event::Died("TLS-18".into())];
    Capsule {
        events: BTreeMap::from([("model".into(), events)]),
        found_by: Some("lockstep".into()),
        rule: Some(Rule::Tls4),
        ..Capsule::new("a run", "cloister", Grain::Merged, 2, moves)
    }
}

fn read_text(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> Result<Capsule, CapsuleError> {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    Capsule::read(&path)
}

#[test]
fn a_capsule_is_read_back_as_it_was_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.json");
    a_capsule().write(&path).unwrap();
    a_capsule().write(&path).unwrap();
    assert_eq!(Capsule::read(&path).unwrap(), a_capsule());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_capsule_is_text_that_people_can_read() {
    let _reviewed = common::reviewed();
    insta::assert_snapshot!("capsule", serde_json::to_string_pretty(&a_capsule()).unwrap());
}

#[test]
fn a_run_in_the_text_form_is_read_as_a_capsule() {
    let folder = TempDir::new().unwrap();
    let capsule = read_text(&folder, "run", a_capsule().script().to_string()).unwrap();
    let Capsule { name, design, grain, threads, moves, .. } = a_capsule();
    assert_eq!(capsule, Capsule::new(name, design, grain, threads, moves));
}

#[test]
fn what_a_subject_did_can_be_expected_of_the_next() {
    assert_eq!(expectation(&Event::Refused(Rule::Gil4)), Some(Expect::Refused(Rule::Gil4)));
    assert_eq!(expectation(&Event::Parked(Parking::Gil)), Some(Expect::Parked(Parking::Gil)));
    assert_eq!(expectation(&Event::Died("GIL-4".into())), Some(Expect::Died(Rule::Gil4)));
    assert_eq!(expectation(&Event::Died("Fatal Python error".into())), None);
}

#[test]
fn a_capsule_cut_short_anywhere_is_refused() {
    let folder = TempDir::new().unwrap();
    let whole = serde_json::to_string_pretty(&a_capsule()).unwrap();
    for end in 1..whole.len() {
        let error = read_text(&folder, "run.json", &whole[..end]).expect_err(&whole[..end]);
        assert!(matches!(error, CapsuleError::CutShort { .. }), "{error}");
    }
}

#[test]
fn any_bytes_are_a_run_or_refused() {
    let folder = TempDir::new().unwrap();
    arbtest::arbtest(|u| {
        let bytes: Vec<u8> = u.arbitrary()?;
        let _ = read_text(&folder, "noise", &bytes);
        let braced = [b"{".as_slice(), &bytes, b"}"].concat();
        assert!(read_text(&folder, "noise", braced).is_err());
        Ok(())
    })
    .budget_ms(500);
}

#[test]
fn what_is_no_run_says_why_in_one_sentence() {
    let _reviewed = common::reviewed();
    let folder = TempDir::new().unwrap();
    let mut whole = serde_json::to_value(a_capsule()).unwrap();
    let with = |key: &str, value: serde_json::Value| {
        let mut changed = whole.clone();
        changed[key] = value;
        changed.to_string()
    };
    let cases = [
        ("another_version.json", with("version", 7.into())),
        ("a_version_in_words.json", with("version", "one".into())),
        ("an_unknown_field.json", with("colour", "red".into())),
        ("an_unknown_call.json", with("moves", vec!["T0: Savethread"].into())),
        ("an_unknown_config_field.json", with("moves", vec!["T0: NewInterpreter(main, fork=1)"].into())),
        ("an_unknown_grain.json", with("grain", "coarse".into())),
        ("an_unknown_rule.json", with("rule", "GIL-99".into())),
        ("too_few_threads.json", with("threads", 0.into())),
        ("no_moves.json", with("moves", Vec::<String>::new().into())),
        ("no_capsule.json", "{\"version\": 1}".into()),
        ("two_capsules.json", format!("{whole}{whole}")),
        ("a_wrong_line.run", "run x\nT0: SaveThread\nT0; SaveThread\n".into()),
        ("only_a_header.run", "run x\n# nothing else\n".into()),
        ("empty.run", String::new()),
    ];
    let mut told = String::new();
    let mut tell = |name: &str, result: Result<Capsule, CapsuleError>| {
        let error = result.expect_err(name).to_string();
        let folder = format!("{}/", folder.path().display());
        writeln!(told, "{}", error.replace(&folder, "")).unwrap();
    };
    for (name, text) in cases {
        tell(name, read_text(&folder, name, text));
    }
    whole.as_object_mut().unwrap().remove("version");
    tell("no_version.json", read_text(&folder, "no_version.json", whole.to_string()));
    let mut longer = a_capsule();
    longer.moves.pop();
    longer.write(&folder.path().join("more_events.json")).unwrap();
    tell("more_events.json", Capsule::read(&folder.path().join("more_events.json")));
    tell("bytes", read_text(&folder, "bytes", [0xff, 0xfe, 0x00]));
    tell("missing", Capsule::read(&folder.path().join("missing.json")));
    fs::create_dir(folder.path().join("runs")).unwrap();
    tell("directory", Capsule::read(&folder.path().join("runs")));
    insta::assert_snapshot!("capsule_errors", told);
}

#[test]
fn a_capsule_that_cannot_be_written_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let error = a_capsule().write(&folder.path().join("not/there.json")).unwrap_err();
    assert!(matches!(error, CapsuleError::Unwritable { .. }), "{error}");
    fs::create_dir(folder.path().join("taken")).unwrap();
    a_capsule().write(&folder.path().join("taken")).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
