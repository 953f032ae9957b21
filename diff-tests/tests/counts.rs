//! What becomes of every reference count, in the implementation and in the model.

use std::sync::atomic::AtomicBool;

use cloister_diff_tests::stages::counts::{ALL, sweep};
use cloister_model::design::Immortality;

/// Where something happens: the ends, and both ends of what is settled.
const EDGES: [u32; 6] = [0, 1 << 31, 0xa000_0000, 0xc000_0000, 0xe000_0000, u32::MAX];

/// All of them with optimizations on (and in `cloister check`), else those around the edges.
#[test]
fn every_count_leads_to_what_the_model_says() {
    let mut looked = 0;
    let mut look = |counts| sweep(Immortality::Sticky, counts, &AtomicBool::new(false), &mut |n| looked += n);
    if cfg!(debug_assertions) {
        for edge in EDGES {
            assert_eq!(look(edge.saturating_sub(1 << 16)..=edge.saturating_add(1 << 16)), None);
        }
        assert!(looked > 600_000);
    } else {
        assert_eq!(look(ALL), None);
        assert_eq!(looked, 1 << 32);
    }
}

#[test]
fn another_way_to_be_immortal_is_told_from_ours() {
    let around = |how, edge: u32| sweep(how, edge..=edge + 2, &AtomicBool::new(false), &mut |_| ());
    let found = around(Immortality::Sign64, i32::MAX as u32).expect("it counts on");
    assert_eq!(found.to_string(), "IncRef of 0x7fffffff leads to 0xc0000000, and in the model to 0x80000000");
    assert!(around(Immortality::Equality32, 0x3fff_ffff).is_some());
}
