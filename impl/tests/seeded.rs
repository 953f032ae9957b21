//! Seeded faults do what they say, and only where they are switched on.
#![cfg(feature = "faults")]

use cloister::faults::Seeded;
use cloister::{Runtime, Settings};
use cloister_specs::{CreationError, Fault, InterpreterConfig};

#[test]
fn a_fault_is_on_in_one_runtime_until_it_is_switched_off() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let config = InterpreterConfig { use_main_obmalloc: false, gil: 7, ..InterpreterConfig::LEGACY };
    let error = || thread.new_interpreter_from_config(&config).unwrap_err();
    assert_eq!(error(), CreationError::Settings);
    runtime.seed(Some(Seeded::GilValueFirst));
    assert_eq!(error(), CreationError::GilValue);
    runtime.seed(None);
    assert_eq!(error(), CreationError::Settings);
}

#[test]
fn a_failed_creation_can_forget_the_gil() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    runtime.seed(Some(Seeded::FailedCreationForgetsGil));
    let config = InterpreterConfig::ISOLATED;
    assert!(thread.new_interpreter_with(&config, &mut Some(Fault::CoreInit)).is_err());
    assert!(thread.current().is_some());
    assert!(!runtime.snapshot().interps[0].gil.unwrap().locked);
}

#[test]
fn every_fault_has_a_name_and_a_rule_of_its_kind() {
    let mut names: Vec<_> = Seeded::ALL.iter().map(|fault| fault.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Seeded::ALL.len());
    assert!(Seeded::ALL.iter().all(|fault| ["LIFE", "TLS", "GIL"].contains(&fault.breaks().area())));
}
