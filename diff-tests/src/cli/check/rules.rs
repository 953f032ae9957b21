//! Whether every rule was exercised, and is cited where it should be.

use super::{Asked, Stage};
use crate::citations::{Citations, Place, project_root};
use crate::cli::{CliError, Context};
use crate::report::{CitedReport, Report, RulesReport};
use crate::scopes::{never_together, pairs};
use cloister_model::check::Tally;
use cloister_specs::Rule;

/// Probes, pairs of calls and citations.
pub struct Rules;

impl Stage for Rules {
    fn name(&self) -> &'static str {
        "Rules: exercised, and cited"
    }

    fn run(&self, asked: &Asked, report: &mut Report, context: &mut Context<'_>) -> Result<(), CliError> {
        let rules: Vec<Rule> = Rule::ALL.into_iter().filter(|rule| asked.wants(&[rule.area()])).collect();
        let mut found = exercised(&rules, &report.tally);
        let out = &mut context.out;
        writeln!(out, "{} of {} rules had their probe fire", found.probed, found.total)?;
        let apart = pairs().filter(|(a, b)| never_together(*a, *b).is_some()).count();
        let missing = found.unseen_pairs.len();
        writeln!(out, "{} pairs of calls were seen under way together, {missing} were not", found.pairs)?;
        writeln!(out, "{apart} pairs cannot be: both calls are over as soon as they begin")?;
        report.problems.extend(found.unprobed.iter().map(|rule| format!("{rule}: its probe never fired")));
        if asked.area.is_none() {
            let unseen = found.unseen_pairs.iter();
            report.problems.extend(unseen.map(|pair| format!("{pair} were never under way together")));
        }
        match project_root() {
            None => writeln!(out, "the sources are not here, so nothing is said of citations")?,
            Some(root) => {
                let citations = Citations::read(&root).map_err(CliError::Sources)?;
                let cited = cited(&rules, &citations);
                let CitedReport { model, r#impl, test } = cited;
                writeln!(
                    out,
                    "{model} rules are cited in the model, {} in the implementation, {test} in a test",
                    r#impl
                )?;
                found.cited = Some(cited);
                report.problems.extend(uncited(&rules, &citations));
            }
        }
        report.rules = found;
        Ok(())
    }
}

fn exercised(rules: &[Rule], tally: &Tally) -> RulesReport {
    let unprobed: Vec<_> = tally.unprobed().into_iter().filter(|rule| rules.contains(rule)).collect();
    let possible: Vec<_> = pairs().filter(|(a, b)| never_together(*a, *b).is_none()).collect();
    let unseen: Vec<_> = possible.iter().filter(|(a, b)| !tally.pair(*a, *b)).collect();
    RulesReport {
        total: rules.len(),
        probed: rules.len() - unprobed.len(),
        unprobed: unprobed.iter().map(|rule| rule.id().to_string()).collect(),
        cited: None,
        pairs: possible.len() - unseen.len(),
        unseen_pairs: unseen.iter().map(|(a, b)| format!("{} and {}", a.name(), b.name())).collect(),
    }
}

fn cited(rules: &[Rule], citations: &Citations) -> CitedReport {
    let count = |place| rules.iter().filter(|rule| citations.of(**rule, place).next().is_some()).count();
    CitedReport { model: count(Place::Model), r#impl: count(Place::Impl), test: count(Place::Test) }
}

fn uncited(rules: &[Rule], citations: &Citations) -> Vec<String> {
    let wrong = citations.problems.iter().map(ToString::to_string);
    let missing = rules.iter().flat_map(|rule| {
        let places = citations.missing(*rule).into_iter();
        places.map(move |place| format!("{rule}: it is cited nowhere in the {}", place.name()))
    });
    wrong.chain(missing).collect()
}
