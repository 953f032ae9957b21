//! How much memory a live byte takes.
//!
//! Each round is a process of its own, forked before any other work has used the allocators: what
//! they have left of an earlier one would not be counted. It counts the pages that the kernel has
//! given the process, anonymous ones, whether for blocks or for what an allocator writes down
//! about them; a block counts with the bytes that were asked for. CPython is not among the
//! contenders: it always has memory left over, of its own start.

use super::{Allocator, Blocks, Ours};
#[cfg(feature = "peers")]
use super::{SNMALLOC, peers};
use crate::bench::{BenchError, CLOISTER, Contender, Work};
use cloister::heap::Heap;
use fastrand::Rng;
use std::fs;
use std::io::{self, Error, ErrorKind, Read, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What happens before it is looked.
#[derive(Clone, Copy)]
struct Shape {
    /// Blocks that are made, of 16 to 512 bytes.
    blocks: usize,
    /// Random ones that are replaced then.
    replaced: usize,
    /// One in so many lives on.
    one_in: usize,
}

/// When many blocks have been replaced at random.
pub fn after_replacing<'a>() -> Result<Work<'a>, BenchError> {
    let shape = Shape { blocks: 4_096, replaced: 1 << 17, one_in: 1 };
    work("memory for a live byte, 4,096 blocks replaced", shape)
}

/// When most of many blocks are gone.
pub fn left_over<'a>() -> Result<Work<'a>, BenchError> {
    let shape = Shape { blocks: 65_536, replaced: 0, one_in: 4 };
    work("memory for a live byte, a quarter of 65,536 left", shape)
}

fn work<'a>(name: &'static str, shape: Shape) -> Result<Work<'a>, BenchError> {
    anonymous().map_err(|_| BenchError::NotHere("/proc/self/smaps_rollup tells no anonymous pages"))?;
    let contenders = vec![
        contender(CLOISTER, Ours(Heap::new()), shape),
        #[cfg(feature = "peers")]
        contender(SNMALLOC, peers::Snmalloc, shape),
        #[cfg(feature = "peers")]
        contender("mimalloc", peers::Mimalloc, shape),
        #[cfg(feature = "peers")]
        contender("jemalloc", peers::Jemalloc, shape),
    ];
    Ok(Work { name, unit: "bytes", target: None, stretch: 1, contenders })
}

/// The longest that a process may take, in seconds: it is ended then, and the bench fails.
const PATIENCE: u32 = 60;

fn contender<'a>(name: &str, mut of: impl Allocator + 'a, shape: Shape) -> Contender<'a> {
    Contender::new(name, move |_| {
        let measured = apart(|| {
            // What an earlier heap has left for the next is in memory already.
            Heap::new().trim();
            per_live_byte(&mut of, shape)
        });
        measured.map_err(BenchError::Process)
    })
}

/// Bytes in memory for each that lives.
fn per_live_byte(of: &mut impl Allocator, shape: Shape) -> io::Result<f64> {
    let mut rng = Rng::with_seed(1);
    let mut live = Vec::with_capacity(shape.blocks);
    // Its own pages are there before it is looked.
    live.resize(shape.blocks, (std::ptr::null_mut(), 1));
    live.clear();
    anonymous()?;
    let before = anonymous()?;
    let mut blocks = Blocks { of, live };
    let no_memory = |_| Error::from(ErrorKind::OutOfMemory);
    for _ in 0..shape.blocks {
        blocks.add(rng.usize(16..=512)).map_err(no_memory)?;
    }
    for _ in 0..shape.replaced {
        blocks.replace(rng.usize(..shape.blocks), rng.usize(16..=512)).map_err(no_memory)?;
    }
    rng.shuffle(&mut blocks.live);
    blocks.shrink(shape.blocks / shape.one_in);
    let after = anonymous()?;
    let live: usize = blocks.live.iter().map(|(_, size)| size).sum();
    Ok(after.saturating_sub(before) as f64 / live as f64)
}

/// Bytes of the anonymous pages of this process.
fn anonymous() -> io::Result<usize> {
    let told = fs::read_to_string("/proc/self/smaps_rollup")?;
    let value = told.lines().find_map(|line| line.strip_prefix("Anonymous:")?.strip_suffix("kB"));
    let pages = value.and_then(|kib| kib.trim().parse::<usize>().ok());
    pages.map(|kib| kib * 1024).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// What this answers in a child of this process.
fn apart(work: impl FnOnce() -> io::Result<f64>) -> io::Result<f64> {
    let (mut reader, mut writer) = pipe()?;
    // SAFETY: the child uses its memory, files, and allocators that no other thread was inside of.
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(Error::last_os_error()),
        0 => {
            // SAFETY: it ends this process if it takes too long.
            unsafe { libc::alarm(PATIENCE) };
            let told = catch_unwind(AssertUnwindSafe(work)).ok().and_then(Result::ok);
            let told = told.and_then(|value| writer.write_all(&value.to_le_bytes()).ok());
            // SAFETY: nothing of the parent's is run, as it would be by a return.
            unsafe { libc::_exit(i32::from(told.is_none())) }
        }
        _ => {
            drop(writer);
            let mut value = [0; size_of::<f64>()];
            let read = reader.read_exact(&mut value);
            // SAFETY: the child is this function's.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            let value = read.map(|()| f64::from_le_bytes(value))?;
            // Each live block was written to, so its pages were counted, unless they were there before.
            if value >= 0.9 { Ok(value) } else { Err(ErrorKind::InvalidData.into()) }
        }
    }
}
