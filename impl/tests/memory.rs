//! Blocks: where they come from, who may free them, how they are counted, and what is left.

mod common;

use cloister::{Block, Interp, Runtime, Tstate};
use cloister_specs::{Domain, InterpreterConfig, Rule};
use common::{World, in_a_fresh_thread};
use std::sync::mpsc::channel;
use std::thread;

const SHARED: InterpreterConfig = InterpreterConfig {
    use_main_obmalloc: false,
    check_multi_interp_extensions: true,
    ..InterpreterConfig::LEGACY
};

impl World {
    fn block(&self, domain: Domain, size: usize) -> Block {
        self.thread.malloc(domain, size, false).unwrap().unwrap()
    }

    /// An interpreter created with this configuration, its thread state current.
    fn created(&self, config: InterpreterConfig) -> (Interp, Tstate) {
        self.thread.new_interpreter_from_config(&config).unwrap()
    }

    fn go(&self, tstate: Tstate) {
        self.thread.thread_state_swap(Some(tstate)).unwrap();
    }

    fn blocks(&self, interp: Interp) -> usize {
        self.thread.allocated_blocks(interp).unwrap()
    }

    fn all_blocks(&self) -> i64 {
        self.thread.global_allocated_blocks().unwrap()
    }
}

/// Writes a pattern over a block, or looks for it.
fn fill(block: Block, size: usize, stamp: u8) {
    // SAFETY: the tests fill live blocks with as many bytes as they have.
    unsafe { block.as_ptr().write_bytes(stamp, size) };
}

fn has(block: Block, size: usize, stamp: u8) -> bool {
    // SAFETY: as above, and they were filled.
    unsafe { std::slice::from_raw_parts(block.as_ptr(), size) }.iter().all(|byte| *byte == stamp)
}

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

#[cfg(feature = "faults")]
#[test]
fn each_allocation_can_fail() {
    let w = World::new();
    let block = w.block(Domain::Obj, 24);
    let calls: [&dyn Fn() -> bool; 4] = [
        &|| w.thread.malloc(Domain::Obj, 24, false).unwrap().is_none(),
        &|| w.thread.calloc(Domain::Raw, 24, false).unwrap().is_none(),
        &|| w.thread.realloc(Domain::Obj, block, 400, false).unwrap().is_none(),
        &|| w.thread.object_new(false).unwrap().is_none(),
    ];
    for fails in calls {
        let before = (w.all_blocks(), w.thread.global_ref_total().unwrap());
        w.runtime.fail_allocation(1);
        assert!(fails());
        assert_eq!((w.all_blocks(), w.thread.global_ref_total().unwrap()), before);
        assert_eq!(w.runtime.allocations_left(), 0);
    }
    assert!(!calls[0]());
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

//= specs/rules/mem.md#mem-11
//= type=test
//# The end of a heap MUST leave no arena behind.
#[cfg(target_os = "linux")]
#[test]
fn an_interpreter_that_ends_gives_its_memory_back() {
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/statm").unwrap();
        maps.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let w = World::new();
    let mut before = None;
    for round in 0..6 {
        let (_, t1) = w.isolated();
        // 64 MiB of blocks, of which every other one is left.
        for n in 0..1 << 17 {
            let block = w.block(Domain::Obj, 512);
            if n % 2 == 0 {
                w.thread.free(Domain::Obj, Some(block)).unwrap();
            }
        }
        w.thread.end_interpreter(t1).unwrap();
        w.go(w.t0);
        let pages = mapped();
        let first = *before.get_or_insert(pages);
        assert!(pages < first + (16 << 20) / 4096, "round {round}: {first} pages, then {pages}");
    }
    assert_eq!(w.runtime.leaks().small, [(512, 6 << 16)]);
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

//= specs/rules/mem.md#mem-14
//= type=test
//# A small block that grows within its size class, or shrinks by less than a quarter of it, MUST stay
//# where it is.
#[test]
fn a_block_stays_where_it_can() {
    let w = World::new();
    for domain in [Domain::Mem, Domain::Obj] {
        for size in [1, 16, 100, 512] {
            let room = usize::next_multiple_of(size, 16);
            for to in (0..=600).step_by(7).chain([room, room + 1, 3 * room / 4, 3 * room / 4 + 1]) {
                let block = w.block(domain, size);
                let stays = to <= room && 4 * to > 3 * room;
                let answer = w.thread.realloc(domain, block, to, true).unwrap();
                assert_eq!(answer, stays.then_some(block), "{size} {to}");
                let moved = w.thread.realloc(domain, block, to, false).unwrap().unwrap();
                assert_eq!(moved == block, stays, "{size} {to}");
                w.thread.free(domain, Some(moved)).unwrap();
            }
        }
        // A large one stays the raw allocator's, however small it becomes.
        let large = w.block(domain, 900);
        let small = w.thread.realloc(domain, large, 16, false).unwrap().unwrap();
        assert_eq!(w.thread.realloc(domain, small, 16, true).unwrap(), None);
        w.thread.free(domain, Some(small)).unwrap();
    }
    assert_eq!(w.all_blocks(), 0);
}

#[test]
fn what_was_in_a_block_moves_with_it() {
    let w = World::new();
    for (from, to) in [(40, 400), (400, 40), (40, 4000), (4000, 40), (4000, 40000), (512, 0)] {
        for domain in Domain::ALL {
            let block = w.block(domain, from);
            fill(block, from, 5);
            let moved = w.thread.realloc(domain, block, to, false).unwrap().unwrap();
            assert!(has(moved, from.min(to), 5), "{domain} {from} {to}");
            w.thread.free(domain, Some(moved)).unwrap();
        }
    }
}

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
