//! Requests that do not arrive, and switches that are awaited in vain.

use super::{
    super::{
        parent::Cpython,
        script::{Script, new, parked, shown, t},
    },
    Report,
};
use crate::subject::{Event, SubjectError};
use cloister_specs::{InterpId, InterpreterConfig, MAIN, Op, Parking, TstateId};

/// How often the waiter's interval expires, and the holder polls.
const TRIES: usize = 20;

/// A waiter asks the holder of a GIL that two interpreters share: it sets the request of
/// its own interpreter, and the holder polls that of another.
pub fn starvation(cpython: &mut Cpython) -> Report {
    let legacy = tries_until_handed_over(cpython, Some(InterpreterConfig::LEGACY))?;
    let same = tries_until_handed_over(cpython, None)?;
    let isolated = tries_until_handed_over(cpython, Some(InterpreterConfig::ISOLATED))?;
    let seen = format!(
        "legacy sub-interpreter: {}; controls: same interpreter: {}, isolated sub-interpreter: {}",
        tries(legacy),
        tries(same),
        tries(isolated)
    );
    Ok((legacy.is_none(), same == Some(1) && isolated == Some(0), seen))
}

fn tries(n: Option<usize>) -> String {
    match n {
        None => format!("not handed over in {TRIES} polls"),
        Some(0) => "does not wait".into(),
        Some(n) => format!("handed over at poll {n}"),
    }
}

/// At which poll of `T0`, in main, `T1` gets the GIL for a thread state of a
/// sub-interpreter with this configuration, or of main.
fn tries_until_handed_over(
    cpython: &mut Cpython,
    sub: Option<InterpreterConfig>,
) -> Result<Option<usize>, SubjectError> {
    let mut s = Script::begin(cpython)?;
    let interp = match sub {
        Some(config) => {
            s.calls(0, &[new(config), Op::ThreadStateSwap(Some(t(0)))])?;
            InterpId(1)
        }
        None => MAIN,
    };
    s.bound(1, interp, t(2))?;
    if !parked(&s.call(1, Op::RestoreThread(t(2)))?, Parking::Gil) {
        return Ok(Some(0));
    }
    for n in 1..=TRIES {
        s.expire(1)?;
        if parked(&s.call(0, Op::EvalBreakerPoll)?, Parking::Switch) {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

/// A thread on its way out of `SaveThread` looks whether its own thread state is still
/// the last holder. Another one at the same address makes it wait for a switch that
/// has already been, and take away a request that was not meant for it.
pub fn reused_address(cpython: &mut Cpython) -> Report {
    let reused = save_with_successor_at(cpython, t(1))?;
    let elsewhere = save_with_successor_at(cpython, t(4))?;
    let seen = format!("same address: {reused}; control, another address: {elsewhere}");
    Ok((reused.starts_with("waits"), !elsewhere.starts_with("waits"), seen))
}

fn save_with_successor_at(cpython: &mut Cpython, successor: TstateId) -> Result<String, SubjectError> {
    let mut s = Script::begin(cpython)?;
    s.bound(1, MAIN, t(1))?;
    s.bound(2, MAIN, t(2))?;
    s.calls(0, &[Op::SaveThread])?;
    s.calls(1, &[Op::RestoreThread(t(1))])?;
    s.call(0, Op::RestoreThread(t(0)))?;
    if s.held(1, Op::SaveThread, 1)? != Event::Running {
        return Ok("SaveThread unlocks nothing".into());
    }
    s.step(0)?;
    s.calls(0, &[Op::ThreadStateClear(t(1)), Op::ThreadStateDelete(t(1))])?;
    s.bound(0, MAIN, successor)?;
    s.calls(0, &[Op::ThreadStateSwap(Some(successor))])?;
    s.call(2, Op::RestoreThread(t(2)))?;
    s.expire(2)?;
    Ok(shown(&s.step(1)?))
}
