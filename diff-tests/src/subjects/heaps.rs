//! What a slot of a block or an object stands for.

/// A handle in a slot.
#[derive(Clone, Copy, Debug)]
pub struct Held<H> {
    handle: H,
    /// It was not given back.
    pub live: bool,
    /// The interpreter whose heap it lies in, by its serial; `None`: it lies in none.
    pub heap: Option<u64>,
}

impl<H: Copy> Held<H> {
    /// A slot that was never used.
    pub const fn nothing(null: H) -> Held<H> {
        Held { handle: null, live: false, heap: None }
    }

    /// What is there from the start, and stays.
    pub const fn forever(handle: H) -> Held<H> {
        Held { handle, live: true, heap: None }
    }

    /// The handle, for a thread that works in this heap. What is dead is told by an address that
    /// dangles, but to nobody but those who work where it lay: elsewhere it may not be looked at.
    pub fn handle(&self, heap: Option<u64>, null: H) -> H {
        if self.live || (self.heap.is_some() && self.heap == heap) { self.handle } else { null }
    }

    /// Its heap is gone, unless this says that it is not.
    pub fn retain(&mut self, still: impl Fn(u64) -> bool) {
        if self.heap.is_some_and(|heap| !still(heap)) {
            self.live = false;
            self.heap = None;
        }
    }

    /// Puts a handle into a slot, else into the first free one, and answers which. A dead one that
    /// named the same address is forgotten: it would name this one now.
    ///
    /// # Errors
    /// No slot is free.
    pub fn place(
        slots: &mut [Held<H>],
        at: Option<usize>,
        handle: H,
        heap: Option<u64>,
        address: impl Fn(H) -> usize,
    ) -> Result<usize, String> {
        let slot = at.or_else(|| slots.iter().position(|held| !held.live)).ok_or("every slot is taken")?;
        for held in slots.iter_mut().filter(|held| !held.live && address(held.handle) == address(handle)) {
            held.heap = None;
        }
        slots[slot] = Held { handle, live: true, heap };
        Ok(slot)
    }
}
