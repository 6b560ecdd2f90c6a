//! The binary under test: built once a run, in the profile and the target directory of the tests themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// The `gigmesh` binary: the one that `GIGMESH_BIN` names, for tests of a package somebody made, or a fresh build.
///
/// # Panics
/// If it does not build. Cargo's own lock keeps builds of several test programs apart.
pub fn binary() -> &'static Path {
    // A build that failed is not tried again by every test.
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| env::var_os("GIGMESH_BIN").map_or_else(build, |path| Some(path.into())));
    built.as_deref().expect("gigmesh builds")
}

fn build() -> Option<PathBuf> {
    let place = Place::of(&env::current_exe().expect("a running program has a path"));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "gigmesh", "--bins", "--profile", &place.profile, "--target-dir"]);
    command.arg(&place.target_dir).current_dir(env!("CARGO_MANIFEST_DIR"));
    // What the cargo that runs this test says of the test's own package is nothing to this build: `ring` would be built anew
    // for it, and all that rests on it, now and again at the next `cargo test`.
    let of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| of_a_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    if let Some(triple) = &place.triple {
        command.args(["--target", triple]);
    }
    let status = command.status().expect("cargo runs: it has started this test");
    status.success().then(|| place.dir.join("gigmesh"))
}

/// Where cargo has put this test: `<target dir>/[<triple>/]<profile's directory>/deps/<test>`.
struct Place {
    dir: PathBuf,
    target_dir: PathBuf,
    triple: Option<String>,
    profile: String,
}

impl Place {
    fn of(test: &Path) -> Self {
        let dir = test.ancestors().nth(2).expect("a test lies in deps/ of a profile's directory").to_owned();
        let name = |dir: &Path| dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let above = dir.parent().expect("a profile's directory lies in a target directory").to_owned();
        // Cargo marks the top of a target directory as a cache.
        let top = fs::exists(above.join("CACHEDIR.TAG")).unwrap_or(true);
        let (target_dir, triple) = match above.parent() {
            Some(parent) if !top => (parent.to_owned(), Some(name(&above))),
            _ => (above, None),
        };
        let profile = match name(&dir) {
            debug if debug == "debug" => "dev".to_owned(),
            other => other,
        };
        Self { dir, target_dir, triple, profile }
    }
}
