//! What `cloister check --json FILE` writes.

use crate::cli::lockstep::RowReport;
use cloister_model::check::Tally;
use serde::Serialize;

/// The version of the format.
pub const VERSION: u32 = 1;

/// Everything that a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Which level was explored.
    pub scope: String,
    /// The only area that was checked; `None`: all.
    pub area: Option<String>,
    /// Is everything as it is declared?
    pub as_declared: bool,
    /// Was it interrupted?
    pub interrupted: bool,
    /// What is not as it is declared, a sentence each.
    pub problems: Vec<String>,
    /// How long it all took.
    pub seconds: f64,
    /// The rules.
    pub rules: RulesReport,
    /// What was explored.
    pub scopes: Vec<ScopeReport>,
    /// The verdicts on designs.
    pub designs: Vec<DesignReport>,
    /// What was done in lockstep.
    pub lockstep: Vec<RowReport>,
    /// How many reference counts were looked at.
    pub counts: u64,
    /// The seeded faults.
    pub canaries: Vec<CanaryReport>,
    /// What a real CPython did.
    pub cpython: CpythonReport,
    /// What the explorations exercised, all together.
    #[serde(skip)]
    pub tally: Tally,
}

/// How well the rules are covered.
#[derive(Debug, Default, Serialize)]
pub struct RulesReport {
    /// How many there are.
    pub total: usize,
    /// How many had their probe fire.
    pub probed: usize,
    /// Those that had not.
    pub unprobed: Vec<String>,
    /// How many are cited where; `None` where the sources are not here.
    pub cited: Option<CitedReport>,
    /// Pairs of calls that were under way at the same time.
    pub pairs: usize,
    /// Pairs that could have been, and were not.
    pub unseen_pairs: Vec<String>,
}

/// How many rules are cited where.
#[derive(Debug, Default, Serialize)]
pub struct CitedReport {
    /// In the model.
    pub model: usize,
    /// In the implementation.
    pub r#impl: usize,
    /// In a test.
    pub test: usize,
}

/// An exploration.
#[derive(Debug, Serialize)]
pub struct ScopeReport {
    /// The areas that it exercises.
    pub area: String,
    /// Its name.
    pub name: String,
    /// The design.
    pub design: String,
    /// The grain.
    pub grain: String,
    /// Threads, interpreters and thread states.
    pub bounds: String,
    /// Different states.
    pub unique: u64,
    /// States, every time they were reached.
    pub generated: u64,
    /// Was every state looked at?
    pub complete: bool,
    /// How long it took.
    pub seconds: f64,
    /// The chance that two states were taken as one.
    pub collision: f64,
    /// `holds`, `broken` or `unfinished`.
    pub verdict: &'static str,
    /// What it leaves out.
    pub without: &'static str,
}

/// A verdict on a design.
#[derive(Debug, Serialize)]
pub struct DesignReport {
    /// A fault that is put in besides, as `knob=setting`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// The knob that is turned, if one is.
    pub knob: Option<String>,
    /// Its setting.
    pub setting: Option<String>,
    /// The design that this one differs from.
    pub base: String,
    /// Which GILs the interpreters ask for.
    pub gil: String,
    /// The grain.
    pub grain: String,
    /// Threads, interpreters and thread states.
    pub bounds: String,
    /// What the checker says.
    pub verdict: String,
    /// What is declared.
    pub expected: Option<String>,
    /// The rule that it is about.
    pub rule: Option<String>,
    /// For a named design: every rule that a run can break first.
    pub breaks: Vec<String>,
    /// How many calls the shortest run has.
    pub ops: Option<u32>,
    /// How many moves it has.
    pub labels: Option<usize>,
    /// How often a thread is left in it that could go on.
    pub preemptions: Option<u32>,
    /// Different states, where a whole scope was looked at.
    pub unique: Option<u64>,
    /// How long it took.
    pub seconds: f64,
    /// The shortest run, in the text form.
    pub capsule: Option<String>,
    /// What a real CPython does with it.
    pub cpython: Option<String>,
}

/// A seeded fault.
#[derive(Debug, Serialize)]
pub struct CanaryReport {
    /// Which one.
    pub name: String,
    /// Was it found?
    pub found: bool,
}

/// What a real CPython did.
#[derive(Debug, Default, Serialize)]
pub struct CpythonReport {
    /// Is there one here?
    pub found: bool,
    /// Which version.
    pub version: Option<String>,
    /// How many moves were compared.
    pub compared: u64,
    /// How many faults it showed.
    pub confirmed: u64,
    /// How many it should have shown and did not.
    pub refuted: u64,
}
