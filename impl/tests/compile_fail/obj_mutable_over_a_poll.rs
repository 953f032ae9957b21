//! What is lent mutably does not outlast the GIL.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        let object = token.new_obj(1).unwrap();
        let lent = object.get_mut(token);
        token.poll();
        *lent += 1;
    })
}
