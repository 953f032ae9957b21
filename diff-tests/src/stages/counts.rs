//! Every count that an object can have, through the functions of the implementation and of the
//! model.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

use cloister::count;
use cloister_model::counts;
use cloister_model::design::Immortality;
use cloister_specs::Client;

/// Every count: 2^32 of them.
pub const ALL: RangeInclusive<u32> = 0..=u32::MAX;

/// Counts that `SetRefCnt` is asked for, with each count that there was before.
const TO: [u32; 3] = [1, i32::MAX as u32, 1 << 31];

/// A count with which the two do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// What was done.
    pub what: &'static str,
    /// The count before.
    pub count: u32,
    /// The count after, says the model.
    pub expected: u64,
    /// The count after, says the implementation.
    pub got: u32,
}

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Apart { what, count, expected, got } = self;
        write!(f, "{what} of {count:#x} leads to {got:#x}, and in the model to {expected:#x}")
    }
}

//= specs/rules/ref.md#ref-6
//# An aware client MUST NOT change the count of an immortal object, but back to the one that
//# SetImmortal gives.
//= specs/rules/ref.md#ref-7
//# An object that an aware client has taken for immortal MUST stay immortal, whoever counts, until
//# ClearImmortal.
fn apart(how: Immortality, now: u32) -> Option<Apart> {
    let wide = u64::from(now);
    let compare = |what, expected: u64, got: u32| {
        (expected != u64::from(got)).then_some(Apart { what, count: now, expected, got })
    };
    // No object that is counted has the count 0, and the model has no number below it.
    let down = |what, expected: u64, got: u32| if now == 0 { None } else { compare(what, expected, got) };
    compare("IncRef", counts::incref(how, Client::Aware, wide), count::incref(now))
        .or_else(|| down("DecRef", counts::decref(how, Client::Aware, wide), count::decref(now)))
        .or_else(|| {
            let expected = counts::incref(how, Client::Unaware, wide);
            compare("IncRef by an unaware client", expected, count::incref_unaware(now))
        })
        .or_else(|| {
            let expected = counts::decref(how, Client::Unaware, wide);
            compare("DecRef by an unaware client", expected, count::decref_unaware(now))
        })
        .or_else(|| {
            TO.iter().find_map(|to| compare("SetRefCnt", counts::set(how, wide, *to), count::set(now, *to)))
        })
}

/// How many counts are looked at in one go.
pub const CHUNK: u64 = 1 << 24;

/// Looks at these counts under this way to be immortal (ours is sticky), and answers the first with which the two do not agree. `each` is told
/// how many more were looked at.
pub fn sweep(
    how: Immortality,
    counts: RangeInclusive<u32>,
    stop: &AtomicBool,
    each: &mut dyn FnMut(u64),
) -> Option<Apart> {
    let (mut from, last) = (u64::from(*counts.start()), u64::from(*counts.end()));
    while from <= last && !stop.load(Ordering::Relaxed) {
        let to = (from + CHUNK - 1).min(last);
        if let Some(found) = (from as u32..=to as u32).find_map(|now| apart(how, now)) {
            return Some(found);
        }
        each(to - from + 1);
        from = to + 1;
    }
    None
}
