//! CPython beside its model: generated runs, the recorded corpus, and the witnesses of
//! the faults that shipped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use cloister_model::label::Label;
use cloister_model::{Design, Grain, Ring, Runtime, Started};
use cloister_specs::{
    Fault, InterpId, InterpreterConfig, MAIN, Move, Op, OpKind, PendingCall, Phase, ThreadId, TstateId,
};

use super::lockstep::{Row, save};
use crate::citations::project_root;
use crate::cpython::{self, Cpython, Found, Witness};
use crate::lockstep::{Ended, Lockstep, Mix, Plan, Tally, shrink, weights};
use crate::subject::SubjectError;
use crate::subjects::Model;

/// Moves in a run.
const LENGTH: u32 = 24;

/// What CPython 3.12.1 is told: calls whose breach only an assertion would notice are left
/// out, and so are faults that cannot be injected into it.
pub fn mix() -> Mix {
    let hole = InterpreterConfig { use_main_obmalloc: true, ..InterpreterConfig::ISOLATED };
    let bad_settings =
        InterpreterConfig { check_multi_interp_extensions: false, ..InterpreterConfig::ISOLATED };
    let bad_gil = InterpreterConfig { gil: 7, ..InterpreterConfig::LEGACY };
    Mix {
        weights: weights(&WEIGHTS),
        left_out,
        full_rings: false,
        configs: vec![hole, bad_settings, bad_gil],
        faults: Fault::ALL.to_vec(),
        faulty: 6,
        refused: 0,
        ..Mix::whole(3)
    }
}

/// How often each kind of call is tried.
const WEIGHTS: [(OpKind, u32); OpKind::ALL.len()] = [
    (OpKind::NewInterpreterFromConfig, 3),
    (OpKind::NewInterpreter, 2),
    (OpKind::EndInterpreter, 6),
    (OpKind::ThreadStateNew, 10),
    (OpKind::ThreadStateBind, 14),
    (OpKind::ThreadStateSwap, 14),
    (OpKind::ThreadStateClear, 6),
    (OpKind::ThreadStateDelete, 8),
    (OpKind::ThreadStateDeleteCurrent, 2),
    (OpKind::SaveThread, 14),
    (OpKind::RestoreThread, 16),
    (OpKind::AcquireThread, 5),
    (OpKind::ReleaseThread, 4),
    (OpKind::EvalBreakerPoll, 10),
    (OpKind::GilStateEnsure, 8),
    (OpKind::GilStateRelease, 7),
    (OpKind::GilStateCheck, 2),
    (OpKind::AddPendingCall, 6),
    (OpKind::MakePendingCalls, 3),
    (OpKind::Initialize, 5),
    (OpKind::Finalize, 3),
    (OpKind::StartThread, 5),
    (OpKind::RunThread, 9),
    (OpKind::ThreadStateDeleteExcept, 2),
    (OpKind::InterpreterLookUpId, 2),
    (OpKind::InterpreterRequireIdRef, 3),
    (OpKind::InterpreterIdIncref, 3),
    (OpKind::InterpreterIdDecref, 4),
    (OpKind::SetRunningMain, 3),
    (OpKind::SetNotRunningMain, 9),
    (OpKind::DestroyInterpreter, 4),
    (OpKind::Fork, 1),
    (OpKind::Exec, 1),
];

