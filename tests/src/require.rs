//! Tools that a test can do without only by not running.

use std::env;

/// Whether `name` is on the path. Without it the caller returns early and the test is skipped, with a word on stderr;
/// where `GIGMESH_REQUIRE` (a list, with commas) names the tool, it fails instead.
///
/// # Panics
/// If the tool is required and missing.
pub fn tool(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path).any(|dir| dir.join(name).is_file()) {
        return true;
    }
    let required = env::var("GIGMESH_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|tool| tool.trim() == name), "{name} is required and not on the path");
    eprintln!("skipped: {name} is not on the path");
    false
}
