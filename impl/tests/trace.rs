//! What a trace of free-running threads tells.
#![cfg(feature = "trace")]

use cloister::trace::{self, Answer, Argument, Effect, Event, Stamped};
use cloister::{PendingFailed, Ran, Runtime, Serial, Settings, Thread};
use cloister_specs::{GilState, InterpreterConfig, OpKind};
use std::collections::HashMap;
use std::thread;
use std::time::Duration;

fn run() -> Vec<Stamped> {
    let settings = Settings::default().with_switch_interval(Duration::from_micros(100));
    let (runtime, main_thread) = Runtime::start(settings).unwrap();
    let main = runtime.main().unwrap();
    main_thread.save_thread().unwrap();
    runtime.trace(true);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let thread = runtime.attach().unwrap();
                let tstate = thread.thread_state_new(main).unwrap().unwrap();
                thread.thread_state_bind(tstate).unwrap();
                for round in 0..200 {
                    thread.thread_state_swap(Some(tstate)).unwrap();
                    for _ in 0..20 {
                        thread.eval_breaker_poll().unwrap();
                    }
                    if round % 20 == 0 {
                        let config = InterpreterConfig::LEGACY;
                        let (_, other) = thread.new_interpreter_from_config(&config).unwrap();
                        thread.end_interpreter(other).unwrap();
                    } else {
                        thread.save_thread().unwrap();
                    }
                }
            });
        }
    });
    runtime.drain()
}

#[test]
fn stamps_tell_an_order_in_which_every_gil_has_one_holder() {
    let events = run();
    assert!(events.windows(2).all(|pair| pair[0].stamp < pair[1].stamp));
    let mut holders: HashMap<Option<Serial>, (Serial, Serial)> = HashMap::new();
    let (mut taken, mut dropped) = (0, 0);
    for Stamped { thread, event, .. } in &events {
        match event {
            Event::Took(gil) => {
                taken += 1;
                assert_eq!(holders.insert(gil.creator, (*thread, gil.tstate)), None, "{event:?}");
            }
            Event::Dropping(gil) => {
                dropped += 1;
                assert_eq!(holders.remove(&gil.creator), Some((*thread, gil.tstate)), "{event:?}");
            }
            _ => {}
        }
    }
    assert_eq!(taken, dropped);
    assert!(taken >= 600);
}

#[test]
fn every_call_that_is_told_returns_before_the_next() {
    let mut inside: HashMap<Serial, bool> = HashMap::new();
    for Stamped { thread, event, .. } in run() {
        let inside = inside.entry(thread).or_default();
        match event {
            Event::Called { .. } => assert!(!std::mem::replace(inside, true)),
            Event::Returned(_) => assert!(std::mem::replace(inside, false)),
            _ => assert!(*inside, "{event:?}"),
        }
    }
    assert!(inside.values().all(|inside| !inside));
}

#[test]
fn every_interpreter_that_begins_ends() {
    let count = |wanted: fn(&Effect) -> bool| {
        let effects = run();
        effects.iter().filter(|e| matches!(&e.event, Event::Effect(e) if wanted(e))).count()
    };
    assert_eq!(count(|e| matches!(e, Effect::Begun { .. })), 30);
    assert_eq!(count(|e| matches!(e, Effect::Live(_))), 30);
    assert_eq!(count(|e| matches!(e, Effect::Ended { .. })), 30);
}

#[test]
fn a_trace_that_is_off_tells_nothing() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    thread.save_thread().unwrap();
    assert_eq!(runtime.drain(), []);
}

#[test]
fn pending_calls_are_told_in_the_order_in_which_they_took_place() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let main = runtime.main().unwrap();
    runtime.trace(true);
    thread.add_pending_call(None, Box::new(|_| Ok(()))).unwrap();
    let blocks = |thread: &Thread| {
        let saved = thread.save_thread().map_err(|_| PendingFailed)?;
        thread.restore_thread(saved).map_err(|_| PendingFailed)
    };
    thread.add_pending_call(Some(main), Box::new(blocks)).unwrap();
    runtime.drain();
    thread.eval_breaker_poll().unwrap();
    let told: Vec<_> = runtime.drain().into_iter().map(|stamped| stamped.event).collect();
    let call = |op| Event::Called { op, argument: Argument::None };
    let (interp, ring) = (main.serial(), Some(main.serial()));
    assert_eq!(told[0], call(OpKind::EvalBreakerPoll));
    assert_eq!(told[1], Event::Effect(Effect::RunBegan { interp }));
    assert_eq!(told[2], Event::Effect(Effect::Popped { ring }));
    assert_eq!(told[3], call(OpKind::SaveThread));
    let rest = [
        Event::Effect(Effect::Popped { ring: None }),
        Event::Effect(Effect::RunEnded { interp, failed: false }),
        Event::Returned(Answer::Ran(Ran { calls: 2, failed: false })),
    ];
    assert!(told.ends_with(&rest), "{told:?}");
    assert_eq!(told.len(), 12);
}

#[test]
fn an_ensure_tells_the_thread_state_that_it_makes_before_it_takes_the_gil() {
    let (runtime, first) = Runtime::start(Settings::default()).unwrap();
    let main = runtime.main().unwrap();
    first.save_thread().unwrap();
    drop(first);
    let thread = runtime.attach().unwrap();
    runtime.trace(true);
    thread.gilstate_ensure(main).unwrap();
    let tstate = thread.current().unwrap().serial();
    thread.gilstate_release(GilState::Unlocked).unwrap();
    let told: Vec<_> = runtime.drain().into_iter().map(|stamped| stamped.event).collect();
    let gil = trace::Gil { creator: Some(main.serial()), tstate };
    let argument = Argument::Interp(main.serial());
    let wanted = [
        Event::Called { op: OpKind::GilStateEnsure, argument },
        Event::Effect(Effect::Ensured { tstate, interp: main.serial() }),
        Event::Took(gil),
        Event::Returned(Answer::Ensured(GilState::Unlocked)),
        Event::Called { op: OpKind::GilStateRelease, argument: Argument::GilState(GilState::Unlocked) },
        Event::Effect(Effect::Cleared(tstate)),
        Event::Dropping(gil),
        Event::Effect(Effect::Deleted(tstate)),
        Event::Returned(Answer::Done),
    ];
    assert_eq!(told, wanted);
}
