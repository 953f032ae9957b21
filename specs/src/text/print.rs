//! Printing.

use super::{Expect, FLAGS, Line, PRESETS, Script, fault_name, parking_name};
use crate::{Client, Fault, GilState, InterpreterConfig, Move, Op, Parking, Reply, ThreadId};
use std::fmt::{Display, Formatter, Result};

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "run {}", one_line(&self.name))?;
        writeln!(f, "design {}", one_line(&self.design))?;
        writeln!(f, "grain {}", self.grain)?;
        writeln!(f, "threads {}\n", self.threads)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split([' ', '\t', '\r', '\n', '#']).filter(|w| !w.is_empty()).collect();
    if words.is_empty() { "unnamed".into() } else { words.join(" ") }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.mv)?;
        match self.expect {
            Some(expect) => write!(f, " => {expect}"),
            None => Ok(()),
        }
    }
}

impl Display for Move {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}: ", self.thread())?;
        match self {
            Move::Start(start) => {
                write!(f, "{}", start.op)?;
                if let Some(at) = start.at {
                    write!(f, " at {at}")?;
                }
            }
            Move::Step { .. } => f.write_str(".. step")?,
            Move::Expire { .. } => f.write_str(".. expire")?,
            Move::Spurious { .. } => f.write_str(".. spurious")?,
        }
        match self.prefer() {
            ThreadId(0) => Ok(()),
            other => write!(f, " prefer {other}"),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.kind().name())?;
        match self {
            Op::NewInterpreterFromConfig { config, fault: None } => write!(f, "({config})"),
            Op::NewInterpreterFromConfig { config, fault: Some(fault) } => {
                write!(f, "({config}, fault={fault})")
            }
            Op::ThreadStateNew(interp) => write!(f, "({interp})"),
            Op::ThreadStateSwap(None) => f.write_str("(NULL)"),
            Op::EndInterpreter(t)
            | Op::ThreadStateBind(t)
            | Op::ThreadStateSwap(Some(t))
            | Op::ThreadStateClear(t)
            | Op::ThreadStateDelete(t)
            | Op::RestoreThread(t)
            | Op::AcquireThread(t)
            | Op::ReleaseThread(t)
            | Op::RunThread(t)
            | Op::ThreadStateDeleteExcept(t) => write!(f, "({t})"),
            Op::StartThread { daemon: false, fails: false } => Ok(()),
            Op::StartThread { daemon: true, fails: false } => f.write_str("(daemon)"),
            Op::StartThread { daemon: false, fails: true } => f.write_str("(fails)"),
            Op::StartThread { daemon: true, fails: true } => f.write_str("(daemon, fails)"),
            Op::InterpreterLookUpId(id) => write!(f, "({id})"),
            Op::InterpreterRequireIdRef { interp, required } => {
                write!(f, "({interp}, {})", if *required { "yes" } else { "no" })
            }
            Op::InterpreterIdIncref(i) | Op::InterpreterIdDecref(i) | Op::DestroyInterpreter(i) => {
                write!(f, "({i})")
            }
            Op::NewInterpreter { fault: Some(fault) } => write!(f, "(fault={fault})"),
            Op::GilStateEnsure { interp, fails: false } => write!(f, "({interp})"),
            Op::GilStateEnsure { interp, fails: true } => write!(f, "({interp}, fails)"),
            Op::GilStateRelease(state) => write!(f, "({state})"),
            Op::AddPendingCall { interp: None, call } => write!(f, "({call})"),
            Op::AddPendingCall { interp: Some(interp), call } => write!(f, "({interp}, {call})"),
            Op::Malloc { domain, size, fails } | Op::Calloc { domain, size, fails } => {
                write!(f, "({domain}, {size}{})", comma_fails(*fails))
            }
            Op::Realloc { domain, block, size, fails } => {
                write!(f, "({domain}, {block}, {size}{})", comma_fails(*fails))
            }
            Op::Free { domain, block: Some(block) } => write!(f, "({domain}, {block})"),
            Op::Free { domain, block: None } => write!(f, "({domain}, NULL)"),
            Op::AllocatedBlocks(i) | Op::RefTotal(i) => write!(f, "({i})"),
            Op::ObjectNew { fails: true } => f.write_str("(fails)"),
            Op::SetRefCnt { object, count } => write!(f, "({object}, {count})"),
            Op::IncRef { object, client } | Op::DecRef { object, client } => match client {
                Client::Aware => write!(f, "({object})"),
                Client::Unaware => write!(f, "({object}, unaware)"),
            },
            Op::SetImmortal(object) | Op::ClearImmortal(object) => write!(f, "({object})"),
            Op::PassRef { object, to } => write!(f, "({object}, {to})"),
            Op::NewInterpreter { fault: None }
            | Op::GlobalAllocatedBlocks
            | Op::ObjectNew { fails: false }
            | Op::GlobalRefTotal
            | Op::ThreadStateDeleteCurrent
            | Op::SaveThread
            | Op::EvalBreakerPoll
            | Op::GilStateCheck
            | Op::MakePendingCalls
            | Op::Initialize
            | Op::Finalize
            | Op::SetRunningMain
            | Op::SetNotRunningMain
            | Op::Fork
            | Op::Exec => Ok(()),
        }
    }
}

