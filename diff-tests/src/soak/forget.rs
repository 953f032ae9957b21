//! What can be lost on purpose, to see that it is found.

use clap::ValueEnum;

/// Something that a thread of the soak loses on purpose, once the soak is warm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Forget {
    /// A thread state is struck out of the ledger, and not deleted.
    Tstate,
    /// An interpreter is struck out of the ledger, and not ended.
    Interp,
    /// A GIL is kept at a checkpoint.
    Gil,
    /// A pending call is added, and not counted.
    Call,
    /// A runtime is started and never ended.
    Runtime,
    /// A block is struck out of the ledger, and not freed.
    Block,
    /// With every interpreter some memory is not freed.
    Memory,
}

impl Forget {
    /// All of them.
    pub const ALL: [Forget; 7] = [
        Forget::Tstate,
        Forget::Interp,
        Forget::Gil,
        Forget::Call,
        Forget::Runtime,
        Forget::Block,
        Forget::Memory,
    ];
}

/// Memory that nobody frees, every page of it touched.
pub(super) fn lose_memory() {
    const BYTES: usize = 16 * 1024;
    std::hint::black_box(vec![1_u8; BYTES].leak());
}

/// A runtime that nobody ends. It is started in a thread of its own, since the caller is in
/// another.
pub(super) fn lose_runtime() {
    let lost = || {
        if let Ok((runtime, thread)) = cloister::Runtime::start(cloister::Settings::default()) {
            drop(thread);
            std::mem::forget(runtime);
        }
    };
    let _ = std::thread::spawn(lost).join();
}
