//! The arguments of the subcommands.

use super::On;
use clap::{Args, ValueEnum};
use cloister_specs::Rule;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

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
    /// Only these settings of knobs; without any, all of them.
    #[arg(value_name = "KNOB=SETTING")]
    pub settings: Vec<Setting>,
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
    /// Only the calls of this area.
    #[arg(long, value_parser = area)]
    pub area: Option<String>,
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
    /// How much of it.
    #[arg(long, value_enum, default_value_t)]
    pub scope: ScopeArg,
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
    /// Write the result to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// A knob and how it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The knob.
    pub knob: String,
    /// How it is set.
    pub setting: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((knob, setting)) if !knob.is_empty() && !setting.is_empty() => {
                Ok(Setting { knob: knob.into(), setting: setting.into() })
            }
            _ => Err("a setting is written knob=setting".into()),
        }
    }
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
