//! An object is not lent mutably while another handle lends it.

use cloister::safe::{Error, Runtime, Settings};

fn main() -> Result<(), Error> {
    let runtime = Runtime::start(Settings::default())?;
    runtime.attach(|token| {
        let object = token.new_obj(vec![1]).unwrap();
        let same = object.clone_ref(token);
        let first = object.get(token).first();
        same.get_mut(token).clear();
        println!("{first:?}");
    })
}
