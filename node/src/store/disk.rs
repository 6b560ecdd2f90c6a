//! What every store needs of a file system: errors that name their path, and directories that reach the disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
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

/// For a file that is about to be made: whether there is none.
pub(crate) fn must_be_new(path: &Path) -> Result<(), DiskError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).at(path),
        Ok(_) => Err(io::Error::other("this file exists, and is not replaced; name another")).at(path),
    }
}

/// Makes a new file, for its owner's eyes only: whole and durable if this returns well, and not there otherwise. One that is
/// there already is never replaced.
pub(crate) fn write_new<T, E: From<DiskError>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<T, E>,
) -> Result<T, E> {
    must_be_new(path)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files are made with mode 0600.
    let file = tempfile::Builder::new().prefix(".gigmesh-").tempfile_in(dir).at(path)?;
    let mut out = BufWriter::new(file.as_file());
    let written = write(&mut out)?;
    out.flush().at(path)?;
    drop(out);
    file.as_file().sync_all().at(path)?;
    file.persist_noclobber(path).map_err(|error| error.error).at(path)?;
    sync_dir(dir)?;
    Ok(written)
}

/// Finds out whether `bytes` can be written in `dir` and reach the disk. Leaves nothing, however it ends.
pub(crate) fn probe(dir: &Path, bytes: usize) -> Result<(), DiskError> {
    let mut file = tempfile::tempfile_in(dir).at(dir)?;
    file.write_all(&vec![0; bytes]).and_then(|()| file.sync_all()).at(dir)
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
