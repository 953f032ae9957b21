//! The heaps of other interpreters in the child of a fork: what they had is counted, and given back.

mod common;

use cloister::{Forked, Interp, Thread};
use cloister_specs::{Client, Domain, InterpreterConfig};
use common::World;
use common::memory::SHARED;
use std::sync::mpsc::channel;
use std::thread;

fn blocks(thread: &Thread) -> i64 {
    thread.global_allocated_blocks().unwrap()
}

fn refs(thread: &Thread) -> i64 {
    thread.global_ref_total().unwrap()
}

/// Allocates a small block, a large one, and an object with three references.
fn allocates(thread: &Thread) {
    thread.malloc(Domain::Mem, 8, false).unwrap().unwrap();
    thread.malloc(Domain::Obj, 600, false).unwrap().unwrap();
    let object = thread.object_new(false).unwrap().unwrap();
    (0..2).for_each(|_| _ = thread.incref(object, Client::Aware).unwrap());
}

/// Does this while another thread is in an interpreter of its own, whose GIL it holds if it is
/// `busy`, and in which it has allocated.
fn beside<R>(w: &World, busy: bool, here: impl FnOnce(Interp) -> R) -> R {
    let (tells, told) = channel();
    let (lets_go, goes) = channel::<()>();
    thread::scope(|scope| {
        let runtime = &w.runtime;
        scope.spawn(move || {
            let thread = runtime.attach().unwrap();
            let (interp, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
            allocates(&thread);
            if !busy {
                thread.save_thread().unwrap();
            }
            tells.send(interp).unwrap();
            // What was forked in pretence has no such interpreter any more.
            if goes.recv().is_ok() {
                if !busy {
                    thread.restore_thread(tstate).unwrap();
                }
                thread.end_interpreter(tstate).unwrap();
            } else {
                std::mem::forget(thread);
            }
        });
        let result = here(told.recv().unwrap());
        if runtime.snapshot().interps.len() > 1 {
            lets_go.send(()).unwrap();
        }
        drop(lets_go);
        result
    })
}

//= specs/rules/mem.md#mem-12
//= type=test
//# All blocks MUST be counted as those of the heaps, and those that ended heaps and ended lives
//# of the runtime left, each once.
#[test]
fn the_child_of_a_fork_has_the_main_heap_alone() {
    for busy in [false, true] {
        let w = World::new();
        let small = w.thread.malloc(Domain::Obj, 8, false).unwrap();
        let raw = w.thread.malloc(Domain::Raw, 8, false).unwrap();
        let (_, shared) = w.thread.new_interpreter_from_config(&SHARED).unwrap();
        w.thread.malloc(Domain::Obj, 48, false).unwrap().unwrap();
        w.thread.thread_state_swap(Some(w.t0)).unwrap();
        beside(&w, busy, |interp| {
            // SAFETY: the other thread does not use the runtime any more.
            let forked = unsafe { w.thread.fork_with(|| Ok(Forked::Child)) };
            assert_eq!(forked.unwrap(), Forked::Child);
            assert!(w.thread.thread_state_swap(Some(shared)).is_err());
            assert!(w.thread.allocated_blocks(interp).is_err());
        });
        assert_eq!((w.thread.allocated_blocks(w.main).unwrap(), blocks(&w.thread)), (1, 5));
        assert_eq!((w.thread.ref_total(w.main).unwrap(), refs(&w.thread)), (0, 3));
        w.thread.free(Domain::Obj, small).unwrap();
        w.thread.free(Domain::Raw, raw).unwrap();
        w.thread.finalize().unwrap();
        let left = w.runtime.leaks();
        assert_eq!((left.small, left.large), (vec![(16, 2), (48, 1)], vec![(600, 1)]));
        assert_eq!((left.objects, left.uncertain), (vec![("object", 1)], 0));
    }
}

#[cfg(unix)]
mod real {
    use super::*;
    use cloister::Runtime;
    use common::child::in_a_child;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// What those are, once they were left.
    fn is_told(runtime: &Runtime) -> bool {
        let left = runtime.leaks();
        let sizes = (left.small.as_slice(), left.large.as_slice()) == (&[(16, 2)], &[(600, 1)]);
        sizes && left.objects == [("object", 1)] && left.uncertain == 0
    }

    /// The child goes on: the runtime has a next life, in which all is still counted once.
    fn lives_on(thread: &Thread, had: (i64, i64)) -> bool {
        let counted = |thread: &Thread| (blocks(thread), refs(thread)) == had;
        let (_, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
        let block = thread.malloc(Domain::Obj, 8, false).unwrap();
        let alone = (blocks(thread), refs(thread)) == (had.0 + 1, had.1);
        thread.free(Domain::Obj, block).unwrap();
        thread.end_interpreter(tstate).unwrap();
        let main = thread.runtime().snapshot().tstates[0].tstate;
        thread.restore_thread(main).unwrap();
        let before = counted(thread);
        thread.finalize().unwrap();
        thread.initialize().unwrap();
        alone && before && counted(thread)
    }

    #[test]
    fn the_child_counts_what_an_interpreter_had_in_which_another_thread_was() {
        for busy in [false, true] {
            let w = World::new();
            w.thread.malloc(Domain::Obj, 8, false).unwrap().unwrap();
            beside(&w, busy, |interp| {
                let well = in_a_child(&w.thread, |thread| {
                    let counted = (blocks(thread), refs(thread)) == (4, 3);
                    let gone = thread.allocated_blocks(interp).is_err();
                    counted && gone && is_told(&w.runtime) && lives_on(thread, (4, 3))
                });
                assert!(well, "busy: {busy}");
                // In the parent nothing has changed.
                assert!(w.runtime.leaks().is_empty());
                assert_eq!(w.thread.allocated_blocks(w.main).unwrap(), 1);
            });
            assert_eq!((blocks(&w.thread), refs(&w.thread)), (4, 3));
            assert!(is_told(&w.runtime));
        }
    }

    /// Wherever the other thread is just then, the child counts what that one knows of, or what it
    /// would have known of a moment later.
    #[test]
    fn a_child_forked_while_another_thread_allocates_counts_its_blocks_every_time() {
        const KEPT: i64 = 200;
        let w = World::new();
        let over = AtomicBool::new(false);
        let (tells, told) = channel();
        thread::scope(|scope| {
            let (runtime, over) = (&w.runtime, &over);
            scope.spawn(move || {
                let thread = runtime.attach().unwrap();
                let config = &InterpreterConfig::ISOLATED;
                let (_, tstate) = thread.new_interpreter_from_config(config).unwrap();
                let mut rng = fastrand::Rng::with_seed(5);
                let mut block = || thread.malloc(Domain::Obj, rng.usize(0..700), false).unwrap();
                let mut kept: Vec<_> = (0..KEPT).map(|_| block()).collect();
                tells.send(()).unwrap();
                while !over.load(Ordering::Relaxed) {
                    for place in &mut kept {
                        let block = thread.malloc(Domain::Obj, rng.usize(0..700), false).unwrap();
                        let dead = std::mem::replace(place, block);
                        thread.free(Domain::Obj, dead).unwrap();
                        let object = thread.object_new(false).unwrap().unwrap();
                        assert_eq!(thread.decref(object, Client::Aware).unwrap(), None);
                    }
                }
                thread.end_interpreter(tstate).unwrap();
            });
            told.recv().unwrap();
            for _ in 0..100 {
                let well = in_a_child(&w.thread, |thread| {
                    let (blocks, left) = (blocks(thread), w.runtime.leaks());
                    let counted = (KEPT..=KEPT + 1).contains(&blocks) && left.blocks() as i64 == blocks;
                    let whole = left.uncertain == 0 || left.uncertain as i64 == blocks;
                    counted
                        && whole
                        && (0..=1).contains(&refs(thread))
                        && lives_on(thread, (blocks, refs(thread)))
                });
                if !well {
                    over.store(true, Ordering::Relaxed);
                }
                assert!(well);
            }
            over.store(true, Ordering::Relaxed);
        });
        assert_eq!((blocks(&w.thread), refs(&w.thread)), (KEPT, 0));
    }
}
