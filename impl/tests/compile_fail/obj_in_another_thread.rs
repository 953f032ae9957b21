//! A handle does not go to another OS thread: `keep` is for what does.

use cloister::safe::{Error, Runtime, Settings};
use std::thread;

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        let object = token.new_obj(1).unwrap();
        thread::scope(|scope| scope.spawn(|| drop(object)).join().unwrap());
    })
}
