//! `cloister bench`: how fast our runtime is, beside CPython and plain threads.

use super::args::BenchArgs;
use super::{CliError, Context, Exit, write_json};
use crate::bench::{self, BenchError, CLOISTER, Effort, Measured, Python, Short, markdown};
use crate::table::Table;
use std::time::Instant;

/// Measures all works and draws a table. A target that is missed is told, and no failure:
/// the machine may have been busy.
pub fn run(args: BenchArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let executable = std::env::current_exe()?;
    let peer = Python::load(&executable);
    run_with(&args, &Effort::default(), peer, context)
}

/// The same with so much effort, beside this CPython, or none for that reason.
pub fn run_with(
    args: &BenchArgs,
    effort: &Effort,
    peer: Result<Python, String>,
    context: &mut Context<'_>,
) -> Result<Exit, CliError> {
    if let (Err(reason), false) = (&peer, args.markdown) {
        writeln!(context.out, "CPython: {reason}\n")?;
        context.out.flush()?;
    }
    let measured = measure(args.work.as_deref(), effort, peer.as_ref().ok(), context)?;
    if args.markdown && !context.progress.interrupted() {
        let python = peer.as_ref().ok().map(Python::name);
        write!(context.out, "{}", markdown(&measured, python))?;
    } else {
        write!(context.out, "{}", table(&measured))?;
    }
    if let Some(path) = &args.json {
        write_json(path, &measured)?;
    }
    Ok(if context.progress.interrupted() { Exit::Interrupted } else { Exit::Ok })
}

fn measure(
    wanted: Option<&str>,
    effort: &Effort,
    peer: Option<&Python>,
    context: &mut Context<'_>,
) -> Result<Vec<Measured>, CliError> {
    let works = bench::all(peer);
    let mut left = works.len() as u32;
    let stage = context.progress.stage("works measured", Some(left.into()));
    let begun = Instant::now();
    let (mut measured, mut others) = (Vec::new(), Vec::new());
    for set_up in works {
        let limit = effort.limit.saturating_sub(begun.elapsed()) / left;
        left -= 1;
        match set_up() {
            Ok(work) if !is_wanted(work.name, wanted) => others.push(work.name),
            Ok(work) => {
                let one = bench::measure(work, effort, limit, &mut || !context.progress.interrupted());
                measured.push(one.map_err(explained)?);
            }
            Err(BenchError::NotHere(why)) => writeln!(context.out, "a work is not measured here: {why}")?,
            Err(error) => return Err(explained(error)),
        }
        if !stage.advance(1) {
            break;
        }
    }
    if let (true, Some(wanted)) = (measured.is_empty(), wanted) {
        let there_are = others.join("; ");
        return Err(CliError::Usage(format!("no work has `{wanted}` in its name; there are: {there_are}")));
    }
    let judged: Vec<bool> = measured.iter().filter_map(|m| m.met).collect();
    let met = judged.iter().filter(|met| **met).count();
    stage.finish(&format!("{met} of {} targets met", judged.len()));
    Ok(measured)
}

/// Has the name of the work this in it, whatever the case of its letters?
fn is_wanted(name: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| name.to_lowercase().contains(&wanted.to_lowercase()))
}

fn explained(error: BenchError) -> CliError {
    match error {
        BenchError::Subject(lost) => CliError::Subject(lost),
        other => CliError::Usage(other.to_string()),
    }
}

/// The works, and below each its contenders.
fn table(measured: &[Measured]) -> String {
    let mut table = Table::new(["", "median", "least", "greatest", "to ours", "target", "met"]);
    for column in 1..5 {
        table = table.numbers(column);
    }
    for m in measured {
        let met = m.met.map_or("", |met| if met { "yes" } else { "no" });
        let title = format!("{}, {}", m.work, m.unit);
        table.row([&title, "", "", "", "", m.target.as_deref().unwrap_or_default(), met]);
        let ours = [(CLOISTER, m.cloister)];
        for (name, median) in ours.into_iter().chain(m.peers.iter().map(|(name, v)| (name.as_str(), *v))) {
            let [least, greatest] = m.ranges.get(name).copied().unwrap_or([f64::NAN; 2]);
            let ratio =
                if name == CLOISTER { String::new() } else { format!("{} x", Short(median / m.cloister)) };
            let [median, least, greatest] = [median, least, greatest].map(|v| Short(v).to_string());
            table.row([&format!("  {name}"), &median, &least, &greatest, &ratio, "", ""]);
        }
    }
    table.to_string()
}
