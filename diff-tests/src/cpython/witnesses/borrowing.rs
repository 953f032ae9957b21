//! Interpreters that are ended in a thread state that another thread has.

use super::{
    super::{
        beyond::Beyond,
        parent::Cpython,
        script::{Script, new, parked, shown, t},
    },
    Report,
};
use crate::subject::{Event, SubjectError};
use cloister_specs::{InterpId, InterpreterConfig, MAIN, Observation, Op, Parking, ThreadId};

const SUB: InterpId = InterpId(1);

/// What a swap from one GIL to another unlocks: one mutex when it drops the old, two when it takes the new.
const DROP: u8 = 1;
const TAKE: u8 = 2;

/// The last id of an interpreter is released: the interpreter is ended in its newest thread
/// state, whatever thread that is bound to, and whether or not it is current there.
pub fn head_thread_state(cpython: &mut Cpython) -> Report {
    let other = release_id_in(cpython, 0)?;
    let own = release_id_in(cpython, 1)?;
    let twice = current_in_two_threads(cpython)?;
    let seen = format!(
        "T0 releases the id of an interpreter of T1: {}; while T1 runs in it: {twice}; control, T1 releases it: {}",
        other.1, own.1
    );
    Ok((other.0, !own.0, seen))
}

/// `T1` makes an interpreter and lets it go; another thread, or `T1`, releases its id. Is
/// a thread state current then in a thread that it is not bound to?
fn release_id_in(cpython: &mut Cpython, thread: u8) -> Result<(bool, String), SubjectError> {
    let mut s = Script::begin(cpython)?;
    interpreter_of_t1(&mut s)?;
    s.calls(1, &[Op::SaveThread])?;
    let unlocks = if thread == 0 { DROP + TAKE } else { TAKE };
    let stop = s.beyond_held(thread, Beyond::ReleaseId(SUB), unlocks)?;
    if stop != Event::Running {
        let reason = format!("the release of an id unlocks too little: {}", s.said(&stop));
        return Err(SubjectError { subject: "CPython", reason });
    }
    let (foreign, seen) = place(&s.observe()?, thread);
    let end = s.step(thread)?;
    Ok((foreign, format!("{seen}; then {}", s.said(&end))))
}

fn interpreter_of_t1(s: &mut Script<'_>) -> Result<(), SubjectError> {
    s.calls(0, &[Op::SaveThread])?;
    s.calls(1, &[new(InterpreterConfig::ISOLATED)])?;
    s.calls(0, &[Op::RestoreThread(t(0))])?;
    s.beyond(0, Beyond::HoldId(SUB)).map(|_| ())
}

fn place(seen: &Observation, thread: u8) -> (bool, String) {
    let current = seen.threads[ThreadId(thread).index()].current;
    let bound = seen.tstates.iter().find(|v| Some(v.id) == current).and_then(|v| v.thread);
    match (current, bound) {
        (Some(current), Some(bound)) => {
            let foreign = bound != ThreadId(thread);
            (foreign, format!("{current}, bound to {bound}, is current in T{thread}"))
        }
        _ => (false, "no thread state of the list is current".into()),
    }
}

/// The same while `T1` runs in the interpreter.
fn current_in_two_threads(cpython: &mut Cpython) -> Result<String, SubjectError> {
    let mut s = Script::begin(cpython)?;
    interpreter_of_t1(&mut s)?;
    let release = s.beyond_held(0, Beyond::ReleaseId(SUB), 0)?;
    if !parked(&release, Parking::Gil) {
        return Ok(s.said(&release));
    }
    let threads = s.observe()?.threads;
    let current = |thread: usize| threads[thread].current.map_or("nothing".into(), |c| c.to_string());
    let (first, second) = (current(0), current(1));
    let mut ends = Vec::new();
    for (name, op) in [
        ("T1 saves it", Some(Op::SaveThread)),
        ("T0 goes on", None),
        ("T1 takes it again", Some(Op::RestoreThread(t(1)))),
    ] {
        let event = match op {
            Some(op) => s.call(1, op)?,
            None => s.step(0)?,
        };
        ends.push(format!("{name}: {}", s.said(&event)));
        if matches!(event, Event::Died(_)) {
            break;
        }
    }
    Ok(format!("{first} is current in T0, {second} in T1; then {}", ends.join(", ")))
}

/// The module by which Python code makes interpreters, and an interpreter that has run.
const PREPARE: &str = "import builtins
try:
    import _interpreters as x
except ImportError:
    import _xxsubinterpreters as x
builtins.x, builtins.sub = x, x.create()
x.run_string(sub, 'import time')";
const DESTROY: &str = "x.destroy(sub)";
/// Lets the GIL of the interpreter go once while it runs.
const RUN: &str = "x.run_string(sub, 'time.sleep(0)')";
const IS_RUNNING: &str = "said = x.is_running(sub)";

/// `destroy` has seen that nothing runs in the interpreter, and swaps into it to end it; in
/// between another thread has begun to run there.
pub fn destroy_race(cpython: &mut Cpython) -> Report {
    let mut s = begin_with_sub(cpython)?;
    let stop = s.beyond_held(0, python(DESTROY), DROP)?;
    let running = run_in_t1(&mut s)?;
    let end = if stop == Event::Running { s.step(0)? } else { stop };
    let ended = s.said(&end);

    let mut s = begin_with_sub(cpython)?;
    s.calls(0, &[Op::SaveThread])?;
    let control_running = run_in_t1(&mut s)?;
    s.calls(0, &[Op::RestoreThread(t(0))])?;
    let refused = s.beyond(0, python(DESTROY))?;
    let seen = format!(
        "running: {running}, when destroy goes on: {ended}; control, running: {control_running} before destroy: {refused}"
    );
    let shown = running == "True" && !ended.is_empty() && !ended.contains("interpreter running");
    Ok((shown, control_running == "True" && refused.contains("interpreter running"), seen))
}

fn python(source: &str) -> Beyond {
    Beyond::Python(source.into())
}

fn begin_with_sub(cpython: &mut Cpython) -> Result<Script<'_>, SubjectError> {
    let mut s = Script::begin(cpython)?;
    for (thread, tstate) in [(1, t(2)), (2, t(3))] {
        s.bound(thread, MAIN, tstate)?;
    }
    s.beyond(0, python(PREPARE))?;
    Ok(s)
}

/// `T1` runs in the interpreter until it lets its GIL go; then `T2` asks whether it is running.
fn run_in_t1(s: &mut Script<'_>) -> Result<String, SubjectError> {
    s.calls(1, &[Op::RestoreThread(t(2))])?;
    let inside = s.beyond_held(1, python(RUN), DROP + TAKE + DROP)?;
    if inside != Event::Running {
        return Ok(format!("no, {}", shown(&inside)));
    }
    s.calls(2, &[Op::RestoreThread(t(3))])?;
    let running = s.beyond(2, python(IS_RUNNING))?;
    s.calls(2, &[Op::SaveThread])?;
    Ok(running)
}
