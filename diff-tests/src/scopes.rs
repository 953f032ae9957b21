//! What is explored of `cloister`: named scopes, in three levels that each contain the one
//! before. Every rule has to hold in all of them, and each has to be finished.
//!
//! How many states a scope has is reviewed: `snapshots/scopes.toml` holds the counts, and a
//! count that changes has to be explained. Symmetry is on, so these are states up to names.

use crate::cli::args::ScopeArg;
use cloister_model::check::{Bounds, Exploration, Scope, Watch, explore};
use cloister_model::{Design, Grain};
use cloister_specs::{Fault, InterpreterConfig, OpKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod areas;

const AREAS: &[&str] = &["LIFE", "TLS", "GIL"];
/// The counts, as they were when this was built.
const RECORDED: &str = include_str!("../../snapshots/scopes.toml");
/// Where they lie.
pub const RECORDED_PATH: &str = "snapshots/scopes.toml";

/// A scope that is explored.
#[derive(Clone, Debug)]
pub struct Named {
    /// From which level on.
    pub level: ScopeArg,
    /// The areas whose rules it exercises.
    pub areas: &'static [&'static str],
    /// What it leaves out, and what holds that instead.
    pub without: &'static str,
    /// What is explored; its name is the key of its counts.
    pub scope: Scope,
}

/// How many states a scope has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Different states.
    pub unique: u64,
    /// States, every time they were reached.
    pub generated: u64,
}

impl From<&Exploration> for Counts {
    fn from(found: &Exploration) -> Counts {
        Counts { unique: found.unique, generated: found.generated }
    }
}

fn engine(level: ScopeArg, grain: Grain, bounds: Bounds) -> Named {
    let name = format!("the engine, {bounds}, {grain}");
    Named { level, areas: AREAS, without: "", scope: Scope::whole(&name, Design::CLOISTER, grain, bounds) }
}

/// Creation and hand-over label by label: no thread state is ever cleared, no interpreter
/// ended.
fn hand_over(level: ScopeArg, bounds: Bounds) -> Named {
    let name = format!("creation and hand-over, {bounds}, fine");
    let scope = Scope::whole(&name, Design::CLOISTER, Grain::Fine, bounds).with_ops(&[
        OpKind::NewInterpreterFromConfig,
        OpKind::ThreadStateNew,
        OpKind::ThreadStateBind,
        OpKind::SaveThread,
        OpKind::RestoreThread,
        OpKind::EvalBreakerPoll,
    ]);
    let scope = Scope {
        configs: vec![InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY],
        faults: vec![None, Some(Fault::MainInit)],
        ..scope
    };
    let without = "ending, swapping, clearing and deleting, which 2/2/2 fine has; creations that fail before a \
                   GIL was dropped, which are over in one label";
    Named { level, areas: &["LIFE", "GIL"], without, scope }
}

/// The largest one: three threads, three interpreters, four thread states.
fn wide(level: ScopeArg) -> Named {
    let named = engine(level, Grain::Atomic, Bounds::new(3, 3, 4));
    let scope = Scope {
        name: "the engine, few failures, 3/3/4, atomic".into(),
        configs: vec![InterpreterConfig::ISOLATED, InterpreterConfig::LEGACY],
        faults: vec![None, Some(Fault::MainInit)],
        ..named.scope
    };
    let without = "configurations that are refused and memory that runs out: both are answered before anything \
                   is made, and add no state; a core that cannot be initialized fails as the main part does";
    Named { without, scope, ..named }
}

/// Two threads that end their interpreters, or clear a thread state, at the same time: each
/// in an interpreter of its own, and for the clearing with one to be in and one to clear.
fn two_interpreters(level: ScopeArg) -> Named {
    let bounds = Bounds::new(2, 3, 4);
    let name = format!("two interpreters at once, {bounds}, merged");
    let scope = Scope::whole(&name, Design::CLOISTER, Grain::Merged, bounds).with_ops(&[
        OpKind::NewInterpreterFromConfig,
        OpKind::EndInterpreter,
        OpKind::ThreadStateNew,
        OpKind::ThreadStateClear,
        OpKind::ThreadStateDelete,
    ]);
    let scope = Scope { configs: vec![InterpreterConfig::ISOLATED], faults: vec![None], ..scope };
    Named { level, areas: &["LIFE", "TLS"], without: "every other call, and shared GILs", scope }
}

