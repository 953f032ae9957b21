//! Memory that is used after it was freed.

use super::{
    super::{
        parent::Cpython,
        script::{Script, new, shown, t, view},
        wire::Freed,
    },
    Report,
};
use crate::subject::{Event, SubjectError};
use cloister_specs::{InterpId, InterpreterConfig, MAIN, Op, StatusBits};

fn touched_freed_memory(event: &Event) -> bool {
    matches!(event, Event::Died(text) if text.contains("freed memory"))
}

/// A thread is in the middle of its poll, between the release of the GIL and the next
/// line, when its thread state is cleared and deleted.
pub fn tstate_in_use(cpython: &mut Cpython) -> Report {
    let during = poll_while_deleted(cpython, true)?;
    let after = poll_while_deleted(cpython, false)?;
    let clean = !touched_freed_memory(&after);
    let seen = format!("T1 goes on: {}; control, T1 let out first: {}", shown(&during), shown(&after));
    Ok((touched_freed_memory(&during), clean, seen))
}

fn poll_while_deleted(cpython: &mut Cpython, during: bool) -> Result<Event, SubjectError> {
    let delete = [Op::ThreadStateClear(t(1)), Op::ThreadStateDelete(t(1))];
    let mut s = Script::begin(cpython)?;
    s.bound(1, MAIN, t(1))?;
    s.calls(0, &[Op::SaveThread])?;
    s.calls(1, &[Op::RestoreThread(t(1))])?;
    s.call(0, Op::RestoreThread(t(0)))?;
    s.expire(0)?;
    let stop = s.held(1, Op::EvalBreakerPoll, 1)?;
    let mut last = s.step(0)?;
    if during && stop == Event::Running {
        s.calls(0, &delete)?;
        return s.step(1);
    }
    s.step(1)?;
    s.calls(0, &[Op::SaveThread])?;
    s.step(1)?;
    s.calls(1, &[Op::SaveThread])?;
    s.calls(0, &[Op::RestoreThread(t(0))])?;
    for op in delete {
        last = s.call(0, op)?;
    }
    Ok(last)
}

/// A thread is on its way out of `SaveThread` when another one ends the interpreter.
pub fn interp_in_use(cpython: &mut Cpython) -> Report {
    let during = save_while_ended(cpython, true)?;
    let after = save_while_ended(cpython, false)?;
    let clean = !touched_freed_memory(&after);
    let seen = format!("T1 goes on: {}; control, T1 let out first: {}", shown(&during), shown(&after));
    Ok((touched_freed_memory(&during), clean, seen))
}

fn save_while_ended(cpython: &mut Cpython, during: bool) -> Result<Event, SubjectError> {
    let mut s = Script::begin(cpython)?;
    s.calls(0, &[new(InterpreterConfig::ISOLATED)])?;
    s.bound(1, InterpId(1), t(2))?;
    s.calls(0, &[Op::SaveThread])?;
    s.calls(1, &[Op::RestoreThread(t(2))])?;
    s.call(0, Op::RestoreThread(t(1)))?;
    let stop = s.held(1, Op::SaveThread, 1)?;
    s.step(0)?;
    if !during && stop == Event::Running {
        s.step(1)?;
    }
    s.calls(0, &[Op::ThreadStateClear(t(2)), Op::ThreadStateDelete(t(2))])?;
    let ended = s.call(0, Op::EndInterpreter(t(1)))?;
    if during && stop == Event::Running { s.step(1) } else { Ok(ended) }
}

/// A thread state that is named by the gilstate slot of its own thread is deleted by
/// another one. The slot of the deleting thread is emptied, the other slot goes on
/// naming freed memory, and the next activation there writes to it.
pub fn gilstate_slot_dangles(cpython: &mut Cpython) -> Report {
    let mut seen = Vec::new();
    let mut all = true;

    let mut s = Script::begin(cpython)?;
    delete_from_another_thread(&mut s)?;
    let threads = s.observe()?.threads;
    let believes = s.has(t(0), StatusBits::BOUND_GILSTATE)?;
    all &= threads[0].gilstate.is_none() && believes && threads[1].gilstate == Some(t(1));
    seen.push(format!("slot of T0 {:?} (t0 believes it is named: {believes})", threads[0].gilstate));
    seen.push(format!("slot of T1 {:?}, which is deleted", threads[1].gilstate));
    let ensured = s.ensure(0)?;
    all &= view(&ensured).is_none();
    seen.push(format!("PyGILState_Ensure in T0, which holds the GIL: {}", shown(&ensured)));

    for freed in [Freed::Trap, Freed::Poison] {
        cpython.set_freed(freed);
        let mut s = Script::begin(cpython)?;
        delete_from_another_thread(&mut s)?;
        s.bound(1, MAIN, t(2))?;
        s.calls(0, &[Op::SaveThread])?;
        let next = s.call(1, Op::RestoreThread(t(2)));
        cpython.set_freed(Freed::Trap);
        let next = next?;
        all &= touched_freed_memory(&next);
        seen.push(format!("next activation in T1 ({freed:?}): {}", shown(&next)));
    }

    let mut s = Script::begin(cpython)?;
    s.bound(1, MAIN, t(1))?;
    s.bound(1, MAIN, t(2))?;
    s.calls(0, &[Op::SaveThread])?;
    s.calls(1, &[Op::RestoreThread(t(2)), Op::ThreadStateClear(t(1)), Op::ThreadStateDelete(t(1))])?;
    s.calls(1, &[Op::SaveThread])?;
    s.calls(0, &[Op::RestoreThread(t(0))])?;
    let threads = s.observe()?.threads;
    let ensured = s.ensure(0)?;
    let clean =
        threads[0].gilstate == Some(t(0)) && threads[1].gilstate == Some(t(2)) && view(&ensured).is_some();
    seen.push(format!("control, T1 deletes it: slots {:?}, {:?}", threads[0].gilstate, threads[1].gilstate));
    Ok((all, clean, seen.join("; ")))
}

fn delete_from_another_thread(s: &mut Script<'_>) -> Result<(), SubjectError> {
    s.bound(1, MAIN, t(1))?;
    s.calls(0, &[Op::ThreadStateClear(t(1)), Op::ThreadStateDelete(t(1))])
}
