//! One token lends one value mutably at a time.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        let (a, b) = (token.here(1), token.here(2));
        std::mem::swap(a.get_mut(token), b.get_mut(token));
    })
}
