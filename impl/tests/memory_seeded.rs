//! Seeded faults of memory and of references do what they say.
#![cfg(feature = "faults")]

mod common;

use cloister::Object;
use cloister::count::IMMORTAL;
use cloister::faults::Seeded;
use cloister_specs::{Client, Domain, InterpreterConfig, Rule};
use common::World;

fn seeded(fault: Seeded) -> World {
    let w = World::new();
    w.runtime.seed(Some(fault));
    w
}

#[test]
fn a_block_of_another_heap_can_be_taken() {
    let w = seeded(Seeded::FreeGoesToSelected);
    let block = w.thread.malloc(Domain::Obj, 32, false).unwrap().unwrap();
    let (_, t1) = w.isolated();
    w.thread.free(Domain::Obj, Some(block)).unwrap();
    assert_eq!(w.thread.realloc(Domain::Obj, block, 100, false).unwrap(), Some(block));
    w.thread.end_interpreter(t1).unwrap();
    w.thread.restore_thread(w.t0).unwrap();
    assert_eq!(w.thread.allocated_blocks(w.main).unwrap(), 1);
}

#[test]
fn large_blocks_can_be_counted_twice() {
    let w = seeded(Seeded::CountsLargeTwice);
    w.thread.malloc(Domain::Obj, 32, false).unwrap();
    w.thread.malloc(Domain::Obj, 3200, false).unwrap();
    assert_eq!(w.thread.allocated_blocks(w.main).unwrap(), 3);
    assert_eq!(w.thread.global_allocated_blocks().unwrap(), 3);
}

#[test]
fn a_block_that_moves_can_be_left() {
    let w = seeded(Seeded::ReallocForgetsToFree);
    let block = w.thread.malloc(Domain::Obj, 32, false).unwrap().unwrap();
    let moved = w.thread.realloc(Domain::Obj, block, 64, false).unwrap().unwrap();
    assert_ne!(block, moved);
    assert_eq!(w.thread.allocated_blocks(w.main).unwrap(), 2);
}

#[test]
fn what_earlier_lives_left_can_be_forgotten() {
    let w = seeded(Seeded::LeaksNotCarried);
    w.thread.malloc(Domain::Obj, 32, false).unwrap();
    w.thread.finalize().unwrap();
    w.thread.initialize().unwrap();
    assert_eq!(w.thread.global_allocated_blocks().unwrap(), 0);
}

#[test]
fn blocks_can_be_counted_beside_who_has_the_gil() {
    let w = seeded(Seeded::CountsBesideOthers);
    let (interp, _) = w.isolated();
    w.thread.malloc(Domain::Obj, 32, false).unwrap();
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let other = w.runtime.attach().unwrap();
            let tstate = other.thread_state_new(w.main).unwrap().unwrap();
            other.thread_state_bind(tstate).unwrap();
            other.restore_thread(tstate).unwrap();
            let counted = other.allocated_blocks(interp);
            w.runtime.seed(None);
            let refused = other.allocated_blocks(interp).map_err(|refusal| refusal.rule);
            other.save_thread().unwrap();
            (counted.unwrap(), refused)
        });
        assert_eq!(beside.join().unwrap(), (1, Err(Rule::Mem15)));
    });
}

#[test]
fn an_immortal_count_can_be_written() {
    let w = seeded(Seeded::ImmortalIsWritten);
    assert_eq!(w.thread.incref(Object::none(), Client::Aware).unwrap(), IMMORTAL + 1);
    assert_eq!(w.thread.decref(Object::none(), Client::Aware).unwrap(), Some(IMMORTAL));
}

#[test]
fn a_count_that_overflows_can_be_left_at_the_edge() {
    let w = seeded(Seeded::OverflowNotSticky);
    let object = w.thread.object_new(false).unwrap().unwrap();
    w.thread.set_refcnt(object, 0x7fff_ffff).unwrap();
    assert_eq!(w.thread.incref(object, Client::Aware).unwrap(), 0x8000_0000);
    assert_eq!(w.thread.decref(object, Client::Unaware).unwrap(), Some(0x7fff_ffff));
}

#[test]
fn an_object_can_be_deallocated_too_early() {
    let w = seeded(Seeded::DeallocAtOne);
    let object = w.thread.object_new(false).unwrap().unwrap();
    w.thread.incref(object, Client::Aware).unwrap();
    assert_eq!(w.thread.decref(object, Client::Aware).unwrap(), None);
}

#[test]
fn references_can_be_totalled_elsewhere() {
    let w = seeded(Seeded::TotalToMain);
    let (interp, _) = w.thread.new_interpreter_from_config(&InterpreterConfig::LEGACY).unwrap();
    w.thread.object_new(false).unwrap();
    assert_eq!((w.thread.ref_total(interp).unwrap(), w.thread.ref_total(w.main).unwrap()), (0, 1));
}
