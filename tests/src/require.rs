//! What a test can do without only by not running.

use std::env;

/// Whether `name` is on the path. Without it the caller returns early and the test is skipped, with a word on stderr;
/// where `GIGMESH_REQUIRE` (a list, with commas) names the tool, it fails instead.
///
/// # Panics
/// If the tool is required and missing.
pub fn tool(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|dir| dir.join(name).is_file());
    if !found {
        missing(name, &format!("{name} is not on the path"));
    }
    found
}

/// Says that a test is skipped for want of `name`.
///
/// # Panics
/// If it is required.
pub(crate) fn missing(name: &str, why: &str) {
    let required = env::var("GIGMESH_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|required| required.trim() == name), "{name} is required: {why}");
    eprintln!("skipped: {why}");
}
