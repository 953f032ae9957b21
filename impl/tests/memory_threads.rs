//! Memory of several interpreters at once: using it, and counting it.

mod common;

use cloister::{Block, Interp, Runtime, Thread, Tstate};
use cloister_specs::{Client, Domain, InterpreterConfig, Rule};
use common::World;
use common::memory::{SHARED, fill, has};
use fastrand::Rng;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

//= specs/rules/mem.md#mem-15
//= type=test
//# Blocks and references MUST NOT be counted while another thread holds the GIL of an interpreter
//# whose they are.
#[test]
fn what_another_thread_works_with_is_not_counted() {
    let w = World::new();
    let (tells, told) = channel();
    let (lets_go, goes) = channel::<()>();
    let runtime: Runtime = w.runtime.clone();
    let other = thread::spawn(move || {
        let thread = runtime.attach().unwrap();
        let (interp, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
        thread.malloc(Domain::Obj, 8, false).unwrap();
        tells.send(interp).unwrap();
        goes.recv().unwrap();
        thread.save_thread().unwrap();
        tells.send(interp).unwrap();
        goes.recv().unwrap();
        thread.restore_thread(tstate).unwrap();
        thread.end_interpreter(tstate).unwrap();
    });
    let interp = told.recv().unwrap();
    w.refuses(Rule::Mem15, |t| t.allocated_blocks(interp));
    w.refuses(Rule::Mem15, |t| t.ref_total(interp));
    w.refuses(Rule::Mem15, |t| t.global_allocated_blocks());
    w.refuses(Rule::Mem15, |t| t.global_ref_total());
    assert_eq!(w.blocks(w.main), 0);
    lets_go.send(()).unwrap();
    told.recv().unwrap();
    for _ in 0..3 {
        assert_eq!((w.blocks(interp), w.all_blocks()), (1, 1));
        assert_eq!((w.thread.ref_total(interp).unwrap(), w.thread.global_ref_total().unwrap()), (0, 0));
    }
    lets_go.send(()).unwrap();
    other.join().unwrap();
    assert_eq!(w.all_blocks(), 1);
}

/// Counting does not get into the way of those who take GILs, and the counts add up.
//= specs/rules/mem.md#mem-1
//= type=test
//# A heap MUST be used by one thread at a time.
#[test]
fn threads_allocate_in_heaps_of_their_own_while_others_count() {
    const ROUNDS: usize = 3000;
    let w = World::new();
    let saved = w.thread.save_thread().unwrap();
    thread::scope(|scope| {
        for worker in 0..3_u8 {
            let runtime = w.runtime.clone();
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                let config = if worker == 0 { SHARED } else { InterpreterConfig::ISOLATED };
                let (interp, tstate) = thread.new_interpreter_from_config(&config).unwrap();
                let mut counted = 0;
                for round in 0..ROUNDS {
                    let block = thread.malloc(Domain::Obj, 16 + round % 600, false).unwrap().unwrap();
                    fill(block, 16, worker);
                    match thread.global_allocated_blocks() {
                        Ok(blocks) => {
                            counted += 1;
                            assert!((1..=3).contains(&blocks), "{blocks}");
                        }
                        Err(refusal) => assert_eq!(refusal.rule, Rule::Mem15),
                    }
                    assert_eq!(thread.allocated_blocks(interp).unwrap(), 1);
                    assert!(has(block, 16, worker));
                    thread.save_thread().unwrap();
                    thread.restore_thread(tstate).unwrap();
                    thread.free(Domain::Obj, Some(block)).unwrap();
                }
                thread.end_interpreter(tstate).unwrap();
                counted
            });
        }
    });
    w.thread.restore_thread(saved).unwrap();
    assert_eq!((w.all_blocks(), w.runtime.leaks().is_empty()), (0, true));
}

#[test]
fn who_has_detached_is_counted_and_finds_its_gil_free() {
    let w = World::new();
    let (interp, tstate) = w.isolated();
    w.block(Domain::Obj, 48);
    w.go(w.t0);
    for _ in 0..3 {
        assert_eq!((w.blocks(interp), w.thread.ref_total(interp)), (1, Ok(0)));
        assert_eq!((w.all_blocks(), w.thread.global_ref_total()), (1, Ok(0)));
        w.go(tstate);
        w.go(w.t0);
    }
}

/// Allocates and frees at random, in turn attached and detached; answers with how many blocks it
/// leaves.
fn work(thread: &Thread, (interp, tstate): (Interp, Tstate), rng: &mut Rng) -> usize {
    let mut blocks: Vec<(Domain, Block)> = Vec::new();
    for _ in 0..200 {
        for _ in 0..50 {
            if blocks.is_empty() || rng.bool() {
                let domain = if rng.bool() { Domain::Mem } else { Domain::Obj };
                blocks.push((domain, thread.malloc(domain, rng.usize(0..700), false).unwrap().unwrap()));
            } else {
                let (domain, block) = blocks.swap_remove(rng.usize(..blocks.len()));
                thread.free(domain, Some(block)).unwrap();
            }
        }
        let object = thread.object_new(false).unwrap().unwrap();
        thread.incref(object, Client::Aware).unwrap();
        thread.decref(object, Client::Aware).unwrap();
        assert_eq!(thread.ref_total(interp), Ok(1));
        assert_eq!(thread.decref(object, Client::Aware), Ok(None));
        assert_eq!(thread.allocated_blocks(interp), Ok(blocks.len()));
        thread.save_thread().unwrap();
        thread::yield_now();
        thread.restore_thread(tstate).unwrap();
    }
    blocks.len()
}

#[test]
fn nothing_is_lost_while_several_heaps_are_used_and_counted_at_once() {
    let w = World::new();
    let (start, over) = (Barrier::new(5), AtomicBool::new(false));
    let (left, counted): (usize, usize) = thread::scope(|scope| {
        let (runtime, start, over) = (&w.runtime, &start, &over);
        let works = |seed: usize| {
            let config = [InterpreterConfig::ISOLATED, InterpreterConfig::ISOLATED, SHARED][seed];
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                let made = thread.new_interpreter_from_config(&config).unwrap();
                let saved = thread.save_thread().unwrap();
                start.wait();
                thread.restore_thread(saved).unwrap();
                let left = work(&thread, made, &mut Rng::with_seed(seed as u64));
                thread.end_interpreter(made.1).unwrap();
                left
            })
        };
        let workers = [0, 1, 2].map(works);
        let counter = scope.spawn(move || {
            let thread = runtime.attach().unwrap();
            let (_, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
            start.wait();
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) || asked == 0 {
                asked += 1;
                match thread.global_allocated_blocks() {
                    // Each worker has so many at most, in all its rounds.
                    Ok(blocks) => assert!((0..=3 * 200 * 50).contains(&blocks), "{blocks}"),
                    Err(refusal) => assert_eq!(refusal.rule, Rule::Mem15),
                }
            }
            thread.end_interpreter(tstate).unwrap();
            asked
        });
        let saved = w.thread.save_thread().unwrap();
        start.wait();
        let left = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
        over.store(true, Ordering::Relaxed);
        let counted = counter.join().unwrap();
        w.thread.restore_thread(saved).unwrap();
        (left, counted)
    });
    assert!(left > 0 && counted > 0);
    assert_eq!((w.all_blocks(), w.thread.global_ref_total()), (left as i64, Ok(0)));
    assert_eq!(w.runtime.leaks().blocks(), left);
}
