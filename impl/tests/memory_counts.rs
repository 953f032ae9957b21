//! Blocks that are counted: as long as they live, and when they were left.

mod common;

use cloister::Interp;
use cloister_specs::{Domain, InterpreterConfig, Rule};
use common::World;
use common::memory::SHARED;

//= specs/rules/mem.md#mem-7
//= type=test
//# A request of 0 bytes, or of more than 512, MUST be passed to the raw allocator, and counted by the
//# heap.
#[test]
fn large_blocks_and_empty_ones_are_counted() {
    let w = World::new();
    for (n, size) in [0, 1, 512, 513, 1 << 20].into_iter().enumerate() {
        w.block(Domain::Obj, size);
        assert_eq!(w.blocks(w.main), n + 1, "{size}");
    }
    w.thread.finalize().unwrap();
    let left = w.runtime.leaks();
    assert_eq!(left.small, [(16, 1), (512, 1)]);
    assert_eq!(left.large, [(0, 1), (513, 1), (1 << 20, 1)]);
    assert_eq!((left.blocks(), left.objects.len()), (5, 0));
}

//= specs/rules/mem.md#mem-9
//= type=test
//# The blocks of an interpreter MUST be counted as those that came from its heap and were not
//# freed.
#[test]
fn blocks_are_counted_up_and_down() {
    let w = World::new();
    let mut blocks = Vec::new();
    let mut rng = fastrand::Rng::with_seed(9);
    for _ in 0..2000 {
        if blocks.is_empty() || rng.u8(..) < 140 {
            let domain = if rng.bool() { Domain::Mem } else { Domain::Obj };
            blocks.push((domain, w.block(domain, rng.usize(0..700))));
        } else {
            let (domain, block) = blocks.swap_remove(rng.usize(..blocks.len()));
            match w.thread.realloc(domain, block, rng.usize(0..700), rng.bool()).unwrap() {
                Some(moved) if rng.bool() => blocks.push((domain, moved)),
                Some(moved) => w.thread.free(domain, Some(moved)).unwrap(),
                None => blocks.push((domain, block)),
            }
        }
        assert_eq!(w.blocks(w.main), blocks.len());
    }
    assert!(blocks.len() > 200, "{}", blocks.len());
}

//= specs/rules/mem.md#mem-10
//= type=test
//# The blocks of an interpreter that has no heap of its own MUST NOT be asked for.
#[test]
fn who_has_no_heap_has_no_count() {
    let w = World::new();
    let (shares, _) = w.created(InterpreterConfig::LEGACY);
    let (owns, t2) = w.created(SHARED);
    w.refuses(Rule::Mem10, |t| t.allocated_blocks(shares));
    w.block(Domain::Obj, 8);
    assert_eq!((w.blocks(owns), w.blocks(w.main), w.all_blocks()), (1, 0, 1));
    w.thread.end_interpreter(t2).unwrap();
    w.go(w.t0);
    w.refuses(Rule::Gil12, |t| t.allocated_blocks(owns));
    w.refuses(Rule::Gil12, |t| t.allocated_blocks(Interp::null()));
    assert_eq!((w.blocks(w.main), w.all_blocks()), (0, 1));
}

//= specs/rules/mem.md#mem-12
//= type=test
//# All blocks MUST be counted as those of the heaps, and those that ended heaps and ended lives
//# of the runtime left, each once.
#[test]
fn what_is_left_is_counted_once_over_all_lives() {
    let w = World::new();
    for life in 0..3 {
        assert_eq!(w.all_blocks(), 5 * life);
        let main = w.thread.current().unwrap();
        for (n, config) in [InterpreterConfig::ISOLATED, SHARED].into_iter().enumerate() {
            let (_, t1) = w.created(config);
            w.block(Domain::Obj, 8);
            w.block(Domain::Mem, 800);
            assert_eq!(w.all_blocks(), 5 * life + 2 * (n as i64 + 1));
            w.thread.end_interpreter(t1).unwrap();
            w.go(main);
            assert_eq!(w.all_blocks(), 5 * life + 2 * (n as i64 + 1));
        }
        let freed = w.block(Domain::Obj, 8);
        w.block(Domain::Obj, 8);
        w.thread.free(Domain::Obj, Some(freed)).unwrap();
        w.thread.finalize().unwrap();
        assert_eq!(w.runtime.leaks().blocks(), 5 * (life as usize + 1));
        w.thread.initialize().unwrap();
    }
    assert_eq!(w.runtime.leaks().to_string(), "left: 9 blocks of 16 bytes, 6 large blocks of 800 bytes");
}

#[test]
fn an_interpreter_that_is_ended_from_outside_leaves_its_blocks() {
    let w = World::new();
    for by_reference in [false, true] {
        let (interp, _) = w.isolated();
        w.block(Domain::Obj, 8);
        w.go(w.t0);
        if by_reference {
            w.thread.interpreter_require_idref(interp, true).unwrap();
            w.thread.interpreter_id_incref(interp).unwrap();
            w.thread.interpreter_id_decref(interp).unwrap();
        } else {
            w.thread.destroy_interpreter(interp).unwrap();
        }
        w.refuses(Rule::Gil12, |t| t.allocated_blocks(interp));
    }
    assert_eq!((w.all_blocks(), w.runtime.leaks().small), (2, vec![(16, 2)]));
}

#[test]
fn a_creation_that_fails_leaves_no_blocks() {
    use cloister_specs::Fault;
    let w = World::new();
    for fault in Fault::ALL {
        assert!(w.thread.new_interpreter_with(&InterpreterConfig::ISOLATED, &mut Some(fault)).is_err());
        assert_eq!((w.all_blocks(), w.blocks(w.main)), (0, 0));
    }
}

#[test]
fn an_interpreter_that_frees_everything_leaves_nothing() {
    let w = World::new();
    for config in [InterpreterConfig::ISOLATED, SHARED, InterpreterConfig::LEGACY] {
        let (_, t1) = w.created(config);
        let blocks = [Domain::Mem, Domain::Obj].map(|domain| (domain, w.block(domain, 48)));
        for (domain, block) in blocks {
            w.thread.free(domain, Some(block)).unwrap();
        }
        w.thread.end_interpreter(t1).unwrap();
        w.go(w.t0);
    }
    assert_eq!((w.runtime.leaks().to_string().as_str(), w.all_blocks()), ("nothing was left", 0));
}
