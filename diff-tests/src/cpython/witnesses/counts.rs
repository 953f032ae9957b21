//! What a count of references comes to.

use super::{
    super::{parent::Cpython, script::last_of},
    Report,
};
use crate::subject::SubjectError;

const UP: &str = "T0: IncRef(o1)";
const DOWN: &str = "T0: DecRef(o1)";
const OLD_UP: &str = "T0: IncRef(o1, unaware)";
const OLD_DOWN: &str = "T0: DecRef(o1, unaware)";
const IMMORTAL: &str = "T0: SetImmortal(o1)";

/// Counts, and what they come to: the first of them is set, unless the object is made immortal.
const TABLE: [(Option<u32>, &[&str], &str); 8] = [
    (Some(0x7fff_ffff), &[UP, DOWN], "refcnt 2147483648"),
    (Some(0x7fff_ffff), &[UP, UP, DOWN], "refcnt 2147483649"),
    (Some(0x7fff_ffff), &[UP, OLD_DOWN, DOWN], "refcnt 2147483646"),
    // Three references are taken, five given back, three given back: five less than before.
    (
        Some(0x7fff_ffff),
        &[UP, UP, UP, OLD_DOWN, OLD_DOWN, OLD_DOWN, OLD_DOWN, OLD_DOWN, DOWN, DOWN, DOWN],
        "refcnt 2147483642",
    ),
    (None, &[UP, DOWN], "refcnt 4294967295"),
    (None, &[OLD_UP], "refcnt 4294967296"),
    (None, &[OLD_UP, DOWN], "refcnt 4294967295"),
    (None, &[OLD_DOWN, UP, UP], "refcnt 4294967295"),
];

/// Ordinary counts, which are those of the references.
const ORDINARY: [(u32, &[&str], &str); 3] = [
    (5, &[UP, DOWN], "refcnt 5"),
    (5, &[UP, UP, UP, OLD_DOWN, OLD_DOWN, OLD_DOWN, OLD_DOWN, OLD_DOWN, DOWN, DOWN], "refcnt 1"),
    (1, &[OLD_UP, DOWN, DOWN], "deallocated"),
];

/// Above 2^31 - 1 a count only grows, as long as aware clients count; an unaware one takes it back,
/// and what was not counted down in between is counted down too late.
pub fn lost_immortality(cpython: &mut Cpython) -> Report {
    let mut seen = Vec::new();
    let mut all = true;
    for (count, calls, expected) in TABLE {
        let begin = count.map_or(IMMORTAL.into(), |count| format!("T0: SetRefCnt(o1, {count})"));
        let (said, shown) = counted(cpython, &begin, calls, expected)?;
        all &= shown;
        seen.push(said);
    }
    let mut clean = true;
    for (count, calls, expected) in ORDINARY {
        let (said, shown) = counted(cpython, &format!("T0: SetRefCnt(o1, {count})"), calls, expected)?;
        clean &= shown;
        seen.push(format!("control, {said}"));
    }
    Ok((all, clean, seen.join("; ")))
}

fn counted(
    cpython: &mut Cpython,
    begin: &str,
    calls: &[&str],
    expected: &str,
) -> Result<(String, bool), SubjectError> {
    let last = last_of(cpython, &[&["T0: ObjectNew", begin], calls].concat())?;
    let short = |call: &&str| match *call {
        UP => "+1",
        DOWN => "-1",
        OLD_UP => "unaware +1",
        _ => "unaware -1",
    };
    let begin = begin.trim_start_matches("T0: ");
    let said = format!("{begin}, {}: {last}", calls.iter().map(short).collect::<Vec<_>>().join(" "));
    Ok((said, last == expected))
}