const fn comma_fails(fails: bool) -> &'static str {
    if fails { ", fails" } else { "" }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.pad(fault_name(*self))
    }
}

impl Display for InterpreterConfig {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let differences = |preset: &InterpreterConfig| {
            let (mut preset, mut config) = (*preset, *self);
            let flags = FLAGS.iter().filter(|(_, flag)| *flag(&mut preset) != *flag(&mut config)).count();
            flags + usize::from(preset.gil != config.gil)
        };
        let Some((name, preset)) = PRESETS.iter().min_by_key(|(_, preset)| differences(preset)) else {
            return Ok(());
        };
        f.write_str(name)?;
        let (mut preset, mut config) = (*preset, *self);
        for (field, flag) in FLAGS {
            if *flag(&mut preset) != *flag(&mut config) {
                write!(f, ", {field}={}", u8::from(*flag(&mut config)))?;
            }
        }
        if preset.gil != config.gil {
            write!(f, ", gil={}", config.gil)?;
        }
        Ok(())
    }
}

impl Display for Reply {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Reply::Done => f.write_str("done"),
            Reply::Created { interp, tstate } => write!(f, "{interp} {tstate}"),
            Reply::Failed(error) => write!(f, "failed \"{error}\""),
            Reply::OkWithNull => f.write_str("ok NULL"),
            Reply::Tstate(None) => f.write_str("NULL"),
            Reply::Tstate(Some(tstate)) => write!(f, "{tstate}"),
            Reply::Ensured(state) => write!(f, "{state}"),
            Reply::NotEnsured => f.write_str("not ensured"),
            Reply::Is(true) => f.write_str("yes"),
            Reply::Is(false) => f.write_str("no"),
            Reply::Full => f.write_str("full"),
            Reply::Interp(interp) => write!(f, "interpreter {interp}"),
            Reply::Denied(denied) => write!(f, "denied \"{denied}\""),
            Reply::Finalized => f.write_str("finalized"),
            Reply::Exited => f.write_str("exited"),
            Reply::Forked => f.write_str("forked"),
            Reply::Block(Some(block)) => write!(f, "{block}"),
            Reply::Block(None) => f.write_str("no block"),
            Reply::Object(Some(object)) => write!(f, "{object}"),
            Reply::Object(None) => f.write_str("no object"),
            Reply::Count(count) => write!(f, "counted {count}"),
            Reply::RefCnt(count) => write!(f, "refcnt {count}"),
            Reply::Deallocated => f.write_str("deallocated"),
            Reply::Ran { calls, failed: false } => write!(f, "ran {calls}"),
            Reply::Ran { calls, failed: true } => write!(f, "ran {calls}, failed"),
        }
    }
}

impl Display for GilState {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.pad(match self {
            GilState::Locked => "LOCKED",
            GilState::Unlocked => "UNLOCKED",
        })
    }
}

impl Display for Parking {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.pad(parking_name(*self))
    }
}

impl Display for Expect {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Expect::Reply(reply) => write!(f, "{reply}"),
            Expect::Refused(rule) => write!(f, "refused {rule}"),
            Expect::Parked(parking) => write!(f, "parked {parking}"),
            Expect::Died(rule) => write!(f, "died {rule}"),
        }
    }
}
