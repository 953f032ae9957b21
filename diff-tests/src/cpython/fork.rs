//! Forking a run process for real, with CPython in it, as `os.fork` does.
//!
//! The child says through a pipe that it runs; the pipe is its standard error, so that a
//! fatal error comes out there as well. A child that does neither and sleeps whenever it is
//! looked at, for a long time, hangs: it has one thread, and nobody who could wake it.

use super::{api::Api, interpose, memory, parent::cause, trap, wire::Gone};
use std::{
    fs::{self, File},
    io::Read,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    time::{Duration, Instant},
};

const RUNS: &str = "runs";
const LOOK_MS: libc::c_int = 100;
/// How many looks in a row have to find the child asleep. One that runs needs milliseconds,
/// and one that waits for a processor or a disk does not count as asleep.
const ASLEEP_LOOKS: u32 = 20;
/// How long a child may take that is not asleep.
const BUSY_LIMIT: Duration = Duration::from_secs(60);

/// Forks: what becomes of the child, in words.
pub fn fork(api: &Api, fresh: u8) -> String {
    // SAFETY: cancels the alarm: the limits here take its place.
    unsafe { libc::alarm(0) };
    let mut ends = [0; 2];
    // SAFETY: makes two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        trap::die(format_args!("no pipe is left"));
    }
    // SAFETY: both were just made, and nobody else owns them.
    let [read, write] = ends.map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }));
    api.before_fork();
    // SAFETY: the child calls what CPython's own `os.fork` would, and ends.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        live(api, fresh, &write);
    }
    drop(write);
    api.after_fork_parent();
    if pid < 0 {
        trap::die(format_args!("no process is left"));
    }
    watch(pid, read)
}

/// Is the life of the child: it reaches a running state if it can.
fn live(api: &Api, fresh: u8, to: &File) -> ! {
    interpose::release();
    memory::fill_fresh(fresh);
    // SAFETY: both descriptors are open.
    unsafe { libc::dup2(to.as_raw_fd(), libc::STDERR_FILENO) };
    api.after_fork_child();
    let said = match api.poll() {
        Ok(true) => RUNS.to_string(),
        Ok(false) => "the poll has raised an exception".to_string(),
        Err(reason) => reason,
    };
    // SAFETY: writes from the text's own bytes, and ends the process.
    unsafe {
        libc::write(libc::STDERR_FILENO, said.as_ptr().cast(), said.len());
        libc::_exit(0)
    }
}

fn watch(pid: libc::pid_t, mut from: File) -> String {
    let begun = Instant::now();
    let mut said = Vec::new();
    let mut verdict = None;
    let mut asleep = 0;
    loop {
        let mut ready = libc::pollfd { fd: from.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is open.
        if unsafe { libc::poll(&mut ready, 1, LOOK_MS) } > 0 {
            let mut bytes = [0; 4096];
            match from.read(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(n) => said.extend_from_slice(&bytes[..n]),
            }
        }
        asleep = if is_asleep(pid) { asleep + 1 } else { 0 };
        if asleep >= ASLEEP_LOOKS {
            verdict = Some("hangs");
        } else if begun.elapsed() > BUSY_LIMIT {
            verdict = Some("does not come to an end");
        }
        if verdict.is_some() {
            // SAFETY: our own child, which has not been waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            break;
        }
    }
    let mut status = 0;
    // SAFETY: as above.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    let status = ExitStatus::from_raw(status);
    let said = String::from_utf8_lossy(&said).into_owned();
    match verdict {
        Some(verdict) => verdict.into(),
        None if status.success() => said,
        None => format!("died: {}", cause(&Gone { signal: status.signal(), code: status.code(), said })),
    }
}

fn is_asleep(pid: libc::pid_t) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
}
