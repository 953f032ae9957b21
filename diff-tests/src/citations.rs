//! Which rules are cited where.
//!
//! A *citation* is a comment that names a rule and quotes it, as duvet reads them:
//!
//! ```text
//! //= specs/rules/gil.md#gil-8
//! //= type=test
//! //# Taking a GIL MUST reset the request
//! ```
//!
//! Where it stands says what it means: in `model/` and `impl/` the code that serves the
//! rule, in a `tests/` folder, in `diff-tests/` or with `type=test` what checks it.
//! Unlike duvet, which lets one letter differ, a quote must be part of the sentence.

use cloister_specs::{Rule, Status};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 3] = ["model", "impl", "diff-tests"];

/// What a citation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The model serves the rule here.
    Model,
    /// The implementation serves it here.
    Impl,
    /// It is checked here.
    Test,
}

impl Place {
    /// Every place.
    pub const ALL: [Place; 3] = [Place::Model, Place::Impl, Place::Test];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Place::Model => "model",
            Place::Impl => "impl",
            Place::Test => "test",
        }
    }
}

/// A citation of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Citation {
    /// The rule.
    pub rule: Rule,
    /// What the citation means.
    pub place: Place,
    /// The file, from the root.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
}

/// A citation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[error("{}:{line}: {wrong}", .file.display())]
pub struct Problem {
    /// The file, from the root.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong with a citation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It names nothing that is a rule.
    #[error("there is no rule at `{0}`; a rule is cited as specs/rules/gil.md#gil-8")]
    UnknownRule(String),
    /// It quotes what the rule does not say.
    #[error("{rule} does not say `{quote}`; it says `{}`", .rule.text().sentence)]
    WrongQuote {
        /// The rule.
        rule: Rule,
        /// The quote.
        quote: String,
    },
    /// It names a rule but quotes nothing.
    #[error("{0} is named but not quoted; add a line with //# and a part of its sentence")]
    NoQuote(Rule),
    /// It has a type that means nothing here.
    #[error("a citation has no type, or `type=test`; this one has `{0}`")]
    UnknownType(String),
}

/// Every citation in the sources of the project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Citations {
    /// Those that hold, by rule.
    pub good: Vec<Citation>,
    /// Those that do not.
    pub problems: Vec<Problem>,
}

impl Citations {
    /// Reads the sources below the root of the project.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut citations = Citations::default();
        for folder in FOLDERS {
            let files = walkdir::WalkDir::new(root.join(folder)).sort_by_file_name();
            let shown = |entry: &walkdir::DirEntry| entry.file_name() != "target";
            for entry in files.into_iter().filter_entry(shown) {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type().is_file() && path.extension().is_some_and(|e| e == "rs") {
                    let text = std::fs::read_to_string(path)?;
                    citations.scan(path.strip_prefix(root).unwrap_or(path), &text);
                }
            }
        }
        citations.good.sort();
        citations.problems.sort();
        Ok(citations)
    }

    /// Adds what one file cites.
    pub fn scan(&mut self, file: &Path, text: &str) {
        let mut open: Option<Comment> = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if let Some(meta) = line.strip_prefix("//=") {
                let comment = match open.take() {
                    Some(comment) if comment.quote.is_empty() => comment,
                    before => {
                        self.close(file, before);
                        Comment::at(index + 1)
                    }
                };
                open = Some(comment.with(meta.trim()));
            } else if let (Some(quote), Some(comment)) = (line.strip_prefix("//#"), &mut open) {
                comment.quote.extend(quote.split_whitespace().map(str::to_owned));
            } else {
                self.close(file, open.take());
            }
        }
        self.close(file, open);
    }

    fn close(&mut self, file: &Path, comment: Option<Comment>) {
        let Some(comment) = comment else { return };
        let (file, line) = (file.to_path_buf(), comment.line);
        match comment.judge(&file) {
            Ok((rule, place)) => self.good.push(Citation { rule, place, file, line }),
            Err(wrong) => self.problems.push(Problem { file, line, wrong }),
        }
    }

    /// The citations of a rule in a place.
    pub fn of(&self, rule: Rule, place: Place) -> impl Iterator<Item = &Citation> {
        self.good.iter().filter(move |c| c.rule == rule && c.place == place)
    }

    /// The places where a rule should be cited, but is not.
    pub fn missing(&self, rule: Rule) -> Vec<Place> {
        let needed = |place: &Place| *place != Place::Impl || rule.text().status != Status::Historical;
        let absent = |place: &Place| self.of(rule, *place).next().is_none();
        Place::ALL.into_iter().filter(needed).filter(absent).collect()
    }
}

#[derive(Default)]
struct Comment {
    line: usize,
    target: String,
    kind: Option<String>,
    quote: Vec<String>,
}

impl Comment {
    fn at(line: usize) -> Self {
        Comment { line, ..Comment::default() }
    }

    fn with(mut self, meta: &str) -> Self {
        match meta.split_once('=') {
            Some(("type", kind)) => self.kind = Some(kind.trim().into()),
            _ => self.target = meta.into(),
        }
        self
    }

    fn judge(self, file: &Path) -> Result<(Rule, Place), Wrong> {
        let rule = Rule::ALL.into_iter().find(|rule| target(*rule) == self.target);
        let rule = rule.ok_or(Wrong::UnknownRule(self.target))?;
        let quote = self.quote.join(" ");
        let is_test = match self.kind.as_deref() {
            None | Some("implementation") => false,
            Some("test") => true,
            Some(other) => return Err(Wrong::UnknownType(other.into())),
        };
        if quote.is_empty() {
            return Err(Wrong::NoQuote(rule));
        }
        if !rule.text().sentence.contains(&quote) {
            return Err(Wrong::WrongQuote { rule, quote });
        }
        Ok((rule, if is_test { Place::Test } else { place(file) }))
    }
}

fn target(rule: Rule) -> String {
    format!("specs/rules/{}.md#{}", rule.area().to_lowercase(), rule.id().to_lowercase())
}

fn place(file: &Path) -> Place {
    let in_tests = file.components().any(|part| part.as_os_str() == "tests");
    if file.starts_with("model") && !in_tests {
        Place::Model
    } else if file.starts_with("impl") && !in_tests {
        Place::Impl
    } else {
        Place::Test
    }
}

/// The root of the project: above the working directory, or where this was built.
pub fn project_root() -> Option<PathBuf> {
    let is_root = |dir: &Path| dir.join("specs/rules").is_dir() && dir.join("diff-tests").is_dir();
    let here = std::env::current_dir().ok();
    let above = here.iter().flat_map(|dir| dir.ancestors()).find(|dir| is_root(dir));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    above.or(built.filter(|dir| is_root(dir))).map(Path::to_path_buf)
}
