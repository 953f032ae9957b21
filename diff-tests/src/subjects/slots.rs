//! Which slot a handle of the implementation stands for.

/// The slots of one kind. A slot whose holder is gone still gives its stale handle, until
/// it is used again; a slot that was never used gives the null handle.
#[derive(Debug)]
pub struct Slots<H> {
    entries: Vec<Entry<H>>,
    null: H,
}

#[derive(Clone, Copy, Debug)]
struct Entry<H> {
    handle: H,
    serial: u64,
    listed: bool,
    /// A call that made it, and has not returned, still names it.
    reserved: bool,
}

impl<H: Copy> Slots<H> {
    pub fn new(null: H) -> Self {
        Slots { entries: Vec::new(), null }
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The handle for a slot.
    pub fn handle(&self, slot: u8) -> H {
        self.entries.get(usize::from(slot)).map_or(self.null, |e| e.handle)
    }

    /// The slot of a handle, whether it is stale or not.
    pub fn slot(&self, serial: u64) -> Option<u8> {
        (0..).zip(&self.entries).find(|(_, e)| e.serial == serial).map(|(slot, _)| slot)
    }

    /// The slot of a handle that is not known to be stale.
    pub fn listed(&self, serial: u64) -> bool {
        self.entries.iter().any(|e| e.listed && e.serial == serial)
    }

    /// Is somebody in this slot?
    pub fn taken(&self, slot: u8) -> bool {
        self.entries.get(usize::from(slot)).is_some_and(|e| e.listed)
    }

    /// Puts a new handle into the slot `at`, else into the lowest one that is free and not
    /// reserved, and answers which.
    pub fn place(&mut self, handle: H, serial: u64, at: Option<u8>) -> u8 {
        let free = |e: &Entry<H>| !e.listed && !e.reserved;
        let slot =
            at.map_or_else(|| self.entries.iter().position(free).unwrap_or(self.entries.len()), usize::from);
        let blank = Entry { handle: self.null, serial: 0, listed: false, reserved: false };
        if slot >= self.entries.len() {
            self.entries.resize(slot + 1, blank);
        }
        self.entries[slot] = Entry { handle, serial, listed: true, ..blank };
        slot as u8
    }

    /// Keeps a slot from being chosen, or lets it be chosen again.
    pub fn reserve(&mut self, slot: u8, reserved: bool) {
        if let Some(entry) = self.entries.get_mut(usize::from(slot)) {
            entry.reserved = reserved;
        }
    }

    /// Marks those as gone of which this says no.
    pub fn retain(&mut self, mut still: impl FnMut(u64) -> bool) {
        for entry in &mut self.entries {
            entry.listed = entry.listed && still(entry.serial);
        }
    }
}
