//! Forks that the flags allow, and whose child does not reach a running state.

use super::{
    super::{
        beyond::Beyond,
        parent::Cpython,
        script::{Script, new, t},
    },
    Report,
};
use crate::subject::SubjectError;
use cloister_specs::{InterpreterConfig, Op, TstateId};

const RUNS: &str = "runs";
const ISOLATED: InterpreterConfig = InterpreterConfig::ISOLATED;
const LEGACY: InterpreterConfig = InterpreterConfig::LEGACY;
const BACK: Op = Op::ThreadStateSwap(Some(TstateId(0)));

/// What fresh memory holds: 3.12 reads a counter of the trashcan from it when nothing is
/// current, and a large one keeps objects from being freed.
const FRESH: [(u8, &str); 2] = [(0, "zeroes"), (0x7f, "garbage")];

/// What becomes of the child that `T0` forks after these calls, for each content of fresh memory.
fn children_after(cpython: &mut Cpython, ops: &[Op]) -> Result<Vec<String>, SubjectError> {
    FRESH
        .into_iter()
        .map(|(fresh, _)| {
            let mut s = Script::begin(cpython)?;
            s.calls(0, ops)?;
            s.beyond(0, Beyond::Fork { fresh })
        })
        .collect()
}

fn all_run(children: &[String]) -> bool {
    children.iter().all(|c| c == RUNS)
}

fn listed(children: &[String]) -> String {
    if let [first, rest @ ..] = children
        && rest.iter().all(|c| c == first)
    {
        return first.clone();
    }
    let each = FRESH.iter().zip(children).map(|((_, name), child)| format!("{child} (fresh memory: {name})"));
    each.collect::<Vec<_>>().join(", ")
}

/// The child clears every interpreter but main, with nothing current, and while it holds
/// the lock of the list: it reads a NULL, or waits for itself.
pub fn beside_another(cpython: &mut Cpython) -> Report {
    let isolated = children_after(cpython, &[new(ISOLATED), BACK])?;
    let legacy = children_after(cpython, &[new(LEGACY), BACK])?;
    let alone = children_after(cpython, &[])?;
    let ended = children_after(cpython, &[new(LEGACY), Op::EndInterpreter(t(1)), BACK])?;
    let seen = format!(
        "child beside an isolated interpreter: {}; beside a legacy one: {}; \
         controls: alone: {}; the other one ended: {}",
        listed(&isolated),
        listed(&legacy),
        listed(&alone),
        listed(&ended)
    );
    let shown = isolated.iter().chain(&legacy).all(|c| c != RUNS);
    Ok((shown, all_run(&alone) && all_run(&ended), seen))
}

/// The configuration allows the fork, and the child dies because it is not in main.
pub fn in_legacy(cpython: &mut Cpython) -> Report {
    let legacy = children_after(cpython, &[new(LEGACY)])?;
    let main = children_after(cpython, &[new(LEGACY), Op::EndInterpreter(t(1)), BACK])?;
    let seen =
        format!("child in a legacy interpreter: {}; control, in main: {}", listed(&legacy), listed(&main));
    Ok((legacy.iter().all(|c| c.contains("not main interpreter")), all_run(&main), seen))
}