/// The scopes of a level and of those below it.
pub fn list(level: ScopeArg) -> Vec<Named> {
    use Grain::{Atomic, Fine, Merged};
    use ScopeArg::{Deep, Default, Quick};
    let all = [
        engine(Quick, Atomic, Bounds::new(2, 3, 3)),
        engine(Quick, Atomic, Bounds::new(3, 2, 3)),
        engine(Quick, Merged, Bounds::new(2, 2, 3)),
        engine(Quick, Fine, Bounds::new(2, 2, 2)),
        two_interpreters(Quick),
        engine(Default, Merged, Bounds::new(2, 3, 3)),
        engine(Default, Merged, Bounds::new(3, 2, 3)),
        hand_over(Default, Bounds::new(3, 2, 3)),
        wide(Default),
        engine(Deep, Fine, Bounds::new(2, 3, 3)),
        engine(Deep, Merged, Bounds::new(2, 3, 4)),
        engine(Deep, Merged, Bounds::new(3, 3, 3)),
        engine(Deep, Fine, Bounds::new(3, 2, 2)),
        engine(Deep, Atomic, Bounds::new(3, 3, 4)),
    ];
    let all = all.into_iter().chain(areas::all());
    let in_level = |named: &Named| named.level as u8 <= level as u8;
    all.filter(in_level).collect()
}

impl Named {
    /// Explores it.
    pub fn explore(&self, workers: usize, watch: &Watch) -> Exploration {
        explore(&self.scope, workers, u64::MAX, watch)
    }
}

/// The recorded counts, by the name of the scope.
///
/// # Errors
/// The file is not what it should be.
pub fn recorded() -> Result<BTreeMap<String, Counts>, String> {
    toml::from_str(RECORDED).map_err(|e| format!("{RECORDED_PATH}: {}", e.to_string().trim_end()))
}

/// What is wrong with what an exploration found, beside what was recorded.
pub fn contradiction(
    named: &Named,
    found: &Exploration,
    recorded: &BTreeMap<String, Counts>,
) -> Option<String> {
    let name = &named.scope.name;
    if found.broke {
        return Some(format!("{name}: a rule is broken; `cloister designs cloister` shows the run"));
    }
    if !found.complete {
        return Some(format!("{name}: not every state was looked at"));
    }
    let counts = Counts::from(found);
    match recorded.get(name) {
        Some(before) if *before == counts => None,
        Some(Counts { unique, generated }) => Some(format!(
            "{name}: {} states and {} steps, recorded are {unique} and {generated}",
            counts.unique, counts.generated
        )),
        None => Some(format!("{name}: its counts are not in {RECORDED_PATH}")),
    }
}

/// The kinds of calls that are over as soon as they begin.
const ONE_LABEL: [OpKind; 22] = [
    OpKind::ThreadStateNew,
    OpKind::ThreadStateBind,
    OpKind::ThreadStateDelete,
    OpKind::GilStateCheck,
    OpKind::AddPendingCall,
    OpKind::Initialize,
    OpKind::StartThread,
    OpKind::ThreadStateDeleteExcept,
    OpKind::InterpreterLookUpId,
    OpKind::InterpreterRequireIdRef,
    OpKind::InterpreterIdIncref,
    OpKind::SetRunningMain,
    OpKind::SetNotRunningMain,
    OpKind::Fork,
    OpKind::Exec,
    OpKind::AllocatedBlocks,
    OpKind::GlobalAllocatedBlocks,
    OpKind::SetRefCnt,
    OpKind::SetImmortal,
    OpKind::PassRef,
    OpKind::RefTotal,
    OpKind::GlobalRefTotal,
];

/// Why calls of these two kinds are not seen under way at the same time; `None` if they are.
pub fn never_together(a: OpKind, b: OpKind) -> Option<&'static str> {
    if ONE_LABEL.contains(&a) && ONE_LABEL.contains(&b) {
        return Some("each is one label, over as soon as it begins");
    }
    let has_both = |named: &Named| {
        named.scope.bounds.threads > 1 && [a, b].iter().all(|kind| named.scope.ops.contains(kind))
    };
    if !list(ScopeArg::Default).iter().any(has_both) {
        return Some("no scope has both");
    }
    areas::apart(a, b)
}

/// Every pair of kinds, each once.
pub fn pairs() -> impl Iterator<Item = (OpKind, OpKind)> {
    OpKind::ALL
        .into_iter()
        .flat_map(|a| OpKind::ALL.into_iter().filter(move |b| a <= *b).map(move |b| (a, b)))
}
