//! While the thread is in another interpreter, the token of the first is out of reach.

use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let other = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    let kept = runtime.attach(|token| token.keep(1))?;
    runtime.attach(|token| {
        token.attach_other(&other, |_inner| {
            kept.get(token).unwrap();
        })
    })?
}
