//! Reading what should come of a move.

use super::super::cursor::{Cursor, shorten};
use super::super::{CREATION_ERRORS, Expect, Problem, parking_name};
use crate::{Calls, Denied, GilState, InterpId, Parking, PendingCall, Reply, Rule};

/// What may stand behind `=>`.
const REPLIES: &str = "a reply (done, t1, NULL, 1 t1, failed \"text\", ok NULL, LOCKED, UNLOCKED, not ensured, yes, \
                       no, full, ran .., interpreter 1, denied \"text\", finalized, exited, forked, b0, \
                       no block, o1, no object, counted 3, refcnt 1, deallocated), refused, \
                       parked or died";

impl Cursor<'_> {
    fn calls(&mut self) -> Result<Calls, Problem> {
        if self.keyword("nothing") {
            return Ok(Calls::NONE);
        }
        let mut calls = Calls::NONE;
        calls.push(self.pending_call()?);
        while let Some(call) = PendingCall::ALL.into_iter().find(|call| self.keyword(call.name())) {
            calls.push(call);
        }
        Ok(calls)
    }

    pub(super) fn expect(&mut self) -> Result<Expect, Problem> {
        if self.keyword("refused") {
            Ok(Expect::Refused(self.rule()?))
        } else if self.keyword("died") {
            Ok(Expect::Died(self.rule()?))
        } else if self.keyword("parked") {
            match Parking::ALL.into_iter().find(|p| self.keyword(parking_name(*p))) {
                Some(parking) => Ok(Expect::Parked(parking)),
                None => self.expected("gil, switch, threads, calls or forever"),
            }
        } else {
            self.reply().map(Expect::Reply)
        }
    }

    fn reply(&mut self) -> Result<Reply, Problem> {
        let first = self.rest.trim_start().chars().next();
        if self.keyword("done") {
            Ok(Reply::Done)
        } else if self.keyword("NULL") {
            Ok(Reply::Tstate(None))
        } else if self.keyword("ok") {
            self.token("NULL", "NULL").map(|()| Reply::OkWithNull)
        } else if self.keyword("LOCKED") {
            Ok(Reply::Ensured(GilState::Locked))
        } else if self.keyword("UNLOCKED") {
            Ok(Reply::Ensured(GilState::Unlocked))
        } else if self.keyword("not") {
            self.token("ensured", "ensured").map(|()| Reply::NotEnsured)
        } else if self.keyword("yes") {
            Ok(Reply::Is(true))
        } else if self.keyword("no") {
            Ok(if self.keyword("block") {
                Reply::Block(None)
            } else if self.keyword("object") {
                Reply::Object(None)
            } else {
                Reply::Is(false)
            })
        } else if self.keyword("counted") {
            let sign = if self.eat("-") { -1 } else { 1 };
            Ok(Reply::Count(sign * self.number::<i32>("how many")?))
        } else if self.keyword("refcnt") {
            Ok(Reply::RefCnt(self.number("a reference count")?))
        } else if self.keyword("deallocated") {
            Ok(Reply::Deallocated)
        } else if self.keyword("finalized") {
            Ok(Reply::Finalized)
        } else if self.keyword("exited") {
            Ok(Reply::Exited)
        } else if self.keyword("forked") {
            Ok(Reply::Forked)
        } else if self.keyword("interpreter") {
            Ok(Reply::Interp(self.interp()?))
        } else if self.keyword("denied") {
            let text = self.quoted()?;
            let known = Denied::ALL.into_iter().find(|e| e.to_string() == text);
            known.map(Reply::Denied).ok_or_else(|| Problem::UnknownDenial(shorten(text)))
        } else if self.keyword("full") {
            Ok(Reply::Full)
        } else if self.keyword("ran") {
            Ok(Reply::Ran { calls: self.calls()?, failed: self.option("failed")? })
        } else if self.keyword("failed") {
            let text = self.quoted()?;
            let known = CREATION_ERRORS.into_iter().find(|e| e.to_string() == text);
            known.map(Reply::Failed).ok_or_else(|| Problem::UnknownFailure(shorten(text)))
        } else if first == Some('b') {
            Ok(Reply::Block(Some(self.block()?)))
        } else if first == Some('o') {
            Ok(Reply::Object(Some(self.object()?)))
        } else if first == Some('t') {
            Ok(Reply::Tstate(Some(self.tstate()?)))
        } else if first.is_some_and(|c| c.is_ascii_digit()) {
            Ok(Reply::Created { interp: InterpId(self.number("an interpreter")?), tstate: self.tstate()? })
        } else {
            self.expected(REPLIES)
        }
    }

    fn rule(&mut self) -> Result<Rule, Problem> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(self.rest.len());
        if end == 0 {
            return self.expected("the id of a rule");
        }
        let id = self.take(end);
        Rule::by_id(id).ok_or_else(|| Problem::UnknownRule(shorten(id)))
    }
}
