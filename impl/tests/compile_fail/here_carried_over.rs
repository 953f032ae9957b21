//! A value of one interpreter is not put into one of another: the lifetime is invariant.

use cloister::safe::{Error, Here, InterpreterConfig, Runtime, Settings, Token};

fn put<'i>(_token: &mut Token<'i>, list: &mut Vec<Here<'i, u32>>, value: Here<'i, u32>) {
    list.push(value);
}

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let other = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
    runtime.attach(|token| {
        let outer = token.here(1);
        token.attach_other(&other, |inner| put(inner, &mut Vec::new(), outer))
    })?
}
