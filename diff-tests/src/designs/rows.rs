//! The rows of the table, each with its own scope.

use super::GilMode;
use super::crossed::narrowed;
use super::judge::Judged;
use cloister_model::check::{Bounds, Scope, Verdict};
use cloister_model::design::{Gils, Knob};
use cloister_model::{Design, Grain, admissible};
use cloister_specs::{Client, Fault, InterpreterConfig, OpKind, PendingCall, Rule};

/// One design to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The name of the design that it differs from.
    pub base: &'static str,
    /// A fault that is put in besides: a knob and its setting.
    pub beside: Option<(&'static Knob, &'static str)>,
    /// The knob that is turned, and its setting; `None`: the base itself.
    pub turned: Option<(&'static Knob, &'static str)>,
    /// Which GILs the interpreters ask for.
    pub gil: GilMode,
    /// How much of a call is one move.
    pub grain: Grain,
    /// How many of everything.
    pub bounds: Bounds,
    /// Only this rule counts; `None`: all.
    pub only: Option<Rule>,
}

const FINE: Bounds = Bounds::new(2, 2, 2);
const WIDE: Bounds = Bounds::new(2, 2, 3);
const CREATION: Bounds = Bounds::new(1, 2, 2);
const TWO_TSTATES: Bounds = Bounds::new(2, 1, 2);
const TWO_INTERPRETERS: Bounds = Bounds::new(2, 2, 2);

/// The smallest bounds that show what a setting does, or, where it does nothing, bounds
/// that leave room for it.
pub(super) fn bounds(knob: &str, setting: &str, gil: GilMode) -> Bounds {
    match (knob, setting, gil) {
        ("attach", "swap-leaves-gil", _) => Bounds::new(1, 1, 1),
        ("current", _, GilMode::Own) => TWO_INTERPRETERS,
        ("failed-creation" | "creation-errors" | "out-of-memory", _, _) => CREATION,
        ("drop-request", _, GilMode::Shared) => TWO_INTERPRETERS,
        ("tstate-in-use" | "gilstate-unbind", _, _) => TWO_TSTATES,
        ("own-gil-shared-obmalloc", _, GilMode::Own) => CREATION,
        ("finish-pending" | "failed-pending" | "empty-interp", _, _) => Bounds::new(1, 1, 1),
        ("ensure-errors" | "eval-breaker", _, _) => Bounds::new(2, 1, 1),
        ("failed-thread", _, _) => Bounds::new(1, 1, 2),
        ("daemon-threads" | "exiting-waiter" | "delete-except", _, _) => TWO_TSTATES,
        ("thread-start", _, _) => Bounds::new(2, 1, 3),
        ("head-tstate", _, _) => TWO_INTERPRETERS,
        ("gilstate-check" | "legacy-creation" | "id-order" | "fork-clear" | "fork-in-sub", _, _) => CREATION,
        ("arenas" | "cross-refs", _, _) => CREATION,
        ("block-totals" | "immortality" | "legacy-total", _, _) => Bounds::new(1, 1, 1),
        (
            "obmalloc" | "free-goes-to" | "foreign-free" | "counting" | "none" | "counts" | "ref-total",
            _,
            _,
        ) => TWO_INTERPRETERS,
        // An address is used again while two threads wait.
        ("last-holder", _, GilMode::Shared) => Bounds::new(3, 2, 3),
        _ => WIDE,
    }
}

