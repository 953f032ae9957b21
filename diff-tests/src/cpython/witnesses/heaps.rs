//! Blocks that are freed, counted, and left behind where they should not be.

use super::{
    super::{
        beyond::Beyond,
        parent::Cpython,
        script::{Script, last_of, new, t},
    },
    Report,
};
use crate::subject::SubjectError;
use cloister_specs::{InterpreterConfig, Op};

const BLOCK: &str = "T0: Malloc(obj, 64)";
const ISOLATED: &str = "T0: NewInterpreterFromConfig(isolated)";
const LEGACY: &str = "T0: NewInterpreterFromConfig(legacy)";
const BACK: &str = "T0: ThreadStateSwap(t0)";
const FREE: &str = "T0: Free(obj, b0)";

/// A small block is freed, and reallocated, where another heap is selected: it is taken for one of
/// the system's.
pub fn foreign_free(cpython: &mut Cpython) -> Report {
    let mut seen = Vec::new();
    let (mut all, mut clean) = (true, true);
    for last in [FREE, "T0: Realloc(obj, b0, 400)"] {
        let foreign = last_of(cpython, &[BLOCK, ISOLATED, last])?;
        let at_home = last_of(cpython, &[BLOCK, ISOLATED, BACK, last])?;
        let shared = last_of(cpython, &[BLOCK, LEGACY, last])?;
        all &= foreign.starts_with("died: ");
        clean &= !at_home.starts_with("died") && !shared.starts_with("died");
        let name = last.trim_start_matches("T0: ");
        seen.push(format!("{name} elsewhere: {foreign}; controls, at home: {at_home}, shared: {shared}"));
    }
    Ok((all, clean, seen.join("; ")))
}

/// A large block is counted where it came from, and given back where it is freed.
pub fn counted_elsewhere(cpython: &mut Cpython) -> Report {
    const LARGE: &str = "T0: Malloc(obj, 600)";
    let counts = |cpython: &mut Cpython, freed: &[&str]| {
        let lines = [&[LARGE, ISOLATED], freed].concat();
        let of_main = last_of(cpython, &[&lines[..], &["T0: AllocatedBlocks(0)"]].concat())?;
        let of_sub = last_of(cpython, &[&lines[..], &["T0: AllocatedBlocks(1)"]].concat())?;
        Ok::<_, SubjectError>((of_main, of_sub))
    };
    let (main, sub) = counts(cpython, &[FREE])?;
    let (control_main, control_sub) = counts(cpython, &[BACK, FREE])?;
    let shown = (main.as_str(), sub.as_str()) == ("counted 1", "counted -1");
    let clean = (control_main.as_str(), control_sub.as_str()) == ("counted 0", "counted 0");
    let seen = format!(
        "freed in the other interpreter: {main} in its own, {sub} there; control, freed at home: \
         {control_main}, {control_sub}"
    );
    Ok((shown, clean, seen))
}

/// How many interpreters are created and ended.
const ROUNDS: usize = 4;
/// What one that is created and ended leaves is far above this, and what a call leaves far below.
const MANY_BLOCKS: i64 = 1000;

/// An interpreter ends, and neither its arenas are unmapped nor what is in them is freed.
pub fn left_behind(cpython: &mut Cpython) -> Report {
    let isolated = growth(cpython, Some(InterpreterConfig::ISOLATED))?;
    let none = growth(cpython, None)?;
    let leaves = isolated.arenas >= ROUNDS as i64 && isolated.blocks.iter().all(|n| *n > MANY_BLOCKS);
    let clean = none.arenas <= 0 && none.blocks.iter().all(|n| *n < MANY_BLOCKS);
    let seen = format!(
        "each of {ROUNDS} interpreters leaves so many blocks: {:?}, and all of them {} arenas; control, the \
         same code in the main interpreter: {:?}, {}",
        isolated.blocks, isolated.arenas, none.blocks, none.arenas
    );
    Ok((leaves, clean, seen))
}

struct Grown {
    /// By how much all blocks became more in each round.
    blocks: Vec<i64>,
    /// By how much the arenas became more in all of them.
    arenas: i64,
}

