//! What is in a home: a heap, its objects by kind, its total of references.

use super::Left;
use super::counted::Counted;
use super::given::Given;
use super::kinds::Kinds;
use super::tally::Tally;
use crate::heap::{self, Heap};
use crate::object::Kind;
use crate::sync::plain::{AtomicI64, AtomicU64, Ordering};
use std::ptr;

/// What is in a home.
#[derive(Default)]
pub(crate) struct Inside {
    heap: Option<Heap>,
    kinds: Kinds,
    pub(super) given: Given,
    /// What its heap left when it was closed.
    pub(super) left: Option<Box<Left>>,
    /// `_PyInterpreterState_GetRefTotal`. Atomic so that a total can be charged to where a mistake
    /// would charge it; nobody waits for it.
    pub(super) refs: AtomicI64,
    /// How many blocks of the heap live.
    tally: Tally,
    /// The number of the heap, or of the one that was here last.
    number: AtomicU64,
}

impl Inside {
    /// Its heap, which begins now if it has not yet.
    #[inline]
    pub(crate) fn heap(&mut self) -> Counted<'_> {
        let heap = match &mut self.heap {
            Some(heap) => heap,
            none => begin_heap(none, &self.tally, &self.number),
        };
        Counted { heap, tally: &self.tally, kinds: &mut self.kinds, given: &mut self.given }
    }

    /// Has its heap begun, and not ended?
    #[inline]
    pub(crate) fn has_heap(&self) -> bool {
        self.heap.is_some()
    }

    /// How many blocks live, or were left; `twice`: the large ones are counted twice.
    //= specs/rules/mem.md#mem-9
    //# The blocks of an interpreter MUST be counted as those that came from its heap and were not
    //# freed.
    pub(crate) fn blocks(&self, twice: bool) -> usize {
        match (&self.heap, &self.left) {
            (Some(heap), _) => {
                debug_assert_eq!(self.tally.blocks(), heap.stats().blocks());
                self.tally.blocks() + if twice { heap.stats().large_blocks } else { 0 }
            }
            (None, Some(left)) => left.blocks(),
            (None, None) => 0,
        }
    }

    /// One more object of this kind lives, for which [`Inside::heap`] has just given a block: then
    /// there is room to count it.
    pub(crate) fn count_object(&mut self, kind: &'static Kind) {
        if !self.kinds.count_known(kind) {
            self.tally.change(|| (self.kinds.count(kind), 0));
        }
    }

    /// One less does.
    pub(crate) fn uncount_object(&mut self, kind: &'static Kind) {
        self.kinds.uncount(kind);
    }

    /// The total of references.
    pub(crate) fn refs(&self) -> i64 {
        self.refs.load(Ordering::Relaxed)
    }

    /// So many references more.
    #[inline]
    pub(crate) fn charge(&self, references: i64) {
        self.refs.store(self.refs() + references, Ordering::Relaxed);
    }

    /// Gives all memory back, and keeps in mind what was left.
    //= specs/rules/mem.md#mem-11
    //# The end of a heap MUST leave no arena behind.
    #[inline]
    pub(crate) fn close(&mut self) {
        if self.has_heap() {
            self.end_heap();
        }
    }

    #[cold]
    #[inline(never)]
    fn end_heap(&mut self) {
        let blocks = self.tally.blocks();
        self.tally.change(|| {
            let leaks = self.heap.take().map(Heap::close).unwrap_or_default();
            debug_assert_eq!(leaks.count(), blocks);
            if !leaks.is_empty() {
                self.left = Some(Box::new(Left::new(leaks, self.kinds.all())));
            }
            (self.kinds, self.given) = (Kinds::default(), Given::default());
            ((), -(blocks as isize))
        });
    }

    /// In the child of a fork: other threads are no more, and are not waited for.
    pub(crate) fn forked(&mut self) {
        if let Some(heap) = &mut self.heap {
            heap.forked();
        }
    }

    /// In the child of a fork: closes the heap, in which a thread that is no more may have been at
    /// work.
    ///
    /// If that thread was changing it, the blocks that it had are counted, and its arenas go back to
    /// the system, for the table of arenas says which those are. What else it had of the system's
    /// allocator, large blocks above all, stays where it is. Its last call is as if it had not been
    /// made: nobody was told of what it took, and what it was freeing was not free yet.
    //= specs/rules/mem.md#mem-12
    //# All blocks MUST be counted as those of the heaps, and those that ended heaps and ended lives
    //# of the runtime left, each once.
    pub(crate) fn close_in_child(&mut self) {
        if !self.tally.is_changing() {
            self.forked();
            self.close();
            return;
        }
        let left = match self.tally.blocks() {
            0 => None,
            blocks => Some(Box::new(Left::uncertain(blocks))),
        };
        let number = self.number.load(Ordering::Relaxed);
        let after = Inside { left, refs: AtomicI64::new(self.refs()), ..Inside::default() };
        // SAFETY: this is the only reference to it. What was there is half written, so it is neither
        // dropped nor read.
        unsafe { ptr::from_mut(self).write(after) };
        // SAFETY: the threads that used the heap are no more, and nothing here leads to it now.
        unsafe { heap::give_back_arenas(number) };
    }
}

