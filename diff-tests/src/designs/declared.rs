//! What people say the verdicts are: `specs/designs.toml`.
//!
//! ```toml
//! [[verdict]]
//! knob = "drop-request"
//! setting = "per-interpreter"
//! gil = "shared"          # without it: both
//! grain = "merged"        # without it: every grain
//! verdict = "broken"      # or "holds", or "equivalent"
//! rule = "GIL-7"          # the one that is broken, or the one that holds in a mended base
//! reason = "..."
//! ```
//!
//! Designs are compared with their base in the atomic grain alone, where they run in step:
//! in a finer one, a row that is declared `equivalent` has to hold.
//!
//! `beside = "cross-refs=accepted"` is a fault that is put in besides.
//!
//! `base` is `cloister` unless it is given; without `knob` and `setting` the base itself is
//! meant, and `breaks` lists the rules that a run can break first.

use super::GilMode;
use super::judge::Judged;
use super::show::phrase;
use cloister_model::{Design, Grain};
use cloister_specs::Rule;
use serde::{Deserialize, Deserializer};

/// The file, as it was when this was built.
pub const FILE: &str = include_str!("../../../specs/designs.toml");
/// Its name in messages.
pub const PATH: &str = "specs/designs.toml";

/// What may be declared of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// A rule is broken.
    Broken,
    /// Every rule holds.
    Holds,
    /// And nobody can tell it from the base.
    Equivalent,
}

impl Said {
    /// How it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Said::Broken => "broken",
            Said::Holds => "holds",
            Said::Equivalent => "equivalent",
        }
    }
}

/// A declared verdict.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The design that the rows differ from.
    #[serde(default = "cloister")]
    pub base: String,
    /// A fault that is put in besides, as `knob=setting`.
    pub beside: Option<String>,
    /// The knob.
    pub knob: Option<String>,
    /// Its setting.
    pub setting: Option<String>,
    /// Which GILs; `None`: either.
    pub gil: Option<GilMode>,
    /// In which grain; `None`: in all.
    pub grain: Option<Grain>,
    /// The verdict.
    pub verdict: Said,
    /// The rule that it is about.
    #[serde(default, deserialize_with = "one_rule")]
    pub rule: Option<Rule>,
    /// For a named design: every rule that a run can break first.
    #[serde(default, deserialize_with = "rules")]
    pub breaks: Vec<Rule>,
    /// Why it is so.
    pub reason: String,
}

fn cloister() -> String {
    "cloister".into()
}

fn by_id<E: serde::de::Error>(id: &str) -> Result<Rule, E> {
    let unknown = || E::custom(format_args!("there is no rule `{id}`; `cloister rules` lists them"));
    Rule::by_id(id).ok_or_else(unknown)
}

fn one_rule<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Rule>, D::Error> {
    by_id(&String::deserialize(from)?).map(Some)
}

fn rules<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Rule>, D::Error> {
    Vec::<String>::deserialize(from)?.iter().map(|id| by_id(id)).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    verdict: Vec<Entry>,
}

