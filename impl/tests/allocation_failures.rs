//! Every allocation of every operation fails once: the call says so, and nothing has changed.
#![cfg(feature = "faults")]

mod common;

use cloister::{
    AttachError, CreateError, EnsureError, GateError, NotInitialized, PoolSizes, Runtime, Thread,
};
use cloister_specs::{CreationError, Denied, GilState, InterpreterConfig};
use common::{World, look};
use std::fmt::Debug;
use std::thread;

/// An operation: what leads to where it is made, the call, and what undoes it.
struct Operation {
    name: &'static str,
    /// How many things it allocates.
    allocations: u64,
    before: fn(&World),
    /// Answers with whether it succeeded; panics at a wrong error.
    call: fn(&World) -> bool,
    after: fn(&World),
}

#[track_caller]
fn told<T: Debug, E: PartialEq + Debug>(result: Result<T, E>, error: E) -> bool {
    match result {
        Ok(_) => true,
        Err(other) => {
            assert_eq!(other, error);
            false
        }
    }
}

fn creates(w: &World, config: &InterpreterConfig) -> bool {
    told(w.thread.new_interpreter_from_config(config), CreateError::Failed(CreationError::NoMemory))
}

fn ends(w: &World) {
    w.thread.end_interpreter(w.thread.current().unwrap()).unwrap();
    w.thread.restore_thread(w.t0).unwrap();
}

fn nothing(_: &World) {}

fn joins(
    w: &World,
    start: impl FnOnce(&Thread) -> Result<thread::JoinHandle<Result<(), cloister::CallError>>, GateError>,
) -> bool {
    match start(&w.thread) {
        Ok(handle) => {
            let saved = w.thread.save_thread().unwrap();
            handle.join().unwrap().unwrap();
            w.thread.restore_thread(saved).unwrap();
            true
        }
        Err(error) => {
            assert_eq!(error, GateError::Denied(Denied::CannotStart));
            false
        }
    }
}

/// Thread states of the main interpreter but the first.
fn deletes_others(w: &World) {
    w.thread.thread_state_delete_except(w.t0).unwrap();
}

fn operations() -> Vec<Operation> {
    vec![
        Operation {
            name: "new_interpreter_from_config, isolated",
            allocations: 4,
            before: nothing,
            call: |w| creates(w, &InterpreterConfig::ISOLATED),
            after: ends,
        },
        Operation {
            name: "new_interpreter_from_config, legacy",
            allocations: 4,
            before: nothing,
            call: |w| creates(w, &InterpreterConfig::LEGACY),
            after: ends,
        },
        Operation {
            name: "new_interpreter",
            allocations: 4,
            before: nothing,
            call: |w| w.thread.new_interpreter().unwrap().is_some(),
            after: ends,
        },
        Operation {
            name: "thread_state_new",
            allocations: 2,
            before: nothing,
            call: |w| w.thread.thread_state_new(w.main).unwrap().is_some(),
            after: deletes_others,
        },
        Operation {
            name: "gilstate_ensure, the first of a thread",
            allocations: 2,
            before: |w| {
                w.thread.thread_state_new(w.main).unwrap();
            },
            call: |w| {
                let saved = w.thread.save_thread().unwrap();
                let (runtime, main) = (w.runtime.clone(), w.main);
                let well = thread::scope(|scope| {
                    let ensures = || {
                        // The thread is attached with no allocation made to fail.
                        let left = runtime.allocations_left();
                        runtime.fail_allocation(0);
                        let other = runtime.attach().unwrap();
                        runtime.fail_allocation(left);
                        let well = told(other.gilstate_ensure(main), EnsureError::NoMemory);
                        if well {
                            other.gilstate_release(GilState::Unlocked).unwrap();
                        }
                        well
                    };
                    scope.spawn(ensures).join().unwrap()
                });
                let left = w.runtime.allocations_left();
                w.thread.restore_thread(saved).unwrap();
                w.runtime.fail_allocation(left);
                well
            },
            after: deletes_others,
        },
        Operation {
            name: "gilstate_ensure, the 65th",
            allocations: 1,
            before: |w| {
                (0..64).for_each(|_| assert_eq!(w.thread.gilstate_ensure(w.main), Ok(GilState::Locked)));
            },
            call: |w| told(w.thread.gilstate_ensure(w.main), EnsureError::NoMemory),
            after: |w| {
                (0..65).for_each(|_| w.thread.gilstate_release(GilState::Locked).unwrap());
            },
        },
        Operation {
            name: "start_thread",
            allocations: 2,
            before: nothing,
            call: |w| {
                let result = w.thread.start_thread(false, |_| Ok::<(), ()>(()));
                told(result, GateError::Denied(Denied::CannotStart))
            },
            after: deletes_others,
        },
        Operation {
            // Two for the thread state, one for the OS thread, two to attach it.
            name: "spawn_thread",
            allocations: 5,
            before: nothing,
            call: |w| joins(w, |thread| thread.spawn_thread(false, |_| ())),
            after: nothing,
        },
        Operation {
            name: "attach",
            allocations: 2,
            before: nothing,
            call: |w| {
                let runtime = w.runtime.clone();
                let attaches = || told(runtime.attach().map(drop), AttachError::NoMemory);
                thread::scope(|scope| scope.spawn(attaches).join().unwrap())
            },
            after: nothing,
        },
        Operation {
            name: "initialize",
            allocations: 4,
            before: |w| w.thread.finalize().unwrap(),
            call: |w| told(w.thread.initialize(), NotInitialized),
            after: nothing,
        },
    ]
}

