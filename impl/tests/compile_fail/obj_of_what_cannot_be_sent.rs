//! The next OS thread to hold the GIL may be another one.

use cloister::safe::{Error, Runtime, Settings};
use std::rc::Rc;

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| drop(token.new_obj(Rc::new(1))))
}
