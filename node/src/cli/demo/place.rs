//! Where the demo keeps everything: a directory of its own that goes away with it, unless somebody wants to look. What a demo
//! that was killed could not take away, the next one does.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gigmesh_bootstrap::lock::{self, DirLock, LockError};
use rustix::process::geteuid;
use tempfile::TempDir;

use super::cast::DATA;
use crate::cli::failure::{Exit, Failure};

/// How the names of directories begin that nobody has named.
const PREFIX: &str = "gigmesh-demo-";

/// The one directory below which everything is written.
#[derive(Debug)]
pub(super) enum Place {
    /// Removed at the end, and when dropped. Locked meanwhile, which says that somebody will.
    Passing(TempDir, DirLock),
    /// Left to the user.
    Kept(PathBuf),
}

impl Place {
    /// `keep`: whether, and where, the user wants to have it afterwards.
    pub fn new(keep: Option<Option<PathBuf>>) -> Result<Self, Failure> {
        match keep {
            Some(Some(dir)) => named(&dir).map(Self::Kept),
            keep => {
                let temp = std::env::temp_dir();
                sweep(&temp);
                let unmade = |error: String| {
                    let text = format!("cannot make a directory in {}: {error}", temp.display());
                    Failure::new(Exit::User, text).hint("name a place for temporary files in TMPDIR")
                };
                let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&temp);
                let made = made.map_err(|error| unmade(error.to_string()))?;
                if keep.is_some() {
                    return Ok(Self::Kept(made.keep()));
                }
                let lock = lock::lock(made.path()).map_err(|error| unmade(error.to_string()))?;
                Ok(Self::Passing(made, lock))
            }
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Passing(dir, _) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }

    /// Removes it, or says where it is.
    pub fn close(self) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::Kept(dir) => Ok(Some(dir)),
            Self::Passing(dir, _lock) => {
                let path = dir.path().to_owned();
                let failed = |error| Failure::new(Exit::Ours, format!("cannot remove {}: {error}", path.display()));
                dir.close().map(|()| None).map_err(failed)
            }
        }
    }
}

/// Removes what demos of this user have left that were killed: directories that were to go away with them, and that no
/// process of theirs holds any more. What cannot be removed now, another demo will.
fn sweep(temp: &Path) {
    for entry in fs::read_dir(temp).into_iter().flatten().flatten() {
        let dir = entry.path();
        // Of the entry itself: a link is nothing of ours.
        let ours = entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw());
        if !ours || !entry.file_name().to_string_lossy().starts_with(PREFIX) || !lock::was_locked(&dir) {
            continue;
        }
        let homes = fs::read_dir(&dir).into_iter().flatten().flatten();
        let at_work = |home: &Path| matches!(lock::check(&home.join(DATA)), Err(LockError::InUse { .. }));
        if let Ok(_lock) = lock::lock(&dir)
            && !homes.map(|home| home.path()).any(|home| at_work(&home))
        {
            let _ = fs::remove_dir_all(&dir);
        }
    }
}

/// A directory that is new or empty: nothing of the user's may be mixed up with what the demo writes.
pub(in crate::cli) fn named(dir: &Path) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::new(Exit::User, format!("cannot use {}: {error}", dir.display()));
    fs::create_dir_all(dir).map_err(failed)?;
    if fs::read_dir(dir).map_err(failed)?.next().is_some() {
        let text = format!("{} is not empty", dir.display());
        return Err(Failure::new(Exit::User, text).hint("name a new directory, or none to have one made"));
    }
    fs::canonicalize(dir).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_unless_wanted_and_nothing_of_the_users_is_touched() {
        let passing = Place::new(None).unwrap();
        let path = passing.path().to_owned();
        assert!(path.is_dir());
        assert_eq!(passing.close().unwrap(), None);
        assert!(!path.exists());

        let temp = tempfile::tempdir().unwrap();
        let wanted = temp.path().join("a/b");
        let kept = Place::new(Some(Some(wanted.clone()))).unwrap();
        fs::write(kept.path().join("file"), "").unwrap();
        assert_eq!(kept.close().unwrap(), Some(fs::canonicalize(&wanted).unwrap()));
        let refused = Place::new(Some(Some(wanted))).unwrap_err();
        assert_eq!(refused.exit, Exit::User);
    }

    #[test]
    fn what_a_killed_demo_has_left_is_removed_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let make = |name: &str, file: &str| {
            let file = temp.path().join(name).join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        };
        make("gigmesh-demo-left", "lock");
        make("gigmesh-demo-left", "worker/data/lock");
        make("gigmesh-demo-kept", "report.json");
        make("gigmesh-demo-held", "lock");
        make("gigmesh-demo-ending", "lock");
        make("gigmesh-demo-ending", "worker/data/lock");
        make("mine", "lock");
        std::os::unix::fs::symlink(temp.path().join("mine"), temp.path().join("gigmesh-demo-link")).unwrap();
        let _held = lock::lock(&temp.path().join("gigmesh-demo-held")).unwrap();
        let _ending = lock::lock(&temp.path().join("gigmesh-demo-ending/worker/data")).unwrap();
        sweep(temp.path());
        let mut left: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let names = ["gigmesh-demo-ending", "gigmesh-demo-held", "gigmesh-demo-kept", "gigmesh-demo-link", "mine"];
        assert_eq!(left, names);
    }
}
