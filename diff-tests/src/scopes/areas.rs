//! The scopes beyond the engine: an area each, with the calls that its rules speak of and the
//! few that lead there.

use super::Named;
use crate::cli::args::ScopeArg;
use cloister_model::check::{Bounds, Scope};
use cloister_model::{Design, Grain};
use cloister_specs::{Client, Fault, InterpreterConfig, OpKind, PendingCall};

const ACQUIRING: &[OpKind] = &[
    OpKind::NewInterpreter,
    OpKind::EndInterpreter,
    OpKind::ThreadStateNew,
    OpKind::ThreadStateBind,
    OpKind::AcquireThread,
    OpKind::ReleaseThread,
    OpKind::EvalBreakerPoll,
    OpKind::ThreadStateDeleteCurrent,
];

const ENSURING: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::ThreadStateSwap,
    OpKind::SaveThread,
    OpKind::EvalBreakerPoll,
    OpKind::ThreadStateDeleteCurrent,
    OpKind::GilStateEnsure,
    OpKind::GilStateRelease,
    OpKind::GilStateCheck,
];

const PENDING: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::ThreadStateNew,
    OpKind::ThreadStateBind,
    OpKind::ThreadStateSwap,
    OpKind::SaveThread,
    OpKind::RestoreThread,
    OpKind::EvalBreakerPoll,
    OpKind::AddPendingCall,
    OpKind::MakePendingCalls,
];

const ENDING: &[OpKind] = &[
    OpKind::Initialize,
    OpKind::Finalize,
    OpKind::ThreadStateNew,
    OpKind::ThreadStateBind,
    OpKind::SaveThread,
    OpKind::RestoreThread,
    OpKind::EvalBreakerPoll,
    OpKind::StartThread,
    OpKind::RunThread,
    OpKind::ThreadStateDeleteCurrent,
    OpKind::ThreadStateDeleteExcept,
];

const ENDING_WITH_CALLS: &[OpKind] = &[
    OpKind::Initialize,
    OpKind::Finalize,
    OpKind::StartThread,
    OpKind::RunThread,
    OpKind::ThreadStateDeleteCurrent,
    OpKind::SaveThread,
    OpKind::RestoreThread,
    OpKind::EvalBreakerPoll,
    OpKind::AddPendingCall,
];

const ENDING_WITH_SUBS: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::EndInterpreter,
    OpKind::Finalize,
    OpKind::StartThread,
    OpKind::RunThread,
    OpKind::ThreadStateDeleteCurrent,
    OpKind::ThreadStateSwap,
    OpKind::SaveThread,
    OpKind::RestoreThread,
];

const FROM_OUTSIDE: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::EndInterpreter,
    OpKind::ThreadStateSwap,
    OpKind::ThreadStateNew,
    OpKind::ThreadStateBind,
    OpKind::InterpreterRequireIdRef,
    OpKind::InterpreterIdIncref,
    OpKind::InterpreterIdDecref,
    OpKind::SetRunningMain,
    OpKind::SetNotRunningMain,
    OpKind::DestroyInterpreter,
];

const IDS: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::EndInterpreter,
    OpKind::ThreadStateSwap,
    OpKind::InterpreterLookUpId,
];

const FORKING: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::ThreadStateSwap,
    OpKind::ThreadStateNew,
    OpKind::ThreadStateBind,
    OpKind::RestoreThread,
    OpKind::SaveThread,
    OpKind::StartThread,
    OpKind::Fork,
    OpKind::Exec,
];

const BLOCKS: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::EndInterpreter,
    OpKind::ThreadStateSwap,
    OpKind::Malloc,
    OpKind::Calloc,
    OpKind::Realloc,
    OpKind::Free,
    OpKind::AllocatedBlocks,
    OpKind::GlobalAllocatedBlocks,
];

const BLOCKS_OVER_LIVES: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::EndInterpreter,
    OpKind::ThreadStateSwap,
    OpKind::Initialize,
    OpKind::Finalize,
    OpKind::Malloc,
    OpKind::Free,
    OpKind::AllocatedBlocks,
    OpKind::GlobalAllocatedBlocks,
];

const COUNTING: &[OpKind] = &[
    OpKind::ThreadStateSwap,
    OpKind::ObjectNew,
    OpKind::SetRefCnt,
    OpKind::IncRef,
    OpKind::DecRef,
    OpKind::SetImmortal,
    OpKind::ClearImmortal,
];

const PASSING: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::EndInterpreter,
    OpKind::ThreadStateSwap,
    OpKind::ObjectNew,
    OpKind::IncRef,
    OpKind::DecRef,
    OpKind::SetImmortal,
    OpKind::PassRef,
    OpKind::AllocatedBlocks,
];

