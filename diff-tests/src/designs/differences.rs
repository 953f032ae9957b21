//! Where ours does something else than CPython 3.12.1, and what of CPython's lifecycle core is
//! not there at all: `specs/differences.md` is made from this.

use super::declared::Declared;
use crate::stages::cpython::left_out::LEFT_OUT as NOT_COMPARED;
use cloister_model::Design;
use cloister_model::design::Knob;
use std::fmt::Write;

/// What is left out, and why.
const LEFT_OUT: [(&str, &str); 24] = [
    (
        "The nine locks of the runtime, and their allocation",
        "Locks of the standard library need no allocation that could fail.",
    ),
    (
        "An id that overflows, or is negative",
        "2^63 interpreters are out of reach; the type of an id has no negative values.",
    ),
    (
        "Where thread states lie, and the spare one that is freed",
        "A slot of ours is no part of an interpreter, so the first thread state is like any other.",
    ),
    (
        "`on_delete`, contents of a thread state",
        "There is nothing in a thread state that would have to be released.",
    ),
    ("The bit `finalized`", "A deleted thread state cannot be looked at."),
    ("The thread id and native id of an unbound thread state", "Nobody reads them."),
    ("`PyThreadState_Get` with nothing current", "The raw face has no such call: `current` answers none."),
    ("Failure to set or clear the gilstate slot", "The slot is a field of ours; writing it cannot fail."),
    (
        "`interval` and `switch_number` of a GIL",
        "An expiry is a choice of the run; the number is how the implementation tells a switch.",
    ),
    (
        "At most 32 pending calls a ring and run",
        "The model runs until a ring is empty; runs of the lockstep are too short to tell.",
    ),
    (
        "Signals, garbage collection and asynchronous exceptions in a poll",
        "They belong to areas that are not there yet.",
    ),
    ("Callbacks at exit, Python's and the interpreter's own", "They belong to the area EXIT."),
    (
        "What an interpreter clears: modules, types, interned strings, free lists",
        "They belong to later areas; the steps of an end are there without them.",
    ),
    ("Frames: \"thread still has a frame\"", "No Python code runs yet."),
    (
        "`threading._shutdown` and its callbacks",
        "The wait for threads that are no daemons is there; the module is not.",
    ),
    (
        "Hooks around a fork, the import lock, signals in the child",
        "They belong to areas that are not there yet.",
    ),
    (
        "How obmalloc keeps its pools and arenas: lists by free pools, the finger table, the radix tree of each heap",
        "Ours has other lists, and one table for the process. What can be seen is the same: which blocks are counted, \
         and whether arenas go back.",
    ),
    (
        "Debug hooks: forbidden bytes, serial numbers, the domain in front of a block",
        "A handle of the raw face knows its domain, and the heap knows which blocks are live.",
    ),
    ("`PyMem_SetAllocator`, `PYTHONMALLOC`", "A heap is what it is; failures are injected."),
    (
        "Deallocating `None`, a small int or an interned string makes it immortal again",
        "Aware clients bring an immortal count back before it gets there.",
    ),
    (
        "`_Py_NewReference` over an immortal count; headers of static objects of extension modules",
        "An object of ours is made once; extension modules belong to the area IMP.",
    ),
    (
        "Interned strings: which are immortal, and what becomes of them at an end",
        "They belong to the area INT.",
    ),
    (
        "References of the type cache that are counted late, keys of dicts that are counted",
        "They belong to later areas.",
    ),
    (
        "`PyInterpreterState_Delete` and `PyInterpreterState_Clear` by themselves",
        "They are steps of an end here, and no calls.",
    ),
];

const INTRO: &str = "\
# Differences

Made from `model/src/design.rs`, `specs/designs.toml`, `diff-tests/src/designs/differences.rs` and
`diff-tests/src/stages/cpython/left_out.rs`; do not edit.

## What ours does otherwise than CPython 3.12.1

Each knob in which the two designs differ, with what breaks in ours when it is set as CPython has it. The
implementation obeys ours alone; `model(cpython_3_12_1)` is compared with CPython.

| knob | CPython 3.12.1 | ours | with CPython's setting |
| --- | --- | --- | --- |
";

const LEFT_OUT_INTRO: &str = "
## What is left out of the lifecycle, of memory and of references

| what | why |
| --- | --- |
";

const NOT_COMPARED_INTRO: &str = "
## What is not compared with CPython 3.12.1

The generated runs leave this out; where the model is silent, so is the comparison.

| what | why |
| --- | --- |
";

fn row(knob: &Knob, declared: &Declared) -> String {
    let setting = (knob.get)(&Design::CPYTHON_3_12_1);
    let ours = (knob.get)(&Design::CLOISTER);
    let told: Vec<_> = declared
        .of_setting(knob.name, setting)
        .map(|entry| format!("{}: {}", entry.phrase(), entry.reason))
        .collect();
    format!("| `{}` | {setting} | {ours} | {} |", knob.name, told.join(" "))
}

/// The document.
pub fn markdown(declared: &Declared) -> String {
    let mut out = INTRO.to_string();
    let differ = |k: &&Knob| (k.get)(&Design::CPYTHON_3_12_1) != (k.get)(&Design::CLOISTER);
    for knob in Design::KNOBS.iter().filter(differ) {
        let _ = writeln!(out, "{}", row(knob, declared));
    }
    out.push_str(LEFT_OUT_INTRO);
    for (what, why) in LEFT_OUT {
        let _ = writeln!(out, "| {what} | {why} |");
    }
    out.push_str(NOT_COMPARED_INTRO);
    for one in NOT_COMPARED {
        let _ = writeln!(out, "| {} | {} |", one.what, one.why);
    }
    out
}