/// The calls that show what a knob of an area beyond the engine does; `None`: the engine's.
fn calls(knob: &str) -> Option<&'static [OpKind]> {
    use OpKind::*;
    Some(match knob {
        "gilstate-target" | "ensure-errors" => {
            &[NewInterpreterFromConfig, ThreadStateSwap, SaveThread, GilStateEnsure, GilStateRelease]
        }
        "gilstate-check" => &[NewInterpreterFromConfig, ThreadStateSwap, SaveThread, GilStateCheck],
        "legacy-creation" => &[NewInterpreter, EndInterpreter, ThreadStateSwap],
        "eval-breaker" | "failed-pending" => &[
            ThreadStateNew,
            ThreadStateBind,
            SaveThread,
            RestoreThread,
            EvalBreakerPoll,
            AddPendingCall,
            MakePendingCalls,
        ],
        "daemon-threads" | "exiting-waiter" | "thread-start" => &[
            Initialize,
            Finalize,
            StartThread,
            RunThread,
            ThreadStateDeleteCurrent,
            SaveThread,
            RestoreThread,
            EvalBreakerPoll,
        ],
        "failed-thread" => &[StartThread, RunThread, ThreadStateDeleteCurrent, SaveThread, RestoreThread],
        "finish-pending" => &[Initialize, Finalize, EvalBreakerPoll, AddPendingCall],
        "delete-except" => &[ThreadStateNew, ThreadStateBind, SaveThread, ThreadStateDeleteExcept],
        "empty-interp" => &[ThreadStateNew, ThreadStateBind, RestoreThread, ThreadStateDeleteCurrent],
        "head-tstate" => &[
            NewInterpreterFromConfig,
            ThreadStateSwap,
            InterpreterRequireIdRef,
            InterpreterIdIncref,
            InterpreterIdDecref,
        ],
        "destroy-check" => &[
            NewInterpreterFromConfig,
            ThreadStateNew,
            ThreadStateBind,
            ThreadStateSwap,
            SetRunningMain,
            SetNotRunningMain,
            DestroyInterpreter,
        ],
        "id-order" => &[NewInterpreterFromConfig, EndInterpreter, ThreadStateSwap, InterpreterLookUpId],
        "fork-clear" | "fork-in-sub" => &[
            NewInterpreterFromConfig,
            EndInterpreter,
            ThreadStateSwap,
            ThreadStateNew,
            ThreadStateBind,
            Fork,
        ],
        "obmalloc" | "free-goes-to" | "foreign-free" => &[
            NewInterpreterFromConfig,
            EndInterpreter,
            ThreadStateSwap,
            Malloc,
            Realloc,
            Free,
            AllocatedBlocks,
        ],
        "arenas" => &[NewInterpreterFromConfig, EndInterpreter, ThreadStateSwap, Malloc, Free],
        "block-totals" => &[Initialize, Finalize, Malloc, Free, GlobalAllocatedBlocks],
        "counting" => &[
            NewInterpreterFromConfig,
            ThreadStateSwap,
            SaveThread,
            AllocatedBlocks,
            GlobalAllocatedBlocks,
            RefTotal,
            GlobalRefTotal,
        ],
        "none" => &[NewInterpreterFromConfig, EndInterpreter, ThreadStateSwap, IncRef, DecRef],
        "immortality" => &[ObjectNew, SetRefCnt, IncRef, DecRef, SetImmortal, ClearImmortal],
        "counts" | "cross-refs" => {
            &[NewInterpreterFromConfig, EndInterpreter, ThreadStateSwap, ObjectNew, IncRef, DecRef, PassRef]
        }
        "ref-total" => &[
            NewInterpreterFromConfig,
            EndInterpreter,
            ThreadStateSwap,
            Initialize,
            Finalize,
            ObjectNew,
            IncRef,
            DecRef,
            RefTotal,
            GlobalRefTotal,
        ],
        "legacy-total" => &[Initialize, Finalize, IncRef, DecRef, GlobalRefTotal],
        _ => return None,
    })
}

/// The scope with the calls and settings that show what these knobs do. Where all of them
/// belong to the engine, it is the scope itself.
pub fn showing(scope: Scope, knobs: &[&str]) -> Scope {
    let mut ops: Vec<OpKind> = knobs.iter().filter_map(|knob| calls(knob)).flatten().copied().collect();
    if ops.is_empty() {
        return scope;
    }
    if knobs.iter().any(|knob| calls(knob).is_none()) {
        ops.extend(&scope.ops);
    }
    ops.sort_unstable();
    ops.dedup();
    let mut configs = vec![scope.configs[0]];
    if ops.contains(&OpKind::Fork) {
        configs.push(InterpreterConfig { allow_fork: true, ..configs[0] });
    }
    let mut faults = vec![None];
    if knobs.contains(&"id-order") || knobs.contains(&"legacy-creation") {
        faults.push(Some(Fault::InterpAlloc));
    }
    if knobs.contains(&"legacy-creation") {
        faults.push(Some(Fault::MainInit));
    }
    let mut clients = vec![Client::Aware];
    if knobs.contains(&"immortality") || knobs.contains(&"legacy-total") {
        clients.push(Client::Unaware);
    }
    Scope {
        ops,
        configs,
        faults,
        pending: vec![PendingCall::Succeeds, PendingCall::Fails],
        queued: if knobs.contains(&"finish-pending") { 2 } else { 1 },
        ensures: 1,
        spurious: false,
        blocks: if knobs.contains(&"ref-total") { 2 } else { 1 },
        refs: 1,
        clients,
        ..scope
    }
}

/// The knobs in which two designs differ.
pub fn apart(one: &Design, other: &Design) -> Vec<&'static str> {
    Design::KNOBS.iter().filter(|k| (k.get)(one) != (k.get)(other)).map(|k| k.name).collect()
}

/// Bounds for a base in which other faults are at work, and runs go on after they broke a
/// rule: that leads far.
fn mended_bounds(knob: &str, setting: &str, gil: GilMode) -> Bounds {
    match knob {
        // Another fault than the mended one takes two thread states.
        "eval-breaker" => TWO_TSTATES,
        _ if calls(knob).is_some() => bounds(knob, setting, gil),
        // What a creation answers is up to its thread alone.
        "out-of-memory" | "own-gil-shared-obmalloc" | "creation-errors" => Bounds::new(1, 3, 4),
        "tstate-in-use" => WIDE,
        _ => TWO_INTERPRETERS,
    }
}

fn in_grain(knob: &str, grain: Grain, bounds: Bounds) -> Bounds {
    if calls(knob).is_some() {
        return bounds;
    }
    match grain {
        Grain::Atomic => bounds,
        Grain::Merged => Bounds { threads: bounds.threads.min(2), ..bounds },
        Grain::Fine => Bounds {
            threads: bounds.threads.min(FINE.threads),
            interps: bounds.interps.min(FINE.interps),
            tstates: bounds.tstates.min(FINE.tstates),
        },
    }
}

