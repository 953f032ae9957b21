//! The life of interpreters and thread states in one OS thread.

use cloister::{Runtime, Settings, Thread, Tstate};
use cloister_specs::{FeatureFlags, InterpreterConfig, Phase, StatusBits};

fn start() -> (Runtime, Thread, Tstate) {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let t0 = thread.current().unwrap();
    (runtime, thread, t0)
}

#[test]
fn a_runtime_starts_in_its_main_interpreter() {
    let (runtime, thread, t0) = start();
    let main = runtime.main().unwrap();
    assert_eq!(main.id(), Some(0));
    assert_eq!(thread.gilstate(), Some(t0));
    let snapshot = runtime.snapshot();
    assert_eq!(snapshot.interps.len(), 1);
    assert_eq!(snapshot.interps[0].phase, Phase::Live);
    assert_eq!(snapshot.interps[0].flags, InterpreterConfig::MAIN.flags());
    let gil = snapshot.interps[0].gil.unwrap();
    assert!(gil.locked && !gil.drop_request);
    assert_eq!(gil.last_holder, Some(t0.serial()));
}

//= specs/rules/life.md#life-1
//= type=test
//# A successful creation MUST leave the caller in the new interpreter, with its only thread state
//# current and its GIL held.
#[test]
fn a_created_interpreter_is_entered_at_once() {
    let (runtime, thread, t0) = start();
    let (interp, t1) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    assert_eq!(interp.id(), Some(1));
    assert_eq!(thread.current(), Some(t1));
    assert_eq!(thread.gilstate(), Some(t1));
    let snapshot = runtime.snapshot();
    let info = snapshot.interps.iter().find(|i| i.interp == interp).unwrap();
    assert_eq!(info.own_gil, Some(true));
    assert!(info.gil.unwrap().locked);
    let main = snapshot.interps.iter().find(|i| i.id == 0).unwrap();
    assert!(!main.gil.unwrap().locked);
    assert!(!thread.status(t0).unwrap().contains(StatusBits::ACTIVE));
}

//= specs/rules/life.md#life-15
//= type=test
//# The settings of a live interpreter MUST be those of the configuration it was created with.
#[test]
fn every_legal_configuration_gives_its_flags() {
    let (runtime, thread, t0) = start();
    let mut legal = 0;
    for config in InterpreterConfig::all() {
        let Ok((interp, t1)) = thread.new_interpreter_from_config(&config) else {
            assert_eq!(thread.current(), Some(t0));
            continue;
        };
        legal += 1;
        let snapshot = runtime.snapshot();
        let info = snapshot.interps.iter().find(|i| i.interp == interp).unwrap();
        assert_eq!(info.flags, config.flags());
        assert_eq!(info.own_gil, Some(config.gil == 2));
        assert_eq!(info.flags.contains(FeatureFlags::FORK), config.allow_fork);
        thread.end_interpreter(t1).unwrap();
        thread.restore_thread(t0).unwrap();
    }
    // 32 with the main allocator, and 16 with their own, on a shared GIL, in two spellings;
    // 16 with their own allocator on their own GIL.
    assert_eq!(legal, 2 * (32 + 16) + 16);
}

//= specs/rules/life.md#life-12
//= type=test
//# An ended interpreter MUST leave nothing behind: it, its thread state and its own GIL are gone,
//# and the caller has no current thread state.
#[test]
fn an_ended_interpreter_leaves_nothing_behind() {
    let (runtime, thread, t0) = start();
    for config in [InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY] {
        let (interp, t1) = thread.new_interpreter_from_config(&config).unwrap();
        thread.end_interpreter(t1).unwrap();
        assert_eq!(thread.current(), None);
        assert_eq!(thread.gilstate(), None);
        assert_eq!(interp.id(), None);
        let snapshot = runtime.snapshot();
        assert_eq!((snapshot.interps.len(), snapshot.tstates.len()), (1, 1));
        assert!(!snapshot.interps[0].gil.unwrap().locked);
        thread.restore_thread(t0).unwrap();
    }
}

#[test]
fn the_id_of_an_interpreter_is_never_used_again() {
    let (_runtime, thread, t0) = start();
    let mut last = 0;
    for _ in 0..50 {
        let (interp, t1) = thread.new_interpreter_from_config(&InterpreterConfig::LEGACY).unwrap();
        assert!(interp.id().unwrap() > last);
        last = interp.id().unwrap();
        thread.end_interpreter(t1).unwrap();
        thread.thread_state_swap(Some(t0)).unwrap();
    }
}

