//! The memory of a main interpreter that was finalized becomes that of another runtime's. The only
//! test of its process, since the memory is that of all runtimes.

mod common;

use cloister::{Runtime, Settings};
use common::World;
use std::sync::mpsc::channel;
use std::thread;

//= specs/rules/fin.md#fin-11
//= type=test
//# A call that waits for the GIL of an interpreter when that is finalized MUST be answered, with
//# nothing current in its thread.
#[test]
fn a_gil_is_waited_for_in_the_memory_of_one_that_was_finalized() {
    let w = World::new();
    let finalized = || {
        let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
        thread.finalize().unwrap();
        drop((thread, runtime));
    };
    thread::spawn(finalized).join().unwrap();
    // The slot that was given back last is taken first.
    let (sub, _) = w.isolated();
    let (tells, told) = channel();
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let thread = w.runtime.attach().unwrap();
            let tstate = thread.thread_state_new(sub).unwrap().unwrap();
            thread.thread_state_bind(tstate).unwrap();
            tells.send(()).unwrap();
            let entered = thread.restore_thread(tstate);
            if entered.is_ok() {
                thread.thread_state_delete_current().unwrap();
            }
            entered
        });
        told.recv().unwrap();
        let gil = || w.runtime.snapshot().interps.iter().find(|i| i.interp == sub).unwrap().gil.unwrap();
        while !gil().drop_request && !waits.is_finished() {
            thread::yield_now();
        }
        w.thread.eval_breaker_poll().unwrap();
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
}
