//! No reference into an interpreter outlasts the GIL.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let kept = runtime.attach(|token| token.keep(vec![1]))?;
    runtime.attach(|token| {
        let first = kept.get(token).unwrap().first();
        token.poll();
        println!("{first:?}");
    })
}
