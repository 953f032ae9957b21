//! `cloister replay`: tells a run to a subject again, draws it, and compares.

use super::args::ReplayArgs;
use super::{CliError, Context, Engine, Exit};
use crate::capsule::{Capsule, expectation};
use crate::draw::{draw, rows, threads};
use crate::subject::{Event, Subject};

/// Replays a run. Fails if something else comes of it than it says.
pub fn run(args: ReplayArgs, engine: &mut dyn Engine, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let run = Capsule::read(&args.file)?;
    let mut subject = engine.subject(args.on, &run)?;
    let events = perform(&run, subject.as_mut(), || context.progress.interrupted())?;
    let done = &run.moves[..events.len()];
    let rows = rows(done, &events);
    let (name, design) = (&run.name, &run.design);
    writeln!(context.out, "{name} ({design}) on {}\n", subject.name())?;
    write!(context.out, "{}", draw(&threads(&rows), &rows))?;
    if context.progress.interrupted() {
        return Ok(Exit::Interrupted);
    }
    if let Some(path) = &args.save {
        let mut saved = run.clone();
        for (line, event) in saved.moves.iter_mut().zip(&events) {
            line.expect = line.expect.or_else(|| expectation(event));
        }
        saved.events.insert(subject.name().to_string(), events.clone());
        saved.write(path)?;
    }
    let differences = differences(&run, subject.name(), &events);
    if differences.is_empty() {
        return Ok(Exit::Ok);
    }
    writeln!(context.out)?;
    for difference in differences {
        writeln!(context.out, "{difference}")?;
    }
    Ok(Exit::Failed)
}

/// Tells the moves to a subject until they are over, it is dead, or the work should stop.
pub fn perform(
    run: &Capsule,
    subject: &mut dyn Subject,
    stop: impl Fn() -> bool,
) -> Result<Vec<Event>, CliError> {
    let mut events = Vec::new();
    subject.reset(run.threads)?;
    for mv in run.moves() {
        if stop() || matches!(events.last(), Some(Event::Died(_))) {
            break;
        }
        events.push(subject.apply(mv)?);
    }
    Ok(events)
}

fn differences(run: &Capsule, subject: &str, events: &[Event]) -> Vec<String> {
    let mut differences = Vec::new();
    let recorded = run.events.get(subject);
    for (index, line) in run.moves.iter().enumerate() {
        let mut differs = |what: String| differences.push(format!("move {}, {}: {what}", index + 1, line.mv));
        let Some(event) = events.get(index) else {
            differs("not performed, the run ended before".into());
            break;
        };
        let came = expectation(event);
        if line.expect.is_some() && came != line.expect {
            let expected = line.expect.map(|e| e.to_string()).unwrap_or_default();
            differs(format!("expected `{expected}`, got `{}`", said(event)));
        } else if recorded.and_then(|events| events.get(index)).is_some_and(|before| before != event) {
            differs(format!("another event than was recorded; now {event:?}"));
        }
    }
    differences
}

fn said(event: &Event) -> String {
    match (expectation(event), event) {
        (_, Event::Died(text)) => format!("died: {text}"),
        (Some(expect), _) => expect.to_string(),
        (None, event) => format!("{event:?}"),
    }
}
