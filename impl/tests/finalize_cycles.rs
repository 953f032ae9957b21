//! Many lives of a runtime, in each of which threads wait for the GIL when it ends. In a process
//! of its own: it looks at the memory of all runtimes.

mod common;

use cloister::{EnsureError, PoolSizes};
use common::{World, bound};
use std::sync::Barrier;
use std::thread;

/// Looks until it is so.
fn until(so: impl Fn() -> bool) {
    while !so() {
        thread::yield_now();
    }
}

//= specs/rules/fin.md#fin-10
//= type=test
//# No thread but the one that ends it MUST take the GIL of an interpreter that is finalizing.
//= specs/rules/fin.md#fin-11
//= type=test
//# A call that waits for the GIL of an interpreter when that is finalized MUST be answered, with
//# nothing current in its thread.
#[test]
fn every_call_that_waits_when_a_runtime_is_finalized_is_answered() {
    const CYCLES: usize = 50;
    const WAITERS: usize = 4;
    let w = World::new();
    let mut full = PoolSizes::default();
    for cycle in 0..CYCLES {
        w.thread.initialize().unwrap();
        let main = w.runtime.main().unwrap();
        let ready = Barrier::new(WAITERS + 1);
        let started = w.thread.start_thread(true, |_| Ok::<(), ()>(())).unwrap().0;
        thread::scope(|scope| {
            let waiters: Vec<_> = (0..WAITERS)
                .map(|kind| {
                    let (runtime, ready) = (&w.runtime, &ready);
                    scope.spawn(move || {
                        let other = runtime.attach().unwrap();
                        ready.wait();
                        let result = match kind {
                            0 => other.gilstate_ensure(main).map(|_| ()),
                            1 => other.restore_thread(bound(&other, main)).map_err(EnsureError::from),
                            2 => other.acquire_thread(bound(&other, main)).map_err(EnsureError::from),
                            _ => other.run_thread(started).map_err(EnsureError::from),
                        };
                        (result, other.current())
                    })
                })
                .collect();
            ready.wait();
            until(|| w.runtime.snapshot().tstates.iter().filter(|t| t.in_use).count() == WAITERS);
            w.thread.finalize().unwrap();
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap(), (Err(EnsureError::Finalized), None));
            }
        });
        let sizes = PoolSizes::now();
        if cycle == 0 {
            full = sizes;
        }
        assert_eq!(sizes.tstates.made, full.tstates.made);
        assert_eq!(sizes.interps, full.interps);
    }
}
