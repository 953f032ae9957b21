//! A runtime that is attached to through its owner is not dropped.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|_token| drop(runtime))
}
