//! What the list of thread states forgets.

use super::{
    super::{
        parent::Cpython,
        script::{Script, last_of, t},
    },
    Report,
};

/// An interpreter has lost its last thread state. The next one is taken for the first, which
/// lies in the interpreter and still says that it is initialized.
pub fn last_one_deleted(cpython: &mut Cpython) -> Report {
    const DELETE: &str = "T0: ThreadStateDeleteCurrent";
    let mut seen = Vec::new();
    let (mut all, mut clean) = (true, true);
    for next in ["T1: ThreadStateNew(0)", "T1: GilStateEnsure(0)"] {
        let alone = last_of(cpython, &[DELETE, next])?;
        let control = last_of(cpython, &["T0: ThreadStateNew(0)", DELETE, next])?;
        all &= alone.contains("thread state already initialized");
        clean &= !control.starts_with("died");
        let name = next.trim_start_matches("T1: ");
        seen.push(format!("{name}: {alone}; control, another one is listed: {control}"));
    }
    Ok((all, clean, seen.join("; ")))
}

/// `_PyThreadState_DeleteExcept` frees the thread states of other threads, and leaves the
/// gilstate slots there as they are: the next Ensure reads freed memory.
pub fn slots_left_behind(cpython: &mut Cpython) -> Report {
    const BOUND: &str = "T0: ThreadStateNew(0) at t1\nT1: ThreadStateBind(t1)";
    const EXCEPT: &str = "T0: ThreadStateDeleteExcept(t0)";
    const LEAVES: &str =
        "T0: SaveThread\nT1: RestoreThread(t1)\nT1: ThreadStateDeleteCurrent\nT0: RestoreThread(t0)";
    const ENSURE: &str = "T0: SaveThread\nT1: GilStateEnsure(0)";

    let mut s = Script::begin(cpython)?;
    s.lines(BOUND)?;
    if let Err(not_there) = s.lines(EXCEPT) {
        return Ok((false, true, not_there.reason));
    }
    let after = s.observe()?;
    let slot = after.threads[1].gilstate;
    let dangles = slot == Some(t(1)) && after.tstates.iter().all(|v| v.id != t(1));
    let ensured = s.lines(ENSURE)?;

    let mut s = Script::begin(cpython)?;
    s.lines(&[BOUND, LEAVES, EXCEPT].join("\n"))?;
    let control_slot = s.observe()?.threads[1].gilstate;
    let control = s.lines(ENSURE)?;
    let seen = format!(
        "slot of T1 {slot:?}, which is deleted, then PyGILState_Ensure in T1: {ensured}; \
         control, T1 deletes it first: slot {control_slot:?}, {control}"
    );
    let shown = dangles && ensured.contains("freed memory");
    Ok((shown, control_slot.is_none() && control == "UNLOCKED", seen))
}
