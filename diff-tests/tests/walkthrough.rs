//! The walk-through of `specs/walkthrough.md` is a run that the tests play, and what it refers to is there.

use cloister_diff_tests::citations::project_root;
use cloister_specs::Rule;
use cloister_specs::text::{Line, Script};

fn text(path: &str) -> String {
    let root = project_root().expect("it is there");
    std::fs::read_to_string(root.join("specs").join(path)).expect("it is there")
}

#[test]
fn it_is_the_run_of_its_scenario() {
    let told = text("walkthrough.md");
    let blocks = told.split("```run\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let lines: Vec<Line> =
        blocks.flat_map(str::lines).map(|line| line.parse().unwrap_or_else(|e| panic!("{e}"))).collect();
    let script: Script = text("scenarios/first-object.run").parse().expect("a run");
    assert_eq!(lines, script.lines);
    assert!(lines.iter().all(|line| line.expect.is_some()) && lines.len() > 20);
}

#[test]
fn every_rule_that_it_links_to_is_there() {
    let told = text("walkthrough.md");
    let links: Vec<&str> =
        told.split('[').skip(1).filter_map(|rest| rest.split_once("](rules/")).map(|(id, _)| id).collect();
    assert!(links.len() > 25);
    for id in links {
        let rule = Rule::by_id(id).unwrap_or_else(|| panic!("there is no rule {id}"));
        let area = rule.area().to_lowercase();
        let link = format!("[{id}](rules/{area}.md#{})", id.to_lowercase());
        assert!(told.contains(&link), "{id} is not linked as {link}");
        assert!(text(&format!("rules/{area}.md")).contains(&format!("\n## {id}\n")));
    }
}
