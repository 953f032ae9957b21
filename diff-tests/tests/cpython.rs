//! A real CPython, asked through its C API. Says "not run" where none is installed.

use cloister_diff_tests::{
    cpython::{Cpython, Found, Freed, Version, all_configs, read, record, write},
    subject::{Event, Subject},
};
use cloister_specs::{
    CreationError, Fault, FeatureFlags, InterpId, InterpreterConfig, MAIN, Move, Op, Parking, Phase, Reply,
    Start, StatusBits, ThreadId, ThreadView, TstateId,
};
use libpythons::{executable, found};
use std::collections::BTreeMap;

#[path = "common/libpythons.rs"]
mod libpythons;

const ISOLATED: InterpreterConfig = InterpreterConfig::ISOLATED;
const LEGACY: InterpreterConfig = InterpreterConfig::LEGACY;
const BAD: InterpreterConfig = InterpreterConfig { check_multi_interp_extensions: false, ..ISOLATED };

/// The CPython that the model describes, if there is one.
fn modelled() -> Option<Cpython> {
    let modelled = found().iter().find(|f| f.version.is_modelled());
    modelled.map(|found| Cpython::start(executable(), found).expect("the child starts"))
}

fn t(slot: u8) -> TstateId {
    TstateId(slot)
}

fn new(config: InterpreterConfig) -> Op {
    Op::NewInterpreterFromConfig { config, fault: None }
}

fn call_at(thread: u8, op: Op, at: Option<TstateId>) -> Move {
    Move::Start(Start { thread: ThreadId(thread), op, at, prefer: ThreadId(0) })
}

fn call(thread: u8, op: Op) -> Move {
    call_at(thread, op, None)
}

fn step(thread: u8) -> Move {
    Move::Step { thread: ThreadId(thread), prefer: ThreadId(0) }
}

fn expire(thread: u8) -> Move {
    Move::Expire { thread: ThreadId(thread), prefer: ThreadId(0) }
}

fn run(cpython: &mut Cpython, moves: &[Move]) -> Vec<Event> {
    cpython.reset(3).expect("a run begins");
    moves.iter().map(|mv| cpython.apply(mv).expect("the move is possible")).collect()
}

fn replied(reply: Reply, current: Option<TstateId>, gilstate: Option<TstateId>) -> Event {
    Event::Replied { reply, view: ThreadView { current, gilstate, parked: None } }
}

#[test]
fn a_new_interpreter_is_current_in_its_caller_and_gone_after_its_end() {
    let Some(mut cpython) = modelled() else { return };
    //= specs/rules/life.md#life-1
    //= type=test
    //# A successful creation MUST leave the caller in the new interpreter, with its only thread state current and its GIL held.
    let events = run(&mut cpython, &[call(0, new(ISOLATED))]);
    let created = Reply::Created { interp: InterpId(1), tstate: t(1) };
    assert_eq!(events, [replied(created, Some(t(1)), Some(t(1)))]);
    let seen = cpython.observe().expect("stopped");
    assert_eq!(seen.interps[1].flags, ISOLATED.flags());
    assert_eq!((seen.interps[1].own_gil, seen.interps[1].phase), (Some(true), Some(Phase::Live)));
    assert_eq!((seen.gils[1].locked, seen.gils[1].last_holder), (true, Some(t(1))));
    let bits = StatusBits::INITIALIZED | StatusBits::BOUND | StatusBits::BOUND_GILSTATE | StatusBits::ACTIVE;
    assert_eq!((seen.tstates[1].status, seen.tstates[1].thread), (bits, Some(ThreadId(0))));
    assert!(!seen.gils[0].locked);

    //= specs/rules/life.md#life-12
    //= type=test
    //# An ended interpreter MUST leave nothing behind: it, its thread state and its own GIL are gone, and the caller has no current thread state.
    let ended = cpython.apply(&call(0, Op::EndInterpreter(t(1)))).expect("possible");
    assert_eq!(ended, replied(Reply::Done, None, None));
    let seen = cpython.observe().expect("stopped");
    assert_eq!((seen.interps.len(), seen.tstates.len(), seen.gils.len()), (1, 1, 1));
}

