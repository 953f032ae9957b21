//! What the fuzzer runs, on bytes from a generator, so that stable toolchains run it too.

use arbitrary::{Arbitrary, Unstructured};
use cloister_diff_tests::decode::{Decoded, THREADS};
use cloister_diff_tests::lockstep::{Ended, Lockstep};
use cloister_diff_tests::subjects::Controlled;
use cloister_model::Design;

#[test]
fn decoded_runs_agree() {
    let mut rng = fastrand::Rng::with_seed(0xfa22);
    let mut subject = Controlled::new();
    let mut compared = 0;
    for _ in 0..400 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(600).collect();
        let run = Decoded::arbitrary(&mut Unstructured::new(&bytes)).expect("any bytes are a run");
        let mut lockstep = Lockstep::new(Design::CLOISTER, &mut subject);
        match lockstep.replay(THREADS, &run.moves).expect("it is not lost") {
            Ended::Agreed => compared += lockstep.tally.ops,
            Ended::Poisoned => panic!("our design never dies"),
            Ended::Diverged(found) => panic!("{:?}\n{}", found.moves, found.difference),
        }
    }
    assert!(compared > 20_000, "{compared} moves compared");
}
