//! Every snapshot in this folder is still made by a test.
//!
//! This test lies here, and not with the others, because `cargo insta review` looks for
//! snapshots where packages have their targets: it is what makes this folder one of them.

use std::path::Path;

#[test]
fn every_snapshot_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut snapshots = 0;
    for entry in root.join("snapshots").read_dir().expect("the folder of this file") {
        let path = entry.expect("an entry of this folder").path();
        if path.extension().is_none_or(|extension| extension != "snap") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a snapshot is text");
        let source = text.lines().find_map(|line| line.strip_prefix("source: "));
        let source = source.unwrap_or_else(|| panic!("{} names no source", path.display()));
        assert!(
            root.join(source).is_file(),
            "{} was made by {source}, which is gone: delete it",
            path.display()
        );
        snapshots += 1;
    }
    assert!(snapshots > 0, "there are no snapshots at all");
}
