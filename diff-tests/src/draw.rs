//! Draws a run with one column per thread and one line per event.
//!
//! ```text
//! T0                       | T1
//! -------------------------+--------------------
//! ThreadStateNew(0) => t1  |
//!                          | RestoreThread(t1)
//!                          |   waits for the GIL
//! SaveThread => t0         |
//!                          |   goes on
//!                          |   => done
//! ```
//!
//! Everything inside a call is indented. A thread that stops in the middle of one tells
//! why: it waits, or it is interrupted. Steps that no other thread comes between are
//! folded into one line.

use crate::capsule::expectation;
use crate::subject::Event;
use crate::table::WIDTH;
use cloister_specs::text::{Expect, Line};
use cloister_specs::{Move, Parking, Start, ThreadId};
use std::collections::BTreeSet;
use std::fmt::Write;

const SEPARATOR: &str = " | ";
const NARROWEST: usize = 14;
const UNFOLDED: usize = 3;
const INSIDE: &str = "  ";

/// One thing that a thread did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who.
    pub thread: ThreadId,
    /// What kind of thing.
    pub kind: RowKind,
    /// What.
    pub text: String,
}

/// What kind of thing a thread did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// It began a call.
    Call,
    /// It took a step inside its call.
    Label,
    /// It stopped inside its call, and this is why.
    Parked,
    /// Its call ended with this.
    Outcome,
    /// A remark on what it did last.
    Note,
}

impl Row {
    /// A row.
    pub fn new(thread: ThreadId, kind: RowKind, text: impl Into<String>) -> Self {
        Row { thread, kind, text: text.into() }
    }
}

/// The rows of a run: its moves, and what a subject made of them. Where it made nothing of
/// them, what was expected stands in, and `?` where nothing was.
pub fn rows(lines: &[Line], events: &[Event]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let thread = line.mv.thread();
        let (kind, text) = match &line.mv {
            Move::Start(Start { op, at: Some(at), .. }) => (RowKind::Call, format!("{op} at {at}")),
            Move::Start(Start { op, at: None, .. }) => (RowKind::Call, op.to_string()),
            Move::Step { .. } => (RowKind::Label, "goes on".into()),
            Move::Expire { .. } => (RowKind::Label, "its wait expires".into()),
            Move::Spurious { .. } => (RowKind::Label, "is woken for no reason".into()),
        };
        let text = match line.mv.prefer() {
            ThreadId(0) => text,
            other => format!("{text} prefer {other}"),
        };
        rows.push(Row::new(thread, kind, text));
        let (kind, text) = match (events.get(index), line.expect) {
            (Some(Event::Running), _) => continue,
            (Some(Event::Died(text)), _) => (RowKind::Outcome, format!("died: {text}")),
            (Some(event), _) => outcome(expectation(event)),
            (None, expect) => outcome(expect),
        };
        rows.push(Row::new(thread, kind, text));
    }
    rows
}

fn outcome(what: Option<Expect>) -> (RowKind, String) {
    match what {
        Some(Expect::Parked(parking)) => (RowKind::Parked, waits(parking).into()),
        Some(other) => (RowKind::Outcome, other.to_string()),
        None => (RowKind::Outcome, "?".into()),
    }
}

fn waits(parking: Parking) -> &'static str {
    match parking {
        Parking::Gil => "waits for the GIL",
        Parking::Switch => "waits for the switch",
        Parking::Threads => "waits for threads to end",
        Parking::Calls => "waits for other calls",
        Parking::Forever => "waits for ever",
    }
}

/// The threads that do something in these rows.
pub fn threads(rows: &[Row]) -> Vec<ThreadId> {
    let threads: BTreeSet<_> = rows.iter().map(|row| row.thread).collect();
    threads.into_iter().collect()
}

/// Draws a run with steps folded.
pub fn draw(threads: &[ThreadId], rows: &[Row]) -> String {
    lay_out(threads, &entries(rows, true))
}

/// Draws a run with every step on a line of its own.
pub fn draw_unfolded(threads: &[ThreadId], rows: &[Row]) -> String {
    lay_out(threads, &entries(rows, false))
}

/// A line of the drawing; its second part goes to another one where there is no room.
struct Entry {
    thread: ThreadId,
    text: String,
    outcome: Option<String>,
}

impl Entry {
    fn new(thread: ThreadId, text: String) -> Self {
        Entry { thread, text, outcome: None }
    }

    fn whole(&self) -> String {
        match &self.outcome {
            Some(outcome) => format!("{} => {outcome}", self.text),
            None => self.text.clone(),
        }
    }

