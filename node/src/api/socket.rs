//! Where the local door is. In: a data directory. Out: a socket of mode 0600, or the way to one.
//!
//! A socket's path holds about a hundred bytes, a data directory's may be longer. So the socket is `api.sock` in the data
//! directory if that fits, else in a private directory made for it; then, and wherever the operator put it elsewhere, the
//! file `api.path` in the data directory says where. What must never happen: a moment in which somebody else can connect.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::{UnixListener, UnixSocket};

use crate::limits::{API_BACKLOG, MAX_API_PATH};

const SOCKET: &str = "api.sock";
const POINTER: &str = "api.path";
const PRIVATE: &str = "gigmesh-";

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The operator's path does not fit.
    #[error("{path} is too long for a socket, which holds about 100 bytes; name a shorter one", path = .0.display())]
    TooLong(PathBuf),
    /// Somebody answers there.
    #[error("another program answers at {path}; stop it, or name another socket", path = .0.display())]
    InUse(PathBuf),
    /// Something else lies there.
    #[error("{path} is there and is no socket; remove it, or name another", path = .0.display())]
    InTheWay(PathBuf),
    /// The system said no.
    #[error("cannot open the socket {path}: {source}", path = path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An open door. Dropping this removes its traces from the disk; who is inside may stay.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    pointer: Option<PathBuf>,
    _private: Option<TempDir>,
}

impl Door {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // What cannot be removed is replaced by the next start.
        for path in [Some(&self.path), self.pointer.as_ref()].into_iter().flatten() {
            let _ = fs::remove_file(path);
        }
    }
}

/// Opens the door of the node that holds `data_dir`: at `wanted`, if the operator said so.
///
/// # Errors
/// See [`SocketError`].
pub fn open(data_dir: &Path, wanted: Option<&Path>) -> Result<(UnixListener, Door), SocketError> {
    sweep(data_dir);
    let mut private = None;
    let path = match wanted {
        Some(wanted) if fits(wanted) => wanted.to_owned(),
        Some(wanted) => return Err(SocketError::TooLong(wanted.to_owned())),
        None if fits(&data_dir.join(SOCKET)) => data_dir.join(SOCKET),
        None => {
            let dir = private_dir().map_err(|source| SocketError::Io { path: data_dir.join(SOCKET), source })?;
            let path = dir.path().join(SOCKET);
            private = Some(dir);
            path
        }
    };
    let failed = |source| SocketError::Io { path: path.clone(), source };
    clear(&path)?;
    let listener = listen(&path).map_err(failed)?;
    let mut door = Door { path: path.clone(), pointer: None, _private: private };
    if path != data_dir.join(SOCKET) {
        let pointer = data_dir.join(POINTER);
        let absolute = std::path::absolute(&path).map_err(failed)?;
        fs::write(&pointer, absolute.as_os_str().as_bytes()).map_err(failed)?;
        door.pointer = Some(pointer);
    }
    Ok((listener, door))
}

/// Finds out, before anything is written, what speaks against a door at `wanted`.
///
/// # Errors
/// See [`SocketError`].
pub fn probe(data_dir: &Path, wanted: &Path) -> Result<(), SocketError> {
    if !fits(wanted) {
        return Err(SocketError::TooLong(wanted.to_owned()));
    }
    // The data directory is made if it is missing.
    let dir = wanted.parent().filter(|dir| !dir.as_os_str().is_empty() && *dir != data_dir);
    if let Some(Err(source)) = dir.map(fs::metadata) {
        return Err(SocketError::Io { path: wanted.to_owned(), source });
    }
    is_left(wanted).map(drop)
}

/// Where the node that holds `data_dir` would answer.
pub fn locate(data_dir: &Path) -> PathBuf {
    pointed(data_dir).unwrap_or_else(|| data_dir.join(SOCKET))
}

fn pointed(data_dir: &Path) -> Option<PathBuf> {
    let mut path = Vec::new();
    File::open(data_dir.join(POINTER)).ok()?.take(MAX_API_PATH).read_to_end(&mut path).ok()?;
    Some(PathBuf::from(std::ffi::OsString::from_vec(path)))
}

