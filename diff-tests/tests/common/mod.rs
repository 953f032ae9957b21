//! What the tests of this folder share.

use insta::internals::SettingsBindDropGuard;

/// Until it is dropped, snapshots are those in `snapshots/` at the root, where people review them.
pub fn reviewed() -> SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind_to_scope()
}
