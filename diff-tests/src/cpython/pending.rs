//! Pending calls: what CPython is given to call, and which of it was run.
//!
//! CPython passes a pending call one argument. It holds here whose ring the call is in
//! and what the call does. A call is recorded where it begins, for the thread that runs
//! it; the operation in which it ran takes the record at its end.

use super::{
    api::{Address, Api},
    child::child,
};
use cloister_specs::{Calls, PendingCall};
use std::{
    cell::Cell,
    ffi::{c_int, c_void},
};

/// The bits of an argument that hold the [`PendingCall`]; an interpreter is aligned to more.
const CALL_BITS: usize = 0b111;

thread_local! {
    static RAN: Cell<Calls> = const { Cell::new(Calls::NONE) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Adds a pending call to the ring of this interpreter, or of the main thread for `None`.
/// Is there room for it? An error if this CPython has no such function.
pub fn add(api: &Api, interp: Option<Address>, call: PendingCall) -> Result<bool, String> {
    let arg = (interp.unwrap_or(0) | call as usize) as *mut c_void;
    let answer = match interp {
        None => api.add_pending_main(run, arg),
        Some(interp) => api
            .add_pending(interp, run, arg)
            .ok_or("this CPython keeps the rings of its interpreters to itself")?,
    };
    Ok(answer == 0)
}

/// Forgets what the calling thread has run.
pub fn begin() {
    RAN.set(Calls::NONE);
    FAILED.set(false);
}

/// What the calling thread has run since then, and whether the last of it failed.
pub fn ran() -> (Calls, bool) {
    (RAN.get(), FAILED.get())
}

unsafe extern "C" fn run(arg: *mut c_void) -> c_int {
    let api = &child().api;
    let arg = arg as usize;
    let interp = Some(arg & !CALL_BITS).filter(|&at| at != 0);
    let Some(&call) = PendingCall::ALL.get(arg & CALL_BITS) else { return -1 };
    let mut calls = RAN.get();
    calls.push(call);
    RAN.set(calls);
    match call {
        PendingCall::Succeeds => {}
        PendingCall::Fails => {
            FAILED.set(true);
            api.set_no_memory();
            return -1;
        }
        PendingCall::Makes => {
            api.make_pending();
        }
        PendingCall::Adds => {
            // A full ring refuses it, which is no failure of the call.
            let _ = add(api, interp, PendingCall::Succeeds);
        }
        PendingCall::Blocks => {
            let tstate = api.save();
            api.restore(tstate);
        }
    }
    0
}
