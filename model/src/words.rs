//! The state in words: a line for each thread, interpreter, GIL and thread state.

use std::fmt::{self, Display, Formatter, Write};

use cloister_specs::{NONE, Phase, StatusBits};

use crate::label::{Asked, Label, Pass, Run};
use crate::machine::Outcome;
use crate::ring::Ring;
use crate::runtime::{Block, Class, Gil, Interp, Object, Runtime, Started, Thread, Totals, Tstate};

fn or_null<T: Display>(id: Option<T>) -> String {
    id.map_or("NULL".to_string(), |id| id.to_string())
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.expectation() {
            Some(outcome) => write!(f, "=> {outcome}"),
            None => f.write_str("goes on"),
        }
    }
}

/// What a thread does at this label.
impl Display for Label {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Label::Idle => f.write_str("outside any call"),

            Label::CreateBind(c) => write!(f, "binds {}", c.tstate),
            Label::CreateSwap(c) => write!(f, "is to put {} aside", or_null(c.save)),
            Label::CreateRelease(c) => write!(f, "is to drop the GIL of {}", or_null(c.save)),
            Label::CreateSettings(_) => f.write_str("checks the settings"),
            Label::CreateGil(c) => write!(f, "gives interpreter {} a GIL", c.interp),
            Label::CreateAttach(c) => write!(f, "is to make {} current", c.tstate),
            Label::CreateCore(_) => f.write_str("initializes the core"),
            Label::CreateMain(_) => f.write_str("initializes the main part"),
            Label::CreateLive(c) => write!(f, "interpreter {} goes live", c.interp),
            Label::Undo(_, true) => f.write_str("failed, with the new GIL taken"),
            Label::Undo(_, false) => f.write_str("failed, before the new GIL was taken"),
            Label::UndoClear(c, _) => write!(f, "clears {}", c.tstate),
            Label::UndoDetach(c, _) => write!(f, "is to detach {}", c.tstate),
            Label::UndoDrop(c, _) => write!(f, "is to drop the GIL of {}", c.tstate),
            Label::UndoDelete(c) => write!(f, "deletes {} and interpreter {}", c.tstate, c.interp),
            Label::UndoTake(u) => write!(f, "is to take the GIL of {}", or_null(u.save)),
            Label::UndoAttach(u) => write!(f, "is to make {} current", or_null(u.save)),
            Label::UndoDone(_) => f.write_str("answers"),

            Label::FinishJoin(_) => f.write_str("looks for threads to wait for"),
            Label::FinishDrop(e) => write!(f, "is to drop the GIL of {}", e.tstate),
            Label::FinishLook(_) => f.write_str("looks for them again"),
            Label::FinishWait { .. } => f.write_str("waits for threads"),
            Label::FinishTake(e) => write!(f, "is to take the GIL of {}", e.tstate),
            Label::FinishAttach(e) => write!(f, "is to make {} current", e.tstate),
            Label::FinishPend(_) => f.write_str("is to run the pending calls that are left"),
            Label::FinishAgain(_) => f.write_str("looks for more of them"),
            Label::EndLast(_) => f.write_str("looks for other thread states"),
            Label::FinalSet(_) => f.write_str("main is finalizing"),
            Label::FinalQuiesce(_) => f.write_str("looks for calls of other threads"),
            Label::FinalWait { .. } => f.write_str("waits for calls of other threads"),
            Label::FinalOthers(t) => write!(f, "deletes all but {t}"),
            Label::FinalClear(t) => write!(f, "clears {t}"),
            Label::FinalDetach(t) => write!(f, "is to detach {t}"),
            Label::FinalDrop(t) => write!(f, "is to drop the GIL of {t}"),
            Label::FinalFree(t) => write!(f, "deletes {t}, and frees everything"),
            Label::RunAttach(t) => write!(f, "is to make {t} current"),
            Label::OutsideSwap(o) => write!(f, "is to swap to {}", o.head),
            Label::OutsideEnd(o) => write!(f, "is to end the interpreter of {}", o.head),
            Label::OutsideBack(o) => write!(f, "is to swap back to {}", or_null(o.save)),
            Label::RunDone(_) | Label::OutsideDone(_) => f.write_str("answers"),
            Label::GiveUpDrop(t) => write!(f, "may not keep the GIL of {t}"),
            Label::GiveUp(_) => f.write_str("gives up"),
            Label::Hung(_) => f.write_str("hangs"),
            Label::EndClear(t) => write!(f, "clears {t}"),
            Label::EndDetach(t) => write!(f, "is to detach {t}"),
            Label::EndDrop(t) => write!(f, "is to drop the GIL of {t}"),
            Label::EndDelete(t) => write!(f, "deletes {t}"),
            Label::EndFree(i) => write!(f, "frees interpreter {i}"),

            Label::ClearDone(t) => write!(f, "{t} is cleared"),
            Label::SwapAnswer(_) | Label::SaveDone(_) | Label::RestoreDone(_) | Label::PollDone(_) => {
                f.write_str("answers")
            }
            Label::SaveDrop(t) | Label::PollDrop(t) => write!(f, "is to drop the GIL of {t}"),
            Label::RestoreAttach(t) | Label::PollAttach(t) => write!(f, "is to make {t} current"),
            Label::PollTake(t) => write!(f, "is to take the GIL of {t}"),

