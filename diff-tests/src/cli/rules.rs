//! `cloister rules`: the rules, and where they are served and checked.

use super::args::{RulesArgs, areas};
use super::{CliError, Context, Exit};
use crate::citations::{Citations, Place, project_root};
use crate::table::{Table, WIDTH};
use cloister_specs::{Answer, Rule, Status};
use serde_json::{Value, json};
use std::fmt::Write as _;

const VERSION: u32 = 1;
const INDENT: &str = "            ";

/// Lists all rules, or tells all about one. Fails if a citation does not hold.
pub fn run(args: RulesArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let chosen = match &args.rule {
        Some(id) => vec![by_id(id)?],
        None => Rule::ALL.to_vec(),
    };
    let citations = match project_root() {
        Some(root) => Some(Citations::read(&root).map_err(CliError::Sources)?),
        None => None,
    };
    let text = if args.json {
        let rules: Vec<_> = chosen.iter().map(|rule| as_json(*rule, citations.as_ref())).collect();
        let problems = citations.as_ref().map(|c| &c.problems);
        format!("{:#}\n", json!({ "version": VERSION, "rules": rules, "problems": problems }))
    } else if args.rule.is_some() {
        chosen.iter().map(|rule| detail(*rule, citations.as_ref())).collect()
    } else {
        table(&chosen, citations.as_ref())
    };
    context.out.write_all(text.as_bytes())?;
    Ok(match citations {
        Some(Citations { problems, .. }) if !problems.is_empty() && args.rule.is_none() => Exit::Failed,
        _ => Exit::Ok,
    })
}

pub(super) fn by_id(id: &str) -> Result<Rule, CliError> {
    Rule::by_id(id).ok_or_else(|| {
        let area = id.split('-').next().unwrap_or_default();
        let last = Rule::ALL.into_iter().rfind(|rule| rule.area().eq_ignore_ascii_case(area));
        let near = match last {
            Some(last) => format!("those of {} end with {last}", last.area()),
            None => format!("the areas are {}", areas().into_iter().collect::<Vec<_>>().join(", ")),
        };
        CliError::UnknownRule { id: id.into(), near }
    })
}

/// The table of these rules; without the columns of citations where there are no sources.
pub fn table(rules: &[Rule], citations: Option<&Citations>) -> String {
    let Some(citations) = citations else {
        let mut table = Table::new(["rule", "status", "answer", "sentence"]);
        for rule in rules {
            let text = rule.text();
            table.row([text.id, status(text.status), answer_class(text.answer), text.sentence]);
        }
        return format!("{table}\nThe sources are not here, so nothing is said of citations.\n");
    };
    let mut table = Table::new(["rule", "status", "answer", "model", "impl", "test", "sentence"]);
    for column in 3..6 {
        table = table.numbers(column);
    }
    for rule in rules {
        let text = rule.text();
        let [model, imp, test] = Place::ALL.map(|place| citations.of(*rule, place).count().to_string());
        let row =
            [text.id, status(text.status), answer_class(text.answer), &model, &imp, &test, text.sentence];
        table.row(row);
    }
    let mut out = table.to_string();
    for problem in &citations.problems {
        let _ = writeln!(out, "{problem}");
    }
    out
}

/// Which rules are cited in the model, in the implementation and in a test at all.
pub fn coverage(citations: &Citations) -> String {
    let mut table = Table::new(["rule", "status", "model", "impl", "test"]);
    for rule in Rule::ALL {
        let cited = |place| {
            if citations.of(rule, place).next().is_some() { "yes" } else { "-" }
        };
        let [model, imp, test] = Place::ALL.map(cited);
        table.row([rule.id(), status(rule.text().status), model, imp, test]);
    }
    table.to_string()
}

fn detail(rule: Rule, citations: Option<&Citations>) -> String {
    let text = rule.text();
    let mut out = format!("{}  {}\n\n", text.id, text.sentence);
    let answer = match text.answer {
        Answer::Status(status) => format!("a status, \"{status}\""),
        Answer::Fatal(fatal) => format!("the process ends, \"{fatal}\""),
        Answer::Assert => "an assertion in a debug build; undefined in a release build".into(),
        Answer::None => "none: the rule is about the runtime itself".into(),
    };
    let mut field = |name: &str, value: &str| {
        let options = textwrap::Options::new(usize::from(WIDTH)).subsequent_indent(INDENT);
        let _ = writeln!(
            out,
            "{}",
            textwrap::fill(&format!("{name:<width$}{value}", width = INDENT.len()), options)
        );
    };
    field("Status", status(text.status));
    field("Source", text.source);
    field("CPython", &answer);
    field("Without", text.without);
    field("Do", text.advice);
    for place in citations.iter().flat_map(|_| Place::ALL) {
        let at: Vec<_> = citations
            .iter()
            .flat_map(|citations| citations.of(rule, place))
            .map(|c| format!("{}:{}", c.file.display(), c.line))
            .collect();
        let at = if at.is_empty() { "nowhere".into() } else { at.join(", ") };
        field(&format!("In {}", place.name()), &at);
    }
    out
}

fn as_json(rule: Rule, citations: Option<&Citations>) -> Value {
    let text = rule.text();
    let said = match text.answer {
        Answer::Status(said) | Answer::Fatal(said) => Some(said),
        Answer::Assert | Answer::None => None,
    };
    let cited = citations.map(|citations| {
        Place::ALL.map(|place| {
            let at = citations.of(rule, place).map(|c| json!({ "file": c.file, "line": c.line }));
            (place.name(), at.collect::<Vec<_>>())
        })
    });
    json!({
        "id": text.id,
        "area": rule.area(),
        "sentence": text.sentence,
        "status": status(text.status),
        "answer": { "class": answer_class(text.answer), "text": said },
        "source": text.source,
        "without": text.without,
        "do": text.advice,
        "cited": cited.map(|places| places.into_iter().collect::<std::collections::BTreeMap<_, _>>()),
    })
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Documented => "documented",
        Status::Enforced => "enforced",
        Status::Emergent => "emergent",
        Status::Historical => "historical",
    }
}

fn answer_class(answer: Answer) -> &'static str {
    match answer {
        Answer::Status(_) => "status",
        Answer::Fatal(_) => "fatal",
        Answer::Assert => "assert",
        Answer::None => "none",
    }
}
