//! Each request to the system fails once, in a scenario of all operations: nothing changes, and
//! the same call succeeds when it is made again.

use cloister::heap::{Heap, LARGEST, OutOfMemory, POOLS, ReallocError, Stats};
use std::ptr::{self, NonNull};

/// What a scenario is made of. Blocks are named by their place in the list of all.
#[derive(Clone, Copy, Debug)]
enum Step {
    Malloc(usize),
    Calloc(usize),
    Realloc(usize, usize),
    /// The last block, with another size.
    ReallocLast(usize),
    Free(usize),
    FreeChecked(usize),
    /// Every block from this one on, each with its size.
    FreeSizedFrom(usize),
    Keep(usize),
    Trim,
}

/// A scenario under way.
struct Run {
    heap: Heap,
    blocks: Vec<(*mut u8, usize)>,
    failures: usize,
}

impl Run {
    /// The answer of a call that may fail: then nothing has changed, and it succeeds afterwards.
    fn answer<T, E: PartialEq + std::fmt::Debug + From<OutOfMemory>>(
        &mut self,
        step: Step,
        call: impl Fn(&mut Heap) -> Result<T, E>,
    ) -> T {
        let before = self.heap.stats();
        match call(&mut self.heap) {
            Ok(answer) => answer,
            Err(error) => {
                assert_eq!(error, OutOfMemory.into(), "{step:?}");
                assert_eq!(self.heap.stats(), before, "{step:?}");
                self.assert_kept();
                self.failures += 1;
                call(&mut self.heap).unwrap_or_else(|error| panic!("{step:?} again: {error:?}"))
            }
        }
    }

    /// Each block has its own stamp in all its bytes.
    fn assert_kept(&self) {
        for (which, (at, size)) in self.blocks.iter().enumerate().filter(|(_, (at, _))| !at.is_null()) {
            // SAFETY: the block is live, and was filled.
            let bytes = unsafe { std::slice::from_raw_parts(*at, *size) };
            assert!(bytes.iter().all(|byte| *byte == which as u8), "block {which}");
        }
    }

    fn fill(&mut self, which: usize, at: NonNull<u8>, size: usize) {
        self.blocks[which] = (at.as_ptr(), size);
        // SAFETY: the block is live, and has so many bytes.
        unsafe { at.write_bytes(which as u8, size) };
    }

    fn resize(&mut self, step: Step, which: usize, size: usize) {
        let (at, _) = self.blocks[which];
        // SAFETY: the block is live, or null; what this answers takes its place.
        let new = self.answer::<_, ReallocError>(step, |heap| unsafe { heap.realloc(at, size) });
        self.fill(which, new, size);
    }

    fn take(&mut self, which: usize) -> (*mut u8, usize) {
        std::mem::replace(&mut self.blocks[which], (ptr::null_mut(), 0))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Malloc(size) | Step::Calloc(size) => {
                let zeroed = matches!(step, Step::Calloc(_));
                let call = |heap: &mut Heap| if zeroed { heap.calloc(size, 1) } else { heap.malloc(size) };
                let at = self.answer(step, call);
                self.blocks.push((ptr::null_mut(), 0));
                self.fill(self.blocks.len() - 1, at, size);
            }
            Step::Realloc(which, size) => self.resize(step, which, size),
            Step::ReallocLast(size) => self.resize(step, self.blocks.len() - 1, size),
            Step::Free(which) => {
                let (at, _) = self.take(which);
                // SAFETY: the block is live, and not used any more.
                assert_eq!(unsafe { self.heap.free(at) }, Ok(()));
            }
            Step::FreeChecked(which) => {
                let (at, _) = self.take(which);
                // SAFETY: as above.
                assert_eq!(unsafe { self.heap.free_checked(at) }, Ok(()));
            }
            Step::FreeSizedFrom(first) => {
                for which in first..self.blocks.len() {
                    let (at, size) = self.take(which);
                    // SAFETY: as above; no block from there on was large and is small now.
                    assert_eq!(unsafe { self.heap.free_sized(at, size) }, Ok(()));
                }
            }
            Step::Keep(arenas) => self.heap.keep(arenas),
            Step::Trim => self.heap.trim(),
        }
    }
}

/// All operations, and each request that there is: arenas, more than one, and again after they
/// went back; large blocks, new ones and ones of another size.
fn scenario() -> Vec<Step> {
    let mut steps = vec![
        Step::Keep(0),
        Step::Malloc(48),
        Step::Calloc(200),
        Step::Malloc(0),
        Step::Malloc(5_000),
        Step::Calloc(10_000),
        Step::Realloc(0, 44),
        Step::Realloc(0, 100),
        Step::Realloc(0, 3_000),
        Step::Realloc(3, 50_000),
        Step::Realloc(3, 30),
        Step::Malloc(64),
        Step::ReallocLast(0),
    ];
    let first = steps.iter().filter(|step| matches!(step, Step::Malloc(_) | Step::Calloc(_))).count();
    for _ in 0..2 {
        steps.extend(vec![Step::Malloc(LARGEST); 2 * POOLS * (1 << 14) / LARGEST + 1]);
        steps.extend([Step::FreeSizedFrom(first), Step::Trim]);
    }
    steps.extend([Step::Malloc(16), Step::ReallocLast(512), Step::ReallocLast(513)]);
    steps.extend([0, 1, 2].map(Step::Free));
    steps.extend([3, 4, 5].map(Step::FreeChecked));
    steps.extend([Step::FreeSizedFrom(first), Step::Trim]);
    steps
}

#[test]
fn after_each_failure_the_heap_is_as_before_and_the_same_call_succeeds() {
    let steps = scenario();
    let mut failed = Vec::new();
    for nth in 1.. {
        let mut run = Run { heap: Heap::new(), blocks: Vec::new(), failures: 0 };
        run.heap.fail_request(nth);
        steps.iter().for_each(|step| run.step(*step));
        assert_eq!(run.heap.stats(), Stats::default());
        assert!(run.heap.close().is_empty());
        if run.failures == 0 {
            break;
        }
        failed.push(run.failures);
    }
    // Five arenas; three large blocks that are new, three that pool blocks become, and two with
    // another size. The table of arenas may have needed a part too.
    assert!(failed.len() >= 13 && failed.iter().all(|failures| *failures == 1), "{failed:?}");
}
