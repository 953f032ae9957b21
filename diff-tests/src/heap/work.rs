//! The workload.

use super::report::Report;
use cloister::heap::{ALIGNMENT, FreeError, Heap, LARGEST, Leaks, OutOfMemory, ReallocError};
use fastrand::Rng;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ptr::NonNull;

/// Blocks that live at the peak, at most.
const PEAK: u64 = 20_000;
/// The peak is where this share of the calls has been made.
const RISE: (u64, u64) = (2, 3);
/// One request in so many is for more than a pool has blocks for, and then one of these.
const ONE_IN: u32 = 64;
const LARGE: [usize; 4] = [768, 1_024, 2_048, 4_096];

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where the random choices begin.
    pub seed: u64,
    /// How many calls.
    pub ops: u64,
    /// How many arenas without a pool in use are kept; the heap learns it if this is not said.
    pub keep: Option<usize>,
}

/// How often each call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// `Heap::malloc`
    pub malloc: u64,
    /// `Heap::calloc`
    pub calloc: u64,
    /// `Heap::realloc`
    pub realloc: u64,
    /// Of those, how often a block of a pool stayed where it was; where large ones go is up to the
    /// system.
    pub in_place: u64,
    /// `Heap::free`
    pub free: u64,
}

/// Why a workload was not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeapError {
    /// The system has no more.
    #[error("heap: {0}; ask for fewer --ops")]
    OutOfMemory(#[from] OutOfMemory),
    /// A block of the heap was taken for none of it.
    #[error("heap: a live block was not freed: {0}")]
    Refused(#[from] FreeError),
    /// A block is not what was written into it.
    #[error("heap: a block of {0} bytes has lost what was in it")]
    Lost(usize),
    /// It was interrupted.
    #[error("heap: interrupted")]
    Interrupted,
}

impl From<ReallocError> for HeapError {
    fn from(error: ReallocError) -> Self {
        match error {
            ReallocError::OutOfMemory(error) => error.into(),
            ReallocError::Refused(error) => error.into(),
        }
    }
}

/// A live block, filled with its stamp.
#[derive(Clone, Copy)]
struct Live {
    at: NonNull<u8>,
    size: usize,
    stamp: u8,
    /// How large the blocks of its pool are; none for a large block.
    class: Option<usize>,
}

impl Live {
    fn fill(self) -> Self {
        // SAFETY: the block is live, and has so many bytes.
        unsafe { self.at.write_bytes(self.stamp, self.size) };
        self
    }

    fn check(&self, bytes: usize) -> Result<(), HeapError> {
        // SAFETY: the block is live, and was filled.
        let bytes = unsafe { NonNull::slice_from_raw_parts(self.at, bytes).as_ref() };
        if bytes.iter().all(|byte| *byte == self.stamp) { Ok(()) } else { Err(HeapError::Lost(self.size)) }
    }
}

struct Worker {
    heap: Heap,
    rng: Rng,
    live: Vec<Live>,
    calls: Calls,
}

/// Does what is planned; `go_on` is asked now and then.
///
/// # Errors
///
/// There is no memory, or the heap did not do as it should.
pub fn run(plan: &Plan, go_on: &mut dyn FnMut() -> bool) -> Result<Report, HeapError> {
    let (heap, rng) = (Heap::new(), Rng::with_seed(plan.seed));
    let mut worker = Worker { heap, rng, live: Vec::new(), calls: Calls::default() };
    plan.keep.into_iter().for_each(|arenas| worker.heap.keep(arenas));
    let rise = plan.ops / RISE.1 * RISE.0;
    let peak = (rise / 4).clamp(1, PEAK);
    for op in 0..plan.ops {
        if op.is_multiple_of(1 << 14) && !go_on() {
            return Err(HeapError::Interrupted);
        }
        worker.step(if op < rise { peak } else { (peak / 4).max(1) })?;
    }
    let live_bytes = worker.live.iter().map(|live| live.size).sum();
    let (stats, map, expected) = (worker.heap.stats(), worker.heap.map(), expected(&worker.live));
    let leaks = worker.heap.close();
    Ok(Report::new(*plan, worker.calls, live_bytes, (&stats, &map), (&leaks, &expected)))
}

/// How large the block is that a pool has for a request; none if none has.
fn class(size: usize) -> Option<usize> {
    (size <= LARGEST).then(|| size.next_multiple_of(ALIGNMENT))
}

/// What the heap has to say that these are left.
fn expected(live: &[Live]) -> Leaks {
    let (mut blocks, mut large) = (BTreeMap::new(), BTreeMap::new());
    for Live { size, class, .. } in live {
        let (counts, size) = class.map_or((&mut large, *size), |class| (&mut blocks, class));
        *counts.entry(size).or_insert(0) += 1;
    }
    Leaks { blocks: blocks.into_iter().collect(), large: large.into_iter().collect() }
}

impl Worker {
    fn step(&mut self, wanted: u64) -> Result<(), HeapError> {
        let live = self.live.len() as u64;
        match self.rng.u8(..8) {
            0 if live > 0 => self.resize(),
            // The further from what is wanted, the more often in that direction.
            _ if live == 0 || self.rng.u64(..4 * wanted) + wanted / 2 > live + self.rng.u64(..2 * wanted) => {
                self.make()
            }
            _ => self.free(),
        }
    }

    /// Small ones more often, as objects are.
    fn size(&mut self) -> usize {
        if self.rng.u32(..ONE_IN) == 0 {
            return LARGE[self.rng.usize(..LARGE.len())];
        }
        (0..3).map(|_| self.rng.usize(1..=LARGEST)).min().unwrap_or(LARGEST)
    }

    fn make(&mut self) -> Result<(), HeapError> {
        let (size, stamp) = (self.size(), self.rng.u8(..));
        let at = if self.rng.u8(..8) == 0 {
            self.calls.calloc += 1;
            let at = self.heap.calloc(1, size)?;
            Live { at, size, stamp: 0, class: None }.check(size)?;
            at
        } else {
            self.calls.malloc += 1;
            self.heap.malloc(size)?
        };
        self.live.push(Live { at, size, stamp, class: class(size) }.fill());
        Ok(())
    }

    fn resize(&mut self) -> Result<(), HeapError> {
        let which = self.rng.usize(..self.live.len());
        let old = self.live[which];
        let size = match old.class {
            Some(_) => self.size(),
            None => LARGE[self.rng.usize(..LARGE.len())],
        };
        // SAFETY: the block is live, and what this answers takes its place.
        let at = unsafe { self.heap.realloc(old.at.as_ptr(), size) }?;
        self.calls.realloc += 1;
        let stayed = at == old.at;
        self.calls.in_place += u64::from(stayed && old.class.is_some());
        Live { at, ..old }.check(size.min(old.size))?;
        self.live[which] =
            Live { at, size, class: if stayed { old.class } else { class(size) }, ..old }.fill();
        Ok(())
    }

    fn free(&mut self) -> Result<(), HeapError> {
        let live = self.live.swap_remove(self.rng.usize(..self.live.len()));
        live.check(live.size)?;
        self.calls.free += 1;
        // SAFETY: the block is live, and in the list no more.
        Ok(unsafe { self.heap.free(live.at.as_ptr()) }?)
    }
}
