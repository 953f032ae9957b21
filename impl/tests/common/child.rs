//! Children of a fork, which say whether all was well.

use cloister::{Forked, Thread};

/// Forks, has the child do this, and answers with whether it did. The child runs nothing else.
pub fn in_a_child(thread: &Thread, child: impl FnOnce(&Thread) -> bool) -> bool {
    let mut pipe = [0; 2];
    // SAFETY: makes two descriptors.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    let [reads, writes] = pipe;
    // SAFETY: the child uses the runtime, the allocator of libc, and what these tests make for it.
    match unsafe { thread.fork() }.unwrap() {
        Forked::Child => {
            let well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| child(thread)));
            let byte = u8::from(matches!(well, Ok(true)));
            // SAFETY: writes one byte that is there, and ends the process at once.
            unsafe {
                libc::write(writes, (&raw const byte).cast(), 1);
                libc::_exit(0)
            }
        }
        Forked::Parent(child) => {
            let mut byte = 0_u8;
            // SAFETY: both descriptors are ours; reads at most one byte to where there is room for it.
            unsafe {
                libc::close(writes);
                let mut read = libc::pollfd { fd: reads, events: libc::POLLIN, revents: 0 };
                // A child that hangs is told apart from one that is slow.
                if libc::poll(&raw mut read, 1, 30_000) == 1 {
                    libc::read(reads, (&raw mut byte).cast(), 1);
                }
                libc::close(reads);
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
            byte == 1
        }
    }
}
