//! Inputs and results of tasks, by content. In: files, readers, verified chunks. Out: files and chunks. A blob's id is the
//! Merkle root over its chunks, so what is fetched from a stranger is checked chunk by chunk as it arrives, and a blob
//! that bears a name has that content. What must never happen: a file under a root that it does not hash to, or a disk
//! filled by others.
//!
//! ```text
//! blobs/<root>.blob              whole blobs; they got there by rename after an fsync
//! blobs/<root>.damaged           one that the disk had changed when it was read; kept for the hand, as long as blobs are
//! blobs/partial/<root>.part      being fetched, at full length; what is there is found by hashing it
//! blobs/partial/<root>.leaves    its leaf hashes
//! blobs/partial/put-…            being put; worthless after a crash
//! ```
//!
//! Blocking: off the async threads. Whoever may have a blob is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gigmesh_bootstrap::file_age;
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::limits::BLOB;
use gigmesh_protocol::market::BlobRef;
use gigmesh_protocol::merkle::{self, CHUNK_BYTES, Hash};

use super::disk::{At, DiskError, ensure_dir, names, sync_dir};
use crate::limits::{DISK_SPARE, DISK_SPARE_PART, LEAVES_CACHED, PARTS_REMEMBERED, ROOM_STEP};

mod download;

pub use download::Download;
use download::Part;

/// Why a blob could not be kept, fetched or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Longer than any blob may be.
    #[error("an input or result has at most {BLOB} bytes (1 GiB), this one has {0} or more")]
    TooLarge(u64),
    /// The disk space for blobs is used up.
    #[error(
        "no room for {wanted} bytes: {used} of the {quota} bytes for inputs and results are used; raise `blobs` in [node], or \
         wait until old hires are swept"
    )]
    Quota {
        /// What it would have taken.
        wanted: u64,
        /// What is taken.
        used: u64,
        /// What may be.
        quota: u64,
    },
    /// The disk is too full.
    #[error(
        "no room for {wanted} bytes: the disk has {free} left, and some of it is kept for the node's own records; free some, \
         or move the data directory"
    )]
    Full {
        /// What it would have taken.
        wanted: u64,
        /// What the disk has.
        free: u64,
    },
    /// No such blob, or not whole yet.
    #[error("blob {0} is not here")]
    Missing(Bytes32),
    /// A chunk past the end.
    #[error("the blob has {chunks} chunks, there is none with index {index}")]
    NoChunk {
        /// What was asked for.
        index: u64,
        /// How many there are.
        chunks: u64,
    },
    /// Bytes that are not what the root says.
    #[error("{0} of blob {1} does not match its id")]
    Mismatch(&'static str, Bytes32),
    /// The disk has changed it.
    #[error(
        "blob {0} is not as it was written: the disk has changed it. It is set aside as {0}.damaged and given to nobody; stored \
         or fetched again it is as good as before"
    )]
    Damaged(Bytes32),
    /// A chunk before its leaves, or the end before the last chunk.
    #[error("blob {1} is not complete: {0} chunks or their hashes are missing")]
    Incomplete(u64, Bytes32),
    /// Somebody fetches it already.
    #[error("blob {0} is being fetched already")]
    Busy(Bytes32),
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The blobs of one node. Cloning shares it.
#[derive(Debug, Clone)]
pub struct BlobStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    partial: PathBuf,
    quota: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of whole blobs, of partial ones at full length, and of what is being put.
    used: u64,
    fetching: BTreeSet<Bytes32>,
    /// The leaf hashes of blobs that were found whole.
    leaves: BTreeMap<Bytes32, Arc<[Hash]>>,
    /// What has come of blobs whose fetch was broken off.
    parts: BTreeMap<Bytes32, Part>,
}

impl BlobStore {
    /// Opens or creates the store in `dir`, which may take `quota` bytes.
    ///
    /// # Errors
    /// A disk that refuses.
    pub fn open_dir(dir: &Path, quota: u64) -> Result<Self, BlobError> {
        let partial = dir.join("partial");
        ensure_dir(dir)?;
        ensure_dir(&partial)?;
        let mut used = 0;
        for (dir, suffix) in [(dir, ".blob"), (dir, ".damaged"), (&partial, ".part")] {
            for name in names(dir)? {
                let path = dir.join(&name);
                if name.starts_with("put-") {
                    fs::remove_file(&path).at(&path)?;
                } else if name.ends_with(suffix) {
                    used += path.metadata().at(&path)?.len();
                }
            }
        }
        let state = Mutex::new(State { used, ..State::default() });
        Ok(Self(Arc::new(Inner { dir: dir.to_owned(), partial, quota, state })))
    }