    fn lines(&self, width: usize) -> Vec<String> {
        let whole = self.whole();
        match &self.outcome {
            Some(outcome) if whole.chars().count() > width => {
                [wrap(&self.text, width), wrap(&format!("{INSIDE}=> {outcome}"), width)].concat()
            }
            _ => wrap(&whole, width),
        }
    }
}

fn entries(rows: &[Row], fold: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut rest = rows;
    while let [row, after @ ..] = rest {
        let thread = row.thread;
        let mut push = |text| entries.push(Entry::new(thread, text));
        let mut taken = 1;
        match row.kind {
            RowKind::Call => match after.first() {
                Some(next) if next.thread == thread && next.kind == RowKind::Outcome => {
                    taken = 2;
                    entries.push(Entry { thread, text: row.text.clone(), outcome: Some(next.text.clone()) });
                }
                _ => push(row.text.clone()),
            },
            RowKind::Label => {
                let unswitched = |r: &&Row| r.thread == thread && r.kind == RowKind::Label;
                let steps = rest.iter().take_while(unswitched).count();
                if fold && steps > UNFOLDED {
                    taken = steps;
                    push(format!("{INSIDE}{} .. {} ({steps} steps)", row.text, rest[steps - 1].text));
                } else {
                    push(format!("{INSIDE}{}", row.text));
                }
            }
            RowKind::Parked => push(format!("{INSIDE}{}", row.text)),
            RowKind::Outcome => push(format!("{INSIDE}=> {}", row.text)),
            RowKind::Note => push(format!("{INSIDE}({})", row.text)),
        }
        let in_a_call = matches!(rest[taken - 1].kind, RowKind::Call | RowKind::Label);
        rest = &rest[taken..];
        if in_a_call && rest.first().is_some_and(|next| next.thread != thread) {
            entries.push(Entry::new(thread, format!("{INSIDE}is interrupted")));
        }
    }
    entries
}

fn lay_out(threads: &[ThreadId], entries: &[Entry]) -> String {
    let widths = widths(threads, entries);
    let mut out = String::new();
    let cells: Vec<_> = threads.iter().map(ThreadId::to_string).collect();
    line(&mut out, &widths, &cells, SEPARATOR, ' ');
    line(&mut out, &widths, &vec![String::new(); threads.len()], "-+-", '-');
    for entry in entries {
        let Some(column) = threads.iter().position(|thread| *thread == entry.thread) else {
            continue;
        };
        for part in entry.lines(widths[column]) {
            let mut cells = vec![String::new(); threads.len()];
            cells[column] = part;
            line(&mut out, &widths, &cells, SEPARATOR, ' ');
        }
    }
    out
}

fn line(out: &mut String, widths: &[usize], cells: &[String], separator: &str, fill: char) {
    let mut text = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if column > 0 {
            text.push_str(separator);
        }
        text.push_str(cell);
        text.extend(std::iter::repeat_n(fill, width.saturating_sub(cell.chars().count())));
    }
    let _ = writeln!(out, "{}", text.trim_end());
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let inside = if text.starts_with(INSIDE) { "      " } else { "    " };
    textwrap::wrap(
        text,
        textwrap::Options::new(width)
            .subsequent_indent(inside)
            .word_splitter(textwrap::WordSplitter::NoHyphenation),
    )
    .into_iter()
    .map(|part| part.into_owned())
    .collect()
}

/// Each column as wide as its longest entry; where that is too much, as its longest entry
/// with the outcome on another line; where that is too much, the widest are cut down to an
/// equal share.
fn widths(threads: &[ThreadId], entries: &[Entry]) -> Vec<usize> {
    let separators = SEPARATOR.len() * threads.len().saturating_sub(1);
    let room = usize::from(WIDTH).saturating_sub(separators);
    let longest = |length: fn(&Entry) -> usize| -> Vec<usize> {
        let of = |thread| entries.iter().filter(move |e| e.thread == thread).map(length).max();
        threads.iter().map(|thread| of(*thread).unwrap_or(0).max(NARROWEST)).collect()
    };
    let whole = longest(|entry| entry.whole().chars().count());
    if whole.iter().sum::<usize>() <= room {
        return whole;
    }
    let needed = longest(|entry| {
        let outcome = entry.outcome.as_ref().map_or(0, |o| o.chars().count() + "  => ".len());
        entry.text.chars().count().max(outcome)
    });
    let fits = |limit: &usize| needed.iter().map(|n| n.min(limit)).sum::<usize>() <= room;
    let limit = (NARROWEST..=room).rev().find(fits).unwrap_or(NARROWEST);
    needed.iter().map(|n| *n.min(&limit)).collect()
}
