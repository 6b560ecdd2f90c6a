//! The key of a node: 32 secret bytes in a file of their own, `identity.key`, as 64 hexadecimal digits.
//!
//! The key is the agent: who loses it loses its reputation, who copies it is the agent. So the file is made once, whole
//! and durable, for its owner's eyes only, and is never overwritten or made anew because it could not be read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::limits::KEY_FILE_BYTES;

const KEY: &str = "identity.key";
/// Written first, then renamed; one that a crash left behind was never anybody's key.
const UNFINISHED: &str = "identity.key.new";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No key has been made yet.
    #[error("there is no key in {dir}; it is made at the first start", dir = .0.display())]
    Missing(PathBuf),
    /// There is a file and it is no key.
    #[error(
        "{path} is not a key: 64 hexadecimal digits are expected. Put the right file back; a new key would be a new \
         agent without reputation, and is only made if you remove the file yourself",
        path = .0.display()
    )]
    Malformed(PathBuf),
    /// A key is to be put where one is.
    #[error("{path} is there already, and a key is never overwritten; choose another data directory", path = .0.display())]
    Present(PathBuf),
    /// Others on this machine can read it.
    #[error("{path} can be read by others (mode {mode:03o}); run: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The system said no.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// The key in `dir`. Reads only.
pub fn load(dir: &Path) -> Result<[u8; 32], IdentityError> {
    let path = dir.join(KEY);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(IdentityError::Missing(dir.to_owned())),
        opened => opened.map_err(failed("read", &path))?,
    };
    let mode = file.metadata().map_err(failed("read", &path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path, mode });
    }
    let mut text = Vec::new();
    file.take(KEY_FILE_BYTES).read_to_end(&mut text).map_err(failed("read", &path))?;
    parse(&text).ok_or(IdentityError::Malformed(path))
}

/// The key in `dir`; makes one if there is no file, and `dir` if there is none. Hold the lock of `dir`.
pub fn load_or_create(dir: &Path) -> Result<[u8; 32], IdentityError> {
    match load(dir) {
        Err(IdentityError::Missing(_)) => create(dir),
        loaded => loaded,
    }
}

/// Puts a key that was made elsewhere into `dir`, where none may be, and makes `dir` if there is none. Hold the lock of `dir`.
pub fn install(dir: &Path, secret: &[u8; 32]) -> Result<(), IdentityError> {
    let path = dir.join(KEY);
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => write(dir, secret),
        Err(error) => Err(failed("read", &path)(error)),
        Ok(_) => Err(IdentityError::Present(path)),
    }
}

fn create(dir: &Path) -> Result<[u8; 32], IdentityError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| failed("draw randomness for", dir)(e.into()))?;
    write(dir, &secret)?;
    Ok(secret)
}

fn write(dir: &Path, secret: &[u8; 32]) -> Result<(), IdentityError> {
    make_dir(dir).map_err(failed("create", dir))?;
    let text = HEXLOWER.encode(secret) + "\n";

    let (path, unfinished) = (dir.join(KEY), dir.join(UNFINISHED));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("replace", &unfinished)(error)),
        _ => {}
    }
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        // The name, too, must survive a power cut, or the next start would make another key.
        File::open(dir)?.sync_all()
    };
    write().map_err(failed("write", &path))
}

/// Makes a data directory, for its owner's eyes only, with its parents.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn parse(text: &[u8]) -> Option<[u8; 32]> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    HEXLOWER_PERMISSIVE.decode(digits).ok()?.try_into().ok()
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    let path = path.to_owned();
    move |source| IdentityError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/b");
        assert!(matches!(load(&dir), Err(IdentityError::Missing(_))));
        let made = load_or_create(&dir).unwrap();
        assert_eq!(load_or_create(&dir).unwrap(), made);
        assert_eq!(load(&dir).unwrap(), made);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join(KEY))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        assert_ne!(load_or_create(&temp.path().join("c")).unwrap(), made);
    }

    #[test]
    fn a_key_from_elsewhere_is_put_where_none_is() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("new");
        install(&dir, &[7; 32]).unwrap();
        assert_eq!(load_or_create(&dir).unwrap(), [7; 32]);
        assert!(matches!(install(&dir, &[8; 32]), Err(IdentityError::Present(_))));
        // Digits of either case, with or without the newline.
        fs::write(dir.join(KEY), "Ab".repeat(32)).unwrap();
        assert_eq!(load(&dir).unwrap(), [0xab; 32]);
        fs::write(dir.join(KEY), "no key").unwrap();
        assert!(matches!(install(&dir, &[8; 32]), Err(IdentityError::Present(_))), "not even a broken one is replaced");
    }

    #[test]
    fn a_key_that_cannot_be_read_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY);
        for bad in ["", "\n", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"0".repeat(9999)] {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
            file.write_all(bad.as_bytes()).unwrap();
            assert!(matches!(load_or_create(dir.path()), Err(IdentityError::Malformed(_))), "{bad:?}");
            assert_eq!(fs::read(&path).unwrap(), bad.as_bytes());
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        load_or_create(dir.path()).unwrap();
        fs::set_permissions(dir.path().join(KEY), fs::Permissions::from_mode(0o640)).unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_a_crash_left_half_written_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(UNFINISHED), "00").unwrap();
        load_or_create(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
