//! A verdict and the run that shows it, drawn.

use super::judge::Judged;
use crate::model_run::{apart, draw_run, script};
use cloister_model::Design;
use cloister_model::check::{Exploration, Verdict};
use cloister_specs::Move;
use std::fmt::Write;

/// The verdict in a phrase: `broken GIL-7`.
pub fn phrase(judged: &Judged) -> String {
    match (judged.verdict.text(), judged.rule()) {
        (text, Some(rule)) => format!("{text} {}", rule.id()),
        (text, None) => text.to_string(),
    }
}

/// What was looked at, or how long the run is.
pub fn evidence(judged: &Judged) -> String {
    let states = |e: &Exploration| format!("{} states, {} steps", e.unique, e.generated);
    match &judged.verdict {
        Verdict::Broken(run) => {
            let least = if run.minimal { "" } else { ", perhaps not the shortest" };
            let (calls, labels) = (count(run.ops.into(), "call"), count(run.moves.len() as u64, "move"));
            format!("{calls}, {}, {labels}{least}", count(run.preemptions.into(), "preemption"))
        }
        Verdict::Holds(e, _) | Verdict::Unfinished(e) => states(e),
        Verdict::Equivalent(e, pairs) => format!("{}, {pairs} pairs", states(e)),
    }
}

fn count(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// The run that shows the verdict: one that breaks a rule, or one after which the design
/// can be told from its base.
pub fn run(judged: &Judged) -> Option<&[Move]> {
    match &judged.verdict {
        Verdict::Broken(run) => Some(&run.moves),
        Verdict::Holds(_, moves) => moves.as_deref(),
        Verdict::Equivalent(..) | Verdict::Unfinished(_) => None,
    }
}

/// That run in the text form.
pub fn capsule(judged: &Judged) -> Option<String> {
    let Verdict::Broken(found) = &judged.verdict else { return None };
    let (row, design) = (&judged.row, judged.row.design());
    let name = format!("{row} breaks {}", found.rule.id());
    script(&name, &design, row.grain, &found.moves).ok().map(|script| script.to_string())
}

/// The verdict, what it rests on, and the run that shows it, drawn.
pub fn show(judged: &Judged) -> String {
    let (row, design) = (&judged.row, judged.row.design());
    let mut out = format!("{row}: {}\n{} in {}\n", phrase(judged), evidence(judged), row.bounds);
    if !judged.breaks.is_empty() {
        let rules: Vec<_> = judged.breaks.iter().map(|rule| rule.id()).collect();
        let _ = writeln!(out, "its runs first break {}", rules.join(", "));
    }
    match &judged.verdict {
        Verdict::Broken(run) => {
            let drawn = draw_run(&design, row.grain, &run.moves, Some(run.rule));
            let _ = write!(out, "\n{}", drawn.unwrap_or_else(|error| format!("{error}\n")));
        }
        Verdict::Holds(_, Some(moves)) => {
            out.push_str("\nIt can be told from its base:\n\n");
            if !moves.is_empty() {
                let drawn = draw_run(&design, cloister_model::Grain::Atomic, moves, None);
                let _ = writeln!(out, "{}", drawn.unwrap_or_else(|error| error.to_string()));
            }
            let (here, there) = apart(&design, &Design::CLOISTER, moves);
            for (who, lines) in [("here", here), ("in cloister", there)] {
                for line in lines {
                    let _ = writeln!(out, "{who}: {line}");
                }
            }
        }
        Verdict::Holds(_, None) | Verdict::Equivalent(..) | Verdict::Unfinished(_) => {}
    }
    out
}
