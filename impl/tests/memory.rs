//! Blocks: where they come from, and who may free them.

mod common;

use cloister::{Block, Interp, Object};
use cloister_specs::{Client, Domain, InterpreterConfig, Rule};
use common::memory::{again, fill, has};
use common::{World, in_a_fresh_thread};
use std::thread;

#[test]
fn blocks_of_each_domain_are_apart_and_kept() {
    let w = World::new();
    let sizes = [0, 1, 16, 17, 512, 513, 5000];
    let mut blocks = Vec::new();
    for (domain, size) in Domain::ALL.into_iter().flat_map(|domain| sizes.map(|size| (domain, size))) {
        let (block, stamp) = (w.block(domain, size), blocks.len() as u8);
        assert!(block.addr().is_multiple_of(16) && block != Block::null());
        fill(block, size, stamp);
        blocks.push((domain, block, size, stamp));
    }
    for (domain, block, size, stamp) in blocks {
        assert!(has(block, size, stamp));
        w.thread.free(domain, Some(block)).unwrap();
    }
    assert_eq!(w.blocks(w.main), 0);
}

#[test]
fn a_cleared_block_is_of_zeros() {
    let w = World::new();
    for (domain, size) in Domain::ALL.into_iter().flat_map(|domain| [1, 48, 700].map(|size| (domain, size))) {
        let dirty = w.block(domain, size);
        fill(dirty, size, 0xff);
        w.thread.free(domain, Some(dirty)).unwrap();
        let clear = w.thread.calloc(domain, size, false).unwrap().unwrap();
        assert!(has(clear, size, 0), "{domain} {size}");
        w.thread.free(domain, Some(clear)).unwrap();
    }
}

//= specs/rules/mem.md#mem-2
//= type=test
//# A block of the object or the mem domain MUST come from the heap of the interpreter that the
//# caller works in.
#[test]
fn a_block_comes_from_the_heap_of_the_current_interpreter() {
    let w = World::new();
    let in_main = w.block(Domain::Obj, 32);
    let (isolated, t1) = w.isolated();
    let mine = w.block(Domain::Mem, 32);
    assert_eq!((w.blocks(isolated), w.blocks(w.main)), (1, 1));
    w.thread.free(Domain::Mem, Some(mine)).unwrap();
    w.thread.end_interpreter(t1).unwrap();
    w.go(w.t0);
    let (shares, t2) = w.created(InterpreterConfig::LEGACY);
    let mains = w.block(Domain::Obj, 32);
    w.refuses(Rule::Mem10, |t| t.allocated_blocks(shares));
    assert_eq!(w.blocks(w.main), 2);
    w.thread.end_interpreter(t2).unwrap();
    w.go(w.t0);
    assert_eq!(w.blocks(w.main), 2);
    for block in [in_main, mains] {
        w.thread.free(Domain::Obj, Some(block)).unwrap();
    }
    assert_eq!(w.all_blocks(), 0);
}

//= specs/rules/mem.md#mem-3
//= type=test
//# A thread MUST have a current thread state when it allocates, frees or counts in the object or the
//# mem domain.
#[test]
fn a_detached_thread_allocates_in_the_raw_domain_alone() {
    let w = World::new();
    let (mem, raw) = (w.block(Domain::Mem, 8), w.block(Domain::Raw, 8));
    w.thread.save_thread().unwrap();
    for domain in [Domain::Mem, Domain::Obj] {
        w.refuses(Rule::Mem3, |t| t.malloc(domain, 8, false));
        w.refuses(Rule::Mem3, |t| t.calloc(domain, 8, true));
        w.refuses(Rule::Mem3, |t| t.realloc(domain, Block::null(), 8, false));
        w.refuses(Rule::Mem3, |t| t.free(domain, None));
        w.refuses(Rule::Mem3, |t| t.free(domain, Some(mem)));
    }
    w.refuses(Rule::Mem3, |t| t.allocated_blocks(Interp::null()));
    w.refuses(Rule::Mem3, |t| t.global_allocated_blocks());
    let raw = w.thread.realloc(Domain::Raw, raw, 80, false).unwrap().unwrap();
    w.thread.free(Domain::Raw, Some(raw)).unwrap();
    w.thread.free(Domain::Raw, None).unwrap();
    // It may live, as far as this thread can tell.
    w.refuses(Rule::Mem5, |t| t.free(Domain::Raw, Some(mem)));
    w.thread.restore_thread(w.t0).unwrap();
    w.thread.free(Domain::Mem, Some(mem)).unwrap();
}

