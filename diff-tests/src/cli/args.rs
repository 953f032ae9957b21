//! The arguments of the subcommands.

use super::On;
use crate::designs::GilMode;
use crate::soak::{Forget, MOST_THREADS};
use clap::{Args, ValueEnum};
use cloister_model::check::Bounds;
use cloister_model::{Grain, INTERPS, THREADS, TSTATES};
use cloister_specs::Rule;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How much is explored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum ScopeArg {
    /// Seconds.
    Quick,
    /// A minute or two.
    #[default]
    Default,
    /// As long as it takes.
    Deep,
}

/// `cloister check`
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// How much to explore.
    #[arg(long, value_enum, default_value_t)]
    pub scope: ScopeArg,
    /// Only the rules of this area.
    #[arg(long, value_parser = area)]
    pub area: Option<String>,
    /// Write the result to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `cloister designs`
#[derive(Clone, Debug, Args)]
pub struct DesignsArgs {
    /// A design to judge: a named one, then settings of its knobs; without any, the table.
    #[arg(value_name = "DESIGN | KNOB=SETTING")]
    pub words: Vec<String>,
    /// How much of a call is one move.
    #[arg(long, value_parser = grain, default_value = "atomic")]
    pub grain: Grain,
    /// Which GILs the interpreters ask for; without it, some one and some the other.
    #[arg(long, value_enum)]
    pub gil: Option<GilMode>,
    /// At most so many threads, interpreters and thread states.
    #[arg(long, value_name = "T/I/S", value_parser = bounds, default_value = "2/2/3")]
    pub bounds: Bounds,
    /// Judge by this rule alone: runs go on after they broke another one.
    #[arg(long, value_name = "RULE", requires = "words")]
    pub only: Option<String>,
    /// Print the tables of the README.
    #[arg(long, conflicts_with = "words")]
    pub markdown: bool,
    /// Write the result to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `cloister lockstep`
#[derive(Clone, Debug, Args)]
pub struct LockstepArgs {
    /// Where the random runs begin; without it, somewhere else each time.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many runs.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub runs: Option<u64>,
    /// Mostly the calls of this area; the others lead to where they can be made.
    #[arg(long, value_parser = area)]
    pub area: Option<String>,
    /// Write the result to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `cloister shuttle`
#[derive(Clone, Debug, Args)]
pub struct ShuttleArgs {
    /// That of the first program; without it, somewhere else each time.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many schedules, 40 for each program.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), default_value_t = 100_000)]
    pub schedules: u64,
    /// How many calls each thread of a program makes.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000), default_value_t = 12)]
    pub calls: u32,
    /// Write the result to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `cloister replay`
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// A capsule, or a run in the text form.
    pub file: PathBuf,
    /// Whom to tell it to.
    #[arg(long, value_enum, default_value_t = On::Model)]
    pub on: On,
    /// Save the run with what came of it as a capsule.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
}

/// `cloister ask`
#[derive(Clone, Debug, Args)]
pub struct AskArgs {
    /// A sequence of calls in the text form, or a capsule.
    pub file: PathBuf,
}

/// `cloister explore`
#[derive(Clone, Debug, Args)]
pub struct ExploreArgs {
    /// The design to explore.
    #[arg(long, default_value = "cloister")]
    pub design: String,
    /// Other settings of its knobs.
    #[arg(value_name = "KNOB=SETTING")]
    pub settings: Vec<String>,
    /// How much of a call is one move.
    #[arg(long, value_parser = grain, default_value = "merged")]
    pub grain: Grain,
    /// Which GILs the interpreters ask for; without it, some one and some the other.
    #[arg(long, value_enum)]
    pub gil: Option<GilMode>,
    /// At most so many threads, interpreters and thread states.
    #[arg(long, value_name = "T/I/S", value_parser = bounds, default_value = "2/2/3")]
    pub bounds: Bounds,
    /// Where the explorer listens.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub address: SocketAddr,
}

/// `cloister rules`
#[derive(Clone, Debug, Args)]
pub struct RulesArgs {
    /// A rule, as GIL-8; without it, all of them.
    #[arg(value_name = "RULE-ID")]
    pub rule: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `cloister bench`
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Only the works whose name has this in it.
    #[arg(value_name = "WORK")]
    pub work: Option<String>,
    /// As the section of the README.
    #[arg(long, conflicts_with = "work")]
    pub markdown: bool,
    /// Write the result to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `cloister heap`
#[derive(Clone, Debug, Args)]
pub struct HeapArgs {
    /// Where the random calls begin; without it, somewhere else each time.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many calls.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000), default_value_t = 100_000)]
    pub ops: u64,
    /// Keep so many arenas without a pool in use; without it, as many as the heap learns to.
    #[arg(long, value_name = "ARENAS")]
    pub keep: Option<usize>,
    /// No work: what lies where in objects, arenas and pools.
    #[arg(long, conflicts_with_all = ["seed", "ops", "keep"])]
    pub layout: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `cloister soak`
#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    /// How long, in seconds; without it, a minute.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
    /// So many rounds instead, however long they take.
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: Option<u64>,
    /// How many OS threads.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=MOST_THREADS as i64))]
    pub threads: u16,
    /// Where the random steps begin; without it, somewhere else each time.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Lose something on purpose once the soak is warm, to see that it is found.
    #[arg(long, value_enum)]
    pub forget: Option<Forget>,
    /// Write the result to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// The areas that there are rules of.
pub fn areas() -> BTreeSet<&'static str> {
    Rule::ALL.into_iter().map(Rule::area).collect()
}

fn area(text: &str) -> Result<String, String> {
    let known = areas();
    match known.iter().find(|area| area.eq_ignore_ascii_case(text)) {
        Some(area) => Ok((*area).into()),
        None => Err(format!("the areas are {}", known.into_iter().collect::<Vec<_>>().join(", "))),
    }
}

fn grain(text: &str) -> Result<Grain, String> {
    let known = || Grain::ALL.map(Grain::name).join(", ");
    Grain::ALL
        .into_iter()
        .find(|grain| grain.name() == text)
        .ok_or_else(|| format!("the grains are {}", known()))
}

fn bounds(text: &str) -> Result<Bounds, String> {
    let wrong =
        || format!("bounds are threads/interpreters/thread states, 1/1/1 to {THREADS}/{INTERPS}/{TSTATES}");
    let numbers: Result<Vec<u8>, _> = text.split('/').map(str::parse).collect();
    match numbers.map_err(|_| wrong())?.as_slice() {
        [t, i, s] => {
            let bounds = Bounds::new(*t, *i, *s);
            let kept = (bounds.threads, bounds.interps, bounds.tstates) == (*t, *i, *s);
            if kept && *t > 0 && *i > 0 && *s > 0 { Ok(bounds) } else { Err(wrong()) }
        }
        _ => Err(wrong()),
    }
}