const TOTALLING: &[OpKind] = &[
    OpKind::NewInterpreterFromConfig,
    OpKind::EndInterpreter,
    OpKind::ThreadStateSwap,
    OpKind::Initialize,
    OpKind::Finalize,
    OpKind::ObjectNew,
    OpKind::IncRef,
    OpKind::DecRef,
    OpKind::RefTotal,
    OpKind::GlobalRefTotal,
];

/// A scope of these calls, in which creations succeed.
fn area(
    level: ScopeArg,
    areas: &'static [&'static str],
    (what, ops): (&str, &[OpKind]),
    grain: Grain,
    bounds: Bounds,
    without: &'static str,
) -> Named {
    let name = format!("{what}, {bounds}, {grain}");
    let scope = Scope {
        configs: vec![InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY],
        faults: vec![None],
        ensures: 1,
        queued: 1,
        ..Scope::whole(&name, Design::CLOISTER, grain, bounds).with_ops(ops)
    };
    Named { level, areas, without, scope }
}

fn with(mut named: Named, change: impl FnOnce(&mut Scope)) -> Named {
    change(&mut named.scope);
    named
}

/// Every scope of every area.
pub(super) fn all() -> Vec<Named> {
    use Grain::{Atomic, Fine, Merged};
    use ScopeArg::{Deep, Default, Quick};
    let acquiring = ("acquiring", ACQUIRING);
    let ensuring = ("ensuring", ENSURING);
    let pending = ("pending calls", PENDING);
    let ending = ("ending", ENDING);
    let calls = ("ending with pending calls", ENDING_WITH_CALLS);
    let subs = ("ending with interpreters", ENDING_WITH_SUBS);
    let outside = ("ending from outside", FROM_OUTSIDE);
    let forking = ("forking", FORKING);
    let blocks = ("blocks", BLOCKS);
    let lives = ("blocks over lives", BLOCKS_OVER_LIVES);
    let counting = ("counting references", COUNTING);
    let passing = ("passing references", PASSING);
    let totalling = ("totalling references", TOTALLING);
    const LIFE: &[&str] = &["LIFE", "TLS", "GIL"];
    const SUCCEEDS: &str = "creations that fail";
    let no_threads = InterpreterConfig { allow_threads: false, ..InterpreterConfig::ISOLATED };
    let bounds = Bounds::new;
    vec![
        with(area(Quick, LIFE, acquiring, Merged, bounds(2, 2, 3), ""), |s| {
            s.faults = std::iter::once(None).chain(Fault::ALL.map(Some)).collect();
        }),
        area(Default, LIFE, acquiring, Atomic, bounds(3, 2, 3), SUCCEEDS),
        area(Default, LIFE, acquiring, Fine, bounds(2, 2, 2), SUCCEEDS),
        area(Quick, &["GILSTATE"], ensuring, Atomic, bounds(2, 2, 3), SUCCEEDS),
        with(area(Quick, &["GILSTATE"], ensuring, Atomic, bounds(2, 1, 2), "sub-interpreters"), |s| {
            s.ensures = 3
        }),
        area(Default, &["GILSTATE"], ensuring, Merged, bounds(2, 2, 2), SUCCEEDS),
        area(Deep, &["GILSTATE"], ensuring, Atomic, bounds(3, 2, 3), SUCCEEDS),
        area(Quick, &["PEND"], pending, Atomic, bounds(2, 1, 2), "sub-interpreters"),
        with(
            area(
                Quick,
                &["PEND"],
                pending,
                Atomic,
                bounds(2, 2, 2),
                "pending calls that do more than succeed",
            ),
            |s| s.pending = vec![PendingCall::Succeeds],
        ),
        with(
            area(
                Quick,
                &["PEND"],
                ("full rings", PENDING),
                Atomic,
                bounds(1, 1, 1),
                "a second thread, which 2/1/2 has",
            ),
            |s| s.queued = cloister_specs::RING as u8 + 1,
        ),
        with(
            area(
                Default,
                &["PEND"],
                ("pending calls that fail or block", PENDING),
                Merged,
                bounds(2, 1, 2),
                "other pending calls, and sub-interpreters",
            ),
            |s| {
                s.pending = vec![PendingCall::Fails, PendingCall::Blocks];
                s.ran = 1;
            },
        ),
        area(Quick, &["FIN"], ending, Fine, bounds(2, 1, 2), "sub-interpreters"),
        area(Default, &["FIN"], ending, Atomic, bounds(3, 1, 3), "sub-interpreters"),
        area(Quick, &["FIN", "PEND"], calls, Atomic, bounds(2, 1, 2), "sub-interpreters"),
        with(
            area(
                Quick,
                &["FIN", "PEND"],
                ("an end beside somebody who adds", &[OpKind::Finalize, OpKind::AddPendingCall]),
                Fine,
                bounds(2, 1, 1),
                "everything else",
            ),
            |s| s.queued = 2,
        ),
        area(Quick, &["FIN", "LIFE"], subs, Atomic, bounds(2, 2, 3), SUCCEEDS),
        area(Default, &["FIN", "LIFE"], subs, Merged, bounds(2, 2, 2), SUCCEEDS),
        area(Quick, &["ID"], outside, Atomic, bounds(2, 2, 3), SUCCEEDS),
        area(Default, &["ID"], outside, Merged, bounds(2, 2, 2), SUCCEEDS),
        with(area(Quick, &["ID"], ("ids", IDS), Atomic, bounds(1, 3, 4), "a second thread"), |s| {
            s.faults = vec![None, Some(Fault::InterpAlloc)];
        }),
        with(area(Quick, &["FORK"], forking, Atomic, bounds(2, 2, 3), SUCCEEDS), |s| {
            s.configs.push(no_threads);
        }),
        area(Default, &["FORK"], forking, Merged, bounds(2, 2, 2), SUCCEEDS),
        with(area(Quick, &["MEM"], blocks, Atomic, bounds(2, 2, 3), SUCCEEDS), |s| s.blocks = 2),
        with(area(Default, &["MEM"], blocks, Atomic, bounds(2, 3, 3), SUCCEEDS), |s| s.blocks = 2),
        area(Quick, &["MEM"], blocks, Merged, bounds(2, 2, 2), SUCCEEDS),
        with(area(Default, &["MEM"], blocks, Fine, bounds(2, 2, 2), "large blocks"), |s| s.sizes = vec![64]),
        with(area(Quick, &["MEM", "FIN"], lives, Atomic, bounds(2, 2, 2), SUCCEEDS), |s| s.blocks = 2),
        with(area(Quick, &["REF"], counting, Atomic, bounds(1, 1, 1), "sub-interpreters"), |s| {
            s.blocks = 2;
            s.refs = 3;
            s.counts = vec![i32::MAX as u32, 1 << 31, 0x9fff_ffff, 0xdfff_ffff];
        }),
        with(area(Default, &["REF"], passing, Atomic, bounds(2, 3, 3), "counts near the edge"), |s| {
            s.blocks = 2;
            s.refs = 1;
        }),
        with(area(Quick, &["REF"], passing, Merged, bounds(2, 2, 2), "unaware clients"), |s| {
            s.blocks = 2;
            s.clients = vec![Client::Aware];
        }),
        with(area(Default, &["REF"], passing, Fine, bounds(2, 2, 2), "unaware clients"), |s| {
            s.clients = vec![Client::Aware];
        }),
        with(area(Quick, &["REF", "FIN"], totalling, Atomic, bounds(1, 2, 2), "a second thread"), |s| {
            s.blocks = 2;
            s.refs = 1;
        }),
        with(area(Default, &["REF", "FIN"], totalling, Merged, bounds(2, 2, 2), "unaware clients"), |s| {
            s.blocks = 1;
            s.refs = 1;
            s.clients = vec![Client::Aware];
        }),
    ]
}

