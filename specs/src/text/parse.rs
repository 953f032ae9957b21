//! Reading runs and lines.

use super::cursor::{Cursor, found, shorten};
use super::{FLAGS, Grain, Line, PRESETS, Problem, Script, TextError, fault_name};
use crate::{Fault, GilState, InterpId, InterpreterConfig, Move, Op, OpKind, PendingCall, Start, ThreadId};
use std::str::FromStr;

mod expect;
mod memory;

const HEADERS: [&str; 4] = ["run", "design", "grain", "threads"];

impl FromStr for Script {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut script = Script::default();
        let mut seen = Vec::new();
        for (index, full) in text.lines().enumerate() {
            let at = |problem| TextError { line: index + 1, text: shorten(full), problem };
            let code = without_comment(full).trim();
            if code.is_empty() {
                continue;
            }
            match header_word(code) {
                Some(word) if !script.lines.is_empty() => {
                    return Err(at(Problem::HeaderTooLate(word)));
                }
                Some(word) if seen.contains(&word) => return Err(at(Problem::Twice(word.into()))),
                Some(word) => {
                    seen.push(word);
                    header(&mut script, word, &code[word.len()..]).map_err(at)?;
                }
                None => {
                    let line = Cursor { rest: code }.line().map_err(at)?;
                    threads_exist(&line.mv, script.threads).map_err(at)?;
                    script.lines.push(line);
                }
            }
        }
        Ok(script)
    }
}

impl FromStr for Line {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let line = Cursor { rest: without_comment(text).trim() }.line();
        line.map_err(|problem| TextError { line: 1, text: shorten(text), problem })
    }
}

impl FromStr for Move {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Line::from_str(text).map(|line| line.mv)
    }
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let comment = line.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == '#' && !quoted
    });
    comment.map_or(line, |(at, _)| &line[..at])
}

fn header_word(code: &str) -> Option<&'static str> {
    let first = code.split_whitespace().next()?;
    HEADERS.into_iter().find(|word| *word == first)
}

fn header(script: &mut Script, word: &str, value: &str) -> Result<(), Problem> {
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = |expected| Err(Problem::Expected { expected, found: found(&value) });
    match word {
        "run" if value.is_empty() => return expected("a name"),
        "run" => script.name = value,
        "design" if value.is_empty() => return expected("the name of a design"),
        "design" => script.design = value,
        "grain" => match Grain::ALL.into_iter().find(|g| g.name() == value) {
            Some(grain) => script.grain = grain,
            None => return expected("atomic, merged or fine"),
        },
        _ => match value.parse() {
            Ok(threads @ 1..) => script.threads = threads,
            _ => return expected("a number of threads, 1 to 255"),
        },
    }
    Ok(())
}

fn threads_exist(mv: &Move, threads: u8) -> Result<(), Problem> {
    match [mv.thread(), mv.prefer()].into_iter().find(|t| t.0 >= threads) {
        Some(thread) => Err(Problem::NoSuchThread { thread, threads }),
        None => Ok(()),
    }
}