impl Row {
    /// The design that is judged. `attach=swap-leaves-gil` brings `gils=one` with it: there
    /// is no other that it means anything in.
    pub fn design(&self) -> Design {
        let mut design = Design::by_name(self.base).unwrap_or(Design::CLOISTER);
        for (knob, setting) in self.beside.iter().chain(&self.turned) {
            (knob.set)(&mut design, setting);
        }
        if !admissible(&design) {
            design.gils = Gils::One;
        }
        design
    }

    /// The scope that it is judged in.
    pub fn scope(&self) -> Scope {
        let whole = Scope::whole(&self.to_string(), self.design(), self.grain, self.bounds);
        let knobs: Vec<&str> = self.turned.iter().map(|(knob, _)| knob.name).collect();
        let shown = showing(Scope { configs: self.gil.configs(), ..whole }, &knobs);
        let shown = match self.beside {
            Some((knob, _)) => narrowed(shown, knob.name, self.gil),
            None => shown,
        };
        Scope { only: self.only, ..shown }
    }

    /// The areas of the rules that it is about.
    pub fn areas(&self) -> &'static [&'static str] {
        match self.turned.map(|(knob, _)| knob.name) {
            None => &["LIFE", "TLS", "GIL"],
            Some("failed-creation" | "creation-errors" | "out-of-memory" | "own-gil-shared-obmalloc") => {
                &["LIFE"]
            }
            Some("legacy-creation") => &["LIFE"],
            Some("current" | "gilstate-unbind" | "delete-except" | "empty-interp") => &["TLS"],
            Some("gilstate-target" | "ensure-errors" | "gilstate-check") => &["GILSTATE"],
            Some("eval-breaker" | "failed-pending") => &["PEND"],
            Some(
                "daemon-threads" | "exiting-waiter" | "thread-start" | "failed-thread" | "finish-pending",
            ) => &["FIN"],
            Some("head-tstate" | "destroy-check" | "id-order") => &["ID"],
            Some("fork-clear" | "fork-in-sub") => &["FORK"],
            Some("obmalloc" | "free-goes-to" | "foreign-free" | "arenas" | "block-totals" | "counting") => {
                &["MEM"]
            }
            Some("none" | "immortality" | "counts" | "cross-refs" | "ref-total" | "legacy-total") => &["REF"],
            Some(_) => &["GIL"],
        }
    }

    /// Is a fault of the base mended here, rather than one put in?
    pub fn mends(&self) -> bool {
        self.turned.is_some() && self.base != "cloister"
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.base)?;
        for (knob, setting) in self.beside.iter().chain(&self.turned) {
            write!(f, " {}={setting}", knob.name)?;
        }
        write!(f, ", {} GILs, {}", self.gil, self.grain)
    }
}

/// The named designs.
pub fn named() -> Vec<Row> {
    let mut rows = Vec::new();
    for (base, _) in Design::NAMED {
        for gil in GilMode::ALL {
            let row =
                Row { base, beside: None, turned: None, gil, grain: Grain::Atomic, bounds: WIDE, only: None };
            rows.push(row);
        }
    }
    rows
}

/// `cloister` with each knob in each other setting, in both GIL modes and every grain.
pub fn turned() -> Vec<Row> {
    let mut rows = Vec::new();
    for knob in Design::KNOBS {
        let others = knob.settings.iter().filter(|s| **s != (knob.get)(&Design::CLOISTER));
        for setting in others {
            for gil in GilMode::ALL {
                let bounds = bounds(knob.name, setting, gil);
                rows.extend(Grain::ALL.map(|grain| Row {
                    base: "cloister",
                    beside: None,
                    turned: Some((knob, setting)),
                    gil,
                    grain,
                    bounds: in_grain(knob.name, grain, bounds),
                    only: None,
                }));
            }
        }
    }
    rows
}

/// `cpython_3_12_1` with each fault mended that breaks a rule in `cloister`, judged by that
/// rule. Runs go on after they broke another one: what holds holds whatever else is broken.
pub fn mended(judged: &[Judged]) -> Vec<Row> {
    let mended = |judged: &Judged| {
        let (knob, setting) = judged.row.turned?;
        let ours = (knob.get)(&Design::CLOISTER);
        let shipped = (knob.get)(&Design::CPYTHON_3_12_1);
        let Verdict::Broken(run) = &judged.verdict else { return None };
        if judged.row.beside.is_some() {
            return None;
        }
        (setting == shipped && setting != ours && judged.row.grain == Grain::Atomic).then_some(Row {
            base: "cpython_3_12_1",
            beside: None,
            turned: Some((knob, ours)),
            gil: judged.row.gil,
            grain: Grain::Atomic,
            bounds: mended_bounds(knob.name, setting, judged.row.gil),
            only: Some(run.rule),
        })
    };
    judged.iter().filter_map(mended).collect()
}
