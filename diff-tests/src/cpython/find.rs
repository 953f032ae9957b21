//! Finding libpython on this machine.
//!
//! Candidates come from the environment variable `CLOISTER_LIBPYTHON`, from the
//! directories of pyenv, from the usual system paths, and, when there is none, from
//! `python3.12-config`. Each candidate is loaded in a child process, which tells its version.

use super::child::{CHILD_ARG, PROBE};
use crate::subject::SubjectError;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What to tell the user when [`find`] comes back empty.
pub const NOT_FOUND: &str = "not run: no libpython found (set CLOISTER_LIBPYTHON to a libpython3.12.so)";

/// The environment variable that names one.
const NAMED_BY: &str = "CLOISTER_LIBPYTHON";

/// The minor versions that the adapter knows.
const MINORS: [u8; 2] = [12, 13];

/// The patch release that the model describes.
const PREFERRED: Version = Version { minor: 12, micro: 1 };

/// A version of Python 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// 12 in 3.12.1.
    pub minor: u8,
    /// 1 in 3.12.1.
    pub micro: u8,
}

impl Version {
    /// The version at the beginning of `text`, as in `3.12.1 (main, ...)`.
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let mut parts = word.split('.');
        if parts.next()? != "3" {
            return None;
        }
        let minor = parts.next()?.parse().ok()?;
        let digits: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
        Some(Version { minor, micro: digits.parse().ok()? })
    }

    /// Is it the release that `model(cpython_3_12_1)` describes?
    pub fn is_modelled(self) -> bool {
        self == PREFERRED
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "3.{}.{}", self.minor, self.micro)
    }
}

/// A libpython that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The shared library.
    pub path: PathBuf,
    /// What it says of itself.
    pub version: Version,
}

/// Every libpython 3.12 or 3.13 on this machine, the preferred one first: 3.12.1,
/// then other 3.12, then 3.13. `executable` is started as the child.
///
/// # Errors
///
/// The one that `CLOISTER_LIBPYTHON` names is none of them.
pub fn find(executable: &Path) -> Result<Vec<Found>, SubjectError> {
    let mut seen = BTreeSet::new();
    let usable = |path: PathBuf| {
        let path = fs::canonicalize(path).ok()?;
        let version = probe(executable, &path)?;
        MINORS.contains(&version.minor).then_some(Found { path, version })
    };
    let mut found = Vec::new();
    if let Some(named) = env::var_os(NAMED_BY).filter(|named| !named.is_empty()).map(PathBuf::from) {
        found.push(usable(named.clone()).ok_or_else(|| none_of_them(&named))?);
    }
    seen.extend(found.iter().map(|f: &Found| f.path.clone()));
    let others = candidates().into_iter().filter_map(|path| fs::canonicalize(path).ok());
    found.extend(others.filter(|path| seen.insert(path.clone())).filter_map(usable));
    found.sort_by_key(|f| (f.version != PREFERRED, f.version));
    Ok(found)
}

fn none_of_them(named: &Path) -> SubjectError {
    let reason = format!(
        "{NAMED_BY} names {}, which is no libpython 3.12 or 3.13 that can be loaded; name another, or unset it",
        named.display()
    );
    SubjectError { subject: "CPython", reason }
}

fn candidates() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for minor in MINORS {
        let names = [format!("libpython3.{minor}.so"), format!("libpython3.{minor}.so.1.0")];
        let library = |dir: PathBuf| names.iter().map(|n| dir.join(n)).find(|p| p.exists());
        let mut here: Vec<PathBuf> = usual_directories().into_iter().filter_map(library).collect();
        if here.is_empty() {
            here = configured_directories(minor).into_iter().filter_map(library).collect();
        }
        paths.append(&mut here);
    }
    paths
}

fn usual_directories() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    let pyenv = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".pyenv")));
    if let Some(versions) = pyenv.and_then(|root| fs::read_dir(root.join("versions")).ok()) {
        dirs.extend(versions.flatten().map(|version| version.path().join("lib")));
    }
    dirs.extend(
        [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib64",
            "/usr/lib",
            "/usr/local/lib",
        ]
        .map(PathBuf::from),
    );
    dirs
}

fn configured_directories(minor: u8) -> Vec<PathBuf> {
    let config = format!("python3.{minor}-config");
    let mut dirs = Vec::new();
    if let Some(flags) = output(&config, &["--ldflags", "--embed"]) {
        dirs.extend(flags.split_whitespace().filter_map(|f| f.strip_prefix("-L")).map(PathBuf::from));
    }
    if let Some(prefix) = output(&config, &["--prefix"]) {
        dirs.push(Path::new(prefix.trim()).join("lib"));
    }
    dirs
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

fn probe(executable: &Path, path: &Path) -> Option<Version> {
    let out = Command::new(executable)
        .arg(CHILD_ARG)
        .arg(PROBE)
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Version::parse(&String::from_utf8_lossy(&out.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_python_says_of_itself() {
        let v = |minor, micro| Some(Version { minor, micro });
        assert_eq!(Version::parse("3.12.1 (main, Mar  1 2025) [GCC 12.2.0]"), v(12, 1));
        assert_eq!(Version::parse("3.13.0rc2 (main)"), v(13, 0));
        assert_eq!(Version::parse("2.7.18"), None);
        assert_eq!(Version::parse(""), None);
    }
}