impl Cursor<'_> {
    fn line(mut self) -> Result<Line, Problem> {
        let thread = self.thread()?;
        self.token(":", "`:` after the thread")?;
        let mut mv = self.movement(thread)?;
        if self.keyword("at") {
            let slot = self.tstate()?;
            match &mut mv {
                Move::Start(start) if start.op.makes_tstate() => start.at = Some(slot),
                Move::Start(start) => return Err(Problem::NothingToPlace(start.op.kind().name())),
                _ => return Err(Problem::NothingToPlace("a move inside a call")),
            }
        }
        if self.keyword("prefer") {
            let other = self.thread()?;
            match &mut mv {
                Move::Start(Start { prefer, .. })
                | Move::Step { prefer, .. }
                | Move::Expire { prefer, .. }
                | Move::Spurious { prefer, .. } => *prefer = other,
            }
        }
        let expect = if self.eat("=>") { Some(self.expect()?) } else { None };
        if self.rest.trim().is_empty() {
            Ok(Line { mv, expect })
        } else {
            self.expected(if expect.is_some() {
                "nothing more on this line"
            } else {
                "`=>` and what should come of it"
            })
        }
    }

    fn movement(&mut self, thread: ThreadId) -> Result<Move, Problem> {
        let prefer = ThreadId(0);
        if !self.eat("..") {
            return Ok(Move::Start(Start { thread, op: self.op()?, at: None, prefer }));
        }
        if self.keyword("step") {
            Ok(Move::Step { thread, prefer })
        } else if self.keyword("expire") {
            Ok(Move::Expire { thread, prefer })
        } else if self.keyword("spurious") {
            Ok(Move::Spurious { thread, prefer })
        } else {
            self.expected("step, expire or spurious")
        }
    }

    fn op(&mut self) -> Result<Op, Problem> {
        let name = self.word("a call, or `..` and step, expire or spurious")?;
        let kind = OpKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| Problem::UnknownCall(shorten(name)))?;
        let open = self.eat("(");
        if open && self.eat(")") {
            return without_arguments(kind);
        }
        if !open {
            return without_arguments(kind);
        }
        let op = match kind {
            OpKind::NewInterpreter if self.keyword("fault") => {
                Op::NewInterpreter { fault: Some(self.fault_value()?) }
            }
            OpKind::NewInterpreterFromConfig | OpKind::NewInterpreter => self.creation()?,
            OpKind::EndInterpreter => Op::EndInterpreter(self.tstate()?),
            OpKind::ThreadStateNew => Op::ThreadStateNew(self.interp()?),
            OpKind::ThreadStateBind => Op::ThreadStateBind(self.tstate()?),
            OpKind::ThreadStateSwap if self.keyword("NULL") => Op::ThreadStateSwap(None),
            OpKind::ThreadStateSwap => Op::ThreadStateSwap(Some(self.tstate()?)),
            OpKind::ThreadStateClear => Op::ThreadStateClear(self.tstate()?),
            OpKind::ThreadStateDelete => Op::ThreadStateDelete(self.tstate()?),
            OpKind::RestoreThread => Op::RestoreThread(self.tstate()?),
            OpKind::AcquireThread => Op::AcquireThread(self.tstate()?),
            OpKind::ReleaseThread => Op::ReleaseThread(self.tstate()?),
            OpKind::GilStateEnsure => {
                let interp = self.interp()?;
                Op::GilStateEnsure { interp, fails: self.option("fails")? }
            }
            OpKind::GilStateRelease => Op::GilStateRelease(self.gilstate()?),
            OpKind::AddPendingCall => {
                let ours = self.rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
                let interp = if ours { Some(self.interp()?) } else { None };
                if ours {
                    self.token(",", "`,` and a pending call")?;
                }
                Op::AddPendingCall { interp, call: self.pending_call()? }
            }
            OpKind::StartThread => {
                let daemon = self.keyword("daemon");
                let fails = if daemon { self.option("fails")? } else { self.keyword("fails") };
                if !self.rest.trim_start().starts_with(')') {
                    return Err(wrong_arguments(kind));
                }
                Op::StartThread { daemon, fails }
            }
            OpKind::RunThread => Op::RunThread(self.tstate()?),
            OpKind::ThreadStateDeleteExcept => Op::ThreadStateDeleteExcept(self.tstate()?),
            OpKind::InterpreterLookUpId => Op::InterpreterLookUpId(self.number("an id, 0 to 255")?),
            OpKind::InterpreterRequireIdRef => {
                let interp = self.interp()?;
                self.token(",", "`,` and yes or no")?;
                let required = self.keyword("yes");
                if !required && !self.keyword("no") {
                    return self.expected("yes or no");
                }
                Op::InterpreterRequireIdRef { interp, required }
            }
            OpKind::InterpreterIdIncref => Op::InterpreterIdIncref(self.interp()?),
            OpKind::InterpreterIdDecref => Op::InterpreterIdDecref(self.interp()?),
            OpKind::DestroyInterpreter => Op::DestroyInterpreter(self.interp()?),
            OpKind::Malloc
            | OpKind::Calloc
            | OpKind::Realloc
            | OpKind::Free
            | OpKind::AllocatedBlocks
            | OpKind::ObjectNew
            | OpKind::SetRefCnt
            | OpKind::IncRef
            | OpKind::DecRef
            | OpKind::SetImmortal
            | OpKind::ClearImmortal
            | OpKind::PassRef
            | OpKind::RefTotal => self.memory_op(kind)?,
            OpKind::ThreadStateDeleteCurrent
            | OpKind::SaveThread
            | OpKind::EvalBreakerPoll
            | OpKind::GilStateCheck
            | OpKind::MakePendingCalls
            | OpKind::Initialize
            | OpKind::Finalize
            | OpKind::SetRunningMain
            | OpKind::SetNotRunningMain
            | OpKind::GlobalAllocatedBlocks
            | OpKind::GlobalRefTotal
            | OpKind::Fork
            | OpKind::Exec => return Err(wrong_arguments(kind)),
        };
        self.token(")", "`)`")?;
        Ok(op)
    }

    fn creation(&mut self) -> Result<Op, Problem> {
        let preset = self.word("a preset: isolated, legacy or main")?;
        let (_, mut config) = PRESETS
            .into_iter()
            .find(|(name, _)| *name == preset)
            .ok_or_else(|| Problem::UnknownPreset(shorten(preset)))?;
        let mut fault = None;
        let mut seen = Vec::new();
        while self.eat(",") {
            let field = self.word("a field")?;
            if seen.contains(&field) {
                return Err(Problem::Twice(field.into()));
            }
            self.field(field, &mut config, &mut fault)?;
            seen.push(field);
        }
        Ok(Op::NewInterpreterFromConfig { config, fault })
    }

    fn field(
        &mut self,
        name: &str,
        config: &mut InterpreterConfig,
        fault: &mut Option<Fault>,
    ) -> Result<(), Problem> {
        let flag = FLAGS.iter().find(|(field, _)| *field == name);
        if flag.is_none() && name != "gil" && name != "fault" {
            return Err(Problem::UnknownField(shorten(name)));
        }
        self.token("=", "`=` after the field")?;
        match flag {
            Some((field, flag)) => match self.number("0 or 1")? {
                value @ (0 | 1) => *flag(config) = value == 1,
                value => {
                    return Err(Problem::NotAFlag { field: (*field).into(), value });
                }
            },
            None if name == "gil" => config.gil = self.number("a number, 0 to 255")?,
            None => *fault = Some(self.fault_name()?),
        }
        Ok(())
    }

    fn fault_value(&mut self) -> Result<Fault, Problem> {
        self.token("=", "`=` after the field")?;
        self.fault_name()
    }

    fn fault_name(&mut self) -> Result<Fault, Problem> {
        let word = self.word("a fault")?;
        let known = Fault::ALL.into_iter().find(|f| fault_name(*f) == word);
        known.ok_or_else(|| Problem::UnknownFault(shorten(word)))
    }

    fn interp(&mut self) -> Result<InterpId, Problem> {
        self.number("the number of an interpreter").map(InterpId)
    }

    /// Is this word there, after a comma?
    fn option(&mut self, word: &'static str) -> Result<bool, Problem> {
        if !self.eat(",") {
            return Ok(false);
        }
        if self.keyword(word) { Ok(true) } else { self.expected(word) }
    }

    fn gilstate(&mut self) -> Result<GilState, Problem> {
        if self.keyword("LOCKED") {
            Ok(GilState::Locked)
        } else if self.keyword("UNLOCKED") {
            Ok(GilState::Unlocked)
        } else {
            self.expected("LOCKED or UNLOCKED")
        }
    }

    fn pending_call(&mut self) -> Result<PendingCall, Problem> {
        let known = PendingCall::ALL.into_iter().find(|call| self.keyword(call.name()));
        match known {
            Some(call) => Ok(call),
            None => self.expected("a pending call: succeeds, fails, makes, adds or blocks"),
        }
    }
}

