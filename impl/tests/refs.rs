//! Objects: making them, counting references, passing them on, and what is counted of them.

mod common;

use cloister::count::IMMORTAL;
use cloister::{Block, Interp, Kind, Object};
use cloister_specs::{Client, Domain, InterpreterConfig, Rule};
use common::World;
use common::memory::again;
use std::ptr;
use std::sync::Arc;
use std::thread;

use Client::{Aware, Unaware};

impl World {
    fn object(&self) -> Object {
        self.thread.object_new(false).unwrap().unwrap()
    }

    fn refs(&self, interp: Interp) -> i64 {
        self.thread.ref_total(interp).unwrap()
    }

    fn all_refs(&self) -> i64 {
        self.thread.global_ref_total().unwrap()
    }

    #[track_caller]
    fn refuses_every_use(&self, rule: Rule, object: Object) {
        self.refuses(rule, |t| t.set_refcnt(object, 5));
        self.refuses(rule, |t| t.incref(object, Aware));
        self.refuses(rule, |t| t.incref(object, Unaware));
        self.refuses(rule, |t| t.decref(object, Aware));
        self.refuses(rule, |t| t.decref(object, Unaware));
        self.refuses(rule, |t| t.set_immortal(object));
        self.refuses(rule, |t| t.clear_immortal(object));
        self.refuses(rule, |t| t.pass_ref(object, self.main));
    }
}

//= specs/rules/ref.md#ref-5
//= type=test
//# The count of an object that was never immortal MUST be the number of references to it.
//= specs/rules/ref.md#ref-8
//= type=test
//# An object MUST be deallocated when its last reference is given back, and only then.
#[test]
fn an_object_lives_as_long_as_it_has_references() {
    for client in [Aware, Unaware] {
        let w = World::new();
        let object = w.object();
        for count in 2..10 {
            assert_eq!(w.thread.incref(object, client).unwrap(), count);
        }
        for count in (1..9).rev() {
            assert_eq!(w.thread.decref(object, client).unwrap(), Some(count));
        }
        assert_eq!(w.thread.allocated_blocks(w.main).unwrap(), 1);
        assert_eq!(w.thread.decref(object, client).unwrap(), None);
        assert_eq!(w.thread.allocated_blocks(w.main).unwrap(), 0);
        w.refuses_every_use(Rule::Ref2, object);
    }
}

//= specs/rules/ref.md#ref-1
//= type=test
//# A thread MUST have a current thread state when it makes an object, uses one, or totals
//# references.
#[test]
fn a_detached_thread_uses_no_objects() {
    let w = World::new();
    let object = w.object();
    w.thread.save_thread().unwrap();
    for object in [object, Object::none(), Object::null()] {
        w.refuses_every_use(Rule::Ref1, object);
    }
    w.refuses(Rule::Ref1, |t| t.object_new(false));
    w.refuses(Rule::Ref1, |t| t.object_new(true));
    w.refuses(Rule::Ref1, |t| t.ref_total(w.main));
    w.refuses(Rule::Ref1, |t| t.global_ref_total());
}

//= specs/rules/ref.md#ref-2
//= type=test
//# An object MUST NOT be used after it was deallocated, or after the end of its heap.
#[test]
fn a_dead_object_is_refused() {
    let w = World::new();
    w.refuses_every_use(Rule::Ref2, Object::null());
    let (_, t1) = w.created(InterpreterConfig::ISOLATED);
    let left = w.object();
    w.thread.end_interpreter(t1).unwrap();
    w.go(w.t0);
    w.refuses_every_use(Rule::Ref2, left);
    // Another object that lies there has its name.
    let object = w.object();
    w.thread.decref(object, Aware).unwrap();
    again(object.addr(), Object::addr, || w.object());
    assert_eq!(w.thread.incref(object, Aware).unwrap(), 2);
}

