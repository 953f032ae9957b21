//! An object's handle is not what a closure answers with.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| token.new_obj(1))?.map(drop)?;
    Ok(())
}
