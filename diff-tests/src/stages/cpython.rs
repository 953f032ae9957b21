//! CPython beside its model: generated runs, the recorded corpus, and the witnesses of
//! the faults that shipped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use cloister_model::{Design, Grain};
use cloister_specs::{Fault, InterpreterConfig, Move, OpKind};

use super::lockstep::{Row, save};
use crate::citations::project_root;
use crate::cpython::{self, Corpus, Cpython, Found, Witness};
use crate::lockstep::{Ended, Lockstep, Mix, Plan, Tally, shrink, weights};
use crate::subject::SubjectError;
use crate::subjects::Model;

pub mod left_out;

/// Moves in a run.
const LENGTH: u32 = 24;

/// What CPython 3.12.1 is told: everything but what is [left out](left_out::LEFT_OUT).
pub fn mix() -> Mix {
    let hole = InterpreterConfig { use_main_obmalloc: true, ..InterpreterConfig::ISOLATED };
    let bad_settings =
        InterpreterConfig { check_multi_interp_extensions: false, ..InterpreterConfig::ISOLATED };
    let bad_gil = InterpreterConfig { gil: 7, ..InterpreterConfig::LEGACY };
    let mut mix = Mix {
        weights: weights(WEIGHTS),
        left_out: left_out::leaves_out,
        configs: vec![hole, bad_settings, bad_gil],
        faults: Fault::ALL.to_vec(),
        faulty: 6,
        ..Mix::whole(3)
    };
    left_out::set(&mut mix);
    mix
}

/// How often each kind of call is tried.
const WEIGHTS: &[(OpKind, u32)] = &[
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
    (OpKind::Fork, 8),
    (OpKind::Exec, 1),
    (OpKind::Malloc, 6),
    (OpKind::Calloc, 3),
    (OpKind::Realloc, 6),
    (OpKind::Free, 7),
    (OpKind::AllocatedBlocks, 6),
    (OpKind::GlobalAllocatedBlocks, 3),
    (OpKind::ObjectNew, 10),
    (OpKind::SetRefCnt, 6),
    (OpKind::IncRef, 8),
    (OpKind::DecRef, 10),
    (OpKind::SetImmortal, 8),
    (OpKind::ClearImmortal, 30),
    (OpKind::PassRef, 3),
];

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
    let mut plan = plan.clone();
    let not_compared = (!subject.counts_blocks()).then(|| left_out::leave_out_counts(&mut plan.mix));
    let mut lockstep = Lockstep::new(design, &mut subject);
    let ended = lockstep.run(&plan, stop, each)?;
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
    Ok(Row { subject: subject_name, tally, divergence, not_compared })
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

/// Runs in the corpus, and those that favour memory and references.
const RECORDED: [u64; 2] = [220, 120];

/// Records generated runs on a real CPython.
pub fn record(cpython: &mut Cpython) -> Result<Corpus, SubjectError> {
    let mixes = [mix(), mix().favouring("MEM").favouring("REF")];
    let of_mix = |(mix, runs): (&Mix, u64)| (0..runs).map(|seed| moves_of(mix, seed)).collect::<Vec<_>>();
    let runs: Vec<_> = mixes.iter().zip(RECORDED).flat_map(of_mix).collect();
    cpython::record(cpython, mixes[0].threads, &runs)
}

fn moves_of(mix: &Mix, seed: u64) -> Vec<Move> {
    let design = Design::CPYTHON_3_12_1;
    let mut generator = crate::lockstep::Generator::new(mix.clone(), seed);
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