#[test]
fn a_waiter_parks_asks_and_is_let_in_by_a_poll() {
    let Some(mut cpython) = modelled() else { return };
    //= specs/rules/gil.md#gil-6
    //= type=test
    //# A waiter whose interval expires while the GIL is held and has not been switched MUST ask for it.
    let moves = [
        call(0, Op::ThreadStateNew(MAIN)),
        call(1, Op::ThreadStateBind(t(1))),
        call(1, Op::RestoreThread(t(1))),
        call(0, Op::EvalBreakerPoll),
        expire(1),
    ];
    let events = run(&mut cpython, &moves);
    assert_eq!(events[2], Event::Parked(Parking::Gil));
    assert_eq!(events[3], replied(Reply::Done, Some(t(0)), Some(t(0))));
    let seen = cpython.observe().expect("stopped");
    assert!(seen.gils[0].drop_request);
    assert_eq!(seen.threads[1].parked, Some(Parking::Gil));

    //= specs/rules/gil.md#gil-9
    //= type=test
    //# A thread that drops a GIL on request MUST NOT go on before another thread state has taken it, unless it is woken for no reason.
    let mut next = |mv| cpython.apply(&mv).expect("possible");
    assert_eq!(next(call(0, Op::EvalBreakerPoll)), Event::Parked(Parking::Switch));
    assert_eq!(next(step(1)), replied(Reply::Done, Some(t(1)), Some(t(1))));

    //= specs/rules/gil.md#gil-13
    //= type=test
    //# A poll that sees a request MUST hand the GIL over and come back with the same thread state current.
    assert_eq!(next(step(0)), Event::Parked(Parking::Gil));
    assert_eq!(next(call(1, Op::SaveThread)), replied(Reply::Tstate(Some(t(1))), None, Some(t(1))));
    assert_eq!(next(step(0)), replied(Reply::Done, Some(t(0)), Some(t(0))));
}

#[test]
fn a_signal_wakes_the_thread_that_the_move_prefers() {
    let Some(mut cpython) = modelled() else { return };
    for (prefer, other) in [(1, 2), (2, 1)] {
        let moves = [
            call(0, Op::ThreadStateNew(MAIN)),
            call(0, Op::ThreadStateNew(MAIN)),
            call(1, Op::ThreadStateBind(t(1))),
            call(2, Op::ThreadStateBind(t(2))),
            call(1, Op::RestoreThread(t(1))),
            call(2, Op::RestoreThread(t(2))),
            Move::Start(Start {
                thread: ThreadId(0),
                op: Op::SaveThread,
                at: None,
                prefer: ThreadId(prefer),
            }),
        ];
        run(&mut cpython, &moves);
        assert!(cpython.apply(&step(other)).is_err(), "T{other} has not been signalled");
        assert!(matches!(cpython.apply(&step(prefer)), Ok(Event::Replied { .. })));
    }
}

#[test]
fn a_thread_in_the_forced_switch_can_be_woken_for_no_reason() {
    let Some(mut cpython) = modelled() else { return };
    let moves = [
        call(0, Op::ThreadStateNew(MAIN)),
        call(1, Op::ThreadStateBind(t(1))),
        call(1, Op::RestoreThread(t(1))),
        expire(1),
        call(0, Op::SaveThread),
        Move::Spurious { thread: ThreadId(0), prefer: ThreadId(0) },
    ];
    let events = run(&mut cpython, &moves);
    assert_eq!(events[4], Event::Parked(Parking::Switch));
    assert_eq!(events[5], replied(Reply::Tstate(Some(t(0))), None, Some(t(0))));
}

#[test]
fn faults_strike_where_they_are_told_to() {
    let Some(mut cpython) = modelled() else { return };
    for (fault, reply) in [
        (Fault::InterpAlloc, Reply::OkWithNull),
        (Fault::TstateAlloc, Reply::OkWithNull),
        (Fault::CoreInit, Reply::Failed(CreationError::CoreInit)),
        (Fault::MainInit, Reply::Failed(CreationError::MainInit)),
    ] {
        for config in [ISOLATED, LEGACY] {
            let failing = Op::NewInterpreterFromConfig { config, fault: Some(fault) };
            let moves = [call(0, failing), call(0, new(config)), call(0, Op::EndInterpreter(t(1)))];
            let events = run(&mut cpython, &moves);
            assert_eq!(events[0], replied(reply, Some(t(0)), Some(t(0))), "{fault:?}");
            assert!(matches!(events[1], Event::Replied { reply: Reply::Created { .. }, .. }), "{fault:?}");
            assert_eq!(events[2], replied(Reply::Done, None, None), "{fault:?}");

            let events = run(&mut cpython, &[call(0, Op::SaveThread), call(0, failing)]);
            assert!(matches!(events[1], Event::Replied { reply: r, .. } if r == reply), "{fault:?} detached");
            let seen = cpython.observe().expect("stopped");
            assert_eq!((seen.interps.len(), seen.gils[0].locked), (1, false), "{fault:?} detached");
        }
    }
}

