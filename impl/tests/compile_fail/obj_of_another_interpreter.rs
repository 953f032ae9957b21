//! An object is not opened with the token of another interpreter.

use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let other = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    runtime.attach(|token| {
        let object = token.new_obj(1).unwrap();
        token.attach_other(&other, |inner| *object.get(inner))
    })??;
    Ok(())
}
