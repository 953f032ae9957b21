//! A token stays in its OS thread.

use cloister::safe::{Error, Runtime, Settings};
use std::thread;

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        thread::scope(|scope| {
            scope.spawn(|| token.poll());
        });
    })
}