/// Calls that are left out in some states, since the model does not say what CPython does then.
fn left_out(d: &Design, r: &Runtime, h: ThreadId, op: &Op) -> bool {
    match op {
        // An end waits for one thread after the other, and for one that runs; the model, for all at once.
        Op::StartThread { daemon, .. } => {
            let i = r.own_current(d, h).map(|t| r.tstate(t).interp);
            !daemon && i.is_some_and(|i| r.tstates_of(i).any(|t| is_joined(r, t)))
        }
        // CPython says so when it clears the thread state, the model when it is gone.
        Op::ThreadStateClear(t) | Op::ThreadStateBind(t) => is_joined(r, *t),
        // An unknown id raises an exception, and without a current thread state there is
        // nowhere to: CPython reads address 0.
        Op::InterpreterLookUpId(id) => {
            let known = Runtime::interp_ids().any(|i| r.interp_listed(i) && r.interp(i).id == *id);
            !known && r.own_current(d, h).is_none()
        }
        // Of several thread states, the id takes the youngest and `destroy` the oldest; the
        // model does not know their age. The end is fatal in any case (LIFE-10).
        Op::InterpreterIdDecref(i) | Op::DestroyInterpreter(i) => {
            r.tstates_of(*i).count() > 1 || lets_others_in(r, *i) || waits_for_one_to_run(r, *i)
        }
        // To end an interpreter through a thread state that polls is fatal, because it has a
        // frame; the model has no frames.
        Op::EvalBreakerPoll => r.own_current(d, h).is_some_and(|t| r.in_use_by_another(h, t)),
        // 3.12.1 has one more reason: "can't fork at interpreter shutdown".
        Op::Fork => {
            r.own_current(d, h).is_some_and(|t| r.interp(r.tstate(t).interp).phase != Some(Phase::Live))
        }
        // `threads.main` still names a thread state that is gone, and nobody else can run there.
        Op::ThreadStateDelete(t) => runs(r, *t),
        Op::ThreadStateDeleteCurrent | Op::GilStateRelease(_) => {
            r.own_current(d, h).is_some_and(|t| runs(r, t))
        }
        Op::ThreadStateDeleteExcept(t) => {
            let running = r.interp(r.tstate(*t).interp).running;
            running.is_some_and(|x| x != *t)
        }
        Op::Finalize => lets_others_in(r, MAIN) || waits_for_one_to_run(r, MAIN),
        Op::EndInterpreter(t) => {
            let i = r.tstate(*t).interp;
            lets_others_in(r, i) || waits_for_one_to_run(r, i)
        }
        _ => false,
    }
}

fn is_joined(r: &Runtime, t: TstateId) -> bool {
    r.tstate(t).started == Some(Started::Joined)
}

fn waits_for_one_to_run(r: &Runtime, i: InterpId) -> bool {
    let begins = |t| r.threads.iter().any(|x| x.stack[0] == Label::RunAttach(t));
    r.tstates_of(i).any(|t| is_joined(r, t) && (r.tstate(t).thread.is_none() || begins(t)))
}

fn runs(r: &Runtime, t: TstateId) -> bool {
    r.interp(r.tstate(t).interp).running == Some(t)
}

/// Does the end of this interpreter give up its GIL where the model's does not? It writes to
/// the standard error when one of the pending calls that are left fails.
fn lets_others_in(r: &Runtime, i: InterpId) -> bool {
    let fails = |ring: &Ring| ring.calls.contains(&Some(PendingCall::Fails));
    let gives_up = fails(&r.interp(i).pending) || (i == MAIN && fails(&r.pending_main));
    let waits = |l: &Label| matches!(l, Label::TakeWait { gil, .. } if r.interp(i).gil == Some(*gil));
    gives_up && r.threads.iter().any(|t| waits(&t.top()))
}

/// A plan of generated runs for CPython.
pub fn plan(seed: u64, runs: u64) -> Plan {
    Plan { mix: mix(), seed, runs, length: LENGTH, observe_every: 6 }
}

/// Generated runs on a real CPython, which has to be the release that the model describes.
pub fn generated(
    executable: &Path,
    found: &Found,
    plan: &Plan,
    stop: &AtomicBool,
    each: &mut dyn FnMut(u64),
) -> Result<Row, SubjectError> {
    let design = Design::CPYTHON_3_12_1;
    let mut subject = Cpython::start(executable, found)?;
    let mut lockstep = Lockstep::new(design, &mut subject);
    let ended = lockstep.run(plan, stop, each)?;
    let tally = lockstep.tally;
    let subject_name = format!("CPython {}", found.version);
    let divergence = match ended {
        Ended::Agreed | Ended::Poisoned => None,
        Ended::Diverged(diverged) => {
            let short = shrink(design, &mut subject, &plan.mix, *diverged)?;
            let path = save(&short, design, plan.mix.threads, &subject_name)?;
            Some((short, path))
        }
    };
    Ok(Row { subject: subject_name, tally, divergence })
}