#[test]
fn fatal_errors_are_outcomes_and_the_next_run_is_untouched() {
    let Some(mut cpython) = modelled() else { return };
    for (moves, text) in [
        (vec![call(0, new(BAD)), call(0, Op::SaveThread)], "drop_gil: drop_gil: GIL is not locked"),
        (vec![call(0, Op::ThreadStateDelete(t(0)))], "PyThreadState_Delete: tstate is still current"),
        (vec![call(1, Op::EndInterpreter(t(0)))], "Py_EndInterpreter: thread is not current"),
        (
            vec![
                call(0, new(LEGACY)),
                call(0, Op::ThreadStateNew(InterpId(1))),
                call(0, Op::EndInterpreter(t(1))),
            ],
            "Py_EndInterpreter: not the last thread",
        ),
        (
            vec![call(0, Op::SaveThread), call(0, Op::SaveThread)],
            "PyEval_SaveThread: the function must be called with the GIL held, after Python initialization and \
             before Python finalization, but the GIL is released (the current Python thread state is NULL)",
        ),
    ] {
        let events = run(&mut cpython, &moves);
        assert_eq!(events.last(), Some(&Event::Died(text.into())));
        assert!(cpython.apply(&call(0, Op::EvalBreakerPoll)).is_err());
    }
    assert_eq!(run(&mut cpython, &[call(0, Op::EvalBreakerPoll)]).len(), 1);
}

#[test]
fn a_slot_is_used_again_only_when_a_move_names_it() {
    let Some(mut cpython) = modelled() else { return };
    let deleted = [
        call(0, Op::ThreadStateNew(MAIN)),
        call(1, Op::ThreadStateBind(t(1))),
        call(0, Op::ThreadStateClear(t(1))),
        call(0, Op::ThreadStateDelete(t(1))),
    ];
    run(&mut cpython, &deleted);
    assert_eq!(cpython.observe().expect("stopped").threads[1].gilstate, Some(t(1)), "it names what is gone");
    let fresh = cpython.apply(&call(0, Op::ThreadStateNew(MAIN))).expect("possible");
    assert_eq!(fresh, replied(Reply::Tstate(Some(t(2))), Some(t(0)), None));
    let reused = cpython.apply(&call_at(0, Op::ThreadStateNew(MAIN), Some(t(1)))).expect("possible");
    assert_eq!(reused, replied(Reply::Tstate(Some(t(1))), Some(t(0)), None));
    let other = cpython.apply(&call_at(0, new(ISOLATED), Some(t(3)))).expect("possible");
    assert_eq!(other, replied(Reply::Created { interp: InterpId(1), tstate: t(3) }, Some(t(3)), Some(t(3))));
}

#[test]
fn an_interpreter_can_take_the_address_of_a_thread_state() {
    let Some(mut cpython) = modelled() else { return };
    let moves = [
        call(0, Op::ThreadStateNew(MAIN)),
        call(0, Op::ThreadStateBind(t(1))),
        call(0, Op::ThreadStateClear(t(1))),
        call(0, Op::ThreadStateDelete(t(1))),
        call_at(0, new(ISOLATED), Some(t(1))),
        call(0, Op::EndInterpreter(t(1))),
        call(0, Op::ThreadStateSwap(Some(t(0)))),
        call_at(0, Op::ThreadStateNew(MAIN), Some(t(1))),
    ];
    let events = run(&mut cpython, &moves);
    assert_eq!(
        events[4],
        replied(Reply::Created { interp: InterpId(1), tstate: t(1) }, Some(t(1)), Some(t(1)))
    );
    assert_eq!(events[7], replied(Reply::Tstate(Some(t(1))), Some(t(0)), Some(t(0))));
}