//= specs/rules/mem.md#mem-4
//= type=test
//# A block MUST be freed, or reallocated, where its heap is that of the current interpreter.
#[test]
fn a_block_of_another_heap_is_refused() {
    let w = World::new();
    let (small, large) = (w.block(Domain::Obj, 32), w.block(Domain::Obj, 3200));
    let (_, t1) = w.isolated();
    for block in [small, large] {
        w.refuses(Rule::Mem4, |t| t.free(Domain::Obj, Some(block)));
        w.refuses(Rule::Mem4, |t| t.realloc(Domain::Obj, block, 64, false));
        w.refuses(Rule::Mem5, |t| t.free(Domain::Mem, Some(block)));
    }
    w.thread.end_interpreter(t1).unwrap();
    w.go(w.t0);
    assert_eq!(w.blocks(w.main), 2);
    // One that shares the heap frees it.
    let (_, t2) = w.created(InterpreterConfig::LEGACY);
    for block in [small, large] {
        w.thread.free(Domain::Obj, Some(block)).unwrap();
    }
    w.thread.end_interpreter(t2).unwrap();
}

#[test]
fn a_block_of_another_runtime_is_refused() {
    let w = World::new();
    let (block, raw) = (w.block(Domain::Obj, 32), w.block(Domain::Raw, 32));
    thread::spawn(move || {
        let other = World::new();
        other.refuses(Rule::Mem4, |t| t.free(Domain::Obj, Some(block)));
        other.refuses(Rule::Mem6, |t| t.free(Domain::Raw, Some(raw)));
    })
    .join()
    .unwrap();
    w.thread.free(Domain::Obj, Some(block)).unwrap();
    w.thread.free(Domain::Raw, Some(raw)).unwrap();
}

//= specs/rules/mem.md#mem-5
//= type=test
//# A block MUST be freed, or reallocated, in the domain that it was allocated in.
#[test]
fn a_block_of_another_domain_is_refused() {
    let w = World::new();
    for (from, to) in Domain::ALL.into_iter().flat_map(|from| Domain::ALL.map(|to| (from, to))) {
        let block = w.block(from, 24);
        if from != to {
            w.refuses(Rule::Mem5, |t| t.free(to, Some(block)));
            w.refuses(Rule::Mem5, |t| t.realloc(to, block, 8, false));
        }
        w.thread.free(from, Some(block)).unwrap();
        w.refuses(Rule::Mem6, |t| t.free(to, Some(block)));
    }
}

//= specs/rules/mem.md#mem-6
//= type=test
//# A block MUST NOT be used after it was freed, or after the end of its heap.
#[test]
fn a_dead_block_is_refused() {
    let w = World::new();
    for (domain, size) in Domain::ALL.into_iter().flat_map(|domain| [16, 600].map(|size| (domain, size))) {
        let block = w.block(domain, size);
        w.thread.free(domain, Some(block)).unwrap();
        for dead in [block, Block::null()] {
            w.refuses(Rule::Mem6, |t| t.free(domain, Some(dead)));
            w.refuses(Rule::Mem6, |t| t.realloc(domain, dead, 8, false));
        }
    }
    let (_, t1) = w.isolated();
    let left = [w.block(Domain::Obj, 16), w.block(Domain::Obj, 600)];
    w.thread.end_interpreter(t1).unwrap();
    w.go(w.t0);
    let (_, t2) = w.isolated();
    for block in left {
        w.refuses(Rule::Mem6, |t| t.free(Domain::Obj, Some(block)));
    }
    w.thread.end_interpreter(t2).unwrap();
}

//= specs/rules/mem.md#mem-8
//= type=test
//# An allocation that finds no memory MUST answer NULL, and change nothing.
//= specs/rules/mem.md#mem-13
//= type=test
//# A reallocation that finds no memory MUST answer NULL, and leave the block as it was.
#[test]
fn without_memory_nothing_changes() {
    let w = World::new();
    for (domain, size) in Domain::ALL.into_iter().flat_map(|domain| [40, 4000].map(|size| (domain, size))) {
        let block = w.block(domain, size);
        fill(block, size, 7);
        let before = w.all_blocks();
        assert_eq!(w.thread.malloc(domain, size, true).unwrap(), None);
        assert_eq!(w.thread.calloc(domain, size, true).unwrap(), None);
        assert_eq!(w.thread.realloc(domain, block, 2 * size, true).unwrap(), None);
        assert_eq!((w.all_blocks(), has(block, size, 7)), (before, true));
        for much in [usize::MAX, usize::MAX - 15, 1 << 62] {
            assert_eq!(w.thread.malloc(domain, much, false).unwrap(), None);
            assert_eq!(w.thread.calloc(domain, much, false).unwrap(), None);
            assert_eq!(w.thread.realloc(domain, block, much, false).unwrap(), None);
        }
        assert_eq!((w.all_blocks(), has(block, size, 7)), (before, true));
        w.thread.free(domain, Some(block)).unwrap();
    }
}

