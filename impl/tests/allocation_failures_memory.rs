//! Every allocation of every operation of memory and of objects fails once: the call answers NULL,
//! and nothing has changed.
#![cfg(feature = "faults")]

mod common;

use cloister::{Block, Kind, Object};
use cloister_specs::{Client, Domain};
use common::memory::{fill, has};
use common::{World, look};
use std::sync::Arc;

/// What an operation is given, or answers with.
#[derive(Clone, Copy)]
enum Held {
    Nothing,
    Block(Domain, Block, usize),
    Object(Object),
}

type Call = Box<dyn Fn(&World, Held) -> Option<Held>>;

struct Operation {
    name: String,
    /// How many things it allocates.
    allocations: u64,
    /// A block of this size that it is given.
    given: Option<(Domain, usize)>,
    /// The call; `None`: it has answered NULL.
    call: Call,
}

const STAMP: u8 = 0x5a;

static SHARE: Kind = Kind::of::<Arc<()>>("share");

fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for domain in Domain::ALL {
        for size in [0, 40, 4000] {
            for zeroed in [false, true] {
                let call = move |w: &World, _| {
                    let t = &w.thread;
                    let block =
                        if zeroed { t.calloc(domain, size, false) } else { t.malloc(domain, size, false) };
                    block.unwrap().map(|block| Held::Block(domain, block, size))
                };
                let name = format!("{} of {size} bytes, {domain}", if zeroed { "calloc" } else { "malloc" });
                all.push(Operation { name, allocations: 1, given: None, call: Box::new(call) });
            }
        }
        for (from, to) in
            [(40, 400), (40, 4000), (400, 40), (4000, 40), (4000, 8000), (0, 40), (40, 0), (40, 48)]
        {
            let call = move |w: &World, held| {
                let Held::Block(_, block, _) = held else { unreachable!("a block was given") };
                let moved = w.thread.realloc(domain, block, to, false).unwrap();
                moved.map(|block| Held::Block(domain, block, from.min(to)))
            };
            // One that stays where it is needs no memory.
            let allocations = u64::from(domain == Domain::Raw || (from, to) != (40, 48));
            let name = format!("realloc from {from} to {to} bytes, {domain}");
            all.push(Operation { name, allocations, given: Some((domain, from)), call: Box::new(call) });
        }
    }
    let new = |w: &World, _| w.thread.object_new(false).unwrap().map(Held::Object);
    all.push(Operation { name: "object_new".into(), allocations: 1, given: None, call: Box::new(new) });
    let value = Arc::new(());
    let of = move |w: &World, _| {
        // SAFETY: the kind is one of such values.
        let object = unsafe { w.thread.object_new_of(&SHARE, Arc::clone(&value)) }.unwrap();
        // A value that found no object is dropped.
        assert_eq!(Arc::strong_count(&value), 1 + usize::from(object.is_some()));
        object.map(Held::Object)
    };
    all.push(Operation { name: "object_new_of".into(), allocations: 1, given: None, call: Box::new(of) });
    all
}

/// Everything that can be seen.
fn seen(w: &World) -> (String, [i64; 4]) {
    let counts = [
        w.blocks(w.main) as i64,
        w.all_blocks(),
        w.thread.ref_total(w.main).unwrap(),
        w.thread.global_ref_total().unwrap(),
    ];
    (look(&w.runtime, &w.thread), counts)
}

fn give(w: &World, operation: &Operation) -> Held {
    operation.given.map_or(Held::Nothing, |(domain, size)| {
        let block = w.block(domain, size);
        fill(block, size, STAMP);
        Held::Block(domain, block, size)
    })
}

/// Whatever it has of what it was given is in it still.
fn is_kept(held: Held) -> bool {
    !matches!(held, Held::Block(_, block, size) if !has(block, size, STAMP))
}

fn undo(w: &World, held: Held) {
    match held {
        Held::Nothing => {}
        Held::Block(domain, block, _) => w.thread.free(domain, Some(block)).unwrap(),
        Held::Object(object) => assert_eq!(w.thread.decref(object, Client::Aware), Ok(None)),
    }
}

//= specs/rules/mem.md#mem-8
//= type=test
//# An allocation that finds no memory MUST answer NULL, and change nothing.
//= specs/rules/mem.md#mem-13
//= type=test
//# A reallocation that finds no memory MUST answer NULL, and leave the block as it was.
#[test]
fn every_allocation_of_every_operation_of_memory_may_fail() {
    let w = World::new();
    for operation in operations() {
        let Operation { name, allocations, given, call } = &operation;
        let held = give(&w, &operation);
        let before = seen(&w);
        let mut failed = 0;
        let answer = loop {
            w.runtime.fail_allocation(failed + 1);
            if let Some(answer) = call(&w, held) {
                break answer;
            }
            failed += 1;
            assert_eq!(w.runtime.allocations_left(), 0, "{name}, allocation {failed}");
            assert_eq!(seen(&w), before, "{name}, allocation {failed}");
            assert!(is_kept(held), "{name}, allocation {failed}");
        };
        assert_eq!(failed, *allocations, "{name}");
        w.runtime.fail_allocation(0);
        assert!(given.is_none() || is_kept(answer), "{name}");
        undo(&w, answer);
        assert_eq!((w.all_blocks(), w.thread.global_ref_total()), (0, Ok(0)), "{name}");
    }
    assert!(w.runtime.leaks().is_empty());
}

#[test]
fn what_else_there_is_to_do_with_memory_and_objects_allocates_nothing() {
    let w = World::new();
    let blocks = Domain::ALL.map(|domain| (domain, w.block(domain, 40)));
    let objects = [w.thread.object_new(false).unwrap().unwrap(), Object::none()];
    w.runtime.fail_allocation(1);
    for object in objects {
        for client in [Client::Aware, Client::Unaware] {
            w.thread.incref(object, client).unwrap();
            w.thread.decref(object, client).unwrap();
        }
        w.thread.set_refcnt(object, 1).unwrap();
        w.thread.pass_ref(object, w.main).unwrap();
        w.thread.set_immortal(object).unwrap();
    }
    w.thread.clear_immortal(objects[0]).unwrap();
    for (domain, block) in blocks {
        w.thread.free(domain, Some(block)).unwrap();
        w.thread.free(domain, None).unwrap();
    }
    assert_eq!((w.all_blocks(), w.blocks(w.main)), (0, 0));
    assert_eq!((w.thread.ref_total(w.main), w.thread.global_ref_total()), (Ok(0), Ok(0)));
    assert_eq!(w.runtime.allocations_left(), 1);
    w.runtime.fail_allocation(0);
}
