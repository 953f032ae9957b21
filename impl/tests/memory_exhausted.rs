//! What is written down beside the blocks needs memory, too. There is none: the call answers NULL,
//! and nothing has changed.

mod common;

use cloister::{Kind, Object};
use cloister_specs::{Client, Domain};
use common::World;
use common::memory::{fill, has};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Debug;
use std::ptr;

thread_local! {
    /// 0, or which of the next allocations of this thread fails.
    static FAILING: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, but for an allocation that is to fail.
struct Failing;

impl Failing {
    fn fails() -> bool {
        let nth = FAILING.get();
        FAILING.set(nth.saturating_sub(1));
        nth == 1
    }
}

// SAFETY: what it answers with comes from the system's allocator, or is null.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as this function's.
        if Self::fails() { ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as this function's.
        unsafe { System.dealloc(at, layout) };
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as this function's.
        if Self::fails() { ptr::null_mut() } else { unsafe { System.realloc(at, layout, size) } }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Makes the call again and again, each time with another allocation failing, until it succeeds
/// though none failed. Answers with what it answered, and adds up how many did fail.
fn in_the_end<T: Debug>(failed: &mut u64, unchanged: impl Fn() -> bool, call: impl Fn() -> Option<T>) -> T {
    for nth in 1.. {
        FAILING.set(nth);
        let answer = call();
        let left = FAILING.take();
        if left > 0 {
            return answer.unwrap();
        }
        assert!(answer.is_none() && unchanged(), "allocation {nth}");
        *failed += 1;
    }
    unreachable!("a call that makes so many allocations")
}

/// How many blocks there are: so many that what is written down of them has to grow.
const MANY: usize = 300;

#[test]
fn an_allocation_that_cannot_be_written_down_fails() {
    for (domain, size) in Domain::ALL.into_iter().flat_map(|domain| [40, 4000].map(|size| (domain, size))) {
        for zeroed in [false, true] {
            let (w, mut failed) = (World::new(), 0);
            for n in 0..MANY {
                let blocks = w.all_blocks();
                let block = in_the_end(
                    &mut failed,
                    || w.all_blocks() == blocks,
                    || {
                        let t = &w.thread;
                        if zeroed { t.calloc(domain, size, false) } else { t.malloc(domain, size, false) }
                            .unwrap()
                    },
                );
                fill(block, size, n as u8);
            }
            assert!(failed > 3, "{domain} {size}: {failed}");
            assert_eq!(w.all_blocks(), if domain == Domain::Raw { 0 } else { MANY as i64 });
        }
    }
}

#[test]
fn a_reallocation_that_cannot_be_written_down_leaves_the_block_as_it_was() {
    for (from, to) in [(40, 400), (400, 40), (40, 4000), (4000, 8000)] {
        for domain in Domain::ALL {
            let (w, mut failed) = (World::new(), 0);
            let mut blocks = Vec::with_capacity(MANY);
            for n in 0..MANY {
                let block = w.block(domain, from);
                fill(block, from, n as u8);
                let all = w.all_blocks();
                let unchanged = || w.all_blocks() == all && has(block, from, n as u8);
                let call = || w.thread.realloc(domain, block, to, false).unwrap();
                blocks.push(in_the_end(&mut failed, unchanged, call));
            }
            assert!(failed > 0, "{domain} {from} {to}");
            for (n, block) in blocks.into_iter().enumerate() {
                assert!(has(block, from.min(to), n as u8));
                w.thread.free(domain, Some(block)).unwrap();
            }
            assert_eq!(w.all_blocks(), 0);
        }
    }
}

static KINDS: [Kind; 40] = [const { Kind::of::<u8>("one of many") }; 40];

#[test]
fn an_object_that_cannot_be_written_down_is_not_made() {
    let (w, mut failed) = (World::new(), 0);
    let mut objects: Vec<Object> = Vec::with_capacity(MANY);
    for n in 0..MANY {
        let counted = || (w.all_blocks(), w.thread.global_ref_total().unwrap());
        let before = counted();
        // SAFETY: the kind is one of such values.
        let make = || unsafe { w.thread.object_new_of(&KINDS[n % KINDS.len()], n as u8) }.unwrap();
        objects.push(in_the_end(&mut failed, || counted() == before, make));
        assert_eq!(counted(), (n as i64 + 1, n as i64 + 1));
    }
    // The kinds are written down, and the addresses.
    assert!(failed > 8, "{failed}");
    for object in objects.split_off(MANY / 2) {
        assert_eq!(w.thread.decref(object, Client::Aware), Ok(None));
    }
    w.thread.finalize().unwrap();
    assert_eq!(w.runtime.leaks().objects, [("one of many", MANY / 2)]);
}