/// The same plan, split between these many children.
pub fn generated_by(
    workers: u64,
    executable: &Path,
    found: &Found,
    plan: &Plan,
    stop: &AtomicBool,
    each: &(dyn Fn(u64) + Sync),
) -> Result<Row, SubjectError> {
    let share = plan.runs.div_ceil(workers.max(1));
    let rows = std::thread::scope(|scope| {
        let work = |k: u64| {
            let part = Plan { seed: plan.seed.wrapping_add(k * share), runs: share, ..plan.clone() };
            scope.spawn(move || generated(executable, found, &part, stop, &mut |n| each(n)))
        };
        let children: Vec<_> = (0..workers.max(1)).map(work).collect();
        let lost = || SubjectError { subject: "CPython", reason: "a worker of the harness panicked".into() };
        children
            .into_iter()
            .map(|child| child.join().unwrap_or_else(|_| Err(lost())))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut rows = rows.into_iter();
    let Some(mut all) = rows.next() else {
        return generated(executable, found, plan, stop, &mut |n| each(n));
    };
    for row in rows {
        all.tally.merge(&row.tally);
        all.divergence = all.divergence.or(row.divergence);
    }
    all.tally.time /= workers.max(1) as u32;
    Ok(all)
}

/// The moves of generated runs, for recording.
pub fn runs_to_record(seed: u64, runs: u64) -> Vec<Vec<Move>> {
    (0..runs).map(|k| moves_of(seed + k)).collect()
}

fn moves_of(seed: u64) -> Vec<Move> {
    let design = Design::CPYTHON_3_12_1;
    let mut generator = crate::lockstep::Generator::new(mix(), seed);
    let mut runtime = cloister_model::Runtime::new(&design);
    let mut moves = Vec::new();
    while moves.len() < LENGTH as usize {
        let Some(mv) = generator.next(&design, &runtime) else { break };
        let mut ahead = runtime;
        match ahead.apply(&design, Grain::Atomic, &mv) {
            Ok(cloister_model::Outcome::Died(_)) | Err(_) => break,
            Ok(_) => runtime = ahead,
        }
        moves.push(mv);
    }
    moves
}

/// Where the corpus lies that was recorded from CPython 3.12.1.
pub fn corpus_path() -> Option<PathBuf> {
    project_root().map(|root| root.join("specs/corpus/cpython-3.12.1.json"))
}

/// The recorded corpus beside the model: `Ok` with the number of runs, or what differs.
pub fn recorded() -> Result<Tally, String> {
    let path = corpus_path().ok_or("the project's sources are not here, and the corpus is among them")?;
    let corpus = cpython::read(&path).map_err(|e| e.to_string())?;
    let mut model = Model::new(Design::CPYTHON_3_12_1, Grain::Atomic);
    let differences = corpus.compare(&mut model).map_err(|e| e.to_string())?;
    match differences.first() {
        None => Ok(Tally { runs: corpus.runs.len() as u64, ..Tally::default() }),
        Some(first) => Err(format!("{} runs differ; the first: {first:?}", differences.len())),
    }
}

/// Every witness on every CPython that was found.
pub fn witnesses(
    executable: &Path,
    found: &[Found],
    stop: &AtomicBool,
    each: &mut dyn FnMut(u64),
) -> Result<Vec<Witness>, SubjectError> {
    let mut all = Vec::new();
    for one in found {
        if stop.load(Relaxed) {
            break;
        }
        all.extend(cpython::witnesses(executable, one)?);
        each(1);
    }
    Ok(all)
}
