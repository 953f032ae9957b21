//! Every allocation behind the safe face fails once: the call says so, and nothing has changed.
#![cfg(feature = "faults")]

use cloister::PoolSizes;
use cloister::safe::{CreationError, Error, Interpreter, InterpreterConfig, Runtime, Settings};
use std::thread;

const ISOLATED: InterpreterConfig = InterpreterConfig::ISOLATED;
/// How many things are allocated for an attached thread, a thread state, and an interpreter with
/// its first thread state.
const THREAD: u64 = 2;
const TSTATE: u64 = 2;
const INTERP: u64 = 4;
const OUT: Error = Error::Creation(CreationError::NoMemory);

/// What is there: interpreters, thread states, attached threads.
fn counted(runtime: &Runtime) -> [usize; 3] {
    let seen = runtime.snapshot();
    [seen.interps.len(), seen.tstates.len(), seen.threads.len()]
}

/// Makes each allocation of a call fail, until none is left to fail; answers with how many did.
/// Each time the call is made in an OS thread that the runtime does not know.
fn fail_each(runtime: &Runtime, error: &Error, call: impl Fn() -> Result<(), Error> + Sync) -> u64 {
    let fresh = || thread::scope(|scope| scope.spawn(&call).join().unwrap());
    fresh().unwrap();
    for nth in 1.. {
        let (seen, pools) = (counted(runtime), PoolSizes::now());
        runtime.fail_allocation(nth);
        let result = fresh();
        if runtime.allocations_left() > 0 {
            runtime.fail_allocation(0);
            result.unwrap();
            return nth - 1;
        }
        let failed = result.unwrap_err();
        assert!(failed == *error || failed == Error::NoMemory, "allocation {nth}: {failed}");
        assert_eq!(counted(runtime), seen, "allocation {nth}");
        assert_eq!(PoolSizes::now(), pools, "allocation {nth}");
        fresh().unwrap();
    }
    0
}

fn ended(interp: &Interpreter) -> Result<(), Error> {
    interp.end()
}

#[test]
fn every_allocation_behind_the_safe_face_may_fail() {
    let used = || {
        let now = PoolSizes::now();
        [now.interps.used, now.tstates.used, now.threads.used]
    };
    let before = used();
    let runtime = Runtime::start(Settings::default()).unwrap();
    let other = runtime.new_interpreter(&ISOLATED).unwrap();
    let attached = fail_each(&runtime, &Error::NoMemory, || runtime.attach(|_| ()));
    assert_eq!(attached, THREAD + TSTATE);
    let there = fail_each(&runtime, &Error::NoMemory, || {
        runtime.attach(|token| token.attach_other(&other, |_| ()))?
    });
    assert_eq!(there, THREAD + 2 * TSTATE);
    let created = fail_each(&runtime, &OUT, || ended(&runtime.new_interpreter(&ISOLATED)?));
    assert_eq!(created, THREAD + INTERP);
    let inside = fail_each(&runtime, &OUT, || {
        let interp = runtime.attach(|token| token.new_interpreter(&ISOLATED))??;
        ended(&interp)
    });
    assert_eq!(inside, THREAD + TSTATE + INTERP);
    drop((runtime, other));
    assert_eq!(used(), before);
}