fn without_arguments(kind: OpKind) -> Result<Op, Problem> {
    match kind {
        OpKind::SaveThread => Ok(Op::SaveThread),
        OpKind::EvalBreakerPoll => Ok(Op::EvalBreakerPoll),
        OpKind::NewInterpreter => Ok(Op::NewInterpreter { fault: None }),
        OpKind::ThreadStateDeleteCurrent => Ok(Op::ThreadStateDeleteCurrent),
        OpKind::GilStateCheck => Ok(Op::GilStateCheck),
        OpKind::MakePendingCalls => Ok(Op::MakePendingCalls),
        OpKind::Initialize => Ok(Op::Initialize),
        OpKind::Finalize => Ok(Op::Finalize),
        OpKind::StartThread => Ok(Op::StartThread { daemon: false, fails: false }),
        OpKind::SetRunningMain => Ok(Op::SetRunningMain),
        OpKind::SetNotRunningMain => Ok(Op::SetNotRunningMain),
        OpKind::Fork => Ok(Op::Fork),
        OpKind::Exec => Ok(Op::Exec),
        OpKind::GlobalAllocatedBlocks => Ok(Op::GlobalAllocatedBlocks),
        OpKind::ObjectNew => Ok(Op::ObjectNew { fails: false }),
        OpKind::GlobalRefTotal => Ok(Op::GlobalRefTotal),
        _ => Err(wrong_arguments(kind)),
    }
}