/// Whatever is in the block, be it what an object would have there.
#[test]
fn a_block_that_lies_where_an_object_was_is_none() {
    let w = World::new();
    let object = w.object();
    // SAFETY: it begins with a count, and its kind follows in the next word but one.
    let (count, kind) = unsafe {
        let at = ptr::with_exposed_provenance::<u32>(object.addr());
        (at.read(), at.add(2).cast::<usize>().read())
    };
    assert!(count == 1 && kind != 0);
    w.thread.decref(object, Aware).unwrap();
    let block =
        again(object.addr(), Block::addr, || w.thread.malloc(Domain::Obj, 16, false).unwrap().unwrap());
    w.refuses_every_use(Rule::Ref2, object);
    for stamp in [0, 1, 0x7f, 0xff] {
        // SAFETY: the block lives, and has 16 bytes.
        unsafe { block.as_ptr().write_bytes(stamp, 16) };
        w.refuses_every_use(Rule::Ref2, object);
    }
    // SAFETY: as above.
    unsafe {
        let at = block.as_ptr().cast::<u32>();
        at.write(count);
        at.add(2).cast::<usize>().write(kind);
    }
    w.refuses_every_use(Rule::Ref2, object);
    w.thread.free(Domain::Obj, Some(block)).unwrap();
    w.refuses_every_use(Rule::Ref2, object);
}

//= specs/rules/ref.md#ref-3
//= type=test
//# An object that is not static MUST be used in an interpreter of its heap.
#[test]
fn an_object_of_another_heap_is_refused() {
    let w = World::new();
    let object = w.object();
    let (_, shares) = w.created(InterpreterConfig::LEGACY);
    assert_eq!(w.thread.incref(object, Aware).unwrap(), 2);
    w.thread.end_interpreter(shares).unwrap();
    let (_, t1) = w.created(InterpreterConfig::ISOLATED);
    w.refuses_every_use(Rule::Ref3, object);
    assert_eq!(w.thread.incref(Object::none(), Aware).unwrap(), IMMORTAL);
    w.thread.end_interpreter(t1).unwrap();
    w.go(w.t0);
    assert_eq!(w.thread.decref(object, Aware).unwrap(), Some(1));
}

//= specs/rules/ref.md#ref-4
//= type=test
//# A reference to an object that is not static MUST NOT be passed to an interpreter of another heap.
#[test]
fn a_reference_is_passed_within_its_heap_alone() {
    let w = World::new();
    let object = w.object();
    let (isolated, t1) = w.created(InterpreterConfig::ISOLATED);
    let (shares, t2) = w.created(InterpreterConfig::LEGACY);
    w.thread.pass_ref(object, w.main).unwrap();
    w.thread.pass_ref(object, shares).unwrap();
    w.refuses(Rule::Ref4, |t| t.pass_ref(object, isolated));
    w.thread.pass_ref(Object::none(), isolated).unwrap();
    w.refuses(Rule::Gil12, |t| t.pass_ref(object, Interp::null()));
    w.thread.end_interpreter(t2).unwrap();
    w.go(w.t0);
    w.refuses(Rule::Gil12, |t| t.pass_ref(object, shares));
    w.refuses(Rule::Gil12, |t| t.pass_ref(Object::none(), shares));
    w.go(t1);
    w.thread.end_interpreter(t1).unwrap();
}

#[test]
fn a_reference_is_not_passed_to_an_interpreter_that_ends() {
    let w = World::new();
    let (ends, t1) = w.created(InterpreterConfig::LEGACY);
    let other = w.thread.thread_state_new(w.main).unwrap().unwrap();
    let object = w.object();
    let (result, told) = std::sync::mpsc::channel();
    let call = move |thread: &cloister::Thread| {
        let _ = result.send(thread.pass_ref(object, ends).unwrap_err().rule);
        Ok(())
    };
    w.thread.add_pending_call(Some(ends), Box::new(call)).unwrap();
    w.thread.end_interpreter(t1).unwrap();
    assert_eq!(told.recv().unwrap(), Rule::Life13);
    w.go(w.t0);
    w.thread.thread_state_clear(other).unwrap();
    w.thread.thread_state_delete(other).unwrap();
}