/// The heap of this home, which begins now.
#[cold]
#[inline(never)]
fn begin_heap<'a>(none: &'a mut Option<Heap>, tally: &Tally, number: &AtomicU64) -> &'a mut Heap {
    tally.change(|| {
        let heap = none.insert(Heap::new());
        number.store(heap.number(), Ordering::Relaxed);
        (heap, 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static PLAIN: Kind = Kind::PLAIN;

    /// A home with this many blocks of 512 bytes, one of which is an object.
    fn with_blocks(blocks: usize) -> Inside {
        let mut inside = Inside::default();
        for _ in 0..blocks {
            inside.heap().malloc(512).unwrap();
        }
        inside.count_object(&PLAIN);
        inside.charge(3);
        inside
    }

    fn told(inside: &mut Inside) -> (Option<Left>, i64) {
        assert!(inside.heap.is_none() && inside.kinds.all().is_empty() && inside.tally.blocks() == 0);
        (inside.left.take().map(|left| *left), inside.refs())
    }

    #[test]
    fn the_child_of_a_fork_looks_into_a_heap_that_was_at_rest() {
        let mut inside = with_blocks(5000);
        inside.close_in_child();
        let (left, refs) = told(&mut inside);
        let left = left.unwrap();
        assert_eq!((left.small, left.uncertain, refs), (vec![(512, 5000)], 0, 3));
        assert_eq!(left.objects, [("object", 1)]);
    }

    /// Nothing but garbage lies where the heap was, and its arenas go back all the same.
    #[test]
    fn the_child_of_a_fork_does_not_look_into_a_heap_that_was_changing() {
        for blocks in [5000, 0] {
            let mut inside = with_blocks(blocks);
            inside.tally.interrupt();
            // SAFETY: the bytes are those of this place, and are not read as what was there.
            unsafe {
                (&raw mut inside.kinds).cast::<u8>().write_bytes(0xa5, size_of_val(&inside.kinds));
                (&raw mut inside.given).cast::<u8>().write_bytes(0xa5, size_of_val(&inside.given));
                (&raw mut inside.heap).cast::<u8>().write_bytes(0xa5, size_of_val(&inside.heap));
            }
            let number = inside.number.load(Ordering::Relaxed);
            inside.close_in_child();
            let left = (blocks > 0).then(|| Left::uncertain(blocks));
            assert_eq!(told(&mut inside), (left, 3));
            // SAFETY: the heap is not used any more.
            assert_eq!(unsafe { heap::give_back_arenas(number) }, 0);
        }
    }

    #[test]
    fn the_arenas_of_a_heap_are_given_back_by_its_number() {
        let inside = with_blocks(5000);
        let number = inside.number.load(Ordering::Relaxed);
        std::mem::forget(inside);
        // SAFETY: the heap is not used any more.
        assert_eq!([(); 2].map(|()| unsafe { heap::give_back_arenas(number) }), [3, 0]);
    }
}
