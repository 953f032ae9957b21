//! The life of interpreters and thread states in one OS thread.

use cloister::{Runtime, Settings, Thread, Tstate};
use cloister_specs::{Fault, FeatureFlags, InterpreterConfig, Phase, StatusBits};
use std::sync::Barrier;

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

//= specs/rules/tls.md#tls-2
//= type=test
//# Outside a call, a thread state MUST be active exactly when it is the current one of the thread
//# it is bound to.
//= specs/rules/gil.md#gil-3
//= type=test
//# Outside a call, a thread MUST NOT hold a GIL other than that of its current thread state.
//= specs/rules/gil.md#gil-5
//= type=test
//# A live interpreter MUST have a GIL: one that it created itself, or the main interpreter's.
#[test]
fn exactly_what_is_current_is_active_and_has_its_gil_taken() {
    let (runtime, thread, t0) = start();
    let (_, t1) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    let (_, t2) = thread.new_interpreter_from_config(&InterpreterConfig::LEGACY).unwrap();
    let look = |current: Option<Tstate>| {
        let snapshot = runtime.snapshot();
        for info in &snapshot.tstates {
            let active = info.status.contains(StatusBits::ACTIVE);
            assert_eq!(active, Some(info.tstate) == current);
        }
        let locked: Vec<_> = snapshot.interps.iter().filter_map(|i| i.gil).filter(|g| g.locked).collect();
        assert_eq!(locked.len(), usize::from(current.is_some()));
        assert!(locked.iter().all(|g| g.last_holder == current.map(|t| t.serial())));
        assert!(snapshot.interps.iter().all(|i| i.own_gil.is_some()));
    };
    look(Some(t2));
    for next in [Some(t1), Some(t0), Some(t2), None, Some(t1), Some(t1)] {
        thread.thread_state_swap(next).unwrap();
        look(next);
    }
}

//= specs/rules/tls.md#tls-14
//= type=test
//# The gilstate slot of a thread MUST name nothing or a thread state that lives, is bound to that
//# thread and knows that it is named.
#[test]
fn a_thread_state_deleted_by_another_thread_leaves_the_slot_of_its_own() {
    let (runtime, thread, t0) = start();
    let t1 = thread.thread_state_new(runtime.main().unwrap()).unwrap().unwrap();
    let (bound, deleted) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = runtime.attach().unwrap();
            other.thread_state_bind(t1).unwrap();
            assert_eq!(other.gilstate(), Some(t1));
            assert!(other.status(t1).unwrap().contains(StatusBits::BOUND_GILSTATE));
            bound.wait();
            deleted.wait();
            assert_eq!(other.gilstate(), None);
        });
        bound.wait();
        thread.thread_state_clear(t1).unwrap();
        thread.thread_state_delete(t1).unwrap();
        deleted.wait();
    });
    assert_eq!(thread.gilstate(), Some(t0));
}

//= specs/rules/life.md#life-14
//= type=test
//# A listed thread state MUST belong to a listed interpreter.
#[test]
fn whatever_is_made_and_unmade_every_thread_state_has_its_interpreter() {
    let (runtime, thread, t0) = start();
    let look = || {
        let snapshot = runtime.snapshot();
        let listed = |serial| snapshot.interps.iter().any(|i| i.interp.serial() == serial);
        assert!(snapshot.tstates.iter().all(|t| listed(t.interp)));
        (snapshot.interps.len(), snapshot.tstates.len())
    };
    let config = InterpreterConfig::ISOLATED;
    let (interp, t1) = thread.new_interpreter_from_config(&config).unwrap();
    let t2 = thread.thread_state_new(interp).unwrap().unwrap();
    assert_eq!(look(), (2, 3));
    assert!(thread.new_interpreter_with(&config, &mut Some(Fault::MainInit)).is_err());
    assert_eq!(look(), (2, 3));
    thread.thread_state_clear(t2).unwrap();
    thread.thread_state_delete(t2).unwrap();
    assert_eq!(look(), (2, 2));
    thread.end_interpreter(t1).unwrap();
    assert_eq!(look(), (1, 1));
    thread.restore_thread(t0).unwrap();
}

//= specs/rules/gil.md#gil-4
//= type=test
//# A thread MUST hold a GIL when it drops it.
#[test]
fn a_thread_without_the_gil_cannot_drop_that_of_another() {
    let (runtime, thread, t0) = start();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = runtime.attach().unwrap();
            assert!(other.save_thread().is_err());
            assert!(other.eval_breaker_poll().is_err());
            assert!(other.end_interpreter(t0).is_err());
            assert_eq!(other.thread_state_swap(None), Ok(None));
        });
    });
    assert!(runtime.snapshot().interps[0].gil.unwrap().locked);
    assert_eq!(thread.current(), Some(t0));
}
