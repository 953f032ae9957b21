//! The table of verdicts, as text and as Markdown.

use super::declared::Declared;
use super::judge::Judged;
use super::rows::Row;
use super::show::{phrase, run};
use crate::cpython::shown_in;
use crate::table::Table;
use cloister_model::Grain;
use cloister_model::check::Verdict;
use cloister_model::design::Knob;
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
    let (mended, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|j| j.row.mends());
    let (turned, crossed): (Vec<_>, Vec<_>) = others.into_iter().partition(|j| j.row.beside.is_none());
    let beside = |rows: &[&Judged]| {
        let fault = rows[0].row.beside.map_or(String::new(), named_setting);
        of(&format!("cloister with {fault}, and beside it"), rows.to_vec())
    };
    let crossed: String = crossed.chunk_by(|a, b| a.row.beside == b.row.beside).map(beside).collect();
    let all = of(NAMED, named) + &of(TURNED, turned) + &crossed + &of(MENDED, mended);
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
            row.turned.map_or(row.base.to_string(), named_setting),
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

const CROSSED_INTRO: &str = "\
A fault in `cloister`, and beside it a knob in each of its settings (ours included), which alone do nothing that can be
told, or nothing that is seen before something else:";

const MENDED_INTRO: &str = "\
CPython 3.12.1 with one of its faults mended: does the rule that the fault breaks hold then, or does another fault break
it as well?";

/// What the README says of the designs.
pub fn readme(table: &[Judged], declared: &Declared) -> String {
    format!(
        "{}\n{CROSSED_INTRO}\n\n{}\n{MENDED_INTRO}\n\n{}",
        turned(table, declared),
        crossed(table, declared),
        mended(table, declared)
    )
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
    let rows = of_cloister(table, |row| row.beside.is_none());
    let all = rows.iter().map(|(first, verdict)| {
        let reason = declared.of(first).map_or("", |entry| entry.reason.as_str());
        let (calls, shipped) = (shortest(first), releases(first));
        let after = format!("{verdict} | {calls} | {shipped} | {reason}");
        (Line { before: setting(first), after }, *first)
    });
    let all = all.collect();
    let heading = "| setting | GILs | verdict | shortest run | CPython | why |\n\
                   | --- | --- | --- | --- | --- | --- |\n";
    heading.to_string() + &lines(all)
}

/// A line for each setting of a knob beside a fault.
fn crossed(table: &[Judged], declared: &Declared) -> String {
    let rows = of_cloister(table, |row| row.beside.is_some());
    let all = rows.iter().map(|(first, verdict)| {
        let fault = first.row.beside.map_or(String::new(), named_setting);
        let reason = declared.of(first).map_or("", |entry| entry.reason.as_str());
        let (before, after) = (format!("`{fault}` | {}", setting(first)), format!("{verdict} | {reason}"));
        (Line { before, after }, *first)
    });
    let all = all.collect();
    let heading = "| fault | setting | GILs | verdict | why |\n| --- | --- | --- | --- | --- |\n";
    heading.to_string() + &lines(all)
}

/// The rows of `cloister` with a knob turned, in the atomic grain, with their verdicts in all grains.
fn of_cloister<'a>(table: &'a [Judged], wanted: impl Fn(&Row) -> bool) -> Vec<(&'a Judged, String)> {
    let rows =
        || table.iter().filter(|j| j.row.base == "cloister" && j.row.turned.is_some() && wanted(&j.row));
    let with_verdict = |first: &'a Judged| {
        let same = |j: &&Judged| {
            Row { grain: Grain::Atomic, bounds: first.row.bounds, ..j.row.clone() } == first.row
        };
        (first, in_grains(&rows().filter(same).collect::<Vec<_>>()))
    };
    rows().filter(|j| j.row.grain == Grain::Atomic).map(with_verdict).collect()
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

fn named_setting((knob, setting): (&'static Knob, &'static str)) -> String {
    format!("{}={setting}", knob.name)
}

fn setting(judged: &Judged) -> String {
    judged.row.turned.map_or(String::new(), |turned| format!("`{}`", named_setting(turned)))
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
