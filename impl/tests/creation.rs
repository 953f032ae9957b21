//! Creations that fail, and what is left of them: nothing.

use cloister::{Runtime, Settings, Thread};
use cloister_specs::{CreationError, Fault, InterpreterConfig};

const PRESETS: [InterpreterConfig; 2] = [InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY];

fn error_of(fault: Fault) -> CreationError {
    match fault {
        Fault::InterpAlloc | Fault::TstateAlloc => CreationError::NoMemory,
        Fault::CoreInit => CreationError::CoreInit,
        Fault::MainInit => CreationError::MainInit,
    }
}

/// Everything that the caller can see, but for the last holder of a GIL that was taken
/// and dropped meanwhile.
fn look(runtime: &Runtime, thread: &Thread) -> String {
    let snapshot = runtime.snapshot();
    let gils: Vec<_> = snapshot.interps.iter().map(|i| i.gil.map(|g| g.locked)).collect();
    let (current, gilstate) = (thread.current(), thread.gilstate());
    format!("{:?} {gils:?} {current:?} {gilstate:?}", snapshot.tstates)
}

/// Every fault and every wrong configuration, in this thread as it is.
#[track_caller]
fn every_failure_restores(runtime: &Runtime, thread: &Thread) {
    let before = look(runtime, thread);
    for config in PRESETS {
        for fault in Fault::ALL {
            let result = thread.new_interpreter_with(&config, &mut Some(fault));
            assert_eq!(result.unwrap_err(), error_of(fault));
            assert_eq!(look(runtime, thread), before, "{fault:?}");
        }
    }
    for config in InterpreterConfig::all() {
        if let Ok((_, tstate)) = thread.new_interpreter_from_config(&config) {
            thread.end_interpreter(tstate).unwrap();
            return;
        }
        assert_eq!(look(runtime, thread), before, "{config:?}");
    }
}

//= specs/rules/life.md#life-2
//= type=test
//# A failed creation MUST leave the caller as it was: the same thread state current, its GIL held,
//# and nothing of the new interpreter listed.
#[test]
fn an_attached_caller_survives_every_failure() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let t0 = thread.current();
    every_failure_restores(&runtime, &thread);
    thread.thread_state_swap(t0).unwrap();
    let t1 = thread.thread_state_new(runtime.main().unwrap()).unwrap().unwrap();
    thread.thread_state_bind(t1).unwrap();
    thread.thread_state_swap(Some(t1)).unwrap();
    every_failure_restores(&runtime, &thread);
}

#[test]
fn a_detached_caller_keeps_its_gilstate_slot() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let t0 = thread.save_thread().unwrap();
    assert_eq!(thread.gilstate(), Some(t0));
    every_failure_restores(&runtime, &thread);
}

#[test]
fn a_fresh_thread_survives_every_failure() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    thread.save_thread().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let fresh = runtime.attach().unwrap();
            every_failure_restores(&runtime, &fresh);
        });
    });
}

#[test]
fn a_caller_in_an_interpreter_with_its_own_gil_survives_every_failure() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    every_failure_restores(&runtime, &thread);
}

