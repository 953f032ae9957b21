//! Slots: memory for thread states, interpreters and attached threads.
//!
//! A slot is *type-stable*: once made it is one for the life of the process, and goes
//! from runtime to runtime through a pool. So a handle can name its slot by a plain
//! reference; whether the slot still holds what the handle named is told by its serial.

use crate::snapshot::PoolSize;
use crate::sync::Mutex;
#[cfg(any(feature = "loom", feature = "shuttle"))]
use std::ptr::NonNull;

/// Memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoMemory;

/// The slots of one kind that nobody uses.
pub(crate) struct Pool<T: 'static>(Mutex<Slots<T>>);

struct Slots<T: 'static> {
    free: Vec<&'static T>,
    made: usize,
    #[cfg(any(feature = "loom", feature = "shuttle"))]
    kept: Kept<T>,
}

impl<T: Default> Pool<T> {
    #[cfg(not(any(feature = "loom", feature = "shuttle")))]
    pub(crate) const fn new() -> Self {
        Pool(Mutex::new(Slots { free: Vec::new(), made: 0 }))
    }

    #[cfg(any(feature = "loom", feature = "shuttle"))]
    pub(crate) fn new() -> Self {
        Pool(Mutex::new(Slots { free: Vec::new(), made: 0, kept: Kept(Vec::new()) }))
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
        let slot: &'static T = memory.leak().first().ok_or(NoMemory)?;
        #[cfg(any(feature = "loom", feature = "shuttle"))]
        slots.kept.0.push(NonNull::from(slot));
        Ok(slot)
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

/// In explored mode a pool lives for one execution, and so do the slots that it made.
#[cfg(any(feature = "loom", feature = "shuttle"))]
struct Kept<T>(Vec<NonNull<T>>);

// SAFETY: it does nothing with the slots but free them, and those who share them may.
#[cfg(any(feature = "loom", feature = "shuttle"))]
unsafe impl<T: Send + Sync> Send for Kept<T> {}

#[cfg(any(feature = "loom", feature = "shuttle"))]
impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if crate::sync::explored::given_up() {
            return;
        }
        for slot in self.0.drain(..) {
            // SAFETY: each was leaked once, as all of an allocation of one `T`, and is freed once.
            // loom and shuttle drop what is global when the first thread of an execution is over,
            // which joins the others: nobody is left who could follow a handle.
            drop(unsafe { Box::from_raw(slot.as_ptr()) });
        }
    }
}
