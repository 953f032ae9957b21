//! The table of verdicts, as text and as Markdown.

use super::GilMode;
use super::declared::Declared;
use super::judge::Judged;
use super::show::{evidence, phrase, run};
use crate::table::Table;
use cloister_model::Grain;
use cloister_model::check::Verdict;
use std::fmt::Write;

/// Every row on a line, with what it rests on.
pub fn text(table: &[Judged], declared: &Declared) -> String {
    let mut out = Table::new(["base", "knob", "GILs", "grain", "scope", "verdict", "rests on", "declared"]);
    for judged in table {
        let row = &judged.row;
        let knob = row.turned.map_or(String::new(), |(knob, setting)| format!("{}={setting}", knob.name));
        let declared = match declared.contradicts(judged) {
            None => "so".to_string(),
            Some(_) => declared.of(judged).map_or("no".into(), |entry| entry.verdict.text().to_string()),
        };
        out.row([
            row.base.to_string(),
            knob,
            row.gil.to_string(),
            row.grain.to_string(),
            row.bounds.to_string(),
            phrase(judged),
            evidence(judged),
            declared,
        ]);
    }
    out.to_string()
}

/// The knobs as a Markdown table: a line for each setting and GIL mode that is not ours.
pub fn markdown(table: &[Judged], declared: &Declared) -> String {
    let mut out = String::from("| setting | GILs | verdict | shortest run | why |\n|---|---|---|---|---|\n");
    for first in table.iter().filter(|j| j.row.base == "cloister" && j.row.grain == Grain::Atomic) {
        let Some((knob, setting)) = first.row.turned else { continue };
        let same = |j: &&Judged| j.row.base == "cloister" && j.row.turned == first.row.turned;
        let rows: Vec<_> = table.iter().filter(same).filter(|j| j.row.gil == first.row.gil).collect();
        let reason = declared.of(first).map_or("", |entry| entry.reason.as_str());
        let _ = writeln!(
            out,
            "| `{}={setting}` | {} | {} | {} | {reason} |",
            knob.name,
            first.row.gil,
            in_grains(&rows),
            shortest(first),
        );
    }
    out
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

fn shortest(judged: &Judged) -> String {
    let Verdict::Broken(_) = &judged.verdict else { return String::new() };
    let moves = run(judged).unwrap_or_default();
    moves.iter().map(|mv| format!("`{mv}`")).collect::<Vec<_>>().join(" ")
}

/// The faults of CPython 3.12.1, each mended alone, as a Markdown table.
pub fn markdown_mended(table: &[Judged], declared: &Declared) -> String {
    let mut out = String::from("| mended | GILs | rule | holds then | why |\n|---|---|---|---|---|\n");
    for judged in table.iter().filter(|j| j.row.mends()) {
        let Some((knob, setting)) = judged.row.turned else { continue };
        let rule = judged.rule().map_or("", |rule| rule.id());
        let holds = match judged.verdict {
            Verdict::Broken(_) => "no",
            Verdict::Holds(..) | Verdict::Equivalent(..) => "yes",
            Verdict::Unfinished(_) => "unknown",
        };
        let reason = declared.of(judged).map_or("", |entry| entry.reason.as_str());
        let gil: GilMode = judged.row.gil;
        let _ = writeln!(out, "| `{}={setting}` | {gil} | {rule} | {holds} | {reason} |", knob.name);
    }
    out
}
