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
    let ops = [NewInterpreterFromConfig, ThreadStateNew, ThreadStateBind, ThreadStateSwap, SaveThread, RestoreThread, EvalBreakerPoll, AddPendingCall, MakePendingCalls];
    holds("pend", &ops, Bounds::new(2, 1, 2), Grain::Merged, |s| Scope { pending: vec![PendingCall::Fails, PendingCall::Blocks], queued: 1, ..s});
    holds("fin pend", &[Finalize, Initialize, StartThread, RunThread, ThreadStateDeleteCurrent, AddPendingCall, EvalBreakerPoll, SaveThread, RestoreThread], Bounds::new(2, 1, 2), Grain::Atomic, |s| s);
}
