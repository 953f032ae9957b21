//! Not even a shared reference to it may leave.

use cloister::safe::{Error, Runtime, Settings};
use std::thread;

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        let shared = &*token;
        thread::scope(|scope| {
            scope.spawn(|| shared.interpreter());
        });
    })
}
