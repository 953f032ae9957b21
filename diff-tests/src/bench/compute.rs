//! Two threads that compute, each in an interpreter of its own.
//!
//! The loop polls the eval breaker after every so much arithmetic, about as often as CPython
//! does between two iterations of a short loop. Plain threads run the same loop without a
//! runtime.

use super::{BenchError, CLOISTER, Contender, Target, Work};
use cloister::{CallError, Runtime, Settings};
use cloister_specs::InterpreterConfig;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Arithmetic between two polls.
const STEPS: usize = 32;
const PLAIN: &str = "plain threads";

/// The work.
pub fn in_two_interpreters<'a>() -> Result<Work<'a>, BenchError> {
    let (runtime, main) = Runtime::start(Settings::default())?;
    let main_tstate = main.save_thread()?;
    let shared = runtime.clone();
    let contenders = vec![
        Contender::new(CLOISTER, move |loops| {
            with_interpreters(&runtime, &InterpreterConfig::ISOLATED, loops)
        }),
        Contender::new("Cloister, shared GIL", move |loops| {
            let _ = (&main, main_tstate);
            with_interpreters(&shared, &InterpreterConfig::LEGACY, loops)
        }),
        Contender::new(PLAIN, |loops| {
            in_two_threads(loops, |ready| {
                ready.wait();
                let begun = Instant::now();
                compute(loops, || Ok(()))?;
                Ok((begun, Instant::now()))
            })
        }),
    ];
    Ok(Work {
        name: "2 interpreters in 2 threads",
        unit: "M loops/s",
        target: Some(Target::ShareOf(PLAIN, 95.0)),
        stretch: 40,
        contenders,
    })
}

fn with_interpreters(runtime: &Runtime, config: &InterpreterConfig, loops: u64) -> Result<f64, BenchError> {
    in_two_threads(loops, |ready| {
        let set_up = || {
            let thread = runtime.attach()?;
            let (_, tstate) = thread.new_interpreter_from_config(config)?;
            thread.save_thread()?;
            Ok::<_, BenchError>((thread, tstate))
        };
        let set_up = set_up();
        ready.wait();
        let (thread, tstate) = set_up?;
        let begun = Instant::now();
        thread.restore_thread(tstate)?;
        compute(loops, || thread.eval_breaker_poll().map(|_| ()))?;
        let ended = Instant::now();
        thread.end_interpreter(tstate)?;
        Ok((begun, ended))
    })
}

/// Runs it in two threads at a time; how many million loops they do in a second.
pub(super) fn in_two_threads(
    loops: u64,
    body: impl Fn(&Barrier) -> Result<(Instant, Instant), BenchError> + Sync,
) -> Result<f64, BenchError> {
    let ready = Barrier::new(2);
    let run = || body(&ready);
    thread::scope(|scope| {
        let threads = [(); 2].map(|()| thread::Builder::new().spawn_scoped(scope, run));
        let mut spans = Vec::new();
        for thread in threads {
            spans.push(thread?.join().map_err(|_| BenchError::Abandoned)??);
        }
        let begun = spans.iter().map(|(begun, _)| *begun).min();
        let ended = spans.iter().map(|(_, ended)| *ended).max();
        let (Some(begun), Some(ended)) = (begun, ended) else { return Err(BenchError::Abandoned) };
        Ok(2.0 * loops as f64 / (ended - begun).as_secs_f64().max(1e-9) / 1e6)
    })
}

#[inline]
fn compute(loops: u64, mut poll: impl FnMut() -> Result<(), CallError>) -> Result<(), CallError> {
    let mut x = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..loops {
        for _ in 0..STEPS {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        poll()?;
    }
    black_box(x);
    Ok(())
}
