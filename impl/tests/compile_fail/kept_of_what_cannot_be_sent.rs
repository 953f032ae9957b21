//! Threads take turns with a kept value, so it must be one that can be sent.

use cloister::safe::{Error, Runtime, Settings};
use std::rc::Rc;
use std::thread;

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    let kept = runtime.attach(|token| token.keep(Rc::new(1)))?;
    thread::scope(|scope| {
        scope.spawn(|| runtime.attach(|token| kept.get(token).map(Rc::clone).is_ok()));
    });
    Ok(())
}
