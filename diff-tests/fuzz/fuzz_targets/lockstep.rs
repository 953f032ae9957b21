//! `cargo +nightly fuzz run lockstep` in `diff-tests`: bytes become a run, and the
//! implementation has to do what the model does.
#![no_main]

use cloister_diff_tests::decode::{Decoded, THREADS};
use cloister_diff_tests::lockstep::{Ended, Lockstep};
use cloister_diff_tests::subjects::Controlled;
use cloister_model::Design;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|run: Decoded| {
    let mut subject = Controlled::new();
    let ended = Lockstep::new(Design::CLOISTER, &mut subject).replay(THREADS, &run.moves).expect("it is not lost");
    if let Ended::Diverged(found) = ended {
        panic!("{:?}\n{}", found.moves, found.difference);
    }
});
