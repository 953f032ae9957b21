//! What may drop the GIL needs the token for itself.

use cloister::safe::{Error, Runtime, Settings, Token};

fn compute(token: &Token<'_>) {
    token.poll();
}

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| compute(token))
}