//= specs/rules/tls.md#tls-17
//= type=test
//# The status bits of a thread state MUST be set in the order of its life: initialized, bound,
//# active, finalizing, cleared.
//= specs/rules/tls.md#tls-19
//= type=test
//# A new thread state MUST be initialized and nothing else: not bound, not active, named by no slot.
#[test]
fn a_thread_state_lives_from_new_to_deleted() {
    let (runtime, thread, t0) = start();
    let t1 = thread.thread_state_new(runtime.main().unwrap()).unwrap().unwrap();
    let status = || thread.status(t1).unwrap();
    assert_eq!(status(), StatusBits::INITIALIZED);
    thread.thread_state_bind(t1).unwrap();
    assert_eq!(status(), StatusBits::INITIALIZED | StatusBits::BOUND);
    assert_eq!(thread.thread_state_swap(Some(t1)).unwrap(), Some(t0));
    let current =
        StatusBits::INITIALIZED | StatusBits::BOUND | StatusBits::BOUND_GILSTATE | StatusBits::ACTIVE;
    assert_eq!(status(), current);
    assert_eq!(thread.thread_state_swap(Some(t0)).unwrap(), Some(t1));
    assert_eq!(status(), StatusBits::INITIALIZED | StatusBits::BOUND);
    thread.thread_state_clear(t1).unwrap();
    let cleared = StatusBits::INITIALIZED | StatusBits::BOUND | StatusBits::FINALIZING | StatusBits::CLEARED;
    assert_eq!(status(), cleared);
    thread.thread_state_delete(t1).unwrap();
    assert!(thread.status(t1).is_err());
    assert_eq!(runtime.snapshot().tstates.len(), 1);
}

//= specs/rules/gil.md#gil-16
//= type=test
//# SaveThread MUST answer with the thread state that was current, leave none current, and have
//# dropped its GIL.
//= specs/rules/gil.md#gil-15
//= type=test
//# RestoreThread and Swap MUST NOT answer before the caller holds the GIL of the thread state they
//# make current.
#[test]
fn a_saved_thread_state_can_be_restored() {
    let (runtime, thread, t0) = start();
    let locked = || runtime.snapshot().interps[0].gil.unwrap().locked;
    assert_eq!(thread.save_thread().unwrap(), t0);
    assert_eq!(thread.current(), None);
    assert!(!locked());
    thread.restore_thread(t0).unwrap();
    assert_eq!(thread.current(), Some(t0));
    assert!(locked());
}

//= specs/rules/tls.md#tls-20
//= type=test
//# Swap MUST answer with the thread state that was current before, and make the given one current.
#[test]
fn a_swap_answers_what_was_current() {
    let (_runtime, thread, t0) = start();
    assert_eq!(thread.thread_state_swap(Some(t0)), Ok(Some(t0)));
    assert_eq!(thread.thread_state_swap(None), Ok(Some(t0)));
    assert_eq!(thread.thread_state_swap(None), Ok(None));
    assert_eq!(thread.current(), None);
    assert_eq!(thread.thread_state_swap(Some(t0)), Ok(None));
    assert_eq!(thread.current(), Some(t0));
}

//= specs/rules/gil.md#gil-14
//= type=test
//# A poll that sees no request MUST NOT change anything.
#[test]
fn a_poll_that_nobody_asked_for_changes_nothing() {
    let (runtime, thread, t0) = start();
    let before = format!("{:?}", runtime.snapshot());
    thread.eval_breaker_poll().unwrap();
    assert_eq!(thread.current(), Some(t0));
    assert_eq!(format!("{:?}", runtime.snapshot()), before);
}

//= specs/rules/tls.md#tls-15
//= type=test
//# Binding MUST fill an empty gilstate slot and MUST NOT displace what a slot names.
//= specs/rules/tls.md#tls-16
//= type=test
//# A thread state that becomes current MUST be the one that the gilstate slot of its thread names.
#[test]
fn the_gilstate_slot_follows_the_current_thread_state() {
    let (runtime, thread, t0) = start();
    let t1 = thread.thread_state_new(runtime.main().unwrap()).unwrap().unwrap();
    thread.thread_state_bind(t1).unwrap();
    assert_eq!(thread.gilstate(), Some(t0));
    thread.thread_state_swap(Some(t1)).unwrap();
    assert_eq!(thread.gilstate(), Some(t1));
    thread.thread_state_swap(Some(t0)).unwrap();
    assert_eq!(thread.gilstate(), Some(t0));
    thread.thread_state_clear(t1).unwrap();
    thread.thread_state_delete(t1).unwrap();
    assert_eq!(thread.gilstate(), Some(t0));
}

#[test]
fn a_thread_that_goes_leaves_the_gil() {
    let (runtime, thread, t0) = start();
    drop(thread);
    assert!(!runtime.snapshot().interps[0].gil.unwrap().locked);
    let thread = runtime.attach().unwrap();
    assert!(thread.restore_thread(t0).is_err());
    let t1 = thread.thread_state_new(runtime.main().unwrap()).unwrap().unwrap();
    thread.thread_state_bind(t1).unwrap();
    thread.restore_thread(t1).unwrap();
    thread.thread_state_clear(t0).unwrap();
    thread.thread_state_delete(t0).unwrap();
}
