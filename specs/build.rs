//! Turns `rules/*.md` into the `Rule` enum, so that prose and code cannot drift apart.

use std::{env, fmt::Write, fs, path::Path};

const AREAS: [&str; 10] = ["life", "tls", "gil", "gilstate", "pend", "fin", "id", "fork", "mem", "ref"];

struct Entry {
    id: String,
    sentence: String,
    source: String,
    status: String,
    answer: String,
    without: String,
    advice: String,
}

fn main() {
    let dir = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let mut entries = Vec::new();
    for area in AREAS {
        let path = Path::new(&dir).join("rules").join(format!("{area}.md"));
        println!("cargo:rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        entries.extend(text.split("\n## ").skip(1).map(|s| entry(&path, s)));
    }
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("rules.rs");
    fs::write(out, generate(&entries)).expect("OUT_DIR is writable");
}

fn entry(path: &Path, section: &str) -> Entry {
    let (id, body) = section.split_once('\n').expect("a heading and its body");
    let sentence = body.trim_start().split("\n\n").next().unwrap_or("").replace('\n', " ");
    let field = |name: &str| {
        let mark = format!("\n- {name}: ");
        let at = body.find(&mark).unwrap_or_else(|| panic!("{}: {id} has no {name}", path.display()));
        body[at + mark.len()..].lines().next().unwrap_or("").trim().to_string()
    };
    assert!(
        sentence.contains("MUST") || sentence.contains("MAY"),
        "{}: {id} does not say MUST, MUST NOT or MAY",
        path.display()
    );
    Entry {
        id: id.trim().to_string(),
        source: field("Source"),
        status: field("Status"),
        answer: field("Answer"),
        without: field("Without"),
        advice: field("Do"),
        sentence,
    }
}

fn variant(id: &str) -> String {
    let (area, number) = id.split_once('-').expect("AREA-number");
    format!("{}{}{number}", &area[..1], area[1..].to_lowercase())
}

fn status(e: &Entry) -> &'static str {
    match e.status.as_str() {
        "documented" => "Status::Documented",
        "enforced" => "Status::Enforced",
        "emergent" => "Status::Emergent",
        "historical" => "Status::Historical",
        other => panic!("{}: unknown status {other}", e.id),
    }
}

fn answer(e: &Entry) -> String {
    match e.answer.as_str() {
        "none" => "Answer::None".into(),
        "assert" => "Answer::Assert".into(),
        other => {
            let (class, text) =
                other.split_once(' ').unwrap_or_else(|| panic!("{}: bad answer {other}", e.id));
            match class {
                "status" => format!("Answer::Status({text})"),
                "fatal" => format!("Answer::Fatal({text})"),
                _ => panic!("{}: unknown answer {other}", e.id),
            }
        }
    }
}

fn generate(entries: &[Entry]) -> String {
    let mut out = String::from(
        "/// A rule of `specs/rules`, by its id.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]\n#[derive(serde::Serialize, serde::Deserialize)]\npub enum Rule {\n",
    );
    for e in entries {
        writeln!(out, "/// {}\n#[serde(rename = \"{}\")]\n{},", e.sentence, e.id, variant(&e.id)).unwrap();
    }
    writeln!(
        out,
        "}}\nimpl Rule {{\n/// Every rule, in the order of the documents.\npub const ALL: [Rule; {}] = [",
        entries.len()
    )
    .unwrap();
    for e in entries {
        writeln!(out, "Rule::{},", variant(&e.id)).unwrap();
    }
    out.push_str("];\n/// What the documents say of this rule.\npub const fn text(self) -> &'static RuleText { match self {\n");
    for e in entries {
        writeln!(
            out,
            "Rule::{} => &RuleText {{ id: {:?}, sentence: {:?}, source: {:?}, status: {}, answer: {}, without: {:?}, advice: {:?} }},",
            variant(&e.id), e.id, e.sentence, e.source, status(e), answer(e), e.without, e.advice
        )
        .unwrap();
    }
    out.push_str("} } }\n");
    out
}
