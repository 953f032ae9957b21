//! What a soak can lose.

use cloister::{CallError, CreateError};
use cloister_specs::{OpKind, Rule};

/// Something that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// An interpreter is listed that was ended, or that nobody created.
    #[error("interpreter {id} is listed, but nobody has it")]
    InterpLeft {
        /// Its id.
        id: i64,
    },
    /// An interpreter is not listed, but nobody ended it.
    #[error("interpreter {id} is not listed, but nobody ended it")]
    InterpGone {
        /// Its id.
        id: i64,
    },
    /// An interpreter is not as it was created.
    #[error("interpreter {id} is not as it was created: its {what} differs")]
    InterpChanged {
        /// Its id.
        id: i64,
        /// Its phase, its settings, or whose GIL it has.
        what: &'static str,
    },
    /// A thread state is listed that was deleted, or that nobody made.
    #[error("thread state {serial} of {} is listed, but nobody has it", place(*.interp))]
    TstateLeft {
        /// Its serial.
        serial: u64,
        /// The id of its interpreter, if that is listed.
        interp: Option<i64>,
    },
    /// A thread state is not listed, but nobody deleted it.
    #[error("thread state {serial} is not listed, but nobody deleted it")]
    TstateGone {
        /// Its serial.
        serial: u64,
    },
    /// A thread state is not as its calls left it.
    #[error("thread state {serial} is not as its calls left it: its {what} differs")]
    TstateChanged {
        /// Its serial.
        serial: u64,
        /// Its interpreter, its thread, or which of its status bits.
        what: &'static str,
    },
    /// A GIL is locked that nobody holds, or free though somebody does.
    #[error("the GIL of interpreter {id} is {}", if *.locked { "locked, but nobody holds it" } else { "free, but somebody holds it" })]
    GilLocked {
        /// The interpreter that created it.
        id: i64,
        /// Is it locked?
        locked: bool,
    },
    /// There is a request, but nobody waits.
    #[error("somebody has asked for the GIL of interpreter {id}, but nobody waits for it")]
    GilRequested {
        /// The interpreter that created it.
        id: i64,
    },
    /// The last holder of a GIL is not who holds it, or a thread state that was deleted.
    #[error("the GIL of interpreter {id} names as its last holder thread state {serial}, which it is not")]
    GilHolder {
        /// The interpreter that created it.
        id: i64,
        /// The serial of what it names.
        serial: u64,
    },
    /// The holders of a GIL counted without it more often than they held it, or less.
    #[error("holders of one GIL counted {by_holder} among them, but {by_all} each: two held it at once")]
    Counted {
        /// What they counted with plain additions.
        by_holder: u64,
        /// What they counted with atomic ones.
        by_all: u64,
    },
    /// There are more attached threads, or fewer.
    #[error("{listed} threads are attached, not {expected}")]
    Threads {
        /// Those that are listed.
        listed: usize,
        /// Those that there are.
        expected: usize,
    },
    /// A gilstate slot names what it must not.
    #[error("a gilstate slot names thread state {serial}, which is gone or of another thread")]
    Gilstate {
        /// The serial of what it names.
        serial: u64,
    },
    /// An id was left out, or given twice.
    #[error("an interpreter has the id {got}, not {expected}")]
    Id {
        /// Its id.
        got: i64,
        /// The next one, by all that were created.
        expected: i64,
    },
    /// Pending calls are neither run nor queued, or run twice, or let go.
    #[error("of the pending calls of {}, {accepted} were accepted, but {ran} were run, {queued} are queued and {dropped} were let go", ring(*.id))]
    Calls {
        /// The interpreter whose ring it is; none: the main thread.
        id: Option<i64>,
        /// Those that were accepted.
        accepted: u64,
        /// Those that were run.
        ran: u64,
        /// Those that wait in the ring.
        queued: u64,
        /// Those that were neither run nor given back.
        dropped: u64,
    },
    /// Pending calls wait in a ring that is not signalled.
    #[error("the ring of {} has calls, but is not signalled", ring(*.id))]
    Signal {
        /// The interpreter whose ring it is; none: the main thread.
        id: Option<i64>,
    },
    /// Blocks are counted that nobody has, or not counted though somebody has them.
    #[error("{counted} blocks are counted, but there are {expected}")]
    Blocks {
        /// What the runtime counts.
        counted: i64,
        /// What was made and not freed.
        expected: i64,
    },
    /// References are counted that nobody has, or not counted though somebody has them.
    #[error("{counted} references are counted, but there are {expected}")]
    References {
        /// What the runtime counts.
        counted: i64,
        /// What was taken and not given back.
        expected: i64,
    },
    /// An object has not the count that its references make.
    #[error("an object has a count of {counted}, but {expected} references")]
    RefCount {
        /// What the call answered.
        counted: u32,
        /// How many references were taken and not given back.
        expected: u32,
    },
    /// A slot was made though all that are needed were there.
    #[error("the pool of {pool} has grown from {before} to {after} slots")]
    PoolGrew {
        /// Of what.
        pool: &'static str,
        /// After it was filled.
        before: usize,
        /// Now.
        after: usize,
    },
    /// Slots are in use that nothing is listed in, or the other way round.
    #[error("{used} slots of {pool} are used, but {listed} are listed")]
    PoolLost {
        /// Of what.
        pool: &'static str,
        /// Those that are used.
        used: usize,
        /// Those that are listed.
        listed: usize,
    },
    /// Memory is not flat.
    #[error("resident memory has grown from {before} to {after} KiB")]
    MemoryGrew {
        /// After the warm-up.
        before: u64,
        /// Now.
        after: u64,
    },
    /// A call was refused by a rule that does not explain it.
    #[error("{call:?} was refused by {rule}, which cannot be")]
    Refused {
        /// The call.
        call: OpKind,
        /// The rule that it named.
        rule: Rule,
    },
    /// A call was accepted that is wrong.
    #[error("{call:?} was accepted, but it breaks {rule}")]
    Accepted {
        /// The call.
        call: OpKind,
        /// The rule that it breaks.
        rule: Rule,
    },
    /// A creation did not end as it has to.
    #[error("a creation ended with {got:?}, not with {expected:?}")]
    Creation {
        /// How it ended; none: it succeeded.
        got: Option<CreateError>,
        /// How it had to.
        expected: Option<CreateError>,
    },
    /// After a call the thread is not where that call leaves it.
    #[error("after {call:?} the thread is not where that leaves it")]
    Astray {
        /// The call.
        call: OpKind,
    },
    /// Memory ran out.
    #[error("memory ran out")]
    NoMemory,
    /// Threads do not come to the gate.
    #[error("threads {threads:?} stand still inside their calls")]
    Stuck {
        /// Which.
        threads: Vec<usize>,
    },
}

