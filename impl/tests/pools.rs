//! Slots come back. One test: the pools are those of the whole process.

use cloister::{PoolSizes, Runtime, Settings};
use cloister_specs::{Fault, InterpreterConfig};

fn life() {
    let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
    let main = thread.current();
    let config = InterpreterConfig::ISOLATED;
    let (_, first) = thread.new_interpreter_from_config(&config).unwrap();
    for fault in Fault::ALL {
        assert!(thread.new_interpreter_with(&config, &mut Some(fault)).is_err());
    }
    let (interp, second) = thread.new_interpreter_from_config(&config).unwrap();
    let third = thread.thread_state_new(interp).unwrap().unwrap();
    thread.thread_state_clear(third).unwrap();
    let used = |sizes: PoolSizes| [sizes.interps, sizes.tstates, sizes.threads].map(|pool| pool.used);
    assert_eq!(used(PoolSizes::now()), [3, 4, 1]);
    thread.thread_state_delete(third).unwrap();
    thread.end_interpreter(second).unwrap();
    assert_eq!(used(PoolSizes::now()), [2, 2, 1]);
    thread.thread_state_swap(Some(first)).unwrap();
    thread.end_interpreter(first).unwrap();
    thread.thread_state_swap(main).unwrap();
    assert_eq!(used(PoolSizes::now()), [1, 1, 1]);
    drop(thread);
    assert_eq!(used(PoolSizes::now()), [1, 1, 0]);
    drop(runtime);
    assert_eq!(used(PoolSizes::now()), [0, 0, 0]);
}

#[test]
fn a_life_like_the_last_one_makes_no_slot() {
    assert_eq!(PoolSizes::now(), PoolSizes::default());
    life();
    let after = PoolSizes::now();
    // The failing creations found room for one interpreter beside main and the first.
    assert_eq!([after.interps, after.tstates, after.threads].map(|pool| pool.made), [3, 4, 1]);
    for _ in 0..100 {
        life();
    }
    assert_eq!(PoolSizes::now(), after);
}
