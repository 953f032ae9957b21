//! A token stays in its closure.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let mut escaped = None;
    runtime.attach(|token| escaped = Some(token))?;
    escaped.unwrap().poll();
    Ok(())
}
