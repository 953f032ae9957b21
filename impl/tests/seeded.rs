//! Seeded faults do what they say, and only where they are switched on.
#![cfg(feature = "faults")]

use cloister::faults::Seeded;
use cloister::{CreateError, NotAdded, PendingFailed, PendingFn, Runtime, Settings, Thread};
use cloister_specs::{CreationError, Fault, GilState, InterpreterConfig};
use std::sync::{Arc, Mutex};

#[test]
fn a_fault_is_on_in_one_runtime_until_it_is_switched_off() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let config = InterpreterConfig { use_main_obmalloc: false, gil: 7, ..InterpreterConfig::LEGACY };
    let error = || thread.new_interpreter_from_config(&config).unwrap_err();
    assert_eq!(error(), CreateError::Failed(CreationError::Settings));
    runtime.seed(Some(Seeded::GilValueFirst));
    assert_eq!(error(), CreateError::Failed(CreationError::GilValue));
    runtime.seed(None);
    assert_eq!(error(), CreateError::Failed(CreationError::Settings));
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
    let areas = ["LIFE", "TLS", "GIL", "GILSTATE", "PEND", "FIN", "ID", "FORK", "MEM", "REF"];
    assert!(Seeded::ALL.iter().all(|fault| areas.contains(&fault.breaks().area())));
    let broken = |area| Seeded::ALL.iter().any(|fault| fault.breaks().area() == area);
    assert!(areas.into_iter().all(broken));
}

fn seeded(fault: Seeded) -> (Runtime, Thread) {
    let (runtime, thread) = Runtime::start(Settings::default().with_pending_capacity(2)).unwrap();
    runtime.seed(Some(fault));
    (runtime, thread)
}

#[test]
fn an_ensure_can_make_a_second_thread_state() {
    let (runtime, thread) = seeded(Seeded::EnsureMakesSecond);
    thread.save_thread().unwrap();
    thread.gilstate_ensure(runtime.main().unwrap()).unwrap();
    assert_eq!(runtime.snapshot().tstates.len(), 2);
}

#[test]
fn an_ensure_can_lead_into_the_main_interpreter() {
    let (runtime, thread) = seeded(Seeded::EnsureTargetsMain);
    let (sub, _) = thread.new_interpreter().unwrap().unwrap();
    thread.save_thread().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let fresh = runtime.attach().unwrap();
            fresh.gilstate_ensure(sub).unwrap();
            let snapshot = runtime.snapshot();
            let made = snapshot.tstates.iter().find(|i| Some(i.tstate) == fresh.current()).unwrap();
            assert_eq!(made.interp, runtime.main().unwrap().serial());
        });
    });
}

#[test]
fn a_release_can_go_wrong_in_three_ways() {
    let (runtime, thread) = seeded(Seeded::ReleaseIgnoresState);
    let main = runtime.main().unwrap();
    thread.gilstate_ensure(main).unwrap();
    thread.gilstate_release(GilState::Unlocked).unwrap();
    assert_eq!(thread.current(), None);

    runtime.seed(Some(Seeded::ReleaseDetaches));
    thread.gilstate_ensure(main).unwrap();
    thread.gilstate_ensure(main).unwrap();
    thread.gilstate_release(GilState::Locked).unwrap();
    assert_eq!(thread.current(), None);

    runtime.seed(Some(Seeded::ReleaseKeepsMade));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let fresh = runtime.attach().unwrap();
            fresh.gilstate_ensure(main).unwrap();
            fresh.gilstate_release(GilState::Unlocked).unwrap();
            assert!(fresh.gilstate().is_some());
        });
    });
    assert_eq!(runtime.snapshot().tstates.len(), 2);
}

#[test]
fn a_check_can_say_yes_to_a_detached_thread() {
    let (_runtime, thread) = seeded(Seeded::CheckSaysYes);
    thread.save_thread().unwrap();
    assert!(thread.gilstate_check());
}

