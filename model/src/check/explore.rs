//! The stateright adapter: every state of a scope.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cloister_specs::{Move, Rule};
use stateright::{Checker, Model, Property};

use super::coverage::{Coverage, Tally};
use super::scope::Scope;
use crate::rules::{Step, breaks, broken_by, broken_in};
use crate::runtime::Runtime;

/// A state of the exploration.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// The state.
    pub runtime: Runtime,
    /// The rule that the step to it broke.
    pub broke: Option<Rule>,
}

/// In words: it is what stateright's Explorer shows of a state.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.runtime)?;
        match self.broke {
            Some(rule) => write!(f, "\n{}", breach(rule)),
            None => Ok(()),
        }
    }
}

/// A move, which stateright's Explorer shows in the text form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Action(pub Move);

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn breach(rule: Rule) -> String {
    format!("breaks {}: {}", rule.id(), rule.text().sentence)
}

/// How an exploration is watched and stopped.
#[derive(Clone, Default)]
pub struct Watch {
    /// Set it to stop.
    pub stop: Arc<AtomicBool>,
    /// Told of the unique and generated states now and then.
    pub progress: Option<Arc<dyn Fn(u64, u64) + Send + Sync>>,
}

/// A scope as a stateright model.
#[derive(Clone)]
pub struct Explorer {
    /// What is explored.
    pub scope: Scope,
    /// What it exercises.
    pub coverage: Arc<Coverage>,
    /// Expanded states.
    expanded: Arc<AtomicU64>,
    /// States that were reached, but not expanded.
    left: Arc<AtomicU64>,
    /// No more than so many states are expanded.
    budget: u64,
    stop: Arc<AtomicBool>,
}

impl Explorer {
    /// An explorer of this scope.
    pub fn new(scope: Scope, budget: u64, stop: Arc<AtomicBool>) -> Explorer {
        Explorer {
            scope,
            coverage: Arc::default(),
            expanded: Arc::default(),
            left: Arc::default(),
            budget,
            stop,
        }
    }
}

impl Model for Explorer {
    type State = Node;
    type Action = Action;

    fn init_states(&self) -> Vec<Node> {
        let runtime = Runtime::new(&self.scope.design);
        let runtime =
            if self.scope.symmetry { self.scope.canonical(&runtime).0 } else { self.scope.blur(&runtime) };
        let broke = broken_in(&self.scope.design, &runtime);
        vec![Node { runtime, broke: broke.filter(|r| self.scope.only.is_none_or(|o| o == *r)) }]
    }

    fn actions(&self, node: &Node, out: &mut Vec<Action>) {
        if node.broke.is_some() {
            return;
        }
        if self.stop.load(Relaxed) || self.expanded.load(Relaxed) >= self.budget {
            self.left.fetch_add(1, Relaxed);
            return;
        }
        self.expanded.fetch_add(1, Relaxed);
        let mut moves = Vec::new();
        self.scope.moves(&node.runtime, &mut moves, |kind, rule| self.coverage.refused(kind, rule));
        out.extend(moves.into_iter().map(Action));
    }

    fn next_state(&self, node: &Node, Action(mv): Action) -> Option<Node> {
        let mut after = node.runtime;
        let outcome = after.apply(&self.scope.design, self.scope.grain, &mv).ok()?;
        let step =
            Step { design: &self.scope.design, before: &node.runtime, mv: &mv, outcome, after: &after };
        self.coverage.step(&step);
        let broke = match self.scope.only {
            None => broken_by(&step),
            Some(rule) => breaks(&step, rule).then_some(rule),
        };
        let runtime =
            if self.scope.symmetry { self.scope.canonical(&after).0 } else { self.scope.blur(&after) };
        Some(Node { runtime, broke })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("every rule holds", |_, node: &Node| node.broke.is_none())]
    }

    fn format_step(&self, node: &Node, action: Action) -> Option<String> {
        let mut after = node.runtime;
        let outcome = after.apply(&self.scope.design, self.scope.grain, &action.0).ok()?;
        let broke = self.next_state(node, action)?.broke.map(breach);
        let told = std::iter::once(outcome.to_string()).chain(broke);
        Some(told.collect::<Vec<_>>().join("\n"))
    }
}

/// Serves stateright's Explorer for this scope on this address, until the process ends.
/// Nothing is renamed, so that ids stay what they are from state to state.
pub fn serve(scope: &Scope, address: SocketAddr) {
    let plain = Scope { symmetry: false, ..scope.clone() };
    Explorer::new(plain, u64::MAX, Arc::default()).checker().serve(address);
}

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// Different states.
    pub unique: u64,
    /// States, every time they were reached.
    pub generated: u64,
    /// Every state of the scope was expanded.
    pub complete: bool,
    /// A rule was broken.
    pub broke: bool,
    /// What it exercised.
    pub tally: Tally,
    /// How long it took.
    pub time: Duration,
}

impl Exploration {
    /// The chance that two different states were taken as one: fingerprints have 64 bits.
    pub fn collision_chance(&self) -> f64 {
        (self.unique as f64).powi(2) / 2f64.powi(65)
    }
}

/// Explores a scope with these many workers, expanding at most `budget` states.
pub fn explore(scope: &Scope, workers: usize, budget: u64, watch: &Watch) -> Exploration {
    let begin = Instant::now();
    let explorer = Explorer::new(scope.clone(), budget, watch.stop.clone());
    let (coverage, left) = (explorer.coverage.clone(), explorer.left.clone());
    let checker = explorer.checker().threads(workers).spawn_bfs();
    while !checker.is_done() {
        std::thread::sleep(Duration::from_millis(2));
        if let Some(progress) = &watch.progress {
            progress(checker.unique_state_count() as u64, checker.state_count() as u64);
        }
    }
    let checker = checker.join();
    let broke = !checker.discoveries().is_empty();
    Exploration {
        unique: checker.unique_state_count() as u64,
        generated: checker.state_count() as u64,
        complete: !broke && left.load(Relaxed) == 0,
        broke,
        tally: coverage.tally(),
        time: begin.elapsed(),
    }
}
