//! A value of one attach closure stays in its OS thread.

use cloister::safe::{Error, Runtime, Settings};
use std::thread;

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        let here = token.here(1);
        thread::scope(|scope| {
            scope.spawn(|| here.into_inner());
        });
    })
}
