//! The outstanding Ensures of a thread state, and what each of them answered.
//!
//! What they answered is a stack of bits, the innermost lowest. The innermost 64 are in
//! one word; those further out are in words of a vector, which is there only if so many
//! are outstanding. Only the thread that the thread state is bound to changes any of it.

use crate::pool::NoMemory;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use cloister_specs::GilState;

/// What a thread state keeps of Ensures.
#[derive(Default)]
pub(crate) struct Ensures {
    /// How many are outstanding.
    count: AtomicU32,
    /// An Ensure made the thread state.
    made: AtomicBool,
    /// What the innermost ones answered; set: `Unlocked`.
    answers: AtomicU64,
    /// What those before them did, 64 a word.
    outer: Mutex<Vec<u64>>,
}

impl Ensures {
    /// A new thread state, by an Ensure or otherwise.
    pub(crate) fn reset(&self) {
        self.count.store(0, Ordering::Relaxed);
        self.made.store(false, Ordering::Relaxed);
        self.answers.store(0, Ordering::Relaxed);
        self.outer.lock().clear();
    }

    /// It is an Ensure that makes the thread state.
    pub(crate) fn set_made(&self) {
        self.made.store(true, Ordering::Relaxed);
    }

    /// Did an Ensure make it?
    pub(crate) fn made(&self) -> bool {
        self.made.load(Ordering::Relaxed)
    }

    /// How many are outstanding.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// Makes sure that [`Ensures::push`] finds room. No harm if the thread state is
    /// another one by now.
    pub(crate) fn reserve(&self) -> Result<(), NoMemory> {
        match self.count() {
            u32::MAX => Err(NoMemory),
            full if full > 0 && full.is_multiple_of(u64::BITS) => {
                self.outer.lock().try_reserve(1).map_err(|_| NoMemory)
            }
            _ => Ok(()),
        }
    }

    /// One more, which answers this.
    pub(crate) fn push(&self, answer: GilState) {
        let count = self.count();
        let answers = self.answers.load(Ordering::Relaxed);
        if count > 0 && count.is_multiple_of(u64::BITS) {
            self.outer.lock().push(answers);
        }
        self.answers.store(answers << 1 | u64::from(answer == GilState::Unlocked), Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Relaxed);
    }

    /// What the innermost one answered.
    pub(crate) fn innermost(&self) -> Option<GilState> {
        let unlocked = self.answers.load(Ordering::Relaxed) & 1 == 1;
        (self.count() > 0).then_some(if unlocked { GilState::Unlocked } else { GilState::Locked })
    }

    /// The innermost one is released; answers whether it was the last.
    pub(crate) fn pop(&self) -> bool {
        let count = self.count().saturating_sub(1);
        self.count.store(count, Ordering::Relaxed);
        let answers = self.answers.load(Ordering::Relaxed) >> 1;
        let outer = if count > 0 && count.is_multiple_of(u64::BITS) { self.outer.lock().pop() } else { None };
        self.answers.store(outer.unwrap_or(answers), Ordering::Relaxed);
        count == 0
    }
}
