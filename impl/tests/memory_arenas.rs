//! What an interpreter has mapped is unmapped at its end. The only test of its process, since it
//! looks at the memory of all of it.
#![cfg(target_os = "linux")]

mod common;

use cloister_specs::{Domain, InterpreterConfig};
use common::World;
use common::memory::{SHARED, mapped};

//= specs/rules/mem.md#mem-11
//= type=test
//# The end of a heap MUST leave no arena behind.
#[test]
fn an_interpreter_that_ends_leaves_no_arena_whatever_it_has_not_freed() {
    const BLOCKS: usize = 1 << 17;
    const ALL: usize = BLOCKS * 512;
    let w = World::new();
    let mut first = None;
    for round in 0..8 {
        let config = if round % 2 == 0 { InterpreterConfig::ISOLATED } else { SHARED };
        let (_, t1) = w.thread.new_interpreter_from_config(&config).unwrap();
        let before = mapped();
        for n in 0..BLOCKS {
            let block = w.thread.malloc(Domain::Obj, 512, false).unwrap();
            if n % 2 == 0 {
                w.thread.free(Domain::Obj, block).unwrap();
            }
        }
        assert!(mapped() > before + ALL / 4, "round {round}: there is nothing to give back");
        if round % 4 < 2 {
            w.thread.end_interpreter(t1).unwrap();
            w.thread.restore_thread(w.t0).unwrap();
        } else {
            let interp = w.runtime.snapshot().interps.iter().map(|i| i.interp).find(|i| *i != w.main);
            w.thread.thread_state_swap(Some(w.t0)).unwrap();
            w.thread.destroy_interpreter(interp.unwrap()).unwrap();
        }
        let now = mapped();
        let first = *first.get_or_insert(now);
        assert!(now < first + ALL / 8, "round {round}: {first} bytes after the first, then {now}");
    }
    assert_eq!(w.thread.global_allocated_blocks().unwrap(), 8 * BLOCKS as i64 / 2);
    assert_eq!(w.runtime.leaks().small, [(512, 8 * BLOCKS / 2)]);
}