#[test]
fn all_configurations_answer_as_the_rules_say() {
    for found in found() {
        let created = all_configs(executable(), found).expect("the child answers");
        assert_eq!(created.len(), 256);
        let mut counts = BTreeMap::new();
        for c in &created {
            //= specs/rules/life.md#life-7
            //= type=test
            //# A configuration with both faults MUST be answered with the allocator's (LIFE-5) before that of the gil field (LIFE-6).
            let expected = if !c.config.use_main_obmalloc && !c.config.check_multi_interp_extensions {
                Err(CreationError::Settings.to_string())
            } else if c.config.gil == 7 {
                Err(CreationError::GilValue.to_string())
            } else {
                Ok(c.config.flags())
            };
            let outcome = c.outcome.as_ref().map_err(|s| s.message.clone()).copied();
            assert_eq!(outcome, expected, "{}: {:?}", found.version, c.config);
            assert_eq!(c.own_gil, c.outcome.is_ok() && c.config.gil == 2, "{:?}", c.config);
            let func = c.outcome.as_ref().err().map(|s| s.func.as_str());
            *counts.entry(func).or_insert(0) += 1;
        }
        let expected = match found.version.minor {
            12 => vec![(None, 144), (Some("init_interp_create_gil"), 48), (Some("init_interp_settings"), 64)],
            _ => vec![(None, 144), (Some("init_interp_settings"), 112)],
        };
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected, "{}", found.version);
    }
}

#[test]
fn what_is_no_libpython_is_an_error_of_the_subject() {
    let found = Found { path: executable().into(), version: Version { minor: 12, micro: 1 } };
    let error = Cpython::start(executable(), &found).err().expect("the command is no library");
    assert!(error.to_string().starts_with("CPython: "), "{error}");
}

#[test]
fn a_call_that_never_comes_back_counts_as_hung() {
    let Some(mut cpython) = modelled() else { return };
    cpython.set_patience(1);
    run(&mut cpython, &[call(0, Op::ThreadStateNew(MAIN)), call(1, Op::ThreadStateBind(t(1)))]);
    cpython.apply(&call(0, Op::SaveThread)).expect("possible");
    // It is held with the mutex of the GIL locked.
    let restore = Start { thread: ThreadId(1), op: Op::RestoreThread(t(1)), at: None, prefer: ThreadId(0) };
    assert_eq!(cpython.start_held(restore, 1).expect("possible"), Event::Running);
    let blocked = cpython.apply(&call(0, Op::RestoreThread(t(0)))).expect("an outcome");
    assert_eq!(blocked, Event::Died("hung".into()));
}

#[test]
fn poisoned_memory_shows_a_write_after_the_call() {
    let Some(mut cpython) = modelled() else { return };
    let moves = [
        call(0, Op::ThreadStateNew(MAIN)),
        call(1, Op::ThreadStateBind(t(1))),
        call(0, Op::ThreadStateClear(t(1))),
        call(0, Op::ThreadStateDelete(t(1))),
        call(1, Op::ThreadStateNew(MAIN)),
        call(1, Op::ThreadStateBind(t(2))),
        call(0, Op::SaveThread),
        call(1, Op::RestoreThread(t(2))),
    ];
    for freed in [Freed::Trap, Freed::Poison] {
        cpython.set_freed(freed);
        let events = run(&mut cpython, &moves);
        assert_eq!(events[7], Event::Died("write to freed memory: t1, _status".into()), "{freed:?}");
    }
}

#[test]
fn a_recorded_corpus_is_read_back_and_agrees_with_what_was_recorded() {
    let Some(mut cpython) = modelled() else { return };
    let runs = [
        vec![call(0, new(LEGACY)), call(0, Op::ThreadStateSwap(Some(t(0))))],
        vec![call(0, new(BAD)), call(0, Op::SaveThread), call(0, Op::RestoreThread(t(0)))],
    ];
    let corpus = record(&mut cpython, 2, &runs).expect("possible moves");
    assert_eq!((corpus.runs[1].moves.len(), &corpus.runs[1].observation), (2, &None));
    let path = std::env::temp_dir().join(format!("cloister-corpus-{}.json", std::process::id()));
    write(&corpus, &path).expect("written");
    let back = read(&path);
    std::fs::remove_file(&path).expect("removed");
    let mut back = back.expect("read");
    assert_eq!(back, corpus);
    assert_eq!(back.compare(&mut cpython).expect("possible moves"), []);
    if let Some(seen) = &mut back.runs[0].observation {
        seen.interps[1].flags = FeatureFlags::empty();
    }
    assert_eq!(back.compare(&mut cpython).expect("possible moves").len(), 1);
}
