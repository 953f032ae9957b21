//! What is lent is given back before the GIL is dropped.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        let object = token.new_obj(1).unwrap();
        let lent = object.get(token);
        token.detach(|| ());
        println!("{lent}");
    })
}