/// Why calls of these two kinds, though a scope has both, are never under way together.
pub(super) fn apart(a: OpKind, b: OpKind) -> Option<&'static str> {
    use OpKind::*;
    let either =
        |of: OpKind, with: &[OpKind]| (a == of && with.contains(&b)) || (b == of && with.contains(&a));
    if either(Finalize, &[NewInterpreterFromConfig, EndInterpreter]) {
        return Some("a runtime with another interpreter is not finalized, and one that is gets no other");
    }
    if either(Finalize, &[Finalize]) {
        return Some("the main thread alone finalizes");
    }
    if either(Finalize, &[ThreadStateNew, ThreadStateBind]) {
        return Some("once the end has begun, no thread state is made or bound");
    }
    let using = [SaveThread, RestoreThread, EvalBreakerPoll, ThreadStateDeleteCurrent, RunThread, Finalize];
    let working =
        [NewInterpreterFromConfig, EndInterpreter, ThreadStateSwap, Malloc, Free, ObjectNew, IncRef, DecRef];
    if either(Initialize, &using) || either(Initialize, &working) {
        return Some("a runtime is finalized only when no call is under way");
    }
    let counting = [AllocatedBlocks, GlobalAllocatedBlocks, RefTotal, GlobalRefTotal];
    if either(Finalize, &[Malloc, Free, ObjectNew, IncRef, DecRef]) || either(Finalize, &counting) {
        return Some("where both are, no other thread has a thread state of the main interpreter");
    }
    if either(GlobalAllocatedBlocks, &[Malloc, Calloc, Realloc, Free])
        || [RefTotal, GlobalRefTotal].into_iter().any(|all| either(all, &[ObjectNew, IncRef, DecRef]))
    {
        return Some("nothing is counted while another thread holds the GIL");
    }
    if either(ThreadStateDeleteExcept, &using) {
        return Some("no thread state is deleted that a call uses");
    }
    if either(ThreadStateDeleteCurrent, &[AddPendingCall, StartThread]) {
        return Some(
            "a deletion never waits, and in the fine scope there is no room for another thread state",
        );
    }
    None
}
