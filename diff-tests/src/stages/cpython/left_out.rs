//! What the model is not compared with CPython 3.12.1 in: the mix leaves it out, and
//! `specs/differences.md` says so.

use cloister_model::label::Label;
use cloister_model::{Design, Ring, Runtime, Started};
use cloister_specs::{Client, InterpId, MAIN, NONE, Op, OpKind, PendingCall, Phase, ThreadId, TstateId};

use crate::lockstep::Mix;

/// How something is left out.
enum How {
    /// These calls, in states like this, are not made.
    Calls(fn(&Design, &Runtime, ThreadId, &Op) -> bool),
    /// The mix is set so.
    Mix(fn(&mut Mix)),
    /// It is not in what CPython is asked.
    Unasked,
}

/// Something that is left out.
pub struct LeftOut {
    /// What it is.
    pub what: &'static str,
    /// Why it is left out.
    pub why: &'static str,
    how: How,
}

/// All that is left out.
pub const LEFT_OUT: &[LeftOut] = &[
    LeftOut {
        what: "A breach that is not fatal on 3.12.1",
        why: "Only an assertion of a debug build notices it.",
        how: How::Mix(|mix| mix.refused = 0),
    },
    LeftOut {
        what: "Adding a pending call to a ring that is full",
        why: "The rings of the model hold fewer calls.",
        how: How::Mix(|mix| mix.full_rings = false),
    },
    LeftOut {
        what: "Starting a thread that is no daemon, while the interpreter has another one",
        why: "An end waits for one thread after the other, and for one that runs; the model, for all at once.",
        how: How::Calls(|d, r, h, op| {
            let Op::StartThread { daemon: false, .. } = op else { return false };
            let i = r.own_current(d, h).map(|t| r.tstate(t).interp);
            i.is_some_and(|i| r.tstates_of(i).any(|t| is_joined(r, t)))
        }),
    },
    LeftOut {
        what: "Clearing or binding the thread state of a thread that an end waits for",
        why: "CPython tells the end when it clears the thread state, the model when it is gone.",
        how: How::Calls(|_, r, _, op| match op {
            Op::ThreadStateClear(t) | Op::ThreadStateBind(t) => is_joined(r, *t),
            _ => false,
        }),
    },
    LeftOut {
        what: "Looking up an unknown id without a current thread state",
        why: "That raises an exception, and there is nowhere to: CPython reads address 0.",
        how: How::Calls(|d, r, h, op| {
            let Op::InterpreterLookUpId(id) = op else { return false };
            let known = Runtime::interp_ids().any(|i| r.interp_listed(i) && r.interp(i).id == *id);
            !known && r.own_current(d, h).is_none()
        }),
    },
    LeftOut {
        what: "Ending an interpreter with several thread states from outside",
        why: "The id takes the youngest of them and `destroy` the oldest; the model does not know their age. \
              The end is fatal in any case (LIFE-10).",
        how: How::Calls(|_, r, _, op| match op {
            Op::InterpreterIdDecref(i) | Op::DestroyInterpreter(i) => r.tstates_of(*i).count() > 1,
            _ => false,
        }),
    },
    LeftOut {
        what: "A poll in a thread state that another thread has current as well",
        why: "To end an interpreter through a thread state that polls is fatal, because it has a frame; the \
              model has no frames.",
        how: How::Calls(|d, r, h, op| {
            *op == Op::EvalBreakerPoll && r.own_current(d, h).is_some_and(|t| r.in_use_by_another(h, t))
        }),
    },
    LeftOut {
        what: "A fork in an interpreter whose end has begun",
        why: "3.12.1 has one more reason to refuse it: \"can't fork at interpreter shutdown\".",
        how: How::Calls(|d, r, h, op| {
            let i = r.own_current(d, h).map(|t| r.tstate(t).interp);
            *op == Op::Fork && i.is_some_and(|i| r.interp(i).phase != Some(Phase::Live))
        }),
    },
    LeftOut {
        what: "Deleting the thread state that runs its interpreter's main program",
        why: "`threads.main` goes on naming it, and nobody else can run there.",
        how: How::Calls(|d, r, h, op| match op {
            Op::ThreadStateDelete(t) => runs(r, *t),
            Op::ThreadStateDeleteCurrent | Op::GilStateRelease(_) => {
                r.own_current(d, h).is_some_and(|t| runs(r, t))
            }
            Op::ThreadStateDeleteExcept(t) => {
                r.interp(r.tstate(*t).interp).running.is_some_and(|other| other != *t)
            }
            _ => false,
        }),
    },
    LeftOut {
        what: "An end with a failing pending call, while a thread waits for the GIL",
        why: "CPython writes the error to the standard error, and gives up the GIL for that; the model's end \
              does not.",
        how: How::Calls(|_, r, _, op| ended(r, op).is_some_and(|i| lets_others_in(r, i))),
    },
    LeftOut {
        what: "An end that waits for a thread that does not run yet",
        why: "CPython waits for the lock of a thread, which is made when the thread runs; the model, for the \
              thread state, which is there from the start.",
        how: How::Calls(|_, r, _, op| ended(r, op).is_some_and(|i| waits_for_one_to_run(r, i))),
    },
    LeftOut {
        what: "The blocks that an interpreter takes and leaves of its own",
        why: "The model has none. The counters of CPython are read right before and right after each call that \
              allocates or frees, and what such calls made of them is compared. An interpreter that ends leaves \
              some 1,500 blocks in the count of all; a witness shows it.",
        how: How::Unasked,
    },
    LeftOut {
        what: "Counting blocks, where the file of libpython is stripped",
        why: "The two functions are not exported, and are found in the symbol table of the file.",
        how: How::Unasked,
    },
    LeftOut {
        what: "Arenas",
        why: "CPython does not tell of them; a witness looks at the mappings of the process.",
        how: How::Unasked,
    },
    LeftOut {
        what: "Reference totals",
        why: "They are those of a debug build.",
        how: How::Mix(|mix| {
            for kind in [OpKind::RefTotal, OpKind::GlobalRefTotal] {
                mix.weights[kind.index()] = 0;
            }
        }),
    },
    LeftOut {
        what: "An unaware client that counts `None`",
        why: "Its count is no longer the one of an immortal object then, and CPython counts it on the way, in \
              nearly every call.",
        how: How::Calls(|_, _, _, op| match op {
            Op::IncRef { object, client } | Op::DecRef { object, client } => {
                (*object, *client) == (NONE, Client::Unaware)
            }
            _ => false,
        }),
    },
];

