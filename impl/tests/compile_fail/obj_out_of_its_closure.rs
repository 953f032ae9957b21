//! An object's handle stays in its closure: `keep` is for what leaves it.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let mut out = None;
    runtime.attach(|token| out = token.new_obj(1).ok())?;
    Ok(())
}