    /// Keeps the content of a file.
    ///
    /// # Errors
    /// See [`BlobStore::put_reader`].
    pub fn put_file(&self, path: &Path) -> Result<BlobRef, BlobError> {
        let file = File::open(path).at(path)?;
        let size = file.metadata().at(path)?.len();
        self.fits(size)?;
        self.put(file, path)
    }

    /// Keeps what `reader` gives until its end, a chunk in memory at a time. Durable when this returns.
    ///
    /// # Errors
    /// Too long, no room left, or the reader or the disk failed; then nothing is kept.
    pub fn put_reader(&self, reader: impl Read) -> Result<BlobRef, BlobError> {
        self.put(reader, Path::new("the content to be kept"))
    }

    /// Whether so many bytes fit in.
    ///
    /// # Errors
    /// They do not, or are more than any blob has; a disk that does not say.
    pub fn fits(&self, size: u64) -> Result<(), BlobError> {
        // Given back at once: others may come first, and then it is found out on the way.
        Reserved { store: self, bytes: 0 }.grow(size)
    }

    /// What fits in: of the quota, and of the disk beyond what is kept for other things.
    ///
    /// # Errors
    /// A disk that does not say.
    pub fn room(&self) -> Result<u64, BlobError> {
        let left = self.0.quota.saturating_sub(self.used());
        let (free, spare) = self.free()?;
        Ok(left.min(free.saturating_sub(spare)))
    }

    /// What fits in of inputs: the agent gets a copy of each. In steps of 1 MiB, so that it does not change with every write.
    ///
    /// # Errors
    /// A disk that does not say.
    pub fn input_room(&self) -> Result<u64, BlobError> {
        let left = self.0.quota.saturating_sub(self.used());
        let (free, spare) = self.free()?;
        let room = left.min(free.saturating_sub(spare) / 2);
        Ok(if room < ROOM_STEP { room } else { room / ROOM_STEP * ROOM_STEP })
    }

