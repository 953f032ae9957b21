//! Every rule holds in `cloister`, area by area.

use cloister_model::check::{Bounds, Scope, Watch, explore, shortest};
use cloister_model::{Design, Grain};
use cloister_specs::{InterpreterConfig, OpKind, PendingCall};

fn holds(name: &str, ops: &[OpKind], bounds: Bounds, grain: Grain, change: impl Fn(Scope) -> Scope) {
    let scope = Scope::whole(name, Design::CLOISTER, grain, bounds).with_ops(ops);
    let scope = change(Scope {
        configs: vec![InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY],
        faults: vec![None],
        ensures: 1,
        queued: 1,
        ..scope
    });
    let found = explore(&scope, 2, 400_000, &Watch::default());
    println!(
        "{name} {bounds} {grain}: {} {} {:?} complete {}",
        found.unique, found.generated, found.time, found.complete
    );
    if found.broke {
        let run = shortest(&Scope { symmetry: false, ..scope.clone() }, 2_000_000).0.expect("a run");
        let moves: Vec<String> = run.moves.iter().map(|m| m.to_string()).collect();
        println!("BROKEN {name}: breaks {}: {:#?}", run.rule.id(), moves);
        let mut r = cloister_model::Runtime::new(&scope.design);
        for m in &run.moves {
            let o = r.apply(&scope.design, grain, m);
            println!("   {m} => {o:?}");
        }
        println!("{r}");
        if false {}
    }
    let areas: Vec<&str> = ops.iter().map(|o| o.area()).collect();
    let un: Vec<_> = found
        .tally
        .unprobed()
        .into_iter()
        .filter(|r| areas.contains(&r.area()) || r.area() == "FORK")
        .collect();
    println!("unprobed {un:?}");
}

#[test]
fn pend() {
    use OpKind::*;
    let ops = [
        NewInterpreterFromConfig,
        ThreadStateNew,
        ThreadStateBind,
        ThreadStateSwap,
        SaveThread,
        RestoreThread,
        EvalBreakerPoll,
        AddPendingCall,
        MakePendingCalls,
    ];
    holds("pend", &ops, Bounds::new(2, 1, 2), Grain::Atomic, |s| s);
    holds("pend", &ops, Bounds::new(2, 1, 2), Grain::Merged, |s| Scope {
        pending: vec![PendingCall::Fails, PendingCall::Blocks],
        queued: 2,
        ..s
    });
    holds(
        "pend full",
        &[ThreadStateSwap, EvalBreakerPoll, AddPendingCall, MakePendingCalls],
        Bounds::new(1, 1, 1),
        Grain::Atomic,
        |s| Scope { queued: 4, ..s },
    );
    holds("pend 2", &ops, Bounds::new(2, 2, 2), Grain::Atomic, |s| Scope {
        pending: vec![PendingCall::Succeeds],
        ..s
    });
}

#[test]
fn fin() {
    use OpKind::*;
    let ops = [
        Initialize,
        Finalize,
        ThreadStateNew,
        ThreadStateBind,
        SaveThread,
        RestoreThread,
        EvalBreakerPoll,
        StartThread,
        RunThread,
        ThreadStateDeleteCurrent,
        ThreadStateDeleteExcept,
    ];
    for g in [Grain::Atomic, Grain::Merged, Grain::Fine] {
        holds("fin", &ops, Bounds::new(2, 1, 2), g, |s| s);
    }
    holds("fin", &ops, Bounds::new(3, 1, 3), Grain::Atomic, |s| s);
    holds(
        "fin pend",
        &[
            Finalize,
            Initialize,
            StartThread,
            RunThread,
            ThreadStateDeleteCurrent,
            AddPendingCall,
            EvalBreakerPoll,
            SaveThread,
            RestoreThread,
        ],
        Bounds::new(2, 1, 2),
        Grain::Atomic,
        |s| s,
    );
    holds(
        "fin sub",
        &[
            NewInterpreterFromConfig,
            EndInterpreter,
            Finalize,
            StartThread,
            RunThread,
            ThreadStateDeleteCurrent,
            ThreadStateSwap,
            SaveThread,
            RestoreThread,
        ],
        Bounds::new(2, 2, 3),
        Grain::Atomic,
        |s| s,
    );
    holds(
        "fin gilstate",
        &[Initialize, Finalize, GilStateEnsure, GilStateRelease, SaveThread, RestoreThread, EvalBreakerPoll],
        Bounds::new(2, 1, 2),
        Grain::Atomic,
        |s| s,
    );
}

#[test]
fn id() {
    use OpKind::*;
    let ops = [
        NewInterpreterFromConfig,
        EndInterpreter,
        ThreadStateSwap,
        ThreadStateNew,
        ThreadStateBind,
        InterpreterRequireIdRef,
        InterpreterIdIncref,
        InterpreterIdDecref,
        SetRunningMain,
        SetNotRunningMain,
        DestroyInterpreter,
    ];
    for g in [Grain::Atomic, Grain::Merged] {
        holds("id", &ops, Bounds::new(2, 2, 3), g, |s| s);
    }
    holds(
        "ids",
        &[NewInterpreterFromConfig, EndInterpreter, ThreadStateSwap, InterpreterLookUpId],
        Bounds::new(1, 3, 4),
        Grain::Atomic,
        |s| Scope { faults: vec![None, Some(cloister_specs::Fault::InterpAlloc)], ..s },
    );
}

#[test]
fn fork() {
    use OpKind::*;
    let ops = [
        NewInterpreterFromConfig,
        EndInterpreter,
        ThreadStateSwap,
        ThreadStateNew,
        ThreadStateBind,
        RestoreThread,
        SaveThread,
        EvalBreakerPoll,
        Fork,
        Exec,
        StartThread,
    ];
    for g in [Grain::Atomic, Grain::Merged] {
        holds("fork", &ops, Bounds::new(2, 2, 3), g, |s| s);
    }
}
