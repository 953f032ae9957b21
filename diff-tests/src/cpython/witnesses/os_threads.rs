//! OS threads that CPython cannot start, and some that it ends.

use super::{
    super::{
        beyond::Beyond,
        parent::Cpython,
        script::{EXITS, Script, last_of, parked, t},
    },
    Report,
};
use crate::subject::{Event, SubjectError};
use cloister_specs::{MAIN, Op, Parking, StatusBits};

const START: &str = "import _thread
try:
    _thread.start_new_thread(int, ())
    said = 'started'
except RuntimeError as e:
    said = e";

/// `pthread_create` fails: the thread state that was made for the thread is cleared, and
/// stays in the list.
pub fn cleared_and_listed(cpython: &mut Cpython) -> Report {
    let mut s = Script::begin(cpython)?;
    s.beyond(0, Beyond::FailThread)?;
    let failed = s.beyond(0, Beyond::Python(START.into()))?;
    let left = others(&mut s)?;
    let shown = failed == "can't start new thread" && left.contains(&true);

    let mut s = Script::begin(cpython)?;
    let started = s.beyond(0, Beyond::Python(START.into()))?;
    let during = others(&mut s)?;
    s.calls(0, &[Op::SaveThread])?;
    s.beyond(0, Beyond::JoinThreads)?;
    let after = others(&mut s)?;
    let clean = started == "started" && during == [false] && after.is_empty();
    let seen = format!(
        "{failed}: listed beside t0, cleared: {left:?}; control: {started}: {during:?}, after its end: {after:?}"
    );
    Ok((shown, clean, seen))
}

/// For every thread state but that of `T0`: is it cleared?
fn others(s: &mut Script<'_>) -> Result<Vec<bool>, SubjectError> {
    let all = s.observe()?.tstates;
    Ok(all.iter().filter(|v| v.id != t(0)).map(|v| v.status.contains(StatusBits::CLEARED)).collect())
}

/// A thread waits for the GIL while the runtime is finalized: its next look ends it.
pub fn exit_after_finalization(cpython: &mut Cpython) -> Report {
    let (waiting, end) = waiter_when(cpython, true)?;
    let (control_waiting, control) = waiter_when(cpython, false)?;
    let seen = format!("T1 after Py_FinalizeEx: {end}; control, T0 lets the GIL go: {control}");
    Ok((waiting && end == EXITS, control_waiting && control == "done", seen))
}

fn waiter_when(cpython: &mut Cpython, finalized: bool) -> Result<(bool, String), SubjectError> {
    let mut s = Script::begin(cpython)?;
    s.bound(1, MAIN, t(1))?;
    let waiting = parked(&s.call(1, Op::RestoreThread(t(1)))?, Parking::Gil);
    if finalized {
        let finalized = s.beyond(0, Beyond::Finalize)?;
        if finalized != "0" {
            return Ok((waiting, format!("Py_FinalizeEx: {finalized}")));
        }
    } else {
        s.calls(0, &[Op::SaveThread])?;
    }
    let end = s.expire(1)?;
    Ok((waiting, s.said(&end)))
}

/// `T1` is a daemon in a call that waits for the GIL, which `T0` has.
const DAEMON_WAITS: &str = "T0: StartThread(daemon) at t1\nT0: SaveThread\nT1: RunThread(t1)\nT1: SaveThread\n\
    T0: RestoreThread(t0)\nT1: RestoreThread(t1)";
const FINALIZE: &str = "T0: Finalize";
const LETS_GO: &str = "T0: SaveThread";
const GOES_ON: &str = "T1: .. step";

/// A daemon has asked for the GIL of the main interpreter, which is finalized. On its way
/// out it takes back what it asked, in the interpreter that its thread state names.
pub fn freed_after_it_asked(cpython: &mut Cpython) -> Report {
    const ASKS: &str = "T1: .. expire";
    let asked = last_of(cpython, &[DAEMON_WAITS, ASKS, FINALIZE, GOES_ON])?;
    let silent = last_of(cpython, &[DAEMON_WAITS, FINALIZE, GOES_ON])?;
    let let_in = last_of(cpython, &[DAEMON_WAITS, ASKS, LETS_GO, GOES_ON])?;
    let seen = format!(
        "T1 asks, T0 finalizes, T1 goes on: {asked}; \
         controls: T1 has not asked: {silent}; T0 lets the GIL go: {let_in}"
    );
    Ok((asked.contains("freed memory"), silent == EXITS && let_in == "done", seen))
}