//= specs/rules/ref.md#ref-6
//= type=test
//# An aware client MUST NOT change the count of an immortal object, but back to the one that
//# SetImmortal gives.
#[test]
fn an_aware_client_leaves_an_immortal_count_alone() {
    let w = World::new();
    let made = w.object();
    assert_eq!(w.thread.set_immortal(made).unwrap(), IMMORTAL);
    for object in [made, Object::none(), Object::bool(true), Object::small_int(-5).unwrap()] {
        for _ in 0..3 {
            assert_eq!(w.thread.incref(object, Aware).unwrap(), IMMORTAL);
            assert_eq!(w.thread.decref(object, Aware).unwrap(), Some(IMMORTAL));
            assert_eq!(w.thread.set_refcnt(object, 1).unwrap(), IMMORTAL);
        }
        assert_eq!(w.thread.incref(object, Unaware).unwrap(), IMMORTAL + 1);
        assert_eq!(w.thread.incref(object, Aware).unwrap(), IMMORTAL + 1);
        assert_eq!(w.thread.decref(object, Aware).unwrap(), Some(IMMORTAL + 1));
        assert_eq!(w.thread.set_immortal(object).unwrap(), IMMORTAL);
    }
    assert_eq!((w.refs(w.main), w.all_refs()), (1, 1 + 4));
    assert!(w.thread.set_refcnt(Object::small_int(256).unwrap(), 3).is_ok_and(|count| count == IMMORTAL));
    assert_eq!((Object::small_int(-6), Object::small_int(257)), (None, None));
}

#[test]
fn static_objects_are_those_of_their_runtime() {
    let w = World::new();
    assert_eq!(w.thread.incref(Object::none(), Unaware).unwrap(), IMMORTAL + 1);
    thread::spawn(|| {
        let other = World::new();
        assert_eq!(other.thread.incref(Object::none(), Aware).unwrap(), IMMORTAL);
    })
    .join()
    .unwrap();
    // They last as long as the runtime.
    w.thread.finalize().unwrap();
    w.thread.initialize().unwrap();
    assert_eq!(w.thread.decref(Object::none(), Unaware).unwrap(), Some(IMMORTAL));
    let names = [Object::none(), Object::bool(false), Object::bool(true), Object::small_int(0).unwrap()];
    let mut addresses = names.map(Object::addr).to_vec();
    addresses.dedup();
    assert_eq!((addresses.len(), addresses.contains(&0)), (4, false));
}

//= specs/rules/ref.md#ref-7
//= type=test
//# An object that an aware client has taken for immortal MUST stay immortal, whoever counts, until
//# ClearImmortal.
#[test]
fn a_count_that_overflows_is_immortal_for_good() {
    let w = World::new();
    let object = w.object();
    assert_eq!(w.thread.set_refcnt(object, 0x7fff_ffff).unwrap(), 0x7fff_ffff);
    let before = w.refs(w.main);
    assert_eq!(w.thread.incref(object, Aware).unwrap(), IMMORTAL);
    assert_eq!(w.refs(w.main), before + 1);
    for _ in 0..1000 {
        w.thread.decref(object, Unaware).unwrap();
        w.thread.decref(object, Aware).unwrap();
    }
    assert_eq!(w.thread.incref(object, Aware).unwrap(), IMMORTAL - 1000);
    // One that an unaware client has led over the edge is taken back from it.
    let object = w.object();
    w.thread.set_refcnt(object, 0x7fff_ffff).unwrap();
    assert_eq!(w.thread.incref(object, Unaware).unwrap(), 0x8000_0000);
    let before = w.refs(w.main);
    assert_eq!(w.thread.decref(object, Aware).unwrap(), Some(IMMORTAL));
    assert_eq!(w.refs(w.main), before - 1);
}

#[test]
fn no_object_has_a_count_of_none() {
    let w = World::new();
    for object in [w.object(), Object::none()] {
        w.refuses(Rule::Ref8, |t| t.set_refcnt(object, 0));
    }
}

//= specs/rules/ref.md#ref-9
//= type=test
//# ClearImmortal MUST be given an immortal object that is not static, with the count that SetImmortal
//# gives.
#[test]
fn only_what_was_made_immortal_is_cleared() {
    let w = World::new();
    let object = w.object();
    w.refuses(Rule::Ref9, |t| t.clear_immortal(object));
    w.refuses(Rule::Ref9, |t| t.clear_immortal(Object::none()));
    w.thread.set_immortal(object).unwrap();
    w.thread.incref(object, Unaware).unwrap();
    w.refuses(Rule::Ref9, |t| t.clear_immortal(object));
    w.thread.decref(object, Unaware).unwrap();
    assert_eq!((w.refs(w.main), w.thread.allocated_blocks(w.main).unwrap()), (1, 1));
    w.thread.clear_immortal(object).unwrap();
    assert_eq!((w.refs(w.main), w.thread.allocated_blocks(w.main).unwrap()), (0, 0));
    w.refuses_every_use(Rule::Ref2, object);
}