#[test]
fn a_thread_state_can_be_deleted_with_the_gil_held() {
    let (runtime, thread) = seeded(Seeded::DeleteCurrentKeepsGil);
    thread.thread_state_delete_current().unwrap();
    assert!(runtime.snapshot().interps[0].gil.unwrap().locked);
    // Another runtime must not come by this GIL.
    std::mem::forget((runtime, thread));
}

#[test]
fn any_thread_state_can_be_released_and_an_interpreter_isolated() {
    let (runtime, thread) = seeded(Seeded::ReleaseTakesAny);
    let other = thread.thread_state_new(runtime.main().unwrap()).unwrap().unwrap();
    thread.release_thread(other).unwrap();
    assert_eq!(thread.current(), None);
    runtime.seed(Some(Seeded::NewInterpreterIsolates));
    let (interp, _) = thread.new_interpreter().unwrap().unwrap();
    assert_eq!(runtime.snapshot().interps.iter().find(|i| i.interp == interp).unwrap().own_gil, Some(true));
}

#[test]
fn pending_calls_can_go_wrong_in_seven_ways() {
    let (runtime, thread) = seeded(Seeded::FullRingOverwrites);
    let main = runtime.main();
    let log = Arc::new(Mutex::new(Vec::new()));
    let call = |number: u32, result: Result<(), PendingFailed>| -> PendingFn {
        let log = Arc::clone(&log);
        Box::new(move |thread| {
            log.lock().unwrap().push(number);
            thread.make_pending_calls().unwrap();
            log.lock().unwrap().push(10 * number);
            result
        })
    };
    let add = |number| thread.add_pending_call(main, call(number, Ok(())));
    let ran = || {
        let polled = thread.eval_breaker_poll().unwrap();
        (polled.calls, std::mem::take(&mut *log.lock().unwrap()))
    };
    (1..=3).for_each(|number| add(number).unwrap());
    assert_eq!(ran(), (2, vec![2, 20, 3, 30]));

    runtime.seed(Some(Seeded::RunTakesLast));
    (1..=2).for_each(|number| add(number).unwrap());
    assert!(matches!(add(3), Err(NotAdded::Full(_))));
    assert_eq!(ran(), (2, vec![2, 20, 1, 10]));

    runtime.seed(Some(Seeded::RunIgnoresBusy));
    (1..=2).for_each(|number| add(number).unwrap());
    assert_eq!(ran(), (1, vec![1, 2, 20, 10]));

    runtime.seed(Some(Seeded::FailureLosesSignal));
    thread.add_pending_call(main, call(1, Err(PendingFailed))).unwrap();
    add(2).unwrap();
    assert_eq!(ran(), (1, vec![1, 10]));
    assert_eq!(ran(), (0, vec![]));
    assert_eq!(runtime.snapshot().interps[0].ring.calls, 1);
    thread.make_pending_calls().unwrap();
    log.lock().unwrap().clear();

    runtime.seed(Some(Seeded::AddForgetsSignal));
    add(1).unwrap();
    assert_eq!(ran(), (0, vec![]));
    thread.make_pending_calls().unwrap();
    log.lock().unwrap().clear();

    runtime.seed(Some(Seeded::AnyThreadRunsMainRing));
    thread.add_pending_call(None, call(1, Ok(()))).unwrap();
    thread.save_thread().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = runtime.attach().unwrap();
            other.gilstate_ensure(main.unwrap()).unwrap();
            assert_eq!(other.eval_breaker_poll().unwrap().calls, 1);
        });
    });

    runtime.seed(Some(Seeded::MakeRunsAnywhere));
    let (sub, _) = thread.new_interpreter().unwrap().unwrap();
    thread.add_pending_call(Some(sub), Box::new(|_| Ok(()))).unwrap();
    assert_eq!(thread.make_pending_calls().unwrap().calls, 1);
}
