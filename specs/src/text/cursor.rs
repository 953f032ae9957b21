//! What is left of a line, and how its words are taken off.

use super::Problem;
use crate::{ThreadId, TstateId};

const LONGEST_LINE_SHOWN: usize = 120;

pub(super) struct Cursor<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn thread(&mut self) -> Result<ThreadId, Problem> {
        self.prefixed("T", "a thread, as T0").map(ThreadId)
    }

    pub(super) fn tstate(&mut self) -> Result<TstateId, Problem> {
        self.prefixed("t", "a thread state, as t0").map(TstateId)
    }

    pub(super) fn prefixed(&mut self, prefix: &str, expected: &'static str) -> Result<u8, Problem> {
        let mut ahead = Cursor { rest: self.rest };
        if !ahead.eat(prefix) || !ahead.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return self.expected(expected);
        }
        match ahead.number(expected) {
            Ok(number) => {
                self.rest = ahead.rest;
                Ok(number)
            }
            Err(_) => self.expected(expected),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, expected: &'static str) -> Result<T, Problem> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        match self.rest[..end].parse() {
            Ok(number) => {
                self.rest = &self.rest[end..];
                Ok(number)
            }
            Err(_) => self.expected(expected),
        }
    }

    pub(super) fn word(&mut self, expected: &'static str) -> Result<&'a str, Problem> {
        self.rest = self.rest.trim_start();
        match word_end(self.rest) {
            0 => self.expected(expected),
            end => Ok(self.take(end)),
        }
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        let rest = self.rest.trim_start();
        let is = &rest[..word_end(rest)] == keyword;
        if is {
            self.rest = &rest[keyword.len()..];
        }
        is
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn token(&mut self, token: &str, expected: &'static str) -> Result<(), Problem> {
        if self.eat(token) { Ok(()) } else { self.expected(expected) }
    }

    pub(super) fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    pub(super) fn expected<T>(&self, expected: &'static str) -> Result<T, Problem> {
        Err(Problem::Expected { expected, found: found(self.rest) })
    }

    pub(super) fn quoted(&mut self) -> Result<&'a str, Problem> {
        self.token("\"", "a text in quotes")?;
        match self.rest.find('"') {
            Some(end) => {
                let text = self.take(end);
                self.rest = &self.rest[1..];
                Ok(text)
            }
            None => Err(Problem::Expected { expected: "`\"` after the text", found: found("") }),
        }
    }
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

pub(super) fn shorten(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(LONGEST_LINE_SHOWN) {
        Some((cut, _)) => format!("{}...", &line[..cut]),
        None => line.into(),
    }
}

pub(super) fn found(rest: &str) -> String {
    match rest.split_whitespace().next() {
        Some(word) => format!("`{}`", shorten(word)),
        None => "the end of the line".into(),
    }
}