#[test]
fn blocks_of_the_raw_domain_survive_the_runtime_and_are_not_counted() {
    let w = World::new();
    let block = w.block(Domain::Raw, 100);
    fill(block, 100, 3);
    assert_eq!(w.all_blocks(), 0);
    w.thread.finalize().unwrap();
    assert!(has(block, 100, 3));
    w.thread.initialize().unwrap();
    let block = w.thread.realloc(Domain::Raw, block, 200, false).unwrap().unwrap();
    assert!(has(block, 100, 3) && w.runtime.leaks().is_empty());
    in_a_fresh_thread(&w, |thread| thread.free(Domain::Raw, Some(block)).unwrap());
    w.refuses(Rule::Mem6, |t| t.free(Domain::Raw, Some(block)));
}

/// A name is that of an address, as a pointer is.
#[test]
fn a_name_that_is_old_is_that_of_the_block_that_lies_there_now() {
    let w = World::new();
    let old = w.block(Domain::Mem, 48);
    w.thread.free(Domain::Mem, Some(old)).unwrap();
    let new = again(old.addr(), Block::addr, || w.block(Domain::Mem, 48));
    assert_eq!(old, new);
    w.thread.free(Domain::Mem, Some(old)).unwrap();
    w.refuses(Rule::Mem6, |t| t.free(Domain::Mem, Some(new)));
    // That one may be of another domain, and of another size.
    let other = again(old.addr(), Block::addr, || w.block(Domain::Obj, 40));
    w.refuses(Rule::Mem5, |t| t.free(Domain::Mem, Some(old)));
    w.refuses(Rule::Mem5, |t| t.realloc(Domain::Mem, old, 48, false));
    w.thread.free(Domain::Obj, Some(old)).unwrap();
    w.refuses(Rule::Mem6, |t| t.free(Domain::Obj, Some(other)));
}

/// Its size, too, is that of what lies there: a pool may have become one of another class.
#[test]
fn a_name_that_is_old_has_the_size_of_the_block_that_lies_there_now() {
    let w = World::new();
    let blocks: Vec<_> = (0..2000).map(|_| w.block(Domain::Obj, 512)).collect();
    for block in &blocks {
        w.thread.free(Domain::Obj, Some(*block)).unwrap();
    }
    let new = (0..4000).map(|_| w.block(Domain::Obj, 16)).find(|new| blocks.contains(new)).unwrap();
    let old = *blocks.iter().find(|old| **old == new).unwrap();
    fill(new, 16, 3);
    assert_eq!(w.thread.realloc(Domain::Obj, old, 400, true).unwrap(), None);
    let moved = w.thread.realloc(Domain::Obj, old, 400, false).unwrap().unwrap();
    assert!(moved != new && has(moved, 16, 3));
    fill(moved, 400, 4);
    w.thread.free(Domain::Obj, Some(moved)).unwrap();
}

#[test]
fn a_block_is_not_used_where_an_object_lies_now() {
    let w = World::new();
    let block = w.block(Domain::Obj, 16);
    w.thread.free(Domain::Obj, Some(block)).unwrap();
    let object = again(block.addr(), Object::addr, || w.thread.object_new(false).unwrap().unwrap());
    let blocks = w.blocks(w.main);
    for domain in [Domain::Mem, Domain::Obj] {
        w.refuses(Rule::Mem6, |t| t.free(domain, Some(block)));
        for size in [0, 16, 600] {
            w.refuses(Rule::Mem6, |t| t.realloc(domain, block, size, false));
        }
    }
    assert_eq!((w.thread.set_refcnt(object, 1), w.blocks(w.main)), (Ok(1), blocks));
    assert_eq!(w.thread.decref(object, Client::Aware), Ok(None));
    w.refuses(Rule::Mem6, |t| t.free(Domain::Obj, Some(block)));
    assert_eq!(w.blocks(w.main), blocks - 1);
}

#[test]
fn freeing_null_is_nothing() {
    let w = World::new();
    for domain in Domain::ALL {
        assert_eq!(w.thread.free(domain, None), Ok(()));
    }
    assert_eq!(w.all_blocks(), 0);
}
