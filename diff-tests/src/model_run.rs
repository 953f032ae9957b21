//! A run of the model, drawn: its moves in any grain, the labels that they took, and the
//! state at the end.

use crate::draw::{Row, RowKind, draw, draw_unfolded, rows, threads};
use crate::table::WIDTH;
use cloister_model::label::Asked;
use cloister_model::{BadMove, Design, Grain, Label, Outcome, Runtime, visible};
use cloister_specs::text::{Expect, Line, Script};
use cloister_specs::{Move, Rule, ThreadId};
use std::fmt::Write;

/// A label that does what is told of the call anyway.
const ANSWERS: &str = "answers";
/// A run of no more rows is drawn with every label.
const UNFOLDED: usize = 40;

/// A run and what came of it.
#[derive(Clone, Debug)]
pub struct Played {
    /// The moves, with what they led to.
    pub lines: Vec<Line>,
    /// The same, to be drawn.
    pub rows: Vec<Row>,
    /// The state at the end.
    pub end: Runtime,
}

/// Plays these moves under this design.
///
/// # Errors
/// One of them cannot be made.
pub fn play(design: &Design, grain: Grain, moves: &[Move]) -> Result<Played, BadMove> {
    let mut played = Played { lines: Vec::new(), rows: Vec::new(), end: Runtime::new(design) };
    for mv in moves {
        let waited = played.end.thread(mv.thread()).top().parking().is_some();
        let (outcome, labels) = one(design, grain, mv, &mut played.end)?;
        let line = Line { mv: *mv, expect: outcome.expectation() };
        let mut told = rows(&[line], &[]);
        if outcome == Outcome::Running {
            told.truncate(1);
        }
        let labels = labels.iter().map(|text| Row::new(mv.thread(), RowKind::Label, text.as_str()));
        let says_nothing = matches!(mv, Move::Step { .. }) && !waited;
        told.splice(usize::from(!says_nothing)..1, labels);
        played.rows.extend(told);
        played.lines.push(line);
    }
    Ok(played)
}

/// Makes a move label by label. Told are the labels that did something, or ended the move:
/// one that only leads to another procedure says nothing. In the atomic grain, none.
fn one(d: &Design, grain: Grain, mv: &Move, r: &mut Runtime) -> Result<(Outcome, Vec<String>), BadMove> {
    let (h, prefer) = (mv.thread(), mv.prefer());
    let mut told = Vec::new();
    let mut next = *mv;
    loop {
        let (before, label) = (*r, r.thread(h).top());
        let outcome = r.apply(d, Grain::Fine, &next)?;
        let waited = label.parking().is_some();
        let ends = outcome != Outcome::Running && !waited;
        let text = label.to_string();
        let tells = label != Label::Idle && !waited && text != ANSWERS && (ends || acted(&before, r, h));
        if grain != Grain::Atomic && tells {
            told.push(text);
        }
        let fused = match grain {
            Grain::Atomic => true,
            Grain::Merged => !visible(d, &r.thread(h).top()),
            Grain::Fine => false,
        };
        if outcome != Outcome::Running || !fused {
            return Ok((outcome, told));
        }
        next = Move::Step { thread: h, prefer };
    }
}

/// Did this thread do more than go on to another label?
fn acted(before: &Runtime, after: &Runtime, h: ThreadId) -> bool {
    let mut went_on = *before;
    went_on.threads[h.index()].stack = after.thread(h).stack;
    went_on != *after
}

/// The run, the state at its end, and the rule that it breaks.
///
/// # Errors
/// One of the moves cannot be made.
pub fn draw_run(
    design: &Design,
    grain: Grain,
    moves: &[Move],
    rule: Option<Rule>,
) -> Result<String, BadMove> {
    let played = play(design, grain, moves)?;
    let whole = played.rows.len() <= UNFOLDED;
    let draw = if whole { draw_unfolded } else { draw };
    let mut out = draw(&threads(&played.rows), &played.rows);
    let _ = writeln!(out, "\nAt the end:");
    for line in played.end.to_string().lines() {
        let _ = writeln!(out, "  {line}");
    }
    if let Some(rule) = rule {
        let _ = writeln!(out, "\n{}", breach(rule));
    }
    Ok(out)
}

/// A broken rule and its sentence.
pub fn breach(rule: Rule) -> String {
    let text = format!("{} is broken: {}", rule.id(), rule.text().sentence);
    textwrap::fill(&text, textwrap::Options::new(WIDTH.into()).subsequent_indent("    "))
}

/// The run in the text form, with what its moves led to.
///
/// # Errors
/// One of the moves cannot be made.
pub fn script(name: &str, design: &Design, grain: Grain, moves: &[Move]) -> Result<Script, BadMove> {
    let lines = play(design, grain, moves)?.lines;
    let threads = moves.iter().flat_map(|mv| [mv.thread().0, mv.prefer().0]).max().unwrap_or(0) + 1;
    Ok(Script { name: name.into(), design: design.to_string(), grain, threads, lines })
}

/// What can be told apart after the run: the lines of the two states that differ, of the
/// first design and of the second.
pub fn apart(one: &Design, two: &Design, moves: &[Move]) -> (Vec<String>, Vec<String>) {
    let end = |design: &Design| {
        let mut r = Runtime::new(design);
        let mut last: Option<Expect> = None;
        for mv in moves {
            last = r.apply(design, Grain::Atomic, mv).ok().and_then(Outcome::expectation);
        }
        hide(&mut r);
        let answer = last.map(|expect| format!("=> {expect}"));
        let state = r.to_string().replace(", last NULL", "");
        answer.into_iter().chain(state.lines().map(str::to_string)).collect::<Vec<_>>()
    };
    let (one, two) = (end(one), end(two));
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>()
    };
    (only(&one, &two), only(&two, &one))
}

/// Takes out what nobody can see: who held a GIL last, and how far a waiter is.
fn hide(r: &mut Runtime) {
    r.gils.iter_mut().for_each(|g| g.last_holder = None);
    for label in r.threads.iter_mut().flat_map(|x| &mut x.stack) {
        if let Label::TakeWait { signalled, .. } | Label::DropWait { signalled, .. } = label {
            *signalled = false;
        }
        if let Label::TakeWait { asked, .. } = label {
            *asked = Asked::No;
        }
    }
}