/// A daemon waits while the runtime is finalized and initialized again: nothing tells it
/// any more that its thread is to exit.
pub fn initialized_again(cpython: &mut Cpython) -> Report {
    const INITIALIZE: &str = "T0: Initialize at t0";
    let again = last_of(cpython, &[DAEMON_WAITS, FINALIZE, INITIALIZE, LETS_GO, GOES_ON])?;
    let once = last_of(cpython, &[DAEMON_WAITS, FINALIZE, GOES_ON])?;
    let let_in = last_of(cpython, &[DAEMON_WAITS, LETS_GO, GOES_ON])?;
    let seen = format!(
        "T0 finalizes and initializes, T1 goes on: {again}; \
         controls: T0 only finalizes: {once}; T0 lets the GIL go: {let_in}"
    );
    Ok((again.contains("freed memory"), once == EXITS && let_in == "done", seen))
}

/// The end of an interpreter has begun, and lets another thread in, which starts a thread.
pub fn started_in_an_end(cpython: &mut Cpython) -> Report {
    const BLOCKS: &str = "T0: AddPendingCall(0, blocks)";
    const ASKS: &str = "T1: .. expire";
    const START: &str = "T1: StartThread(daemon) at t2";
    let ending = last_of(cpython, &[DAEMON_WAITS, BLOCKS, ASKS, FINALIZE, GOES_ON, START])?;
    let before = last_of(cpython, &[DAEMON_WAITS, LETS_GO, GOES_ON, START])?;
    let seen = format!("started while the end runs: {ending}; control, before it begins: {before}");
    Ok((ending == "t2", before == "t2", seen))
}

/// Finalization flushes `sys.stdout` before it runs any bytecode, and runs a `__del__` later.
const STOP_IN_FINALIZATION: &str = "import builtins, sys
class Stdout:
    closed = False
    def method(self): pass
Stdout.flush = type(Stdout().method)(sys.audit, 'cloister.hold')
class Last:
    def __del__(self): pass
builtins.last, sys.stdout = Last(), Stdout()
said = 'ready'";

/// A thread has asked for the GIL, and exits because the runtime is being finalized: its
/// request has to go with it, or the holder waits for a switch that nobody will make.
pub fn left_behind(cpython: &mut Cpython) -> Report {
    let (asked, exited) = finalize_beside_waiter(cpython, true)?;
    let (control_asked, control) = finalize_beside_waiter(cpython, false)?;
    let waits = "waits (Switch)";
    let seen = format!(
        "T1 asks and exits, T0 finalizes: {exited}; control, T1 exits when its turn comes: {control}"
    );
    let clean = control == format!("{waits}, {EXITS}, 0");
    Ok((asked && exited == format!("{EXITS}, {waits}"), control_asked && clean, seen))
}

/// `T1` asks for the GIL, `T0` begins to finalize. Then either `T1` looks again and exits,
/// or `T0` polls while the request stands.
fn finalize_beside_waiter(cpython: &mut Cpython, exits_first: bool) -> Result<(bool, String), SubjectError> {
    let mut s = Script::begin(cpython)?;
    let ready = s.beyond(0, Beyond::Python(STOP_IN_FINALIZATION.into()))? == "ready";
    s.bound(1, MAIN, t(1))?;
    s.call(1, Op::RestoreThread(t(1)))?;
    s.expire(1)?;
    let asked = s.observe()?.gils.first().is_some_and(|g| g.drop_request);
    let stop = s.beyond_held(0, Beyond::Finalize, 0)?;
    if !ready || stop != Event::Running {
        return Ok((false, s.said(&stop)));
    }
    let mut said = Vec::new();
    if exits_first {
        let end = s.expire(1)?;
        said.push(s.said(&end));
    }
    let mut end = s.step(0)?;
    if !exits_first && parked(&end, Parking::Switch) {
        said.push(s.said(&end));
        let turn = s.step(1)?;
        said.push(s.said(&turn));
        end = s.step(0)?;
    }
    said.push(s.said(&end));
    Ok((asked, said.join(", ")))
}
