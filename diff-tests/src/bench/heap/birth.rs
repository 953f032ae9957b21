//! The birth and the death of a heap.

#[cfg(feature = "peers")]
use super::peers::MimallocHeap;
use crate::bench::calls::timed;
use crate::bench::{BenchError, CLOISTER, Contender, Work};
use cloister::heap::Heap;
use std::hint::black_box;

/// A heap with one small block, which is written, and not freed.
pub fn birth_and_death<'a>() -> Result<Work<'a>, BenchError> {
    let contenders = vec![
        Contender::new(CLOISTER, |calls| timed(calls, || ours().map(|_| ()))),
        // It gives back what the last heap has left, so each gets its arena from the system.
        Contender::new("Cloister, nothing left by another", |calls| {
            timed(calls, || ours().map(|mut left| left.trim()))
        }),
        #[cfg(feature = "peers")]
        Contender::new("mimalloc", |calls| {
            timed(calls, || {
                let mut heap = MimallocHeap::new();
                let block = black_box(heap.malloc(SIZE));
                if block.is_null() {
                    return Err(BenchError::NoMemory);
                }
                // SAFETY: it is new, and large enough.
                unsafe { block.write(1) };
                Ok(())
            })
        }),
    ];
    Ok(Work { name: "a heap's birth and death", unit: "ns", target: None, stretch: 1, contenders })
}

const SIZE: usize = 48;

/// Answers with another heap, which has nothing.
fn ours() -> Result<Heap, BenchError> {
    let mut heap = Heap::new();
    let block = black_box(heap.malloc(SIZE).map_err(|_| BenchError::NoMemory)?);
    // SAFETY: it is new, and large enough.
    unsafe { block.write(1) };
    if black_box(heap.close()).count() == 1 { Ok(Heap::new()) } else { Err(BenchError::Abandoned) }
}
