//! The works, in the order in which they are told.

use super::libpython::Python;
use super::{
    BenchError, CLOISTER, Contender, SetUp, Target, Work, calls, compute, hand_over, heap, life, object,
    pending,
};
use crate::stages::lockstep::{controlled, plan};
use std::sync::atomic::AtomicBool;

/// All of them, with CPython among the contenders if there is one.
pub fn all(peer: Option<&Python>) -> Vec<SetUp<'_>> {
    vec![
        Box::new(move || calls::read(peer)),
        Box::new(move || calls::save_and_restore(peer)),
        Box::new(calls::attach),
        Box::new(move || pending::poll(peer)),
        Box::new(move || calls::swap_shared(peer)),
        Box::new(move || calls::swap_own(peer)),
        Box::new(move || calls::new_and_end_own(peer)),
        Box::new(move || calls::new_and_end_shared(peer)),
        Box::new(move || calls::refused(peer)),
        Box::new(calls::undone),
        Box::new(move || pending::in_one_thread(peer)),
        Box::new(move || pending::from_another_thread(peer)),
        Box::new(move || hand_over::asleep(peer)),
        Box::new(move || hand_over::on_request(peer)),
        Box::new(compute::in_two_interpreters),
        // These two come before the other works of memory, see there.
        Box::new(heap::after_replacing),
        Box::new(heap::left_over),
        Box::new(move || heap::pair(peer)),
        Box::new(move || heap::replace(peer)),
        Box::new(move || heap::many(peer)),
        Box::new(heap::birth_and_death),
        Box::new(heap::in_two_interpreters),
        Box::new(move || object::mortal(peer)),
        Box::new(move || object::immortal(peer)),
        Box::new(lockstep),
        Box::new(move || life::finalize_and_initialize(peer)),
    ]
}

/// The model and our implementation in step: each round is other random runs.
fn lockstep<'a>() -> Result<Work<'a>, BenchError> {
    let stop = AtomicBool::new(false);
    let mut seed = 0;
    let contender = Contender::new(CLOISTER, move |runs| {
        seed += 1;
        let row = controlled(&plan(seed, runs), &stop, &mut |_| ())?;
        match row.divergence {
            None => Ok(row.tally.rate()),
            Some((_, path)) => Err(BenchError::Diverged(path)),
        }
    });
    Ok(Work {
        name: "lockstep, controlled",
        unit: "moves/s",
        target: Some(Target::AtLeast(200_000.0)),
        stretch: 40,
        contenders: vec![contender],
    })
}
