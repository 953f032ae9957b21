//! What the tests of this folder share.

use insta::internals::SettingsBindDropGuard;

/// Until it is dropped, snapshots are those in `snapshots/` at the root, where people review them.
#[allow(dead_code, reason = "not every test has snapshots")]
pub fn reviewed() -> SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind_to_scope()
}

/// Compares a file that is made from something else with what it should be. With
/// `INSTA_UPDATE=always`, as for snapshots, it is written instead.
#[allow(dead_code, reason = "not every test makes a file")]
pub fn generated(path: &std::path::Path, right: &str) {
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if found == right {
        return;
    }
    assert!(
        std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always"),
        "{} is out of date: run the test with INSTA_UPDATE=always, and review what changed. It should be\n{right}",
        path.display()
    );
    std::fs::write(path, right).expect("the file can be written");
}
