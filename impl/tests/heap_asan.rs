//! AddressSanitizer reports who uses what is not live. Each wrong use is made in a process of its
//! own, which it ends.
#![cfg(feature = "asan")]

use cloister::heap::{Heap, LARGEST};
use std::env;
use std::hint::black_box;
use std::process::{Command, Output};
use std::ptr::NonNull;

/// Tells a process that it is the one to do this.
const DO: &str = "CLOISTER_HEAP_ASAN";

/// The name of the test that does it.
const DOER: &str = "does_what_it_is_told";

#[derive(Clone, Copy)]
struct Use {
    name: &'static str,
    made: fn(&mut Heap),
    /// What the report says; none if the use is right.
    reported: Option<&'static str>,
}

const POISONED: Option<&str> = Some("AddressSanitizer: use-after-poison");

const USES: &[Use] = &[
    Use { name: "first byte of a freed block", made: |heap| read(freed(heap, 48), 0), reported: POISONED },
    Use { name: "last byte of a freed block", made: |heap| write(freed(heap, 48), 47), reported: POISONED },
    Use { name: "freed with its size", made: |heap| read(freed_sized(heap, 48), 8), reported: POISONED },
    Use { name: "freed among others", made: |heap| read(freed_among(heap, 100), 50), reported: POISONED },
    Use { name: "pool given back", made: trimmed, reported: POISONED },
    Use { name: "moved by realloc", made: |heap| read(moved(heap), 0), reported: POISONED },
    Use { name: "behind what was asked for", made: |heap| write(malloc(heap, 41), 41), reported: POISONED },
    Use { name: "behind a smaller size", made: |heap| read(resized(heap, 48, 40), 40), reported: POISONED },
    Use { name: "never given out", made: |heap| read(malloc(heap, 48), 480), reported: POISONED },
    Use { name: "heap that ended", made: |_| read(ended(48), 0), reported: POISONED },
    Use {
        name: "freed large block",
        made: |heap| read(freed(heap, 5_000), 0),
        reported: Some("AddressSanitizer: heap-use-after-free"),
    },
    Use { name: "all of a live block", made: |heap| all_of(malloc(heap, 41), 41), reported: None },
    Use { name: "all of a block used again", made: again, reported: None },
    Use { name: "all of a larger size", made: |heap| all_of(resized(heap, 41, 48), 48), reported: None },
    Use {
        name: "all of a block that moved",
        made: |heap| all_of(resized(heap, 41, 300), 300),
        reported: None,
    },
    Use { name: "all of an arena used again", made: arena_again, reported: None },
];

fn malloc(heap: &mut Heap, size: usize) -> NonNull<u8> {
    black_box(heap.malloc(size).unwrap())
}

fn read(block: NonNull<u8>, at: usize) {
    // SAFETY: none; it is what is to be found.
    black_box(unsafe { block.add(at).read_volatile() });
}

fn write(block: NonNull<u8>, at: usize) {
    // SAFETY: as above.
    unsafe { block.add(at).write_volatile(1) };
}

fn all_of(block: NonNull<u8>, size: usize) {
    (0..size).for_each(|at| write(block, at));
}

fn free(heap: &mut Heap, block: NonNull<u8>) {
    // SAFETY: the block is live.
    assert_eq!(unsafe { heap.free(block.as_ptr()) }, Ok(()));
}

fn freed(heap: &mut Heap, size: usize) -> NonNull<u8> {
    let block = malloc(heap, size);
    free(heap, block);
    block
}

fn freed_sized(heap: &mut Heap, size: usize) -> NonNull<u8> {
    let block = malloc(heap, size);
    // SAFETY: the block is live, and of this size.
    assert_eq!(unsafe { heap.free_sized(block.as_ptr(), size) }, Ok(()));
    block
}

/// Its list has been taken, walked and counted.
fn freed_among(heap: &mut Heap, size: usize) -> NonNull<u8> {
    let blocks: Vec<_> = (0..1_000).map(|_| malloc(heap, size)).collect();
    blocks.iter().for_each(|block| free(heap, *block));
    (0..10).for_each(|_| _ = malloc(heap, size));
    let dead = *blocks.iter().find(|block| !heap.holds(block.as_ptr())).unwrap();
    assert_eq!(heap.stats().blocks(), 10);
    dead
}

/// Another pool of the arena stays in use.
fn trimmed(heap: &mut Heap) {
    malloc(heap, 16);
    let block = freed(heap, 48);
    heap.trim();
    read(block, 0);
}

fn resized(heap: &mut Heap, size: usize, to: usize) -> NonNull<u8> {
    let block = malloc(heap, size);
    all_of(block, size);
    // SAFETY: the block is live, and what this answers takes its place.
    unsafe { heap.realloc(block.as_ptr(), to) }.unwrap()
}

fn moved(heap: &mut Heap) -> NonNull<u8> {
    let block = malloc(heap, 48);
    // SAFETY: the block is live; it is what is to be found that it is used again.
    assert_ne!(unsafe { heap.realloc(block.as_ptr(), LARGEST) }.unwrap(), block);
    block
}

fn ended(size: usize) -> NonNull<u8> {
    let mut heap = Heap::new();
    let block = malloc(&mut heap, size);
    assert_eq!(heap.close().count(), 1);
    block
}

fn again(heap: &mut Heap) {
    for size in [48, 33, 47, 48] {
        let block = malloc(heap, size);
        all_of(block, size);
        free(heap, block);
    }
}

fn arena_again(heap: &mut Heap) {
    let block = ended(48);
    let new = (0..400).map(|_| malloc(heap, 48)).find(|new| *new == block);
    all_of(new.unwrap(), 48);
}

#[test]
fn does_what_it_is_told() {
    if let Ok(name) = env::var(DO) {
        let told = USES.iter().find(|told| told.name == name).unwrap();
        (told.made)(&mut Heap::new());
    }
}

fn in_a_process(name: &str) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    // A sanitizer that looks for leaks as well would find those of a test that ends early.
    command.args(["--exact", DOER, "--nocapture"]).env(DO, name).env("ASAN_OPTIONS", "detect_leaks=0");
    command.output().unwrap()
}

#[test]
fn a_wrong_use_is_reported_and_a_right_one_is_not() {
    assert!(USES.iter().any(|told| told.reported.is_none()));
    for told in USES {
        let Output { status, stdout, stderr } = in_a_process(told.name);
        let [said, report] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(said.contains("running 1 test"), "{}: {said}", told.name);
        assert_eq!(status.success(), told.reported.is_none(), "{}: {report}", told.name);
        let what = told.reported.unwrap_or_default();
        assert!(report.contains(what), "{}: {report}", told.name);
        assert_eq!(report.contains("AddressSanitizer"), told.reported.is_some(), "{}: {report}", told.name);
    }
}
