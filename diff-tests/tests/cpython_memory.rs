//! Blocks and references on a real CPython. Says "not run" where none is installed.

#[path = "common/on_cpython.rs"]
mod on_cpython;

use cloister_diff_tests::cpython::Cpython;
use cloister_diff_tests::lockstep::{Ended, Lockstep, Plan};
use cloister_diff_tests::stages::cpython::plan;
use cloister_diff_tests::subject::{Event, Subject};
use cloister_model::Design;
use cloister_model::design::{Immortality, NoneIs, Obmalloc};
use cloister_specs::{OpKind, text::Script};
use on_cpython::{comes_out, found, modelled, start};
use std::sync::atomic::AtomicBool;

/// The main interpreter and an isolated one, in which T0 is.
const SUB: &str = "T0: NewInterpreterFromConfig(isolated) => 1 t1\n";
/// One that shares the main interpreter's heap.
const SHARED: &str = "T0: NewInterpreterFromConfig(legacy) => 1 t1\n";

/// Every CPython whose blocks can be counted.
fn counting() -> impl Iterator<Item = Cpython> {
    found().iter().map(start).filter(counts)
}

fn counts(cpython: &Cpython) -> bool {
    if !cpython.counts_blocks() {
        println!("not run on {}: the file of its library is stripped", cpython.version());
    }
    cpython.counts_blocks()
}

/// Performs these lines on each of them, after one of the beginnings above.
fn run(beginning: &str, lines: &[&str]) {
    for mut cpython in counting() {
        comes_out(&mut cpython, &(beginning.to_string() + &lines.join("\n")));
    }
}

/// Performs these lines up to the last, which CPython does not survive.
fn dies(cpython: &mut Cpython, lines: &[&str]) {
    let script: Script = lines.join("\n").parse().expect("a run");
    cpython.reset(script.threads).expect("a run begins");
    let (last, before) = script.lines.split_last().expect("there are lines");
    for line in before {
        let event = cpython.apply(&line.mv).expect("the move is possible");
        assert!(matches!(event, Event::Replied { .. }), "{line}: {event:?}");
    }
    let event = cpython.apply(&last.mv).expect("the move is possible");
    assert!(matches!(event, Event::Died(_)), "{last}: {event:?}");
}

//= specs/rules/mem.md#mem-2
//= type=test
//# A block of the object or the mem domain MUST come from the heap of the interpreter that the caller works in.
//= specs/rules/mem.md#mem-9
//= type=test
//# The blocks of an interpreter MUST be counted as those that came from its heap and were not freed.
#[test]
fn a_block_is_counted_where_the_caller_works() {
    let of_each = [
        "T0: Malloc(obj, 64) => b0",
        "T0: Calloc(mem, 64) => b1",
        "T0: AllocatedBlocks(1) => counted 2",
        "T0: AllocatedBlocks(0) => counted 0",
        "T0: ThreadStateSwap(t0) => t1",
        "T0: Malloc(mem, 600) => b2",
        "T0: AllocatedBlocks(0) => counted 1",
        "T0: GlobalAllocatedBlocks => counted 3",
        "T0: Free(mem, b2) => done",
        "T0: AllocatedBlocks(0) => counted 0",
        "T0: AllocatedBlocks(1) => counted 2",
    ];
    run(SUB, &of_each);
    run(SHARED, &["T0: Malloc(obj, 64) => b0", "T0: AllocatedBlocks(0) => counted 1"]);
}

//= specs/rules/mem.md#mem-10
//= type=test
//# The blocks of an interpreter that has no heap of its own MUST NOT be asked for.
#[test]
fn to_count_where_there_is_no_heap_is_fatal() {
    run(SHARED, &["T0: Malloc(obj, 64) => b0", "T0: AllocatedBlocks(1) => died MEM-10"]);
}

