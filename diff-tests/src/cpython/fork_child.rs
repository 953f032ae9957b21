//! A run that is forked: it goes on in the child, and the process that it was in ends as
//! the child ends.

use super::{api::Api, baton, functions};
use cloister_specs::ThreadId;
use std::sync::{
    Once,
    atomic::{AtomicU32, Ordering::Relaxed},
};

static PATIENCE_SECONDS: AtomicU32 = AtomicU32::new(0);
static HANDLED: Once = Once::new();

/// Calls `posix.fork`; returns in the child, or with the text of the exception.
pub fn fork(api: &Api, me: ThreadId) -> Result<Result<(), String>, String> {
    let fork = functions::get(|f| f.fork)?;
    PATIENCE_SECONDS.store(baton::with(|run| run.patience_seconds()), Relaxed);
    // SAFETY: the handlers call nothing but `alarm`.
    HANDLED.call_once(|| unsafe {
        libc::pthread_atfork(None, Some(stop_alarm), Some(start_alarm));
    });
    match api.call(fork, &[]) {
        Err(said) => Ok(Err(said)),
        Ok(0) => {
            baton::with(|run| run.leave_others_behind(me));
            Ok(Ok(()))
        }
        Ok(pid) => end_like(pid as libc::pid_t),
    }
}

/// What hangs is the child: it has not come back from CPython yet.
unsafe extern "C" fn start_alarm() {
    // SAFETY: without a handler, the alarm ends the process.
    unsafe { libc::alarm(PATIENCE_SECONDS.load(Relaxed)) };
}

unsafe extern "C" fn stop_alarm() {
    // SAFETY: cancels it.
    unsafe { libc::alarm(0) };
}

/// Waits for the end of the child, and ends in the same way. What it says, it says to the
/// same file.
fn end_like(pid: libc::pid_t) -> ! {
    let mut status = 0;
    // SAFETY: waits for our own child, and ends this process.
    unsafe {
        while libc::waitpid(pid, &mut status, 0) < 0 {}
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}
