//! What can change is not immortal.

use cloister::safe::Immortal;
use std::sync::atomic::AtomicU32;

static COUNT: Immortal<AtomicU32> = Immortal::new(AtomicU32::new(0));

fn main() {
    COUNT.get();
}