/// What rounds of code leave that is run in a new interpreter, or in the main one.
fn growth(cpython: &mut Cpython, config: Option<InterpreterConfig>) -> Result<Grown, SubjectError> {
    const WORK: &str = "said = sum(len(str(i)) for i in range(100))";
    const COUNT: &str = "import sys\nsaid = sys.getallocatedblocks()";
    let mut s = Script::begin(cpython)?;
    let mut counted = Vec::new();
    let mut arenas = 0;
    // The first round is for what is made once for the process.
    for round in 0..=ROUNDS + 1 {
        if round == 1 {
            arenas = number(&s.beyond(0, Beyond::Arenas)?);
        }
        counted.push(number(&s.beyond(0, Beyond::Python(COUNT.into()))?));
        if let Some(config) = config {
            s.call_at(0, new(config), t(1))?;
        }
        s.beyond(0, Beyond::Python(WORK.into()))?;
        if config.is_some() {
            s.calls(0, &[Op::EndInterpreter(t(1)), Op::ThreadStateSwap(Some(t(0)))])?;
        }
    }
    let arenas = number(&s.beyond(0, Beyond::Arenas)?) - arenas;
    let blocks = counted.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    Ok(Grown { blocks, arenas })
}

/// A number that CPython said; one that is none counts as none.
fn number(said: &str) -> i64 {
    said.parse().unwrap_or_default()
}

/// Blocks are counted while another thread holds the GIL under which they are taken.
pub fn counted_without_gil(cpython: &mut Cpython) -> Report {
    const INSIDE: [&str; 6] = [
        ISOLATED,
        "T0: ThreadStateNew(1)",
        "T1: ThreadStateBind(t2)",
        "T0: ThreadStateSwap(t0)",
        "T1: RestoreThread(t2)",
        "T1: Malloc(obj, 64)",
    ];
    const COUNT: &str = "T0: AllocatedBlocks(1)";
    let inside = last_of(cpython, &[&INSIDE[..], &[COUNT]].concat())?;
    let outside = last_of(cpython, &[&INSIDE[..], &["T1: SaveThread", COUNT]].concat())?;
    let seen = format!("while T1 has the GIL: {inside}; control, T1 has let it go: {outside}");
    Ok((inside == "counted 1", outside == "counted 1", seen))
}

/// A reference goes to an interpreter of another heap, and is the last one to be given back: the
/// object is freed there.
pub fn last_reference_elsewhere(cpython: &mut Cpython) -> Report {
    const PASSED: [&str; 4] = ["T0: ObjectNew", ISOLATED, BACK, "T0: PassRef(o1, 1)"];
    const LAST: &str = "T0: DecRef(o1)";
    let elsewhere = last_of(cpython, &[&PASSED[..], &["T0: ThreadStateSwap(t1)", LAST]].concat())?;
    let at_home = last_of(cpython, &[&PASSED[..], &[LAST]].concat())?;
    let seen = format!("the last reference is given back there: {elsewhere}; control, at home: {at_home}");
    Ok((elsewhere.starts_with("died: "), at_home == "deallocated", seen))
}

/// An isolated interpreter overrides the check of extensions, and imports a module that keeps
/// objects in variables of the process; it ends. The main interpreter imports the module too, and
/// releases them: in its own heap.
pub fn objects_of_an_ended_interpreter(cpython: &mut Cpython) -> Report {
    let (isolated, after_isolated) = imported(cpython, InterpreterConfig::ISOLATED)?;
    let (legacy, after_legacy) = imported(cpython, InterpreterConfig::LEGACY)?;
    let seen = format!(
        "in an isolated interpreter: {isolated}, then in main: {after_isolated}; control, in one that \
         shares main's heap: {legacy}, then in main: {after_legacy}"
    );
    let shown = isolated == IMPORTED && after_isolated.starts_with("died: ");
    Ok((shown, legacy == IMPORTED && after_legacy == IMPORTED, seen))
}

const IMPORTED: &str = "imported";

/// What comes of the import in such an interpreter, and when that has ended, in the main one.
fn imported(cpython: &mut Cpython, config: InterpreterConfig) -> Result<(String, String), SubjectError> {
    const UNCHECKED: &str = "import importlib.util\n\
        with importlib.util._incompatible_extension_module_restrictions(disable_check=True):\n    \
        import _testsinglephase\nsaid = 'imported'";
    const PLAIN: &str = "import _testsinglephase\nsaid = 'imported'";
    let mut s = Script::begin(cpython)?;
    s.calls(0, &[new(config)])?;
    let there = s.beyond(0, Beyond::Python(UNCHECKED.into()))?;
    s.calls(0, &[Op::EndInterpreter(t(1)), Op::ThreadStateSwap(Some(t(0)))])?;
    let after = s.beyond(0, Beyond::Python(PLAIN.into()))?;
    Ok((there, after))
}