            Label::LeaveDetach(t, _) => write!(f, "is to detach {t}"),
            Label::LeaveDrop(t, _) => write!(f, "is to drop the GIL of {t}"),
            Label::LeaveDelete(t, _) => write!(f, "deletes {t}"),
            Label::AcquireAttach(t) => write!(f, "is to make {t} current"),
            Label::ReleaseThreadDrop(t) | Label::ReleaseDrop(t) => write!(f, "is to drop the GIL of {t}"),
            Label::AcquireDone(_)
            | Label::ReleaseThreadDone(_)
            | Label::ReleaseDone(_)
            | Label::MakeDone(_) => f.write_str("answers"),
            Label::EnsureAttach(e) => write!(f, "is to make {} current", e.tstate),
            Label::EnsureDone(e) => write!(f, "counts an Ensure of {}", e.tstate),
            Label::PendBegin(run) => write!(f, "is to run pending calls, for {}", run.tstate),
            Label::PendNext(Run { pass: Pass::Interp, .. }) => {
                f.write_str("runs the interpreter's next call")
            }
            Label::PendNext(Run { pass: Pass::Main, .. }) => f.write_str("runs the main thread's next call"),
            Label::PendDrop(run) => write!(f, "is to drop the GIL of {}, in a call", run.tstate),
            Label::PendTake(run) => write!(f, "is to take the GIL of {}, in a call", run.tstate),
            Label::PendAttach(run) => write!(f, "is to make {} current, in a call", run.tstate),
            Label::PendEnd(_, false) => f.write_str("has run the pending calls"),
            Label::PendEnd(_, true) => f.write_str("a pending call failed"),
            Label::PollRequest(_) => f.write_str("looks for a request"),

            Label::SwapDrop(s) => write!(f, "is to drop the GIL of {}", or_null(s.old)),
            Label::SwapExchange(s) => write!(f, "is to put {} aside", or_null(s.old)),
            Label::SwapTake(s) => write!(f, "is to take the GIL of {}", or_null(s.new)),
            Label::SwapAttach(s) => write!(f, "is to make {} current", or_null(s.new)),

            Label::ClearCurrent(_) => f.write_str("nothing is current"),
            Label::Deactivate(s) => write!(f, "{} is not active", or_null(s.old)),
            Label::SetCurrent(s) => write!(f, "{} is current", or_null(s.new)),
            Label::Activate(s) => write!(f, "{} is active", or_null(s.new)),

            Label::DropHolder { tstate, .. } => write!(f, "drop_gil: notes {tstate}"),
            Label::DropUnlock { interp, .. } => write!(f, "drop_gil: unlocks the GIL of {interp}"),
            Label::DropTest { tstate, .. } => write!(f, "drop_gil: was {tstate} asked?"),
            Label::DropWait { gil, .. } => write!(f, "drop_gil: waits for the switch of GIL {gil}"),
            Label::TakeLock(t) => write!(f, "take_gil: looks, for {t}"),
            Label::TakeWait { tstate, gil, .. } => write!(f, "take_gil: waits for GIL {gil}, for {tstate}"),

            Label::HeapWork(w) => write!(f, "is inside the heap of interpreter {}", w.heap),
            Label::RefStore(c) => write!(f, "has read {} as the count of {}", c.read, c.count.object),
            Label::TotalStore(t) => write!(f, "has read {} as the reference total", t.read),
        }
    }
}

impl Display for Thread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "current {}, gilstate {}", or_null(self.current), or_null(self.gilstate))?;
        if self.gone {
            return f.write_str("; has ended");
        }
        let Some(call) = self.stack[0].call() else { return Ok(()) };
        write!(f, "; in {}: ", call.name())?;
        match self.top() {
            Label::TakeWait { gil, asked, signalled, .. } => {
                write!(f, "waits for GIL {gil}")?;
                match asked {
                    Asked::No => {}
                    Asked::Yes => f.write_str(", has asked")?,
                    Asked::Switched => f.write_str(", saw a switch")?,
                }
                f.write_str(if signalled { ", is signalled" } else { "" })
            }
            Label::DropWait { gil, signalled, .. } => {
                write!(f, "waits for the switch of GIL {gil}")?;
                f.write_str(if signalled { ", is signalled" } else { "" })
            }
            next => write!(f, "next: {next}"),
        }
    }
}

impl Display for Interp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.phase {
            None => "none",
            Some(Phase::Creating) => "being created",
            Some(Phase::Live) => "live",
            Some(Phase::Ending) => "being ended",
            Some(Phase::Finalizing) => "being torn down",
        })?;
        match self.gil {
            Some(gil) => write!(f, ", GIL {gil}")?,
            None => f.write_str(", no GIL")?,
        }
        f.write_str(if self.settled { "" } else { ", no settings" })?;
        f.write_str(if self.drop_request { ", is asked" } else { "" })?;
        if let Some(t) = self.running {
            write!(f, ", run by {t}")?;
        }
        if self.id_refs > 0 {
            write!(f, ", {} references", self.id_refs)?;
        }
        f.write_str(if self.requires_idref { ", requires them" } else { "" })?;
        f.write_str(if self.breaker { ", eval breaker set" } else { "" })?;
        f.write_str(if self.busy { ", runs pending calls" } else { "" })?;
        write!(f, "{}", self.pending)
    }
}

