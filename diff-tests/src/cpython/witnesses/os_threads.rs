//! OS threads that CPython cannot start, and one that it ends.

use super::{
    super::{
        baton::EXITS,
        beyond::Beyond,
        parent::Cpython,
        script::{Script, parked, t},
    },
    Report,
};
use crate::subject::SubjectError;
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
