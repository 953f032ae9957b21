//! What ends a run process from within: a touch of freed memory, or a write found later.
//!
//! The reports begin with [`MARK`], by which the parent finds them.

use super::{
    layout::Layout,
    region::{self, Content, Place},
};
use std::{
    fmt::{self, Write},
    sync::OnceLock,
};

/// How a report begins.
pub const MARK: &str = "Cloister: ";

static LAYOUT: OnceLock<Layout> = OnceLock::new();

/// A line of bounded length, so that a signal handler can write it.
struct Line {
    bytes: [u8; 200],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Watches for touches of freed memory from now on.
pub fn install(layout: Layout) {
    let _ = LAYOUT.set(layout);
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
    // SAFETY: the handler uses atomics, its stack, and `write`.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
        libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut());
    }
}

/// Ends the run process with a report.
pub fn die(report: fmt::Arguments<'_>) -> ! {
    say(report);
    // SAFETY: ends the process.
    unsafe { libc::_exit(1) }
}

/// Ends the run process if poisoned memory has been written to.
pub fn check_poison() {
    if let Some(place) = region::damage().and_then(region::locate) {
        die(format_args!("write to freed memory: {}", Shown(place)));
    }
}

fn say(report: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 200], length: 0 };
    let _ = writeln!(line, "{MARK}{report}");
    // SAFETY: writes from the line's own buffer.
    unsafe { libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.length) };
}

/// A place in freed memory.
struct Shown(Place);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { slot, in_tstate, offset, .. } = self.0;
        let layout = LAYOUT.get();
        let field = match in_tstate {
            true => layout.and_then(|l| l.tstate_field(offset)),
            false => layout.and_then(|l| l.interp_field(offset)),
        };
        if !in_tstate {
            write!(f, "the interpreter of ")?;
        }
        match field {
            Some(field) => write!(f, "t{slot}, {field}"),
            None => write!(f, "t{slot}, offset {offset}"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn is_write(context: *mut libc::c_void) -> Option<bool> {
    const WRITE: i64 = 2;
    // SAFETY: the kernel passes a `ucontext_t` to a handler that asked for it.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    Some(context.uc_mcontext.gregs[libc::REG_ERR as usize] & WRITE != 0)
}

#[cfg(not(target_arch = "x86_64"))]
fn is_write(_: *mut libc::c_void) -> Option<bool> {
    None
}

extern "C" fn on_fault(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t`; a SIGSEGV has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    if let Some(place) = region::locate(address)
        && matches!(place.content, Content::FreedTstate | Content::FreedInterp)
    {
        let verb = match is_write(context) {
            Some(true) => "write to",
            Some(false) => "read of",
            None => "touch of",
        };
        die(format_args!("{verb} freed memory: {}", Shown(place)));
    }
}
