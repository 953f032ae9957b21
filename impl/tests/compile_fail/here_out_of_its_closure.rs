//! A value of one attach closure does not leave it.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let here = runtime.attach(|token| token.here(1))?;
    runtime.attach(|token| *here.get_mut(token) += 1)
}
