//! While the thread is detached, its token is out of reach.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| token.detach(|| token.poll()))
}
