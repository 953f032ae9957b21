//! Who is detached has no token to take a reference with.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        let object = token.new_obj(1).unwrap();
        token.detach(|| object.clone_ref(token));
    })
}