//= specs/rules/life.md#life-5
//= type=test
//# A configuration with its own allocator MUST ask for the check of extension modules.
//= specs/rules/life.md#life-6
//= type=test
//# The gil field of a configuration MUST be 0 (default), 1 (shared) or 2 (own).
//= specs/rules/life.md#life-7
//= type=test
//# A configuration with both faults MUST be answered with the allocator's (LIFE-5) before that of
//# the gil field (LIFE-6).
//= specs/rules/life.md#life-8
//= type=test
//# An allocator MUST be guarded by one GIL: an interpreter with its own GIL has its own allocator.
#[test]
fn a_wrong_configuration_is_answered_with_its_first_fault() {
    let (_runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let t0 = thread.current();
    for config in InterpreterConfig::all() {
        let unchecked = !config.use_main_obmalloc && !config.check_multi_interp_extensions;
        let wanted = match (unchecked, config.gil) {
            (true, _) => Some(CreationError::Settings),
            (false, 0 | 1) => None,
            (false, 2) => config.use_main_obmalloc.then_some(CreationError::OwnGilSharedObmalloc),
            (false, _) => Some(CreationError::GilValue),
        };
        let result = thread.new_interpreter_from_config(&config);
        assert_eq!(result.err(), wanted, "{config:?}");
        if let Ok((_, tstate)) = result {
            thread.end_interpreter(tstate).unwrap();
            thread.thread_state_swap(t0).unwrap();
        }
    }
}

//= specs/rules/life.md#life-3
//= type=test
//# A failed creation MUST be answered with a status and MUST NOT end the process.
//= specs/rules/life.md#life-4
//= type=test
//# A creation MUST answer with a thread state exactly when its status is no error.
#[test]
fn a_creation_can_be_tried_again_after_it_failed() {
    let (_runtime, thread) = Runtime::start(Settings::default()).unwrap();
    for fault in Fault::ALL {
        let config = InterpreterConfig::ISOLATED;
        assert!(thread.new_interpreter_with(&config, &mut Some(fault)).is_err());
        let (interp, tstate) = thread.new_interpreter_from_config(&config).unwrap();
        assert_eq!(thread.current(), Some(tstate));
        assert!(interp.id().is_some());
    }
}

#[cfg(feature = "faults")]
#[test]
fn each_allocation_of_a_creation_may_fail() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let before = look(&runtime, &thread);
    let mut failed = 0;
    for nth in 1.. {
        runtime.fail_allocation(nth);
        match thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED) {
            Err(error) => assert_eq!(error, CreationError::NoMemory),
            Ok(_) => break,
        }
        assert_eq!(look(&runtime, &thread), before, "allocation {nth}");
        failed = nth;
    }
    assert_eq!(failed, 2);
    assert_eq!(runtime.allocations_left(), 1);
}

#[cfg(feature = "faults")]
#[test]
fn a_thread_state_that_finds_no_memory_is_null() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    runtime.fail_allocation(1);
    assert_eq!(thread.thread_state_new(runtime.main().unwrap()), Ok(None));
    assert!(thread.thread_state_new(runtime.main().unwrap()).unwrap().is_some());
}

//= specs/rules/life.md#life-16
//= type=test
//# NewInterpreter MUST create with the legacy configuration.
#[test]
fn a_new_interpreter_has_the_legacy_configuration() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let (interp, tstate) = thread.new_interpreter().unwrap();
    assert_eq!(thread.current(), Some(tstate));
    let snapshot = runtime.snapshot();
    let info = snapshot.interps.iter().find(|i| i.interp == interp).unwrap();
    assert_eq!((info.flags, info.own_gil), (InterpreterConfig::LEGACY.flags(), Some(false)));
}

//= specs/rules/life.md#life-17
//= type=test
//# A NewInterpreter that fails MUST answer NULL, and MUST NOT end the process.
#[test]
fn a_new_interpreter_that_fails_is_null_and_its_caller_as_it_was() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let before = look(&runtime, &thread);
    for fault in Fault::ALL {
        assert_eq!(thread.new_legacy_interpreter_with(&mut Some(fault)), None);
        assert_eq!(look(&runtime, &thread), before, "{fault:?}");
    }
    assert!(thread.new_interpreter().is_some());
}

#[cfg(feature = "faults")]
#[test]
fn each_allocation_of_a_new_interpreter_may_fail() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let before = look(&runtime, &thread);
    for nth in [1, 2] {
        runtime.fail_allocation(nth);
        assert_eq!(thread.new_interpreter(), None);
        assert_eq!(look(&runtime, &thread), before, "allocation {nth}");
    }
    runtime.fail_allocation(3);
    assert!(thread.new_interpreter().is_some());
    assert_eq!(runtime.allocations_left(), 1);
}