fn place(interp: Option<i64>) -> String {
    interp.map_or_else(|| "no interpreter".into(), |id| format!("interpreter {id}"))
}

fn ring(id: Option<i64>) -> String {
    id.map_or_else(|| "the main thread".into(), |id| format!("interpreter {id}"))
}

impl Loss {
    /// A legal call came to nothing.
    pub(super) fn of(call: OpKind, error: CallError) -> Loss {
        match error {
            CallError::Refused(refusal) => Loss::Refused { call, rule: refusal.rule },
            CallError::Finalized => Loss::Astray { call },
        }
    }

    /// The rule that is broken, if one says so.
    pub const fn rule(&self) -> Option<Rule> {
        Some(match self {
            Loss::InterpLeft { .. } | Loss::TstateLeft { .. } => Rule::Life12,
            Loss::InterpGone { .. } | Loss::TstateGone { .. } | Loss::GilHolder { .. } => Rule::Gil12,
            Loss::InterpChanged { .. } => Rule::Life15,
            Loss::TstateChanged { .. } => Rule::Tls17,
            Loss::GilLocked { locked: true, .. } => Rule::Gil3,
            Loss::GilLocked { locked: false, .. } => Rule::Gil2,
            Loss::GilRequested { .. } => Rule::Gil8,
            Loss::Counted { .. } => Rule::Gil1,
            Loss::Calls { .. } => Rule::Fin8,
            Loss::Signal { .. } => Rule::Pend9,
            Loss::Gilstate { .. } => Rule::Tls14,
            Loss::Accepted { rule, .. } => *rule,
            Loss::Creation { .. } => Rule::Life3,
            Loss::Astray { call: OpKind::NewInterpreterFromConfig } => Rule::Life2,
            Loss::Astray { .. } => Rule::Tls20,
            Loss::Blocks { .. } => Rule::Mem12,
            Loss::References { .. } => Rule::Ref11,
            Loss::RefCount { .. } => Rule::Ref5,
            Loss::Stuck { .. } => Rule::Gil11,
            Loss::Threads { .. }
            | Loss::Id { .. }
            | Loss::PoolGrew { .. }
            | Loss::PoolLost { .. }
            | Loss::MemoryGrew { .. }
            | Loss::Refused { .. }
            | Loss::NoMemory => return None,
        })
    }

    /// The sentence, with the rule in front.
    pub fn told(&self) -> String {
        self.rule().map_or_else(|| self.to_string(), |rule| format!("{rule}: {self}"))
    }
}