fn wrong_arguments(kind: OpKind) -> Problem {
    let takes = match kind {
        OpKind::NewInterpreterFromConfig => "a configuration, as (isolated) or (legacy, allow_fork=0)",
        OpKind::EndInterpreter
        | OpKind::ThreadStateBind
        | OpKind::ThreadStateClear
        | OpKind::ThreadStateDelete
        | OpKind::RestoreThread
        | OpKind::AcquireThread
        | OpKind::ReleaseThread
        | OpKind::RunThread
        | OpKind::ThreadStateDeleteExcept => "a thread state, as (t1)",
        OpKind::StartThread => "nothing, (daemon), (fails) or (daemon, fails)",
        OpKind::InterpreterLookUpId => "an id, as (1)",
        OpKind::InterpreterRequireIdRef => "the number of an interpreter, and yes or no, as (1, yes)",
        OpKind::NewInterpreter => "nothing, a fault, as (fault=MainInit), or a configuration, as (isolated)",
        OpKind::GilStateEnsure => "the number of an interpreter, as (0) or (0, fails)",
        OpKind::GilStateRelease => "LOCKED or UNLOCKED, as (UNLOCKED)",
        OpKind::AddPendingCall => "a pending call, as (succeeds), or (1, succeeds) for interpreter 1",
        OpKind::ThreadStateNew
        | OpKind::InterpreterIdIncref
        | OpKind::InterpreterIdDecref
        | OpKind::AllocatedBlocks
        | OpKind::RefTotal
        | OpKind::DestroyInterpreter => "the number of an interpreter, as (0)",
        OpKind::Malloc | OpKind::Calloc => "a domain and a number of bytes, as (obj, 64) or (raw, 64, fails)",
        OpKind::Realloc => {
            "a domain, a block and a number of bytes, as (obj, b0, 64) or (obj, b0, 64, fails)"
        }
        OpKind::Free => "a domain and a block or NULL, as (obj, b0) or (obj, NULL)",
        OpKind::ObjectNew => "nothing, or (fails)",
        OpKind::SetRefCnt => "an object and a number of references, as (o1, 2147483647)",
        OpKind::IncRef | OpKind::DecRef => "an object, as (o1) or (o1, unaware)",
        OpKind::SetImmortal | OpKind::ClearImmortal => "an object, as (o1)",
        OpKind::PassRef => "an object and the number of an interpreter, as (o1, 1)",
        OpKind::ThreadStateSwap => "a thread state or NULL, as (t1) or (NULL)",
        OpKind::ThreadStateDeleteCurrent
        | OpKind::SaveThread
        | OpKind::EvalBreakerPoll
        | OpKind::GilStateCheck
        | OpKind::MakePendingCalls
        | OpKind::Initialize
        | OpKind::Finalize
        | OpKind::SetRunningMain
        | OpKind::SetNotRunningMain
        | OpKind::GlobalAllocatedBlocks
        | OpKind::GlobalRefTotal
        | OpKind::Fork
        | OpKind::Exec => "nothing",
    };
    Problem::WrongArguments { call: kind.name(), takes }
}
