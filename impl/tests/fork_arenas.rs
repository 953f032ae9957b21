//! In the child of a fork, what other interpreters have mapped is unmapped. The only test of its
//! process, since it looks at the memory of all of it.
#![cfg(target_os = "linux")]

mod common;

use cloister_specs::{Domain, InterpreterConfig};
use common::World;
use common::child::in_a_child;
use common::memory::mapped;
use std::sync::mpsc::channel;
use std::thread;

//= specs/rules/mem.md#mem-11
//= type=test
//# The end of a heap MUST leave no arena behind.
#[test]
fn a_child_gives_back_what_interpreters_had_in_which_other_threads_were() {
    const BLOCKS: usize = 1 << 17;
    const ALL: usize = BLOCKS * 512;
    let w = World::new();
    let (tells, told) = channel();
    let (lets_go, goes) = channel::<()>();
    thread::scope(|scope| {
        let runtime = &w.runtime;
        scope.spawn(move || {
            let thread = runtime.attach().unwrap();
            let (_, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
            for _ in 0..BLOCKS {
                thread.malloc(Domain::Obj, 512, false).unwrap().unwrap();
            }
            tells.send(()).unwrap();
            let _ = goes.recv();
            thread.end_interpreter(tstate).unwrap();
        });
        told.recv().unwrap();
        let before = mapped();
        let well = in_a_child(&w.thread, |thread| {
            let given_back = mapped() < before - ALL / 8 * 7;
            given_back && thread.global_allocated_blocks() == Ok(BLOCKS as i64)
        });
        lets_go.send(()).unwrap();
        assert!(well);
    });
}
