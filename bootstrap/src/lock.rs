//! One process at a time in a data directory: an advisory lock on its file `lock`, which names the holder.
//!
//! The system lets go of the lock when the holder ends, however it ends; the file stays and means nothing by itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::identity::make_dir;
use crate::limits::PID_BYTES;

const LOCK: &str = "lock";

/// Holds a data directory until dropped.
#[derive(Debug)]
#[must_use = "the directory is free again when this is dropped"]
pub struct DirLock(File);

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing is not enough: a child that was just forked shares the open file, and with it the lock, until it
        // runs its own program. Unlocking frees the directory for all of them.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Why a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{dir} is in use by {holder}; stop it, or choose another data directory", dir = dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// `process 123`, or `another process` if that one did not say.
        holder: String,
    },
    /// The system said no.
    #[error("cannot lock {dir}: {source}", dir = dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Whether `dir` could be locked, as far as that can be known without writing anything.
pub fn check(dir: &Path) -> Result<(), LockError> {
    match File::open(dir.join(LOCK)) {
        Ok(file) => take(file, dir).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(LockError::Io { dir: dir.to_owned(), source }),
    }
}

/// Whether somebody has locked `dir` at some time.
pub fn was_locked(dir: &Path) -> bool {
    dir.join(LOCK).is_file()
}

/// Locks `dir` for this process; makes it if there is none.
pub fn lock(dir: &Path) -> Result<DirLock, LockError> {
    let failed = |source| LockError::Io { dir: dir.to_owned(), source };
    make_dir(dir).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut held = take(options.open(dir.join(LOCK)).map_err(failed)?, dir)?;
    let mut name_holder = || {
        held.0.set_len(0)?;
        held.0.write_all(std::process::id().to_string().as_bytes())
    };
    name_holder().map_err(failed)?;
    Ok(held)
}

fn take(mut file: File, dir: &Path) -> Result<DirLock, LockError> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(DirLock(file)),
        Err(Errno::WOULDBLOCK) => Err(LockError::InUse { dir: dir.to_owned(), holder: holder(&mut file) }),
        Err(error) => Err(LockError::Io { dir: dir.to_owned(), source: error.into() }),
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(PID_BYTES).read_to_string(&mut text);
    let pid = read.ok().and_then(|_| text.parse::<u32>().ok());
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_held_by_one_at_a_time_and_the_holder_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data");
        check(&dir).unwrap();
        assert!(!dir.exists(), "a check writes nothing");
        let held = lock(&dir).unwrap();
        for refused in [check(&dir).unwrap_err(), lock(&dir).unwrap_err()] {
            assert!(refused.to_string().contains(&format!("in use by process {}", std::process::id())), "{refused}");
        }
        drop(held);
        check(&dir).unwrap();
        let _held = lock(&dir).unwrap();
    }
}