/// What else there is allocates nothing, and cannot fail for want of it.
fn the_rest(w: &World) {
    let main = w.main;
    w.runtime.fail_allocation(1);
    let t0 = w.thread.save_thread().unwrap();
    w.thread.restore_thread(t0).unwrap();
    w.thread.release_thread(t0).unwrap();
    w.thread.acquire_thread(t0).unwrap();
    w.thread.thread_state_swap(None).unwrap();
    w.thread.thread_state_swap(Some(t0)).unwrap();
    w.thread.eval_breaker_poll().unwrap();
    w.thread.add_pending_call(None, Box::new(|_| Ok(()))).unwrap();
    w.thread.add_pending_call(Some(main), Box::new(|_| Ok(()))).unwrap();
    assert_eq!(w.thread.make_pending_calls().unwrap().calls, 2);
    w.thread.gilstate_release(w.thread.gilstate_ensure(main).unwrap()).unwrap();
    w.thread.interpreter_id_incref(main).unwrap();
    w.thread.interpreter_require_idref(main, false).unwrap();
    w.thread.interpreter_id_decref(main).unwrap();
    w.thread.interpreter_look_up_id(0).unwrap();
    w.thread.set_running_main().unwrap();
    w.thread.set_not_running_main().unwrap();
    w.thread.exec_allowed().unwrap();
    w.thread.thread_state_delete_except(t0).unwrap();
    assert_eq!(w.runtime.allocations_left(), 1);
    w.runtime.fail_allocation(0);
    let (sub, tstate) = w.isolated();
    w.thread.thread_state_swap(Some(t0)).unwrap();
    w.runtime.fail_allocation(1);
    w.thread.thread_state_swap(Some(tstate)).unwrap();
    w.thread.thread_state_swap(Some(t0)).unwrap();
    w.thread.destroy_interpreter(sub).unwrap();
    w.thread.finalize().unwrap();
    assert_eq!(w.runtime.allocations_left(), 1);
    w.runtime.fail_allocation(0);
}

fn fail_each(w: &World, operation: &Operation) {
    let Operation { name, allocations, before, call, after } = operation;
    before(w);
    // Once with nothing failing, so that pools and lists have grown.
    w.runtime.fail_allocation(0);
    assert!(call(w), "{name}");
    after(w);
    before(w);
    let (seen, pools) = (look(&w.runtime, &w.thread), PoolSizes::now());
    let mut failed = 0;
    for nth in 1.. {
        w.runtime.fail_allocation(nth);
        if call(w) {
            break;
        }
        failed = nth;
        assert_eq!(w.runtime.allocations_left(), 0, "{name}, allocation {nth}");
        assert_eq!(look(&w.runtime, &w.thread), seen, "{name}, allocation {nth}");
        assert_eq!(PoolSizes::now(), pools, "{name}, allocation {nth}");
    }
    assert_eq!(failed, *allocations, "{name}");
    w.runtime.fail_allocation(0);
    after(w);
}

#[test]
fn every_allocation_of_every_operation_may_fail() {
    let sizes = PoolSizes::now();
    {
        // The last operation leaves other names behind.
        let w = World::new();
        for operation in operations() {
            fail_each(&w, &operation);
        }
    }
    let w = World::new();
    the_rest(&w);
    let runtime: Runtime = w.runtime.clone();
    drop(w);
    drop(runtime);
    let after = PoolSizes::now();
    assert_eq!(
        (after.interps.used, after.tstates.used, after.threads.used),
        (sizes.interps.used, sizes.tstates.used, sizes.threads.used)
    );
}
