//! What was measured, as the README has it.

use super::{CLOISTER, Measured, Short};
use std::fmt::Write;
use std::fs;
use std::thread::available_parallelism;

/// How the README's section begins, and how it ends.
pub const BEGIN: &str = "<!-- begin: made by `cloister bench --markdown`, do not edit -->\n";
/// See [`BEGIN`].
pub const END: &str = "<!-- end -->\n";

/// The contenders that have a column of their own.
const PEERS: [&str; 3] = ["snmalloc", "mimalloc", "jemalloc"];

/// The first two cells of a row: what was measured, and what had to be reached.
pub fn named(work: &str, unit: &str) -> String {
    format!("| {work}, {unit} |")
}

/// The section, between its first line and its last. `python`: what CPython is called among the
/// contenders.
pub fn markdown(measured: &[Measured], python: Option<&str>) -> String {
    let mut out = format!(
        "{BEGIN}\n{}; medians of rounds in turns.\n\n| work | Cloister | {} | {} | others | target | met |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | --- | --- | --- |\n",
        machine(),
        python.unwrap_or("CPython"),
        PEERS.join(" | "),
    );
    for m in measured {
        let of = |name: &str| m.peers.get(name).map_or(String::new(), |v| Short(*v).to_string());
        let in_columns = |name: &str| PEERS.contains(&name) || Some(name) == python;
        let others = m.peers.iter().filter(|(name, _)| !in_columns(name));
        let others: Vec<_> = others.map(|(name, v)| format!("{name}: {}", Short(*v))).collect();
        let met = m.met.map_or("", |met| if met { "yes" } else { "**no**" });
        let cells = [Short(m.cloister).to_string(), python.map_or(String::new(), of)];
        let cells = cells.into_iter().chain(PEERS.map(of));
        let cells = cells.chain([others.join(", "), m.target.clone().unwrap_or_default(), met.to_string()]);
        let cells: Vec<_> = cells.collect();
        let _ = writeln!(out, "{} {} |", named(m.work, m.unit), cells.join(" | "));
    }
    out.push('\n');
    out.push_str(END);
    out
}

/// What it was measured on.
fn machine() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = available_parallelism().map_or(1, usize::from);
    let peers = if cfg!(feature = "peers") { "" } else { ", without the feature `peers`" };
    format!(
        "{} on {model}, {cores} cores{peers}; `{CLOISTER}` is inlined into its caller",
        std::env::consts::OS
    )
}
