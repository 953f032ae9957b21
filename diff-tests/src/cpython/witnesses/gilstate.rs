//! `PyGILState_*` beside more than one interpreter.

use super::{
    super::{
        beyond::Beyond,
        parent::Cpython,
        script::{Script, last_of, new, t, view},
    },
    Report,
};
use crate::subject::SubjectError;
use cloister_specs::{InterpId, InterpreterConfig, MAIN, Op};

/// `PyGILState_Ensure` in a fresh thread takes it into main, whatever interpreter the
/// work came from.
pub fn always_main(cpython: &mut Cpython) -> Report {
    let place = |found: Option<InterpId>| found.map_or("none".into(), |i| i.to_string());
    let (work, fresh) = ensured_for(cpython, Some(InterpreterConfig::LEGACY))?;
    let (main_work, main_fresh) = ensured_for(cpython, None)?;
    let seen = format!(
        "work of {work}, the fresh thread is in {}; control: work of {main_work}, in {}",
        place(fresh),
        place(main_fresh)
    );
    Ok((fresh == Some(MAIN) && work != MAIN, main_fresh == Some(main_work), seen))
}

/// The interpreter in which `T0` works before it lets the GIL go, and the one in which
/// `PyGILState_Ensure` then finds a place for `T1`.
fn ensured_for(
    cpython: &mut Cpython,
    sub: Option<InterpreterConfig>,
) -> Result<(InterpId, Option<InterpId>), SubjectError> {
    let mut s = Script::begin(cpython)?;
    s.calls(0, sub.map(new).as_slice())?;
    let work = if sub.is_some() { InterpId(1) } else { MAIN };
    s.calls(0, &[Op::SaveThread])?;
    let ensured = s.ensure(1)?;
    let current = view(&ensured).and_then(|v| v.current);
    let found = s.observe()?.tstates.into_iter().find(|v| Some(v.id) == current);
    Ok((work, found.map(|v| v.interp)))
}

/// `PyGILState_Check` answers 1 in a thread that has no thread state at all, once there has
/// been a second interpreter.
pub fn vacuous_check(cpython: &mut Cpython) -> Report {
    let mut s = Script::begin(cpython)?;
    let before = s.beyond(1, Beyond::Check)?;
    s.calls(0, &[new(InterpreterConfig::ISOLATED), Op::EndInterpreter(t(1))])?;
    let after = s.beyond(1, Beyond::Check)?;
    let bare = s.observe()?.threads[1].current.is_none();
    let seen = format!(
        "without a current thread state, after a second interpreter has been: {after}; control, before: {before}"
    );
    Ok((after == "1" && bare, before == "0", seen))
}

/// One allocation that fails ends the process; `PyGILState_Ensure` has no way to say so.
pub fn fatal_without_memory(cpython: &mut Cpython) -> Report {
    const DETACHED: &str = "T0: SaveThread";
    let fails = last_of(cpython, &[DETACHED, "T1: GilStateEnsure(0, fails)"])?;
    let enough = last_of(cpython, &[DETACHED, "T1: GilStateEnsure(0)"])?;
    let needless = last_of(cpython, &["T0: GilStateEnsure(0, fails)"])?;
    let seen = format!(
        "no memory for a new thread state: {fails}; controls: enough of it: {enough}; none needed: {needless}"
    );
    Ok((fails.starts_with("died: "), enough == "UNLOCKED" && needless == "LOCKED", seen))
}
