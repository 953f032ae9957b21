//! The table of verdicts, as text and as Markdown.

use super::declared::Declared;
use super::judge::Judged;
use super::show::{phrase, run};
use crate::cpython::shown_in;
use crate::table::Table;
use cloister_model::Grain;
use cloister_model::check::Verdict;
use std::fmt::Write;

const NAMED: &str = "The named designs";
const TURNED: &str = "cloister with one knob turned";
const MENDED: &str = "cpython_3_12_1 with one fault mended, judged by the rule that it breaks";

/// Every row on a line, with what it rests on: the length of the shortest run, or how many
/// states were looked at.
pub fn text(table: &[Judged], declared: &Declared) -> String {
    let of = |title: &str, rows: Vec<&Judged>| match rows.as_slice() {
        [] => String::new(),
        rows => format!("{title}\n\n{}\n", one(rows, declared)),
    };
    let (named, others): (Vec<_>, Vec<_>) = table.iter().partition(|j| j.row.turned.is_none());
    let (mended, turned): (Vec<_>, Vec<_>) = others.into_iter().partition(|j| j.row.mends());
    let all = of(NAMED, named) + &of(TURNED, turned) + &of(MENDED, mended);
    all.trim_end().to_string() + "\n"
}

fn one(rows: &[&Judged], declared: &Declared) -> String {
    let mut out =
        Table::new(["design", "GILs", "grain", "scope", "verdict", "calls", "moves", "states", "declared"])
            .whole(0);
    for column in 5..8 {
        out = out.numbers(column);
    }
    for judged in rows {
        let row = &judged.row;
        let design = row.turned.map(|(knob, setting)| format!("{}={setting}", knob.name));
        let (calls, moves, states) = match &judged.verdict {
            Verdict::Broken(run) => (run.ops.to_string(), run.moves.len().to_string(), String::new()),
            Verdict::Holds(found, _) | Verdict::Equivalent(found, _) | Verdict::Unfinished(found) => {
                (String::new(), String::new(), found.unique.to_string())
            }
        };
        let declared = match declared.contradicts(judged) {
            None => "so".to_string(),
            Some(_) => declared.of(judged).map_or("no".into(), |entry| entry.phrase()),
        };
        out.row([
            design.unwrap_or_else(|| row.base.to_string()),
            row.gil.to_string(),
            row.grain.to_string(),
            row.bounds.to_string(),
            phrase(judged),
            calls,
            moves,
            states,
            declared,
        ]);
    }
    out.to_string()
}

const MENDED_INTRO: &str = "\
CPython 3.12.1 with one of its faults mended: does the rule that the fault breaks hold then, or does another fault break
it as well?";

/// What the README says of the designs.
pub fn readme(table: &[Judged], declared: &Declared) -> String {
    format!("{}\n{MENDED_INTRO}\n\n{}", turned(table, declared), mended(table, declared))
}

/// A line of a Markdown table, without its GIL mode.
#[derive(PartialEq)]
struct Line {
    before: String,
    after: String,
}

/// Lines of a table; two that differ in their GIL mode alone are one.
fn lines(lines: Vec<(Line, &Judged)>) -> String {
    let mut out = String::new();
    let mut rest = lines.as_slice();
    while let [(line, judged), after @ ..] = rest {
        let twice = after.first().is_some_and(|(next, _)| next == line);
        let gil = if twice { "either" } else { judged.row.gil.name() };
        let _ = writeln!(out, "| {} | {gil} | {} |", line.before, line.after);
        rest = if twice { &after[1..] } else { after };
    }
    out
}

/// A line for each setting that is not ours.
fn turned(table: &[Judged], declared: &Declared) -> String {
    let of_cloister = |j: &&Judged| j.row.base == "cloister" && j.row.turned.is_some();
    let mut all = Vec::new();
    for first in table.iter().filter(of_cloister).filter(|j| j.row.grain == Grain::Atomic) {
        let same = |j: &&Judged| j.row.turned == first.row.turned && j.row.gil == first.row.gil;
        let rows: Vec<_> = table.iter().filter(of_cloister).filter(same).collect();
        let reason = declared.of(first).map_or("", |entry| entry.reason.as_str());
        let (verdict, calls, shipped) = (in_grains(&rows), shortest(first), releases(first));
        let line =
            Line { before: setting(first), after: format!("{verdict} | {calls} | {shipped} | {reason}") };
        all.push((line, first));
    }
    let heading = "| setting | GILs | verdict | shortest run | CPython | why |\n\
                   | --- | --- | --- | --- | --- | --- |\n";
    heading.to_string() + &lines(all)
}

/// A line for each fault of CPython 3.12.1, mended alone.
fn mended(table: &[Judged], declared: &Declared) -> String {
    let mut all = Vec::new();
    for judged in table.iter().filter(|j| j.row.mends()) {
        let rule = judged.rule().map_or("", |rule| rule.id());
        let holds = match judged.verdict {
            Verdict::Broken(_) => "no",
            Verdict::Holds(..) | Verdict::Equivalent(..) => "yes",
            Verdict::Unfinished(_) => "unknown",
        };
        let reason = declared.of(judged).map_or("", |entry| entry.reason.as_str());
        let line = Line { before: setting(judged), after: format!("{rule} | {holds} | {reason}") };
        all.push((line, judged));
    }
    let heading = "| mended | GILs | rule | holds then | why |\n| --- | --- | --- | --- | --- |\n";
    heading.to_string() + &lines(all)
}

/// The releases of CPython that show it.
fn releases(judged: &Judged) -> String {
    let shown = judged.row.turned.and_then(|(knob, setting)| shown_in(knob.name, setting));
    match (shown, &judged.verdict) {
        (None, _) | (_, Verdict::Equivalent(..)) => String::new(),
        (Some(releases), _) if releases.is_empty() => "neither".into(),
        (Some(releases), _) => {
            let releases = releases.iter().map(ToString::to_string);
            releases.collect::<Vec<_>>().join(", ")
        }
    }
}

fn setting(judged: &Judged) -> String {
    judged.row.turned.map_or(String::new(), |(knob, setting)| format!("`{}={setting}`", knob.name))
}

/// The verdict, once if it is the same in every grain. In the finer ones nothing is
/// compared with the base: for what is equivalent, `holds` is all that can be said there.
fn in_grains(rows: &[&Judged]) -> String {
    let same = |one: &Judged, other: &Judged| {
        phrase(one) == phrase(other)
            || matches!((&one.verdict, &other.verdict), (Verdict::Equivalent(..), Verdict::Holds(..)))
    };
    match rows {
        [atomic, finer @ ..] if finer.iter().all(|j| same(atomic, j)) => phrase(atomic),
        _ => {
            let each = rows.iter().map(|j| format!("{}: {}", j.row.grain, phrase(j)));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

/// The calls of the shortest run, each without what it is given.
fn shortest(judged: &Judged) -> String {
    let Verdict::Broken(_) = &judged.verdict else { return String::new() };
    let moves = run(judged).unwrap_or_default();
    let told = moves.iter().map(|mv| {
        let text = mv.to_string();
        text.split('(').next().unwrap_or_default().to_string()
    });
    told.collect::<Vec<_>>().join(", ")
}
