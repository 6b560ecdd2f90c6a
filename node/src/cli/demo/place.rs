//! Where the demo keeps everything: a directory of its own that goes away with it, unless somebody wants to look.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::failure::{Exit, Failure};

/// The one directory below which everything is written.
#[derive(Debug)]
pub(super) enum Place {
    /// Removed at the end, and when dropped.
    Passing(TempDir),
    /// Left to the user.
    Kept(PathBuf),
}

impl Place {
    /// `keep`: whether, and where, the user wants to have it afterwards.
    pub fn new(keep: Option<Option<PathBuf>>) -> Result<Self, Failure> {
        match keep {
            Some(Some(dir)) => named(&dir).map(Self::Kept),
            keep => {
                let made = tempfile::Builder::new().prefix("gigmesh-demo-").tempdir();
                let made = made.map_err(|error| {
                    let text = format!("cannot make a directory in {}: {error}", std::env::temp_dir().display());
                    Failure::new(Exit::User, text).hint("name a place for temporary files in TMPDIR")
                })?;
                Ok(if keep.is_some() { Self::Kept(made.keep()) } else { Self::Passing(made) })
            }
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Passing(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }

    /// Removes it, or says where it is.
    pub fn close(self) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::Kept(dir) => Ok(Some(dir)),
            Self::Passing(dir) => {
                let path = dir.path().to_owned();
                let failed = |error| Failure::new(Exit::Ours, format!("cannot remove {}: {error}", path.display()));
                dir.close().map(|()| None).map_err(failed)
            }
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
}
