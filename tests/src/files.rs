//! What a directory holds, to be compared with what it held before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file below a directory with its bytes, and every directory.
pub type Snapshot = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// All that lies below `dir`; nothing if it does not exist. Sockets count as directories do: by their name.
pub fn snapshot(dir: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    if dir.exists() {
        add(dir, dir, &mut found);
    }
    found
}

fn add(root: &Path, dir: &Path, found: &mut Snapshot) {
    for entry in fs::read_dir(dir).expect("a directory of the test's own is readable") {
        let path = entry.expect("a directory of the test's own is readable").path();
        let name = path.strip_prefix(root).expect("it lies below").to_owned();
        let bytes = path.is_file().then(|| fs::read(&path).expect("a file of the test's own is readable"));
        found.insert(name, bytes);
        if path.is_dir() {
            add(root, &path, found);
        }
    }
}