#[test]
fn the_raw_domain_is_of_no_interpreter() {
    let lines = [
        "T0: Malloc(raw, 64) => b0",
        "T0: AllocatedBlocks(1) => counted 0",
        "T0: GlobalAllocatedBlocks => counted 0",
        "T0: ThreadStateSwap(t0) => t1",
        "T0: Realloc(raw, b0, 4000) => b0",
        "T0: SaveThread => t0",
        "T0: Calloc(raw, 16) => b1",
        "T0: Free(raw, b0) => done",
        "T0: Malloc(raw, 8) => b0",
        "T0: RestoreThread(t0) => done",
        "T0: GlobalAllocatedBlocks => counted 0",
    ];
    run(SUB, &lines);
}

//= specs/rules/mem.md#mem-4
//= type=test
//# A block MUST be freed, or reallocated, where its heap is that of the current interpreter.
#[test]
fn a_small_block_of_another_heap_ends_the_process() {
    const BEFORE: [&str; 2] = ["T0: Malloc(obj, 64)", "T0: NewInterpreterFromConfig(isolated)"];
    for mut cpython in counting() {
        // The last one would stay where it is.
        for last in ["T0: Free(obj, b0)", "T0: Realloc(obj, b0, 400)", "T0: Realloc(obj, b0, 60)"] {
            dies(&mut cpython, &[&BEFORE[..], &[last]].concat());
        }
        let home = ["T0: Malloc(obj, 64) => b0", SUB.trim_end(), "T0: ThreadStateSwap(t0) => t1"];
        comes_out(&mut cpython, &[&home[..], &["T0: Free(obj, b0) => done"]].concat().join("\n"));
    }
}

//= specs/rules/mem.md#mem-7
//= type=test
//# A request of 0 bytes, or of more than 512, MUST be passed to the raw allocator, and counted by the heap.
#[test]
fn nothing_and_much_are_counted_like_a_small_block() {
    for bytes in [0, 1, 512, 513, 4000] {
        let lines = [
            &format!("T0: Malloc(obj, {bytes}) => b0"),
            "T0: AllocatedBlocks(1) => counted 1",
            "T0: ThreadStateSwap(t0) => t1",
            "T0: AllocatedBlocks(0) => counted 0",
            "T0: ThreadStateSwap(t1) => t0",
            "T0: Free(obj, b0) => done",
            "T0: AllocatedBlocks(1) => counted 0",
        ];
        run(SUB, &lines);
    }
}

//= specs/rules/mem.md#mem-8
//= type=test
//# An allocation that finds no memory MUST answer NULL, and change nothing.
#[test]
fn an_allocation_without_memory_changes_nothing() {
    for mut cpython in counting() {
        for call in ["Malloc", "Calloc"] {
            for domain in ["raw", "mem", "obj"] {
                for bytes in [0, 1, 64, 512, 513] {
                    let counted = i32::from(domain != "raw");
                    let lines = [
                        SUB.trim_end(),
                        &format!("T0: {call}({domain}, {bytes}, fails) => no block"),
                        "T0: AllocatedBlocks(1) => counted 0",
                        "T0: GlobalAllocatedBlocks => counted 0",
                        &format!("T0: {call}({domain}, {bytes}) => b0"),
                        &format!("T0: AllocatedBlocks(1) => counted {counted}"),
                    ];
                    comes_out(&mut cpython, &lines.join("\n"));
                }
            }
        }
    }
}

//= specs/rules/mem.md#mem-13
//= type=test
//# A reallocation that finds no memory MUST answer NULL, and leave the block as it was.
//= specs/rules/mem.md#mem-14
//= type=test
//# A small block that grows within its size class, or shrinks by less than a quarter of it, MUST stay where it is.
#[test]
fn a_block_that_stays_where_it_is_needs_no_memory() {
    for mut cpython in counting() {
        let fails = |from: u16, to: u16, answer: &str| {
            let lines = [
                &format!("T0: Malloc(obj, {from}) => b0"),
                &format!("T0: Realloc(obj, b0, {to}, fails) => {answer}"),
                "T0: AllocatedBlocks(0) => counted 1",
                &format!("T0: Realloc(obj, b0, {to}) => b0"),
                "T0: AllocatedBlocks(0) => counted 1",
                "T0: Free(obj, b0) => done",
                "T0: AllocatedBlocks(0) => counted 0",
            ];
            lines.join("\n")
        };
        for (from, to) in [(50, 64), (64, 49), (64, 64), (1, 16), (512, 385)] {
            comes_out(&mut cpython, &fails(from, to, "b0"));
        }
        for (from, to) in [(64, 65), (64, 48), (64, 513), (64, 0), (513, 600), (600, 64), (0, 1), (512, 384)]
        {
            comes_out(&mut cpython, &fails(from, to, "no block"));
        }
    }
}

