//! The demo's documents, schemas and tasks, compiled in: a fresh machine has nothing but our binary.
//!
//! In: a directory. Out: `documents/`, `schemas/` and `tasks/` in it, byte for byte as in `node/demo`; the tasks refer to
//! the other two by relative paths. What must never happen: a file in `node/demo` that the binary does not carry.

use std::path::Path;
use std::{fs, io};

macro_rules! files {
    ($($path:literal)*) => { &[$(($path, include_bytes!(concat!("../demo/", $path)))),*] };
}

/// Path relative to the demo's directory, with `/`, and content.
pub static FILES: &[(&str, &[u8])] = files! {
    "documents/02_co2_mauna_loa_monthly.csv"
    "documents/03_co2_annual_growth_global.csv"
    "documents/README.md"
    "documents/SCHEMAS256"
    "documents/SHA256SUMS"
    "documents/apache-licence.txt"
    "documents/award-vectors.json"
    "documents/history.md"
    "documents/how-strangers-agree.txt"
    "documents/libraries.csv"
    "documents/lighthouse-keepers-manual.md"
    "documents/result.schema.json"
    "documents/the-house.md"
    "documents/tide-stations-draft.json"
    "documents/tide-stations.json"
    "documents/tide-stations.schema.json"
    "documents/tidewatch-changelog.md"
    "documents/vectors.schema.json"
    "documents/wire-format.md"
    "schemas/changelog-extract.json"
    "schemas/checksum-verify.json"
    "schemas/json-validate.json"
    "schemas/table-summarise.json"
    "schemas/text-statistics.json"
    "tasks/01-essay.toml"
    "tasks/02-co2-monthly.toml"
    "tasks/03-stations.toml"
    "tasks/04-checksums.toml"
    "tasks/05-changelog.toml"
    "tasks/06-manual.toml"
    "tasks/07-co2-annual.toml"
    "tasks/08-draft.toml"
    "tasks/09-eighties.toml"
    "tasks/10-house.toml"
    "tasks/11-libraries.toml"
    "tasks/12-vectors.toml"
    "tasks/13-schema-sums.toml"
    "tasks/14-history.toml"
    "tasks/15-since-2000.toml"
    "tasks/16-licence.toml"
    "tasks/17-first-decade.toml"
    "tasks/18-table-schema.toml"
    "tasks/19-season-free.toml"
    "tasks/20-last-decade.toml"
    "tasks/21-wire-format.toml"
    "tasks/22-uncertainty.toml"
    "tasks/23-nineties.toml"
    "tasks/24-changelog-schema.toml"
};

/// Writes all of them below `dir`, which need not exist. A file that is there already is replaced.
pub fn write_to(dir: &Path) -> io::Result<()> {
    for (path, bytes) in FILES {
        let file = dir.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(file, bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_demo_is_carried_and_written_out_as_it_is() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let out = tempfile::tempdir().unwrap();
        write_to(out.path()).unwrap();
        let mut found = Vec::new();
        // What lies beside these directories is for our tests, not for the demo.
        for folder in ["documents", "schemas", "tasks"] {
            for entry in fs::read_dir(source.join(folder)).unwrap() {
                let path = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
                assert_eq!(fs::read(source.join(&path)).unwrap(), fs::read(out.path().join(&path)).unwrap(), "{path}");
                found.push(path);
            }
        }
        found.sort();
        let carried: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(carried, found);
    }
}