    fn put(&self, mut reader: impl Read, source: &Path) -> Result<BlobRef, BlobError> {
        let partial = &self.0.partial;
        let mut file = tempfile::Builder::new().prefix("put-").tempfile_in(partial).at(partial)?;
        let mut reserved = Reserved { store: self, bytes: 0 };
        let (mut leaves, mut chunk) = (Vec::new(), Vec::with_capacity(CHUNK_BYTES));
        loop {
            chunk.clear();
            (&mut reader).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).at(source)?;
            if chunk.is_empty() {
                break;
            }
            reserved.grow(chunk.len() as u64)?;
            leaves.push(merkle::leaf(&chunk));
            file.write_all(&chunk).at(file.path())?;
        }
        let blob = BlobRef { root: Bytes32(merkle::root(&leaves)), size: reserved.bytes };
        let path = self.path(blob.root);
        if path.exists() && self.check(blob.root).is_ok() {
            return Ok(blob);
        }
        file.as_file().sync_all().at(file.path())?;
        // Without replacing, so that of two who put the same content at once only one is counted.
        match file.persist_noclobber(&path) {
            Ok(_) => reserved.keep(),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.error).at(&path)?,
        }
        sync_dir(&self.0.dir)?;
        self.remember(blob.root, leaves.into());
        Ok(blob)
    }

    /// The whole blob, to be read.
    ///
    /// # Errors
    /// It is not here, or not whole yet.
    pub fn open(&self, root: Bytes32) -> Result<File, BlobError> {
        let path = self.path(root);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BlobError::Missing(root)),
            other => Ok(other.at(&path)?),
        }
    }

    /// Where the whole blob is, to be copied for an agent; `None` if it is not here. The file must not be changed.
    pub fn path_of(&self, root: Bytes32) -> Option<PathBuf> {
        Some(self.path(root)).filter(|path| path.exists())
    }

    /// The whole blob, to be read by who does not compare it with its id.
    ///
    /// # Errors
    /// See [`BlobStore::check`].
    pub fn open_checked(&self, root: Bytes32) -> Result<File, BlobError> {
        self.check(root)?;
        self.open(root)
    }

    /// The length of a whole blob that was compared with its id since this process began, now if not before.
    ///
    /// # Errors
    /// See [`BlobStore::check`].
    pub fn size(&self, root: Bytes32) -> Result<u64, BlobError> {
        let path = self.path(root);
        let size = self.open(root)?.metadata().at(&path)?.len();
        if !self.state().leaves.contains_key(&root) {
            self.check(root)?;
        }
        Ok(size)
    }

    /// Reads a whole blob and compares it with its id: about a second for the largest. Returns its leaf hashes.
    ///
    /// # Errors
    /// It is not here, or the disk has changed it; then it is set aside.
    pub fn check(&self, root: Bytes32) -> Result<Arc<[Hash]>, BlobError> {
        let leaves: Arc<[Hash]> = match self.leaves(root) {
            Err(BlobError::Mismatch(..)) => return Err(self.set_aside(root)),
            leaves => leaves?.into(),
        };
        self.remember(root, Arc::clone(&leaves));
        Ok(leaves)
    }

    fn remember(&self, root: Bytes32, leaves: Arc<[Hash]>) {
        let mut state = self.state();
        if state.leaves.len() >= LEAVES_CACHED {
            state.leaves.clear();
        }
        state.leaves.insert(root, leaves);
    }

    /// One chunk of a whole blob, compared with its hash.
    ///
    /// # Errors
    /// It is not here, or has no such chunk, or the disk has changed it; then it is set aside.
    pub fn read_chunk(&self, root: Bytes32, index: u64) -> Result<Vec<u8>, BlobError> {
        let (file, path) = (self.open(root)?, self.path(root));
        let known = self.state().leaves.get(&root).cloned();
        let leaves = known.map_or_else(|| self.check(root), Ok)?;
        let size = file.metadata().at(&path)?.len();
        let mut chunk = vec![0; chunk_length(size, index)?];
        file.read_exact_at(&mut chunk, index * CHUNK_BYTES as u64).at(&path)?;
        let leaf = usize::try_from(index).ok().and_then(|index| leaves.get(index));
        if leaf == Some(&merkle::leaf(&chunk)) { Ok(chunk) } else { Err(self.set_aside(root)) }
    }

    /// Takes away the name of a blob that does not have its content any more. Returns what to say of it.
    fn set_aside(&self, root: Bytes32) -> BlobError {
        let (path, aside) = (self.path(root), self.path(root).with_extension("damaged"));
        let mut state = self.state();
        state.leaves.remove(&root);
        let replaced = aside.metadata().map_or(0, |metadata| metadata.len());
        if let Err(error) = fs::rename(&path, &aside).at(&path) {
            return error.into();
        }
        state.used = state.used.saturating_sub(replaced);
        let error = BlobError::Damaged(root);
        tracing::error!(file = %aside.display(), "{error}");
        error
    }

    /// The leaf hashes of a whole blob, by reading it again: about a second for the largest.
    ///
    /// # Errors
    /// It is not here, or the disk has changed it.
    pub fn leaves(&self, root: Bytes32) -> Result<Vec<Hash>, BlobError> {
        let (mut file, path) = (self.open(root)?, self.path(root));
        let (mut leaves, mut chunk) = (Vec::new(), Vec::with_capacity(CHUNK_BYTES));
        loop {
            chunk.clear();
            if (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).at(&path)? == 0 {
                break;
            }
            leaves.push(merkle::leaf(&chunk));
        }
        if merkle::root(&leaves) == root.0 { Ok(leaves) } else { Err(BlobError::Mismatch("the file", root)) }
    }

    /// The whole blobs held, in order.
    ///
    /// # Errors
    /// A disk that refuses.
    pub fn roots(&self) -> Result<Vec<Bytes32>, BlobError> {
        let names = names(&self.0.dir)?;
        let mut roots: Vec<_> = names.iter().filter_map(|name| name.strip_suffix(".blob")?.parse().ok()).collect();
        roots.sort_unstable();
        Ok(roots)
    }

    /// Begins to fetch a blob, or goes on where a process before this one stopped.
    ///
    /// # Errors
    /// Too long, no room left, or somebody fetches it already.
    pub fn download(&self, blob: BlobRef) -> Result<Download, BlobError> {
        if blob.size > BLOB {
            return Err(BlobError::TooLarge(blob.size));
        }
        if !self.state().fetching.insert(blob.root) {
            return Err(BlobError::Busy(blob.root));
        }
        Download::begin(self.clone(), blob)
    }

    /// Removes every whole blob that `keep` does not want, and every partial one that neither it wants nor anybody
    /// fetches, if it was not touched for `age`: what was just stored may be about to be wanted. Returns the bytes freed.
    /// Who has a blob open can read on.
    ///
    /// # Errors
    /// A disk that refuses.
    pub fn gc(&self, keep: &dyn Fn(&Bytes32) -> bool, age: Duration) -> Result<u64, BlobError> {
        let mut freed = 0;
        for (dir, suffix) in [(&self.0.dir, ".blob"), (&self.0.dir, ".damaged"), (&self.0.partial, ".part")] {
            for name in names(dir)? {
                let Some(root) = name.strip_suffix(suffix).and_then(|root| root.parse().ok()) else { continue };
                // Held until the file is gone, so that no download of it begins in between.
                let mut state = self.state();
                if keep(&root) || state.fetching.contains(&root) {
                    continue;
                }
                let path = dir.join(&name);
                let metadata = path.metadata().at(&path)?;
                if file_age(metadata.modified().at(&path)?) < age {
                    continue;
                }
                let size = metadata.len();
                fs::remove_file(&path).at(&path)?;
                remove_if_there(&path.with_extension("leaves"))?;
                state.used = state.used.saturating_sub(size);
                state.parts.remove(&root);
                freed += size;
            }
        }
        Ok(freed)
    }

    /// What all blobs may take.
    pub fn quota(&self) -> u64 {
        self.0.quota
    }

    /// Bytes taken of the quota.
    pub fn used(&self) -> u64 {
        self.state().used
    }

    fn path(&self, root: Bytes32) -> PathBuf {
        self.0.dir.join(format!("{root}.blob"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A number and a set, each changed in one step.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the disk has left, and how much of that is not for blobs.
    fn free(&self) -> Result<(u64, u64), BlobError> {
        let told = rustix::fs::statvfs(&self.0.dir).map_err(io::Error::from).at(&self.0.dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
        Ok((bytes(told.f_bavail), DISK_SPARE.min(bytes(told.f_blocks) / DISK_SPARE_PART)))
    }

    fn reserve(&self, wanted: u64) -> Result<(), BlobError> {
        let (free, spare) = self.free()?;
        if wanted.saturating_add(spare) > free {
            return Err(BlobError::Full { wanted, free });
        }
        let mut state = self.state();
        let (used, quota) = (state.used, self.0.quota);
        if used.saturating_add(wanted) > quota {
            return Err(BlobError::Quota { wanted, used, quota });
        }
        state.used += wanted;
        Ok(())
    }

    fn release(&self, bytes: u64) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
    }
}

/// Room for what is being put; given back unless it is kept.
struct Reserved<'a> {
    store: &'a BlobStore,
    bytes: u64,
}

impl Reserved<'_> {
    fn grow(&mut self, by: u64) -> Result<(), BlobError> {
        let bytes = self.bytes.saturating_add(by);
        if bytes > BLOB {
            return Err(BlobError::TooLarge(bytes));
        }
        self.store.reserve(by)?;
        self.bytes += by;
        Ok(())
    }

    fn keep(&mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.store.release(self.bytes);
    }
}

/// How long chunk `index` of a blob of `size` bytes is.
fn chunk_length(size: u64, index: u64) -> Result<usize, BlobError> {
    let chunk = CHUNK_BYTES as u64;
    let begin = index.checked_mul(chunk).filter(|begin| *begin < size);
    let begin = begin.ok_or(BlobError::NoChunk { index, chunks: size.div_ceil(chunk) })?;
    Ok(usize::try_from(chunk.min(size - begin)).expect("at most CHUNK_BYTES, which is a usize"))
}

fn remove_if_there(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at(path),
    }
}

#[cfg(test)]
mod tests;