//= specs/rules/mem.md#mem-12
//= type=test
//# All blocks MUST be counted as those of the heaps, and those that ended heaps and ended lives of the runtime left, each once.
#[test]
fn what_an_ended_interpreter_leaves_is_counted_and_its_slots_are_free() {
    let lines = [
        "T0: Malloc(obj, 64) => b0",
        "T0: ObjectNew => o1",
        "T0: Malloc(raw, 64) => b1",
        "T0: EndInterpreter(t1) => done",
        "T0: ThreadStateSwap(t0) => NULL",
        "T0: GlobalAllocatedBlocks => counted 2",
        "T0: AllocatedBlocks(0) => counted 0",
        "T0: Malloc(obj, 64) => b0",
        "T0: ObjectNew => o1",
        "T0: Malloc(obj, 64) => b2",
        "T0: AllocatedBlocks(0) => counted 3",
        "T0: GlobalAllocatedBlocks => counted 5",
    ];
    run(SUB, &lines);
}

//= specs/rules/mem.md#mem-16
//= type=test
//# A block of the raw domain MAY be freed by any thread, whatever became of the interpreter and of the runtime since.
#[test]
fn a_new_life_of_the_runtime_counts_what_the_last_one_left() {
    let Some(mut cpython) = modelled().filter(counts) else { return };
    let lines = [
        "T0: Malloc(obj, 64) => b0",
        "T0: Malloc(raw, 64) => b1",
        "T0: Finalize => done",
        "T1: Free(raw, b1) => done",
        "T0: Malloc(raw, 64) => b0",
        "T0: Initialize => done",
        "T1: Free(raw, b0) => done",
        "T1: Malloc(raw, 64) => b0",
        "T0: AllocatedBlocks(0) => counted 0",
        "T0: GlobalAllocatedBlocks => counted 1",
        "T0: Malloc(obj, 64, fails) => no block",
        "T0: Malloc(obj, 64) => b1",
        "T0: GlobalAllocatedBlocks => counted 2",
    ];
    comes_out(&mut cpython, &lines.join("\n"));
}

//= specs/rules/ref.md#ref-8
//= type=test
//# An object MUST be deallocated when its last reference is given back, and only then.
#[test]
fn the_last_reference_frees_the_block_whoever_gives_it_back() {
    for last in ["DecRef(o1)", "DecRef(o1, unaware)"] {
        let lines = [
            "T0: ObjectNew => o1",
            "T0: AllocatedBlocks(1) => counted 1",
            "T0: IncRef(o1) => refcnt 2",
            "T0: IncRef(o1, unaware) => refcnt 3",
            "T0: DecRef(o1) => refcnt 2",
            "T0: DecRef(o1, unaware) => refcnt 1",
            &format!("T0: {last} => deallocated"),
            "T0: AllocatedBlocks(1) => counted 0",
            "T0: ObjectNew(fails) => no object",
            "T0: AllocatedBlocks(1) => counted 0",
            "T0: ObjectNew => o1",
        ];
        run(SUB, &lines);
    }
}

#[test]
fn none_is_immortal_in_every_interpreter() {
    let lines = [
        "T0: IncRef(o0) => refcnt 4294967295",
        "T0: DecRef(o0) => refcnt 4294967295",
        "T0: SetRefCnt(o0, 1) => refcnt 4294967295",
        "T0: EvalBreakerPoll => done",
        "T0: ThreadStateSwap(t0) => t1",
        "T0: DecRef(o0) => refcnt 4294967295",
    ];
    run(SUB, &lines);
}

