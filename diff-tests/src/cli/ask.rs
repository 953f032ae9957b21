//! `cloister ask`: is this sequence of calls legal, and if not, which rule forbids it?

use super::args::AskArgs;
use super::replay::perform;
use super::{CliError, Context, Engine, Exit, On};
use crate::capsule::{Capsule, expectation};
use crate::subject::Event;
use crate::table::WIDTH;
use cloister_specs::{Answer, Move, Parking, Rule, ThreadId};
use std::collections::BTreeMap;

/// Asks the model. Fails if a call is not legal.
pub fn run(args: AskArgs, engine: &mut dyn Engine, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let run = Capsule::read(&args.file)?;
    let mut subject = engine.subject(On::Model, &run)?;
    let events = perform(&run, subject.as_mut(), || context.progress.interrupted())?;
    let mut waiting = BTreeMap::new();
    let mut calls = 0;
    let mut broken = Vec::new();
    for (mv, event) in run.moves().zip(&events) {
        calls += u32::from(matches!(mv, Move::Start(_)));
        match event {
            Event::Parked(on) => drop(waiting.insert(mv.thread(), *on)),
            _ => drop(waiting.remove(&mv.thread())),
        }
        match event {
            Event::Refused(rule) => broken.push((*mv, *rule)),
            Event::Died(_) => match expectation(event) {
                Some(cloister_specs::text::Expect::Died(rule)) => broken.push((*mv, rule)),
                _ => return Err(CliError::Usage(format!("{mv}: the model died: {event:?}"))),
            },
            Event::Replied { .. } | Event::Parked(_) | Event::Running => {}
        }
    }
    for (mv, rule) in &broken {
        write!(context.out, "{}", explain(mv, *rule))?;
    }
    let verdict = match broken.len() {
        0 => format!("legal: {calls} {}", plural(calls, "call")),
        many => format!("not legal: {many} of {calls} calls"),
    };
    writeln!(context.out, "{verdict}{}", still_waiting(&waiting))?;
    Ok(match (context.progress.interrupted(), broken.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Ok,
        (false, false) => Exit::Failed,
    })
}

fn explain(mv: &Move, rule: Rule) -> String {
    let text = rule.text();
    let cpython = match text.answer {
        Answer::Status(said) => format!("answers with the status \"{said}\""),
        Answer::Fatal(said) => format!("ends the process: \"{said}\""),
        Answer::Assert => "does not say so in a release build; what happens then is undefined".into(),
        Answer::None => "does not say so".into(),
    };
    let lines = [
        format!("{}: {}", text.id, text.sentence),
        format!("without it: {}", text.without),
        format!("CPython: {cpython}"),
        format!("do: {}", text.advice),
    ];
    let options = textwrap::Options::new(WIDTH.into()).initial_indent("  ").subsequent_indent("      ");
    lines.iter().fold(format!("{mv}\n"), |told, line| told + &textwrap::fill(line, &options) + "\n") + "\n"
}

fn still_waiting(waiting: &BTreeMap<ThreadId, Parking>) -> String {
    let who: Vec<_> =
        waiting.iter().map(|(thread, on)| format!("{thread} waits for the {}", place(*on))).collect();
    if who.is_empty() { String::new() } else { format!("; at the end {}", who.join(", ")) }
}

fn place(on: Parking) -> &'static str {
    match on {
        Parking::Gil => "GIL",
        Parking::Switch => "switch",
        Parking::Threads => "threads to end",
        Parking::Calls => "other calls to return",
        Parking::Forever => "end of time",
    }
}

fn plural(count: u32, noun: &str) -> String {
    if count == 1 { noun.into() } else { format!("{noun}s") }
}
