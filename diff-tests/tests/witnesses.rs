//! The runs that show the faults of real CPythons, and their controls. Says "not run" where
//! none is installed.

use cloister_diff_tests::cpython::{Version, WITNESSES, Witness, witnesses};
use cloister_diff_tests::designs::declared::{Declared, Said};
use cloister_model::{Design, design::Knob};
use libpythons::{executable, found};
use said::SAID;
use std::sync::OnceLock;

#[path = "common/libpythons.rs"]
mod libpythons;
#[path = "cpython/said.rs"]
mod said;

/// Every witness on every libpython.
fn all_witnesses() -> &'static [Witness] {
    static ALL: OnceLock<Vec<Witness>> = OnceLock::new();
    ALL.get_or_init(|| {
        let of = |found| witnesses(executable(), found).expect("the child answers");
        found().iter().flat_map(of).collect()
    })
}

#[test]
fn every_witness_shows_its_fault_where_it_is_not_mended_and_no_control_does() {
    for w in all_witnesses() {
        let expected = w.known.expected(w.version).unwrap_or(w.witness_shown);
        assert_eq!(w.witness_shown, expected, "{} {}: {}", w.version, w.known.name, w.seen);
        assert!(w.control_clean, "{} {}: {}", w.version, w.known.name, w.seen);
    }
}

/// The settings of `cpython_3_12_1` that break a rule in ours.
fn broken_settings() -> Vec<(&'static str, &'static str)> {
    let declared = Declared::of_the_project().expect("the file is right");
    let setting = |k: &Knob| (k.name, (k.get)(&Design::CPYTHON_3_12_1));
    let differ = |k: &&Knob| (k.get)(&Design::CPYTHON_3_12_1) != (k.get)(&Design::CLOISTER);
    let broken = |s: &(&str, &str)| declared.of_setting(s.0, s.1).any(|e| e.verdict == Said::Broken);
    Design::KNOBS.iter().filter(differ).map(setting).filter(broken).collect()
}

/// What only a debug build has.
const OF_DEBUG_BUILDS: [(&str, &str); 1] = [("legacy-total", "each-life")];

#[test]
fn every_broken_setting_of_3_12_1_has_a_witness() {
    let modelled = Version { minor: 12, micro: 1 };
    let broken = broken_settings();
    assert!(broken.len() > 20, "{broken:?}");
    for setting in broken.into_iter().filter(|s| !OF_DEBUG_BUILDS.contains(s)) {
        let of_it = || WITNESSES.iter().filter(|k| (k.knob, k.setting) == setting);
        assert!(of_it().any(|k| k.expected(modelled) == Some(true)), "{setting:?} has no witness");
        let mut on_it = all_witnesses().iter().filter(|w| w.version == modelled).peekable();
        if on_it.peek().is_some() {
            let shows = |w: &Witness| (w.known.knob, w.known.setting) == setting && w.confirmed();
            assert!(on_it.any(shows), "{setting:?} is not confirmed");
        }
    }
}

#[test]
fn witnesses_are_of_settings_that_there_are() {
    for known in WITNESSES {
        let knob = Design::knob(known.knob).expect(known.knob);
        assert!(knob.settings.contains(&known.setting), "{}: {}", known.name, known.setting);
        let shipped = (knob.get)(&Design::CPYTHON_3_12_1) == known.setting;
        assert_eq!(known.expected(Version { minor: 12, micro: 1 }), Some(shipped), "{}", known.name);
    }
}

#[test]
fn witnesses_say_what_each_release_does() {
    for found in found() {
        for &(name, in_3_12_1, in_3_13_0) in SAID {
            let witness = all_witnesses().iter().find(|w| w.known.name == name && w.version == found.version);
            let seen = &witness.expect("a witness of this name").seen;
            match (found.version.minor, found.version.micro) {
                (12, 1) => assert_eq!(*seen, in_3_12_1, "{name}"),
                (13, 0) => assert_eq!(*seen, in_3_13_0, "{name}"),
                _ => {}
            }
        }
    }
}
