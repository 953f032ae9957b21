//! Blocks that are given another size: which of them stay, and what is in those that move.

mod common;

use cloister_specs::Domain;
use common::World;
use common::memory::{fill, has};

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

#[test]
fn a_block_keeps_what_is_in_it_through_all_sizes() {
    let w = World::new();
    for domain in Domain::ALL {
        let mut block = w.block(domain, 16);
        fill(block, 16, 9);
        for size in [32, 512, 513, 5000, 300, 17, 16, 15] {
            block = w.thread.realloc(domain, block, size, false).unwrap().unwrap();
            assert!(has(block, size.min(16), 9), "{domain} {size}");
            assert_eq!(w.all_blocks(), i64::from(domain != Domain::Raw));
        }
        w.thread.free(domain, Some(block)).unwrap();
    }
    assert_eq!(w.all_blocks(), 0);
}

#[test]
fn a_large_block_is_the_raw_allocators_whatever_its_size_becomes() {
    let w = World::new();
    let large = w.block(Domain::Obj, 600);
    let small = w.thread.realloc(Domain::Obj, large, 48, false).unwrap().unwrap();
    let large = w.block(Domain::Obj, 48);
    w.thread.realloc(Domain::Obj, large, 600, false).unwrap().unwrap();
    assert_eq!(w.thread.realloc(Domain::Obj, small, 48, true).unwrap(), None);
    w.thread.finalize().unwrap();
    assert_eq!((w.runtime.leaks().small, w.runtime.leaks().large), (vec![], vec![(48, 1), (600, 1)]));
}