fn fits(path: &Path) -> bool {
    SocketAddr::from_pathname(path).is_ok()
}

/// Made for its owner only, where paths are short.
fn private_dir() -> io::Result<TempDir> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
    let bases = runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PRIVATE).permissions(Permissions::from_mode(0o700));
    let short = |dir: &io::Result<TempDir>| dir.as_ref().is_ok_and(|dir| fits(&dir.path().join(SOCKET)));
    let none = || io::Error::other("no directory for temporary files has a path short enough");
    bases.map(|base| builder.tempdir_in(base)).find(short).unwrap_or_else(|| Err(none()))
}

/// Removes what a node that was killed left of its private directory and of its word where it is.
fn sweep(data_dir: &Path) {
    let Some(old) = pointed(data_dir) else { return };
    let private = |dir: &&Path| dir.file_name().is_some_and(|name| name.as_bytes().starts_with(PRIVATE.as_bytes()));
    if let Some(dir) = old.parent().filter(private) {
        let _ = fs::remove_file(dir.join(SOCKET));
        let _ = fs::remove_dir(dir);
    }
    let _ = fs::remove_file(data_dir.join(POINTER));
}

/// Removes a socket at which nobody answers.
fn clear(path: &Path) -> Result<(), SocketError> {
    if is_left(path)? {
        fs::remove_file(path).map_err(|source| SocketError::Io { path: path.to_owned(), source })?;
    }
    Ok(())
}

/// Whether there is a socket at which nobody answers; an error if there is anything else.
fn is_left(path: &Path) -> Result<bool, SocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::InTheWay(path.to_owned())),
        found => found.map_err(|source| SocketError::Io { path: path.to_owned(), source })?,
    };
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(_) => Ok(true),
    }
}

/// Between `bind` and `listen` nobody can connect: the moment to say who may.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(API_BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_door_is_the_owners_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (_listener, door) = open(dir.path(), None).unwrap();
        assert_eq!(door.path(), locate(dir.path()));
        assert_eq!(fs::metadata(door.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(open(dir.path(), None), Err(SocketError::InUse(_))));
        drop(door);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_socket_that_a_killed_node_left_is_replaced_and_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (listener, door) = open(dir.path(), None).unwrap();
        drop(listener);
        std::mem::forget(door);
        drop(open(dir.path(), None).unwrap());
        fs::write(dir.path().join(SOCKET), "precious").unwrap();
        assert!(matches!(open(dir.path(), None), Err(SocketError::InTheWay(_))));
    }

    #[tokio::test]
    async fn a_data_directory_with_a_long_path_has_a_door_elsewhere_and_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let (listener, killed) = open(&deep, None).unwrap();
        let first = locate(&deep);
        UnixStream::connect(&first).unwrap();
        assert_eq!(fs::metadata(first.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        drop(listener);
        std::mem::forget(killed);
        let (_listener, door) = open(&deep, None).unwrap();
        assert!(!first.exists(), "what the killed node left is gone");
        UnixStream::connect(locate(&deep)).unwrap();
        let second = door.path().to_owned();
        drop(door);
        assert!(!second.parent().unwrap().exists());
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_operators_place_is_found_from_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        let (_listener, _door) = open(&data, Some(&dir.path().join("here.sock"))).unwrap();
        assert_eq!(locate(&data), dir.path().join("here.sock"));
        let long = dir.path().join("l".repeat(120));
        assert!(matches!(open(&data, Some(&long)), Err(SocketError::TooLong(_))));
        // All that can be known beforehand, without a trace.
        let before = fs::read_dir(dir.path()).unwrap().count();
        let probed = |wanted: &Path| probe(&data, wanted);
        assert!(matches!(probed(&long), Err(SocketError::TooLong(_))));
        assert!(matches!(probed(&dir.path().join("here.sock")), Err(SocketError::InUse(_))));
        assert!(matches!(probed(&data), Err(SocketError::InTheWay(_))));
        assert!(matches!(probed(&dir.path().join("no/where.sock")), Err(SocketError::Io { .. })));
        assert!(probed(&dir.path().join("there.sock")).is_ok());
        assert!(probe(&dir.path().join("new"), &dir.path().join("new/api.sock")).is_ok());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), before);
    }
}
