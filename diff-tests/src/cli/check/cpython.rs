//! CPython 3.12.1 beside its model, and the faults that it and 3.13 show.

use super::lockstep::{SEED, unsound};
use super::{Asked, Stage};
use crate::cli::args::ScopeArg;
use crate::cli::lockstep::{RowReport, notes, table};
use crate::cli::{CliError, Context};
use crate::cpython::{self, Found, Known, NOT_FOUND, Version, WITNESSES, Witness};
use crate::designs::declared::{Declared, Said};
use crate::report::Report;
use crate::stages::cpython as stage;
use crate::table::Table;
use cloister_model::Design;
use std::path::Path;

/// The recorded corpus, generated runs, and witnesses.
pub struct Cpython;

/// Children that CPython runs in at the same time.
const WORKERS: u64 = 2;

fn runs(level: ScopeArg) -> u64 {
    match level {
        ScopeArg::Quick => 200,
        ScopeArg::Default => 2_000,
        ScopeArg::Deep => 20_000,
    }
}

impl Stage for Cpython {
    fn name(&self) -> &'static str {
        "CPython: the model of 3.12.1 does what 3.12.1 does"
    }

    fn prepare(&self) -> Result<(), CliError> {
        cpython::find(&std::env::current_exe()?)?;
        Ok(())
    }

    fn run(&self, asked: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        match stage::recorded() {
            Ok(tally) => {
                writeln!(context.out, "{} runs recorded from 3.12.1: the model does the same\n", tally.runs)?;
            }
            Err(differs) => report.problems.push(format!("the recorded corpus: {differs}")),
        }
        let executable = std::env::current_exe()?;
        let found = cpython::find(&executable)?;
        if found.is_empty() {
            writeln!(context.out, "not run: {NOT_FOUND}")?;
            return Ok(());
        }
        report.cpython.found = true;
        report.cpython.version = found.first().map(|f| f.version.to_string());
        if let Some(modelled) = found.iter().find(|f| f.version.is_modelled()) {
            generated(&executable, modelled, runs(asked.level), report, context)?;
        }
        if !context.progress.interrupted() {
            witnesses(&executable, &found, report, context)?;
        }
        Ok(())
    }
}

fn generated(
    executable: &Path,
    found: &Found,
    runs: u64,
    report: &mut Report,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let bar = context.progress.stage("lockstep, CPython", Some(runs));
    let stop = context.progress.flag();
    let plan = stage::plan(SEED, runs);
    let row = stage::generated_by(WORKERS, executable, found, &plan, &stop, &|n| _ = bar.advance(n))?;
    bar.finish(&format!("{} moves compared", row.tally.ops));
    let rows = [row];
    write!(context.out, "{}{}", table(&rows), notes(&rows))?;
    writeln!(context.out)?;
    if !context.progress.interrupted() {
        report.problems.extend(rows.iter().flat_map(unsound));
    }
    report.cpython.compared = rows[0].tally.ops;
    report.lockstep.extend(rows.iter().map(RowReport::from));
    Ok(())
}

fn witnesses(
    executable: &Path,
    found: &[Found],
    report: &mut Report,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let bar = context.progress.stage("witnesses", Some(found.len() as u64));
    let stop = context.progress.flag();
    let all = stage::witnesses(executable, found, &stop, &mut |n| _ = bar.advance(n))?;
    bar.finish(&format!("{} witnesses", all.len()));
    for witness in &all {
        match witness.known.expected(witness.version) {
            Some(expected) if expected == witness.witness_shown && witness.control_clean => {
                report.cpython.confirmed += u64::from(expected);
            }
            Some(expected) => {
                report.cpython.refuted += 1;
                let should = if expected { "should show" } else { "should not show" };
                let (name, version) = (witness.known.name, witness.version);
                report
                    .problems
                    .push(format!("CPython {version} {should} `{name}`, control clean: {}", witness.seen));
            }
            None => {}
        }
    }
    match Declared::of_the_project() {
        Ok(declared) => write!(context.out, "{SIGNATURE}{}", signature(&all, &declared))?,
        Err(error) => report.problems.push(error.to_string()),
    }
    for row in report.designs.iter_mut().filter(|row| row.base == "cloister" && row.beside.is_none()) {
        let (Some(knob), Some(setting)) = (&row.knob, &row.setting) else { continue };
        row.cpython = confirmed(knob, setting, &all);
    }
    Ok(())
}

const SIGNATURE: &str = "\
Each fault in the model (a setting, and the rule that it breaks in ours) and in CPython (a run that shows it,
beside a control that differs in the one thing that matters); a dash where a release does not have it:

";

/// The model's verdict beside what each CPython did.
fn signature(all: &[Witness], declared: &Declared) -> Table {
    let mut versions: Vec<_> = all.iter().map(|w| w.version).collect();
    versions.dedup();
    let columns = ["setting", "the model"].map(String::from).into_iter();
    let columns = columns.chain(versions.iter().map(Version::to_string));
    let mut table = Table::new(columns.chain(["witness".into()])).whole(0);
    let place = |known: &&Known| Design::KNOBS.iter().position(|knob| knob.name == known.knob);
    let mut by_knob: Vec<_> = WITNESSES.iter().collect();
    by_knob.sort_by_key(place);
    for known in by_knob {
        let did = versions.iter().map(|version| {
            let mine = all.iter().find(|w| w.version == *version && w.known == *known);
            mine.map_or("", did).to_string()
        });
        let (knob, setting) = (known.knob, known.setting);
        let model = [format!("{knob}={setting}"), verdict(declared, knob, setting)].into_iter();
        table.row(model.chain(did).chain([known.title()]));
    }
    table
}

/// What a CPython did in a witness, with `!` where it should not have.
fn did(witness: &Witness) -> &'static str {
    let as_expected = witness.known.expected(witness.version) != Some(!witness.witness_shown);
    match (witness.witness_shown, witness.control_clean, as_expected) {
        (_, false, _) => "! control",
        (true, true, true) => "shown",
        (false, true, true) => "-",
        (true, true, false) => "! shown",
        (false, true, false) => "! not shown",
    }
}

/// What is declared of a setting in ours: the rules that it breaks, or what else.
fn verdict(declared: &Declared, knob: &str, setting: &str) -> String {
    let entries: Vec<_> = declared.of_setting(knob, setting).collect();
    let broken = entries.iter().find(|entry| entry.verdict == Said::Broken);
    broken.or(entries.first()).map_or_else(String::new, |entry| entry.phrase())
}

/// On which releases this setting shows.
fn confirmed(knob: &str, setting: &str, all: &[Witness]) -> Option<String> {
    let mine = || all.iter().filter(|w| (w.known.knob, w.known.setting) == (knob, setting));
    let mut versions: Vec<_> = mine().map(|w| w.version).collect();
    versions.dedup();
    let told = versions.iter().map(|version| {
        let shown = mine().any(|w| w.version == *version && w.confirmed());
        format!("{} on {version}", if shown { "shown" } else { "not shown" })
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| told.join(", "))
}
