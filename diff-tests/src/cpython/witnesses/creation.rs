//! Creations that fail, and one that should.

use super::{
    super::{
        parent::Cpython,
        script::{Script, last_of, new, new_failing, reply, shown, t, view},
    },
    Report,
};
use crate::subject::{Event, SubjectError};
use cloister_specs::{
    CreationError, Fault, FeatureFlags, InterpId, InterpreterConfig, MAIN, Op, Reply, StatusBits, ThreadId,
};

const ISOLATED: InterpreterConfig = InterpreterConfig::ISOLATED;
const BAD_SETTINGS: InterpreterConfig =
    InterpreterConfig { check_multi_interp_extensions: false, ..ISOLATED };
const BAD_GIL: InterpreterConfig = InterpreterConfig { gil: 7, ..InterpreterConfig::LEGACY };
const HOLE: InterpreterConfig = InterpreterConfig { use_main_obmalloc: true, ..ISOLATED };

/// A creation with a bad configuration drops the GIL of its caller and does not take it
/// again: the caller's next release is fatal, and a waiter gets in beside it.
pub fn lost_caller_gil(cpython: &mut Cpython) -> Report {
    let mut shown_all = true;
    let mut seen = Vec::new();
    for bad in [BAD_SETTINGS, BAD_GIL] {
        let mut s = Script::begin(cpython)?;
        let failed = s.call(0, new(bad))?;
        let locked = s.observe()?.gils.iter().any(|g| g.id == MAIN && g.locked);
        let after = s.call(0, Op::SaveThread)?;
        shown_all &= !locked && matches!(&after, Event::Died(text) if text.contains("GIL is not locked"));
        seen.push(format!("{}; GIL locked: {locked}; SaveThread: {}", shown(&failed), shown(&after)));
    }
    let both = two_in_one_interpreter(cpython)?;
    shown_all &= both;
    seen.push(format!("a waiter gets in beside the caller: {both}"));

    let mut clean = true;
    for (name, prepare, op) in [
        ("caller detached", Some(Op::SaveThread), new(BAD_SETTINGS)),
        ("fault after the GIL was taken", None, new_failing(ISOLATED, Fault::CoreInit)),
    ] {
        let mut s = Script::begin(cpython)?;
        s.calls(0, prepare.as_slice())?;
        s.call(0, op)?;
        s.calls(0, prepare.map(|_| Op::RestoreThread(t(0))).as_slice())?;
        let after = s.call(0, Op::SaveThread)?;
        clean &= reply(&after) == Some(Reply::Tstate(Some(t(0))));
        seen.push(format!("control, {name}: SaveThread: {}", shown(&after)));
    }
    Ok((shown_all, clean, seen.join("; ")))
}

fn two_in_one_interpreter(cpython: &mut Cpython) -> Result<bool, SubjectError> {
    let mut s = Script::begin(cpython)?;
    s.bound(1, MAIN, t(1))?;
    s.call(1, Op::RestoreThread(t(1)))?;
    s.call(0, new(BAD_SETTINGS))?;
    if s.step(1).is_err() {
        return Ok(false);
    }
    let threads = s.observe()?.threads;
    Ok(threads[0].current == Some(t(0)) && threads[1].current == Some(t(1)) && threads[1].parked.is_none())
}

/// Two GILs over one allocator: nothing refuses it.
pub fn configuration_hole(cpython: &mut Cpython) -> Report {
    let mut s = Script::begin(cpython)?;
    let created = s.call(0, new(HOLE))?;
    let seen = s.observe()?;
    let sub = seen.interps.iter().find(|i| i.id == InterpId(1));
    let hole =
        sub.is_some_and(|i| i.own_gil == Some(true) && i.flags.contains(FeatureFlags::USE_MAIN_OBMALLOC));
    let shown_hole = matches!(reply(&created), Some(Reply::Created { .. })) && hole;

    let mut s = Script::begin(cpython)?;
    s.calls(0, &[Op::SaveThread])?;
    let settings = s.call(0, new(BAD_SETTINGS))?;
    let gil = s.call(0, new(BAD_GIL))?;
    let clean = reply(&settings) == Some(Reply::Failed(CreationError::Settings))
        && reply(&gil) == Some(Reply::Failed(CreationError::GilValue));
    let seen = format!("{}, {sub:?}; controls: {}, {}", shown(&created), shown(&settings), shown(&gil));
    Ok((shown_hole, clean, seen))
}

