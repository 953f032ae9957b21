//! A runtime has one owner: whoever drops it ends it.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let again = runtime.clone();
    again.attach(|_token| ())
}
