//! The pending calls that were added to one ring, and what became of them.

use super::Loss;
use super::ledger::Book;
use cloister::{NotAdded, PendingFailed, PendingFn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted for one ring. It adds up only while nobody calls anything.
#[derive(Default)]
pub(super) struct Calls {
    accepted: AtomicU64,
    declined: AtomicU64,
    ran: AtomicU64,
    /// Let go without having been run.
    let_go: AtomicU64,
}

/// A call from its making to its being let go.
struct Call {
    calls: Arc<Calls>,
    ran: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        let counter = if self.ran { &self.calls.ran } else { &self.calls.let_go };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Calls {
    /// A call that writes into the book of the GIL that it has to be run with.
    pub fn make(calls: &Arc<Calls>, book: &Arc<Book>, fails: bool) -> PendingFn {
        let mut call = Call { calls: Arc::clone(calls), ran: false };
        let book = Arc::clone(book);
        Box::new(move |_| {
            let call = &mut call;
            call.ran = true;
            book.count();
            if fails { Err(PendingFailed) } else { Ok(()) }
        })
    }

    /// What was answered to the addition of one.
    pub fn answered(&self, answer: &Result<(), NotAdded>) {
        let counter = if answer.is_ok() { &self.accepted } else { &self.declined };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Is every call that was accepted run or still queued, and none of them let go?
    pub fn lost(&self, id: Option<i64>, queued: u64) -> Option<Loss> {
        let [accepted, declined, ran, let_go] =
            [&self.accepted, &self.declined, &self.ran, &self.let_go].map(|n| n.load(Ordering::Relaxed));
        let dropped = let_go.saturating_sub(declined);
        let fine = accepted == ran + queued && let_go == declined;
        (!fine).then_some(Loss::Calls { id, accepted, ran, queued, dropped })
    }
}
