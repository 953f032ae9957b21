//! Nor can it be the answer of its closure.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let token = runtime.attach(|token| token)?;
    token.poll();
    Ok(())
}