/// Leaves out the calls that count blocks, and says why.
pub fn leave_out_counts(mix: &mut Mix) -> &'static str {
    for kind in [OpKind::AllocatedBlocks, OpKind::GlobalAllocatedBlocks] {
        mix.weights[kind.index()] = 0;
    }
    "how many blocks there are, as the file of this libpython is stripped"
}

/// Is this call left out, for this thread in this state?
pub fn leaves_out(d: &Design, r: &Runtime, h: ThreadId, op: &Op) -> bool {
    LEFT_OUT.iter().any(|one| match one.how {
        How::Calls(calls) => calls(d, r, h, op),
        How::Mix(_) | How::Unasked => false,
    })
}

/// Leaves out of the mix what is no matter of states.
pub fn set(mix: &mut Mix) {
    for one in LEFT_OUT {
        match one.how {
            How::Mix(set) => set(mix),
            How::Calls(_) | How::Unasked => {}
        }
    }
}

/// Which interpreter the call may end.
fn ended(r: &Runtime, op: &Op) -> Option<InterpId> {
    match op {
        Op::Finalize => Some(MAIN),
        Op::EndInterpreter(t) => Some(r.tstate(*t).interp),
        Op::InterpreterIdDecref(i) | Op::DestroyInterpreter(i) => Some(*i),
        _ => None,
    }
}

fn is_joined(r: &Runtime, t: TstateId) -> bool {
    r.tstate(t).started == Some(Started::Joined)
}

fn waits_for_one_to_run(r: &Runtime, i: InterpId) -> bool {
    let begins = |t| r.threads.iter().any(|x| x.stack[0] == Label::RunAttach(t));
    r.tstates_of(i).any(|t| is_joined(r, t) && (r.tstate(t).thread.is_none() || begins(t)))
}

fn runs(r: &Runtime, t: TstateId) -> bool {
    r.interp(r.tstate(t).interp).running == Some(t)
}

/// Does the end of this interpreter give up its GIL where the model's does not?
fn lets_others_in(r: &Runtime, i: InterpId) -> bool {
    let fails = |ring: &Ring| ring.calls.contains(&Some(PendingCall::Fails));
    let gives_up = fails(&r.interp(i).pending) || (i == MAIN && fails(&r.pending_main));
    let waits = |l: &Label| matches!(l, Label::TakeWait { gil, .. } if r.interp(i).gil == Some(*gil));
    gives_up && r.threads.iter().any(|t| waits(&t.top()))
}
