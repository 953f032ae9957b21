//! CPython as a [`Subject`], seen from the parent.

use super::{
    beyond::Beyond,
    child::{CHILD_ARG, SERVE},
    find::{Found, Version},
    trap::MARK,
    wire::{self, Answer, Freed, Gone, Hello, Order, StatusText},
};
use crate::subject::{Event, Shows, Subject, SubjectError};
use cloister_specs::{Move, Observation, Reply, Start, ThreadId};
use std::{
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// No call takes a tenth of that.
const PATIENCE_SECONDS: u32 = 10;
const FATAL: &str = "Fatal Python error: ";

/// A real CPython.
pub struct Cpython {
    process: Child,
    orders: Option<ChildStdin>,
    answers: ChildStdout,
    hello: Hello,
    freed: Freed,
    patience_seconds: u32,
    run: RunState,
    status: Option<StatusText>,
    said: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunState {
    None,
    Going,
    Dead,
}

impl Cpython {
    /// Starts a child that serves this libpython. `executable` is the `cloister` command.
    pub fn start(executable: &Path, found: &Found) -> Result<Self, SubjectError> {
        let failed = |e: std::io::Error| lost(format!("{} cannot be started: {e}", executable.display()));
        let mut process = Command::new(executable)
            .args([CHILD_ARG, SERVE])
            .arg(&found.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (orders, answers) = (process.stdin.take(), process.stdout.take());
        let (Some(orders), Some(mut answers)) = (orders, answers) else {
            return Err(lost("the child has no pipes"));
        };
        match wire::receive(&mut answers) {
            Ok(Some(Answer::Hello(hello))) => Ok(Cpython {
                process,
                orders: Some(orders),
                answers,
                hello,
                freed: Freed::default(),
                patience_seconds: PATIENCE_SECONDS,
                run: RunState::None,
                status: None,
                said: None,
            }),
            Ok(Some(Answer::Unusable(reason))) => Err(lost(reason)),
            other => Err(lost(format!("the child did not begin with a greeting: {other:?}"))),
        }
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.hello.version
    }

    /// Can its blocks be counted?
    pub fn counts_blocks(&self) -> bool {
        self.hello.counts_blocks
    }

    /// What becomes of freed memory in the runs to come.
    pub fn set_freed(&mut self, freed: Freed) {
        self.freed = freed;
    }

    /// How long a call may take, in the runs to come, before the process counts as hung.
    pub fn set_patience(&mut self, seconds: u32) {
        self.patience_seconds = seconds.max(1);
    }

    /// The error status of the last move's creation, as CPython worded it.
    pub fn status(&self) -> Option<&StatusText> {
        self.status.as_ref()
    }

    /// Begins a call, and holds its thread after it has unlocked `unlocks` mutexes:
    /// [`Event::Running`], and a step lets it go on.
    pub fn start_held(&mut self, start: Start, unlocks: u8) -> Result<Event, SubjectError> {
        self.event(&Order::Held { start, unlocks })
    }

    /// Lets a thread make a call that no [`Op`](cloister_specs::Op) stands for, and holds it
    /// after so many unlocks; 0 for never.
    pub(super) fn beyond(
        &mut self,
        thread: ThreadId,
        call: Beyond,
        unlocks: u8,
    ) -> Result<Event, SubjectError> {
        self.event(&Order::Beyond { thread, call, unlocks })
    }

    /// What such a call came to, if the last event was its answer.
    pub(super) fn said(&self) -> Option<&str> {
        self.said.as_deref()
    }

    pub(super) fn order(&mut self, order: &Order) -> Result<Answer, SubjectError> {
        if self.run != RunState::Going {
            return Err(lost("no run is under way"));
        }
        self.send(order)?;
        self.answer()
    }

    fn send(&mut self, order: &Order) -> Result<(), SubjectError> {
        let orders = self.orders.as_mut().ok_or_else(|| lost("the child is gone"))?;
        wire::send(orders, order).map_err(|e| lost(format!("the child does not listen: {e}")))
    }

    fn answer(&mut self) -> Result<Answer, SubjectError> {
        match wire::receive(&mut self.answers) {
            Ok(Some(Answer::Refused(reason))) => Err(lost(reason)),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(lost("the child has ended")),
            Err(e) => Err(lost(format!("the child does not answer: {e}"))),
        }
    }

    fn event(&mut self, order: &Order) -> Result<Event, SubjectError> {
        self.said = None;
        match self.order(order)? {
            Answer::Said { text, view } => {
                self.status = None;
                self.said = Some(text);
                Ok(Event::Replied { reply: Reply::Done, view })
            }
            Answer::Event { event, status } => {
                self.status = status;
                Ok(event)
            }
            Answer::Gone(gone) => {
                self.run = RunState::Dead;
                Ok(Event::Died(cause(&gone)))
            }
            other => Err(lost(format!("an unexpected answer: {other:?}"))),
        }
    }

    fn end_run(&mut self) -> Result<(), SubjectError> {
        if self.run == RunState::Going {
            self.send(&Order::Finish)?;
            match self.answer()? {
                Answer::Gone(_) => {}
                other => return Err(lost(format!("an unexpected answer: {other:?}"))),
            }
        }
        self.run = RunState::None;
        Ok(())
    }
}

impl Subject for Cpython {
    fn name(&self) -> &'static str {
        match (self.hello.version.minor, self.hello.version.micro) {
            (12, 1) => "CPython 3.12.1",
            (12, _) => "CPython 3.12",
            (13, _) => "CPython 3.13",
            _ => "CPython",
        }
    }

    fn shows(&self) -> Shows {
        Shows { phase: true, gils: self.hello.shows_gils, holder: false, refusals: false }
    }

    fn reset(&mut self, threads: u8) -> Result<(), SubjectError> {
        self.end_run()?;
        self.status = None;
        let Cpython { freed, patience_seconds, .. } = *self;
        self.send(&Order::Run { threads, freed, patience_seconds })?;
        match self.answer()? {
            Answer::Started => {
                self.run = RunState::Going;
                Ok(())
            }
            other => Err(lost(format!("the run did not begin: {other:?}"))),
        }
    }

    fn apply(&mut self, mv: &Move) -> Result<Event, SubjectError> {
        self.event(&Order::Move(*mv))
    }

    fn observe(&mut self) -> Result<Observation, SubjectError> {
        match self.order(&Order::Observe)? {
            Answer::Observation(seen) => Ok(*seen),
            other => Err(lost(format!("an unexpected answer: {other:?}"))),
        }
    }
}

impl Drop for Cpython {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.process.wait();
    }
}

fn lost(reason: impl Into<String>) -> SubjectError {
    SubjectError { subject: "CPython", reason: reason.into() }
}

/// Why a process died: its own report or CPython's fatal error, whichever was first (after a fatal
/// error CPython reads what the gilstate slot names), or the signal.
pub(super) fn cause(gone: &Gone) -> String {
    let report =
        |line: &'_ str| [MARK, FATAL].iter().find_map(|mark| line.strip_prefix(mark)).map(without_pointers);
    if let Some(said) = gone.said.lines().find_map(report) {
        return said;
    }
    match (gone.signal, gone.code) {
        (Some(libc::SIGALRM), _) => "hung".into(),
        (Some(libc::SIGSEGV), _) => "SIGSEGV".into(),
        (Some(libc::SIGABRT), _) => "SIGABRT".into(),
        (Some(libc::SIGBUS), _) => "SIGBUS".into(),
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => "gone".into(),
    }
}

/// Addresses differ from run to run.
fn without_pointers(line: &str) -> String {
    line.split(' ').filter(|word| !word.starts_with("0x")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_death_is_what_was_said_or_else_the_signal() {
        let gone = |signal, said: &str| Gone { signal: Some(signal), code: None, said: said.into() };
        let fatal =
            "Fatal Python error: drop_gil: drop_gil: GIL is not locked\nPython runtime state: initialized\n";
        assert_eq!(cause(&gone(libc::SIGABRT, fatal)), "drop_gil: drop_gil: GIL is not locked");
        let current = "Fatal Python error: PyThreadState_Delete: tstate 0x7f00 is still current";
        assert_eq!(cause(&gone(libc::SIGABRT, current)), "PyThreadState_Delete: tstate is still current");
        let read = "read of freed memory: t1, interp";
        assert_eq!(cause(&gone(libc::SIGSEGV, &format!("{MARK}{read}\n{fatal}"))), read);
        let afterwards = format!("{fatal}{MARK}{read}\n");
        assert_eq!(cause(&gone(libc::SIGSEGV, &afterwards)), "drop_gil: drop_gil: GIL is not locked");
        assert_eq!(cause(&gone(libc::SIGALRM, "")), "hung");
        assert_eq!(cause(&gone(libc::SIGSEGV, "")), "SIGSEGV");
    }
}