/// A detached caller whose gilstate slot names a thread state finds the slot empty after a failed creation.
pub fn gilstate_slot_lost(cpython: &mut Cpython) -> Report {
    let mut s = Script::begin(cpython)?;
    s.calls(0, &[Op::SaveThread])?;
    let before = s.observe()?.threads[0].gilstate;
    let failed = s.call(0, new(BAD_SETTINGS))?;
    let after = view(&failed).and_then(|v| v.gilstate);
    let bit = s.has(t(0), StatusBits::BOUND_GILSTATE)?;
    let lost = before == Some(t(0)) && after.is_none() && !bit;

    let mut s = Script::begin(cpython)?;
    s.calls(0, &[Op::SaveThread])?;
    let created = s.call(0, new(ISOLATED))?;
    let control = view(&created).and_then(|v| v.gilstate);
    let seen = format!("before {before:?}, after {after:?}; control, a creation that succeeds: {control:?}");
    Ok((lost, control == Some(t(1)), seen))
}

/// A status error becomes the end of the process, where the caller is promised NULL.
pub fn fatal_when_legacy(cpython: &mut Cpython) -> Report {
    let mut seen = Vec::new();
    let (mut all, mut clean) = (true, true);
    for fault in ["CoreInit", "MainInit"] {
        let legacy = last_of(cpython, &[&format!("T0: NewInterpreter(fault={fault})")])?;
        let status = last_of(cpython, &[&format!("T0: NewInterpreterFromConfig(legacy, fault={fault})")])?;
        all &= legacy.starts_with("died: ");
        clean &= status.starts_with("failed ");
        seen.push(format!("{fault}: {legacy}; control, from a configuration: {status}"));
    }
    Ok((all, clean, seen.join("; ")))
}

/// The id of an interpreter for which there was no memory is given to nobody.
pub fn id_used_up(cpython: &mut Cpython) -> Report {
    const FAILS: &str = "T0: NewInterpreterFromConfig(isolated, fault=InterpAlloc)";
    const LOOK_UP: [&str; 2] = ["T0: NewInterpreter", "T0: InterpreterLookUpId(1)"];
    let failed = last_of(cpython, &[FAILS])?;
    let after = last_of(cpython, &[&[FAILS], &LOOK_UP[..]].concat())?;
    let next = last_of(cpython, &[FAILS, LOOK_UP[0], "T0: InterpreterLookUpId(2)"])?;
    let control = last_of(cpython, &LOOK_UP)?;
    let seen = format!(
        "a creation without memory: {failed}; then one that succeeds, id 1: {after}, id 2: {next}; \
         control, without the first, id 1: {control}"
    );
    let first = "interpreter 1";
    Ok((after != first && next == first, control == first, seen))
}

/// Memory runs out: the status is OK, and there is no thread state.
pub fn ok_with_null(cpython: &mut Cpython) -> Report {
    let mut replies = Vec::new();
    for fault in [Fault::InterpAlloc, Fault::TstateAlloc] {
        let mut s = Script::begin(cpython)?;
        let event = s.call(0, new_failing(ISOLATED, fault))?;
        replies.push(format!("{fault:?}: {}", shown(&event)));
        if reply(&event) != Some(Reply::OkWithNull) {
            continue;
        }
        let seen = s.observe()?;
        if seen.interps.len() != 1 || seen.threads[ThreadId(0).index()].current != Some(t(0)) {
            replies.push("the caller is not as it was".into());
        }
    }
    let shown_all = replies.iter().all(|r| r.ends_with(&Reply::OkWithNull.to_string()));
    let created = Script::begin(cpython)?.call(0, new(ISOLATED))?;
    let clean = matches!(reply(&created), Some(Reply::Created { .. }));
    Ok((shown_all, clean, format!("{}; control, enough memory: {}", replies.join(", "), shown(&created))))
}
