//! Slots: memory for thread states, interpreters and attached threads.
//!
//! A slot is *type-stable*: once made it is one for the life of the process, and goes
//! from runtime to runtime through a pool. So a handle can name its slot by a plain
//! reference; whether the slot still holds what the handle named is told by its serial.

use crate::snapshot::PoolSize;
use crate::sync::Mutex;

/// Memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoMemory;

/// The slots of one kind that nobody uses.
pub(crate) struct Pool<T: 'static>(Mutex<Slots<T>>);

struct Slots<T: 'static> {
    free: Vec<&'static T>,
    made: usize,
}

impl<T: Default> Pool<T> {
    pub(crate) const fn new() -> Self {
        Pool(Mutex::new(Slots { free: Vec::new(), made: 0 }))
    }

    /// A slot, used before or new.
    pub(crate) fn take(&self) -> Result<&'static T, NoMemory> {
        let mut slots = self.0.lock();
        if let Some(slot) = slots.free.pop() {
            return Ok(slot);
        }
        // Room for all to come back, so that `give` never allocates.
        let made = slots.made + 1;
        slots.free.try_reserve(made).map_err(|_| NoMemory)?;
        let mut memory = Vec::new();
        memory.try_reserve_exact(1).map_err(|_| NoMemory)?;
        memory.push(T::default());
        slots.made = made;
        memory.leak().first().ok_or(NoMemory)
    }

    /// How many slots there are.
    pub(crate) fn size(&self) -> PoolSize {
        let slots = self.0.lock();
        PoolSize { made: slots.made, used: slots.made - slots.free.len() }
    }

    /// Puts a slot back.
    pub(crate) fn give(&self, slot: &'static T) {
        self.0.lock().free.push(slot);
    }
}