//= specs/rules/ref.md#ref-10
//= type=test
//# A change of a count by an aware client MUST be added to the reference total of the interpreter that
//# it works in.
#[test]
fn references_are_totalled_where_they_are_taken() {
    let w = World::new();
    let object = w.object();
    let (shares, t1) = w.created(InterpreterConfig::LEGACY);
    w.thread.incref(object, Aware).unwrap();
    w.thread.incref(object, Aware).unwrap();
    w.thread.incref(object, Unaware).unwrap();
    w.thread.incref(Object::none(), Aware).unwrap();
    assert_eq!((w.refs(w.main), w.refs(shares), w.all_refs()), (1, 2, 4));
    let (isolated, t2) = w.created(InterpreterConfig::ISOLATED);
    w.object();
    assert_eq!((w.refs(isolated), w.all_refs()), (1, 5));
    w.thread.end_interpreter(t2).unwrap();
    w.go(t1);
    w.thread.end_interpreter(t1).unwrap();
    w.go(w.t0);
    for dead in [isolated, shares, Interp::null()] {
        w.refuses(Rule::Gil12, |t| t.ref_total(dead));
    }
    assert_eq!((w.refs(w.main), w.all_refs()), (1, 5));
}

//= specs/rules/ref.md#ref-11
//= type=test
//# The total of all references MUST be that of all changes of counts, over the interpreters
//# and over the lives of the runtime.
#[test]
fn references_are_totalled_once_over_all_lives() {
    let w = World::new();
    for life in 0..3 {
        let main = w.thread.current().unwrap();
        assert_eq!(w.all_refs(), 4 * life);
        w.object();
        let (_, t1) = w.created(InterpreterConfig::LEGACY);
        let object = w.object();
        w.thread.incref(object, Aware).unwrap();
        w.thread.incref(object, Unaware).unwrap();
        w.thread.incref(object, Unaware).unwrap();
        w.thread.decref(object, Aware).unwrap();
        assert_eq!(w.all_refs(), 4 * life + 4);
        w.thread.end_interpreter(t1).unwrap();
        w.go(main);
        assert_eq!((w.all_refs(), w.refs(w.runtime.main().unwrap())), (4 * life + 4, 1));
        w.thread.finalize().unwrap();
        w.thread.initialize().unwrap();
        assert_eq!(w.refs(w.runtime.main().unwrap()), 0);
    }
    assert_eq!(w.runtime.leaks().objects, [("object", 6)]);
}

//= specs/rules/ref.md#ref-12
//= type=test
//# The end of a heap MUST NOT take an object that an interpreter of another heap has a reference to.
#[test]
fn nobody_elsewhere_has_a_reference_when_a_heap_ends() {
    let w = World::new();
    let (_, t1) = w.created(InterpreterConfig::ISOLATED);
    let object = w.object();
    w.refuses(Rule::Ref4, |t| t.pass_ref(object, w.main));
    w.go(w.t0);
    w.refuses_every_use(Rule::Ref3, object);
    w.go(t1);
    w.thread.end_interpreter(t1).unwrap();
    w.go(w.t0);
    w.refuses_every_use(Rule::Ref2, object);
}

#[test]
fn without_memory_there_is_no_object() {
    let w = World::new();
    assert_eq!(w.thread.object_new(true).unwrap(), None);
    assert_eq!((w.all_refs(), w.thread.global_allocated_blocks().unwrap()), (0, 0));
}

static SHARE: Kind = Kind::of::<Arc<()>>("share");

#[test]
fn a_value_is_dropped_with_its_object() {
    let w = World::new();
    let value = Arc::new(());
    // SAFETY: the kind is one of such values.
    let object = unsafe { w.thread.object_new_of(&SHARE, value.clone()) }.unwrap().unwrap();
    w.thread.incref(object, Aware).unwrap();
    w.thread.decref(object, Aware).unwrap();
    assert_eq!(Arc::strong_count(&value), 2);
    w.thread.decref(object, Unaware).unwrap();
    assert_eq!(Arc::strong_count(&value), 1);
    // SAFETY: as above.
    unsafe { w.thread.object_new_of(&SHARE, value.clone()) }.unwrap();
    w.object();
    w.thread.finalize().unwrap();
    assert_eq!(w.runtime.leaks().objects, [("object", 1), ("share", 1)]);
    assert_eq!(
        w.runtime.leaks().to_string(),
        "left: 1 block of 16 bytes, 1 block of 32 bytes; objects: 1 of kind object, 1 of kind share"
    );
}
