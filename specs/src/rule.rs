//! The rules by id.

use std::fmt;

/// How well a rule is established in CPython.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Its documentation or a change description says so.
    Documented,
    /// Its code checks it.
    Enforced,
    /// It follows from the rest, or has to hold for the rest to.
    Emergent,
    /// It was true of an earlier design; kept for a knob.
    Historical,
}

/// What CPython answers when the rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A status with this text.
    Status(&'static str),
    /// The process ends with this text.
    Fatal(&'static str),
    /// An assertion in a debug build; undefined in a release build.
    Assert,
    /// It has no answer: the rule is about the runtime itself.
    None,
}

/// What the documents say of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleText {
    /// Its id, `LIFE-3`.
    pub id: &'static str,
    /// The rule itself.
    pub sentence: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// How well it is established.
    pub status: Status,
    /// What CPython answers when it is broken.
    pub answer: Answer,
    /// What breaks without it.
    pub without: &'static str,
    /// What a caller should do instead.
    pub advice: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

impl Rule {
    /// Its id, `LIFE-3`.
    pub const fn id(self) -> &'static str {
        self.text().id
    }

    /// The rule with this id.
    pub fn by_id(id: &str) -> Option<Rule> {
        Rule::ALL.into_iter().find(|r| r.id().eq_ignore_ascii_case(id))
    }

    /// Its area, `LIFE`.
    pub fn area(self) -> &'static str {
        self.id().split('-').next().unwrap_or_default()
    }

    /// Its place in [`Rule::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}
