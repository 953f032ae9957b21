//! A value of one interpreter is not opened with the token of another.

use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let other = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    runtime.attach(|token| {
        let here = token.here(1);
        token.attach_other(&other, |inner| *here.get(inner))
    })??;
    Ok(())
}
