//! What a test can do without only by not running.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Whether the system lets this user make namespaces. Otherwise the caller returns early, or fails, as with [`tool`]; there
/// the name is `namespaces`.
///
/// # Panics
/// If they are required and cannot be had.
pub fn namespaces() -> bool {
    let made = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).output();
    let why = match made {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("unshare: {error}"),
    };
    missing("namespaces", &format!("no namespaces can be made: {why}"));
    false
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

/// A Python that has this module: of `.venv` at the root of the repository, where CI puts it, or of the path. Without one
/// the test is skipped, or fails, as with [`tool`].
///
/// # Panics
/// If the module is required and missing.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    // Isolated, for a directory of that name beside the tests would pass for the module.
    let has = |python: &PathBuf| {
        let import =
            Command::new(python).args(["-I", "-c", &format!("import {module}")]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    };
    let found = [venv, "python3".into()].into_iter().find(has);
    if found.is_none() {
        missing(module, &format!("no Python has the module {module} (pip install -r tests/mcp/requirements.txt)"));
    }
    found
}
