//! What is no run of the model is rejected, over the whole raw face.

use cloister_diff_tests::explored::whole::recordings;
use cloister_diff_tests::free_running::{Recording, validate};
use cloister_specs::PendingCall;
use cloister_traced::trace::{Answer, Effect, Event};
use std::collections::BTreeMap;

const PROGRAMS: u64 = 120;
const SCHEDULES: usize = 2;
const CALLS: u32 = 12;

fn all() -> impl Iterator<Item = Recording> {
    (1..=PROGRAMS).flat_map(|seed| recordings(seed, CALLS, SCHEDULES).unwrap())
}

/// The name of an event that the model must have.
fn told(event: &Event) -> Option<String> {
    match event {
        Event::Effect(effect) => {
            let name = format!("{effect:?}");
            name.split(['(', ' ']).next().map(str::to_string)
        }
        Event::GaveUp(_) => Some("GaveUp".into()),
        Event::ThreadsWaitBegin(_) => Some("ThreadsWaitBegin".into()),
        _ => None,
    }
}

/// Effects, waits for threads, and waits that are given up; by name, how often one was left out.
#[test]
fn a_recording_that_lacks_an_effect_is_rejected() {
    let mut left_out: BTreeMap<String, u32> = BTreeMap::new();
    for whole in all() {
        assert!(validate(&whole).is_ok());
        for (index, stamped) in whole.events.iter().enumerate() {
            let Some(name) = told(&stamped.event) else { continue };
            let mut cut = whole.clone();
            cut.events.remove(index);
            assert!(validate(&cut).is_err(), "without event {index}: {:?}", stamped.event);
            *left_out.entry(name).or_default() += 1;
        }
    }
    // Every effect but those of a start that failed and of a fork, and the two waits.
    assert_eq!(left_out.len(), 25, "{left_out:?}");
}

/// What a pending call does is a part of the recording: with another kind of call it is none.
#[test]
fn a_recording_with_another_pending_call_is_rejected() {
    let mut tried = 0;
    for whole in all() {
        let ran = |e: &Event| matches!(e, Event::Returned(Answer::Ran(ran)) if ran.calls > 0);
        if !whole.events.iter().any(|e| ran(&e.event)) {
            continue;
        }
        let mut changed = whole.clone();
        for call in changed.pending.iter_mut().flatten() {
            *call = if *call == PendingCall::Blocks { PendingCall::Fails } else { PendingCall::Blocks };
        }
        assert!(validate(&changed).is_err(), "{:?}", whole.pending);
        tried += 1;
    }
    assert!(tried >= PROGRAMS / 4, "{tried}");
}

/// Nobody gets a call out of a ring before it is there.
#[test]
fn a_recording_in_which_a_call_is_taken_before_it_is_added_is_rejected() {
    let mut tried = 0;
    for whole in all() {
        let place = |wanted: fn(&Effect) -> bool| {
            whole.events.iter().position(|e| matches!(&e.event, Event::Effect(effect) if wanted(effect)))
        };
        let added = place(|effect| matches!(effect, Effect::Added { .. }));
        let popped = place(|effect| matches!(effect, Effect::Popped { .. }));
        let (Some(added), Some(popped)) = (added, popped) else { continue };
        let mut early = whole.clone();
        let event = early.events.remove(added);
        early.events.insert(popped, event);
        assert!(validate(&early).is_err());
        tried += 1;
    }
    assert!(tried >= PROGRAMS / 4, "{tried}");
}
