//! Every rule holds in `cloister`, area by area.

use cloister_model::check::{Bounds, Scope, Watch, explore, shortest};
use cloister_model::{Design, Grain};
use cloister_specs::{InterpreterConfig, OpKind, PendingCall};

fn holds(name: &str, ops: &[OpKind], bounds: Bounds, grain: Grain) {
    let scope = Scope::whole(name, Design::CLOISTER, grain, bounds).with_ops(ops);
    let scope = Scope {
        configs: vec![InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY],
        faults: vec![None],
        ensures: 1,
        pending: PendingCall::ALL.to_vec(),
        ..scope
    };
    let found = explore(&scope, 2, 3_000_000, &Watch::default());
    println!(
        "{name} {bounds} {grain}: {} {} {:?} complete {}",
        found.unique, found.generated, found.time, found.complete
    );
    if found.broke {
        let run = shortest(&Scope { symmetry: false, ..scope }, 2_000_000).0.expect("a run");
        let moves: Vec<String> = run.moves.iter().map(|m| m.to_string()).collect();
        panic!("{name}: breaks {}: {:#?}", run.rule.id(), moves);
    }
    println!("unprobed {:?}", found.tally.unprobed());
}

#[test]
fn gilstate() {
    use OpKind::*;
    let ops = [
        NewInterpreterFromConfig,
        EndInterpreter,
        ThreadStateSwap,
        SaveThread,
        RestoreThread,
        EvalBreakerPoll,
        ThreadStateDeleteCurrent,
        GilStateEnsure,
        GilStateRelease,
        GilStateCheck,
    ];
    for (b, g) in [
        (Bounds::new(2, 2, 3), Grain::Atomic),
        (Bounds::new(2, 2, 3), Grain::Merged),
        (Bounds::new(2, 2, 2), Grain::Fine),
        (Bounds::new(3, 2, 3), Grain::Atomic),
    ] {
        holds("gilstate", &ops, b, g);
    }
}

#[test]
fn pend() {
    use OpKind::*;
    let ops = [
        NewInterpreterFromConfig,
        ThreadStateSwap,
        SaveThread,
        EvalBreakerPoll,
        GilStateEnsure,
        AddPendingCall,
        MakePendingCalls,
    ];
    for (b, g) in [(Bounds::new(2, 1, 2), Grain::Atomic), (Bounds::new(2, 2, 2), Grain::Atomic)] {
        holds("pend", &ops, b, g);
    }
}

#[test]
fn acquire() {
    use OpKind::*;
    let ops = [
        NewInterpreter,
        EndInterpreter,
        ThreadStateNew,
        ThreadStateBind,
        AcquireThread,
        ReleaseThread,
        EvalBreakerPoll,
        ThreadStateDeleteCurrent,
    ];
    for (b, g) in [
        (Bounds::new(2, 2, 3), Grain::Atomic),
        (Bounds::new(2, 2, 3), Grain::Merged),
        (Bounds::new(2, 2, 2), Grain::Fine),
        (Bounds::new(3, 2, 3), Grain::Atomic),
    ] {
        holds("acquire", &ops, b, g);
    }
}