#[test]
fn an_immortal_object_is_cleared_with_its_last_reference() {
    let lines = [
        "T0: ObjectNew => o1",
        "T0: SetImmortal(o1) => refcnt 4294967295",
        "T0: DecRef(o1) => refcnt 4294967295",
        "T0: SetRefCnt(o1, 1) => refcnt 4294967295",
        "T0: ClearImmortal(o1) => deallocated",
        "T0: AllocatedBlocks(1) => counted 0",
    ];
    run(SUB, &lines);
}

/// REF-6, REF-7. From 2^31 on a count grows and does not shrink, and unaware clients take it back.
#[test]
fn a_count_beyond_the_middle_only_grows_as_long_as_all_clients_are_aware() {
    let lines = [
        "T0: ObjectNew => o1",
        "T0: SetRefCnt(o1, 2147483647) => refcnt 2147483647",
        "T0: IncRef(o1) => refcnt 2147483648",
        "T0: DecRef(o1) => refcnt 2147483648",
        "T0: IncRef(o1) => refcnt 2147483649",
        "T0: DecRef(o1, unaware) => refcnt 2147483648",
        "T0: DecRef(o1, unaware) => refcnt 2147483647",
        "T0: DecRef(o1) => refcnt 2147483646",
        "T0: SetRefCnt(o1, 4294967294) => refcnt 4294967294",
        "T0: IncRef(o1) => refcnt 4294967295",
        "T0: IncRef(o1) => refcnt 4294967295",
        "T0: IncRef(o1, unaware) => refcnt 4294967296",
        "T0: IncRef(o1) => refcnt 4294967297",
        "T0: DecRef(o1) => refcnt 4294967296",
        "T0: DecRef(o1) => refcnt 4294967295",
    ];
    run(SUB, &lines);
}

#[test]
fn an_object_is_used_in_the_interpreters_of_its_heap() {
    let lines = [
        "T0: ObjectNew => o1",
        "T0: PassRef(o1, 0) => done",
        "T0: ThreadStateSwap(t0) => t1",
        "T0: IncRef(o1) => refcnt 2",
        "T0: DecRef(o1) => refcnt 1",
        "T0: DecRef(o1) => deallocated",
        "T0: AllocatedBlocks(0) => counted 0",
    ];
    run(SHARED, &lines);
}

#[test]
fn generated_runs_of_memory_and_references_agree() {
    let Some(mut cpython) = modelled().filter(counts) else { return };
    let plan = plan(4, 150);
    let plan = Plan { mix: plan.mix.favouring("MEM").favouring("REF"), ..plan };
    let mut lockstep = Lockstep::new(Design::CPYTHON_3_12_1, &mut cpython);
    let ended = lockstep.run(&plan, &AtomicBool::new(false), |_| ()).expect("it is not lost");
    if let Ended::Diverged(diverged) = ended {
        panic!("{diverged:?}");
    }
    let tally = &lockstep.tally;
    assert!(tally.ops > 2_500, "{} moves compared", tally.ops);
    let told = |kind: &OpKind| ["MEM", "REF"].contains(&kind.area()) && plan.mix.weights[kind.index()] > 0;
    for kind in OpKind::ALL.into_iter().filter(told) {
        assert!(tally.accepted[kind.index()] > 0, "{} was never made", kind.name());
    }
}

/// The runs are told apart from those of other designs: a check that cannot fail is none.
#[test]
fn a_model_with_another_allocator_or_other_counts_does_not_agree() {
    let Some(mut cpython) = modelled().filter(counts) else { return };
    let plan = plan(4, 150);
    let plan = Plan { mix: plan.mix.favouring("MEM").favouring("REF"), ..plan };
    let designs = [
        Design { obmalloc: Obmalloc::PerRuntime, ..Design::CPYTHON_3_12_1 },
        Design { none: NoneIs::Mortal, ..Design::CPYTHON_3_12_1 },
        Design { immortality: Immortality::Equality32, ..Design::CPYTHON_3_12_1 },
        Design { immortality: Immortality::Sticky, ..Design::CPYTHON_3_12_1 },
    ];
    for design in designs {
        let mut lockstep = Lockstep::new(design, &mut cpython);
        let ended = lockstep.run(&plan, &AtomicBool::new(false), |_| ()).expect("it is not lost");
        assert!(matches!(ended, Ended::Diverged(_)), "{design:?} agrees");
    }
}
