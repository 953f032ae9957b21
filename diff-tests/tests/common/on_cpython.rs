//! Runs in the text form, performed on a real CPython. For the tests of single calls.

use cloister_diff_tests::{
    cpython::{Cpython, Found},
    subject::{Event, Subject},
};
use cloister_specs::{
    Answer, ThreadView, TstateId,
    text::{Expect, Script},
};
#[path = "libpythons.rs"]
mod libpythons;

use libpythons::executable;
pub use libpythons::found;

/// Starts one of them.
pub fn start(found: &Found) -> Cpython {
    Cpython::start(executable(), found).expect("the child starts")
}

/// The one that the model describes, or a line that says that the test was not run.
pub fn modelled() -> Option<Cpython> {
    let modelled = found().iter().find(|f| f.version.is_modelled());
    if modelled.is_none() && !found().is_empty() {
        println!("not run: none of them is the one that the model describes");
    }
    modelled.map(start)
}

/// Performs a run, each line of which has to come out as it says; answers with the last event.
pub fn comes_out(cpython: &mut Cpython, text: &str) -> Event {
    let script: Script = text.parse().expect("a run");
    cpython.reset(script.threads).expect("a run begins");
    let mut last = Event::Running;
    for line in &script.lines {
        last = cpython.apply(&line.mv).expect("the move is possible");
        let right = match (line.expect, &last) {
            (Some(Expect::Reply(expected)), Event::Replied { reply, .. }) => *reply == expected,
            (Some(Expect::Parked(expected)), Event::Parked(parking)) => *parking == expected,
            (Some(Expect::Died(rule)), Event::Died(said)) => match rule.text().answer {
                Answer::Fatal(words) => said.contains(words),
                _ => false,
            },
            (expected, _) => expected.is_none(),
        };
        assert!(right, "{line}\n  but it was {last:?}\nin\n{text}");
    }
    last
}

/// What the calling thread sees after a call that was answered: current, and named by its slot.
#[allow(dead_code, reason = "not every test looks at what threads see")]
pub fn seen(event: &Event) -> (Option<TstateId>, Option<TstateId>) {
    match event {
        Event::Replied { view: ThreadView { current, gilstate, .. }, .. } => (*current, *gilstate),
        other => panic!("it was not answered: {other:?}"),
    }
}