/// A file that declares nothing that can be compared. Says where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclaredError {
    /// It is no such file.
    #[error("{PATH}: {}", .0.trim_end())]
    Malformed(String),
    /// An entry means nothing.
    #[error("{PATH}, {entry}: {problem}")]
    Meaningless {
        /// Which one.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Every declared verdict.
#[derive(Clone, Debug)]
pub struct Declared(Vec<Entry>);

impl Declared {
    /// The declared verdicts of the project.
    pub fn of_the_project() -> Result<Declared, DeclaredError> {
        Declared::parse(FILE)
    }

    /// Reads declared verdicts.
    pub fn parse(text: &str) -> Result<Declared, DeclaredError> {
        let file: File = toml::from_str(text).map_err(|e| DeclaredError::Malformed(e.to_string()))?;
        for (index, entry) in file.verdict.iter().enumerate() {
            entry.check().map_err(|problem| DeclaredError::Meaningless {
                entry: format!("verdict {} ({})", index + 1, entry.name()),
                problem,
            })?;
        }
        Ok(Declared(file.verdict))
    }

    /// What is declared of this row.
    pub fn of(&self, judged: &Judged) -> Result<&Entry, String> {
        let mut matching = self.0.iter().filter(|entry| entry.speaks_of(judged));
        match (matching.next(), matching.next()) {
            (Some(entry), None) => Ok(entry),
            (None, _) => Err("nothing is declared of it".into()),
            (Some(_), Some(_)) => Err("two verdicts are declared of it".into()),
        }
    }

    /// What is declared of this setting in `cloister`.
    pub fn of_setting<'a>(&'a self, knob: &'a str, setting: &'a str) -> impl Iterator<Item = &'a Entry> {
        let is = move |e: &&Entry| e.knob.as_deref() == Some(knob) && e.setting.as_deref() == Some(setting);
        self.0.iter().filter(|entry| entry.base == cloister() && entry.beside.is_none()).filter(is)
    }

    /// What is wrong with the verdict of this row, or with what is declared of it.
    pub fn contradicts(&self, judged: &Judged) -> Option<String> {
        let problem = match self.of(judged) {
            Err(problem) => problem,
            Ok(entry) => entry.contradicts(judged)?,
        };
        Some(format!("{}: {problem}", judged.row))
    }

    /// The entries that speak of none of these rows.
    pub fn idle(&self, table: &[Judged]) -> Vec<String> {
        let idle = self.0.iter().filter(|entry| !table.iter().any(|judged| entry.speaks_of(judged)));
        idle.map(|entry| format!("{PATH} declares {}, which is no row of the table", entry.name())).collect()
    }
}

fn list(rules: &[Rule]) -> String {
    rules.iter().map(|rule| rule.id()).collect::<Vec<_>>().join(", ")
}

impl Entry {
    fn name(&self) -> String {
        let mut name = self.base.clone();
        if let Some(beside) = &self.beside {
            name += &format!(" {beside}");
        }
        if let Some(knob) = &self.knob {
            name += &format!(" {knob}={}", self.setting.as_deref().unwrap_or("?"));
        }
        name += &self.gil.map(|gil| format!(", {gil} GILs")).unwrap_or_default();
        name + &self.grain.map(|grain| format!(", {grain}")).unwrap_or_default()
    }

    /// The verdict in a phrase: `broken GIL-7`.
    pub fn phrase(&self) -> String {
        let rule = self.rule.map(|rule| format!(" {}", rule.id())).unwrap_or_default();
        self.verdict.text().to_string() + &rule
    }

    fn check(&self) -> Result<(), String> {
        if Design::by_name(&self.base).is_none() {
            let names = Design::NAMED.map(|(name, _)| name).join(", ");
            return Err(format!("there is no design `{}`; there are {names}", self.base));
        }
        match (&self.knob, &self.setting) {
            (Some(knob), Some(setting)) => {
                let word = format!("{knob}={setting}");
                let words = self.beside.iter().map(String::as_str).chain([word.as_str()]);
                match Design::CLOISTER.with_settings(words) {
                    Ok(_) | Err(cloister_model::DesignError::Inadmissible) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            (None, None) if self.beside.is_none() => {}
            _ => return Err("`knob` and `setting` belong together".into()),
        }
        if self.verdict == Said::Broken && self.rule.is_none() {
            return Err("a broken row names its `rule`".into());
        }
        if self.reason.trim().is_empty() {
            return Err("the `reason` is empty".into());
        }
        Ok(())
    }

    fn speaks_of(&self, judged: &Judged) -> bool {
        let row = &judged.row;
        let beside = row.beside.map(|(knob, setting)| format!("{}={setting}", knob.name));
        let turned = self.knob.as_deref().zip(self.setting.as_deref());
        self.base == row.base
            && self.beside == beside
            && turned == row.turned.map(|(knob, setting)| (knob.name, setting))
            && self.gil.is_none_or(|gil| gil == row.gil)
            && self.grain.is_none_or(|grain| grain == row.grain)
    }

    fn contradicts(&self, judged: &Judged) -> Option<String> {
        let declared = match (self.verdict, judged.row.grain) {
            (Said::Equivalent, Grain::Merged | Grain::Fine) => Said::Holds.text(),
            (said, _) => said.text(),
        };
        let found = judged.verdict.text();
        if (found, judged.rule()) != (declared, self.rule) {
            return Some(format!("{}, declared as {}", phrase(judged), self.phrase()));
        }
        (judged.breaks != self.breaks).then(|| {
            format!("its runs first break {}, declared are {}", list(&judged.breaks), list(&self.breaks))
        })
    }
}
