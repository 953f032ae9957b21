//! Python's own functions that operations stand for, as objects.
//!
//! They are looked up in the main interpreter when that has been initialized: importing a
//! module runs Python code, and that polls the eval breaker. They keep nothing of the
//! interpreter that they belong to, so any interpreter can call them.

use super::api::{Address, Api};
use std::sync::{Mutex, PoisonError};

/// Their addresses, each with the reason if it is not there.
#[derive(Clone, Debug)]
pub struct Functions {
    /// `_xxsubinterpreters.destroy`.
    pub destroy: Result<Address, String>,
    /// `posix.fork`.
    pub fork: Result<Address, String>,
    /// `posix.execv`.
    pub execv: Result<Address, String>,
    /// `_thread.start_new_thread`.
    pub start_new_thread: Result<Address, String>,
    /// `_thread.daemon_threads_allowed`, which `threading.Thread` asks.
    pub daemon_threads_allowed: Result<Address, String>,
}

static FUNCTIONS: Mutex<Option<Functions>> = Mutex::new(None);

/// Looks them up; the calling thread has the main interpreter's thread state.
pub fn look_up(api: &Api) {
    let found = Functions {
        destroy: api.function_of(c"_xxsubinterpreters", c"destroy"),
        fork: api.function_of(c"posix", c"fork"),
        execv: api.function_of(c"posix", c"execv"),
        start_new_thread: api.function_of(c"_thread", c"start_new_thread"),
        daemon_threads_allowed: api.function_of(c"_thread", c"daemon_threads_allowed"),
    };
    *FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
}

/// One of them.
pub fn get(which: impl FnOnce(Functions) -> Result<Address, String>) -> Result<Address, String> {
    let functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    which(functions.ok_or("CPython was never initialized")?)
}