/// Nothing, or what is in it.
impl Display for Ring {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (k, call) in self.calls.iter().flatten().enumerate() {
            f.write_str(if k == 0 { ", pending: " } else { " " })?;
            write!(f, "{call}")?;
        }
        f.write_str(if self.signalled { ", signalled" } else { "" })
    }
}

impl Display for Gil {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.locked, self.holder) {
            (true, Some(h)) => write!(f, "held by {h}")?,
            (true, None) => f.write_str("locked, held by nobody")?,
            (false, Some(h)) => write!(f, "free, but held by {h}")?,
            (false, None) => f.write_str("free")?,
        }
        write!(f, ", last {}", or_null(self.last_holder))?;
        f.write_str(if self.drop_request { ", is asked" } else { "" })
    }
}

impl Display for Tstate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "of interpreter {}", self.interp)?;
        match self.thread {
            Some(h) => write!(f, ", bound to {h}")?,
            None => f.write_str(", not bound")?,
        }
        for (bit, word) in [
            (StatusBits::BOUND_GILSTATE, "in its gilstate slot"),
            (StatusBits::ACTIVE, "active"),
            (StatusBits::FINALIZING, "finalizing"),
            (StatusBits::CLEARED, "cleared"),
        ] {
            if self.status.contains(bit) {
                write!(f, ", {word}")?;
            }
        }
        match self.started {
            Some(Started::Joined) => f.write_str(", started")?,
            Some(Started::Daemon) => f.write_str(", started as a daemon")?,
            None => {}
        }
        match self.ensures.depth {
            0 => Ok(()),
            n => write!(f, ", ensured {n}"),
        }
    }
}

impl Display for Block {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.owner {
            Some(i) => write!(f, "of the heap of interpreter {i}")?,
            None => f.write_str("of no heap")?,
        }
        match self.class {
            Class::Small(n) => write!(f, ", {} bytes", 16 * u16::from(n)),
            Class::Large => f.write_str(", large"),
        }
    }
}

impl Display for Object {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.owner {
            Some(i) => write!(f, "of the heap of interpreter {i}")?,
            None => f.write_str("static")?,
        }
        write!(f, ", refcnt {}", self.refcnt)?;
        for (i, n) in self.away.iter().enumerate().filter(|(_, n)| **n > 0) {
            write!(f, ", {n} held by interpreter {i}")?;
        }
        f.write_str(if self.was_immortal { ", immortal" } else { "" })
    }
}

/// What is not 0.
impl Display for Totals {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let told = [
            ("blocks", self.blocks),
            ("left by heaps", self.leaks),
            ("left by lives", self.last_final),
            ("references", self.all_refs),
            ("counted together", self.refs),
            ("counted by the ended", self.ref_leaks),
            ("by earlier lives", self.ref_last_final),
            ("by the unaware", self.legacy),
        ];
        let mut told: Vec<String> =
            told.iter().filter(|(_, n)| *n != 0).map(|(what, n)| format!("{what} {n}")).collect();
        if self.abandoned {
            told.push("an arena is abandoned".into());
        }
        if self.dangling {
            told.push("a reference dangles".into());
        }
        f.write_str(&told.join(", "))
    }
}

impl Display for Runtime {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut lines = String::new();
        for h in Runtime::thread_ids().filter(|h| *self.thread(*h) != Thread::FRESH) {
            writeln!(lines, "{h}: {}", self.thread(h))?;
        }
        if let Some(t) = self.current {
            writeln!(lines, "current in the runtime: {t}")?;
        }
        for i in Runtime::interp_ids().filter(|i| self.interp_listed(*i)) {
            writeln!(lines, "interpreter {i}: {}", self.interp(i))?;
        }
        for i in Runtime::interp_ids().filter(|i| self.gils[i.index()].created) {
            writeln!(lines, "GIL {i}: {}", self.gils[i.index()])?;
        }
        for t in Runtime::tstate_ids().filter(|t| self.listed(*t)) {
            writeln!(lines, "{t}: {}", self.tstate(t))?;
        }
        for b in Runtime::block_ids().filter(|b| self.block_live(*b)) {
            writeln!(lines, "{b}: {}", self.block(b))?;
        }
        for o in Runtime::object_ids().filter(|o| self.object_live(*o) && *o != NONE) {
            writeln!(lines, "{o}: {}", self.object(o))?;
        }
        if self.totals != Totals::default() {
            writeln!(lines, "totals: {}", self.totals)?;
        }
        if self.pending_main != Ring::EMPTY {
            writeln!(lines, "main thread {}{}", self.main_thread, self.pending_main)?;
        }
        if let Some(rule) = self.dead {
            writeln!(lines, "dead, by {rule}")?;
        }
        f.write_str(lines.trim_end())
    }
}
