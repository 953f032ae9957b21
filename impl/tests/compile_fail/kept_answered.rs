//! Nor does it leave the closure.

use cloister::safe::{Error, Kept, Runtime, Settings};

fn first(runtime: &Runtime, kept: &Kept<Vec<u32>>) -> Result<Option<u32>, Error> {
    let first = runtime.attach(|token| kept.get(token).unwrap().first())?;
    Ok(first.copied())
}

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let kept = runtime.attach(|token| token.keep(vec![1]))?;
    first(&runtime, &kept)?;
    Ok(())
}
