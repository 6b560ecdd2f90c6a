//! What every store needs of a file system: errors that name their path, and directories that reach the disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The operating system refused something.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct DiskError {
    /// The file or directory it was about.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Names the path an IO error is about; `io::Error` alone does not.
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T, DiskError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, DiskError> {
        self.map_err(|source| DiskError { path: path.to_owned(), source })
    }
}

/// Makes creations, renames and removals inside `dir` survive a power cut: on Linux only the directory's own fsync does.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), DiskError> {
    File::open(dir).and_then(|dir| dir.sync_all()).at(dir)
}

/// Creates `dir` if it is missing, durably if its parent exists.
pub(crate) fn ensure_dir(dir: &Path) -> Result<(), DiskError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).at(dir)?;
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
}

/// Removes a directory with all in it; one that is not there is fine.
pub(crate) fn remove_dir(dir: &Path) -> Result<(), DiskError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at(dir),
    }
}

/// The names in `dir` that are UTF-8; nothing of ours is called otherwise.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, DiskError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).at(dir)? {
        names.extend(entry.at(dir)?.file_name().into_string());
    }
    Ok(names)
}
