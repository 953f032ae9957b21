//! No handle lies in a static.

use cloister::safe::Obj;
use std::sync::Mutex;

static HANDLE: Mutex<Option<Obj<'static, u32>>> = Mutex::new(None);

fn main() {
    drop(HANDLE.lock());
}
