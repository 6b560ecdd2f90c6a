//! A blob on its way here. In: leaf hashes, then chunks, from whoever. Out: a whole blob under its name. What must never
//! happen: a chunk on disk that was not compared with its leaf first.
//!
//! What has come is remembered twice: in memory, for the next attempt of this process, and on disk, where after a restart
//! hashing finds it. Nothing is written down beside it that could be wrong.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use gigmesh_protocol::market::BlobRef;
use gigmesh_protocol::merkle::{self, CHUNK_BYTES, Hash};
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;

use super::{BlobError, BlobStore, PARTS_REMEMBERED, chunk_length, remove_if_there};
use crate::limits::SYNC_EVERY;
use crate::store::disk::{At, sync_dir};

/// What had come of a blob when its fetch was broken off.
#[derive(Debug)]
pub(super) struct Part {
    size: u64,
    leaves: Vec<Hash>,
    missing: BTreeSet<u64>,
}

/// A blob on its way here: the leaves first, then chunks in any order, then the end.
///
/// Dropping it keeps what has arrived for the next attempt.
#[derive(Debug)]
pub struct Download {
    store: BlobStore,
    blob: BlobRef,
    path: PathBuf,
    leaves_path: PathBuf,
    /// `None` when the blob is here already.
    pub(super) file: Option<File>,
    leaves: Option<Vec<Hash>>,
    missing: BTreeSet<u64>,
    /// Bytes written since they were last put on the disk.
    unsynced: u64,
}

impl Download {
    /// `blob.root` is in the set of those being fetched, from where dropping this takes it.
    pub(super) fn begin(store: BlobStore, blob: BlobRef) -> Result<Self, BlobError> {
        let path = store.0.partial.join(format!("{}.part", blob.root));
        let leaves_path = path.with_extension("leaves");
        let (file, leaves, missing) = (None, None, BTreeSet::new());
        let mut download = Self { store, blob, path, leaves_path, file, leaves, missing, unsynced: 0 };
        download.resume()?;
        Ok(download)
    }

    fn resume(&mut self) -> Result<(), BlobError> {
        if self.store.path(self.blob.root).exists() && self.store.check(self.blob.root).is_ok() {
            self.leaves = Some(Vec::new());
            return Ok(());
        }
        // What is there under another length was begun for somebody who gave a wrong one.
        let there = fs::metadata(&self.path).ok().map(|metadata| metadata.len());
        if let Some(old) = there.filter(|length| *length != self.blob.size) {
            fs::remove_file(&self.path).at(&self.path)?;
            self.store.release(old);
        }
        if there != Some(self.blob.size) {
            self.store.state().parts.remove(&self.blob.root);
            self.store.reserve(self.blob.size)?;
        }
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path);
        let sized = options.and_then(|file| occupy(&file, self.blob.size).map(|()| file)).at(&self.path);
        if sized.is_err() && there != Some(self.blob.size) {
            self.store.release(self.blob.size);
            remove_if_there(&self.path)?;
        }
        self.file = Some(sized?);
        self.missing = (0..self.chunks()).collect();
        if self.blob.size == 0 {
            return self.accept(Vec::new());
        }
        let part = self.store.state().parts.remove(&self.blob.root);
        if let Some(Part { leaves, missing, .. }) = part.filter(|part| part.size == self.blob.size) {
            (self.leaves, self.missing) = (Some(leaves), missing);
            return Ok(());
        }
        match fs::read(&self.leaves_path) {
            Ok(bytes) => {
                // Leaves a crash cut short do not match and are asked for again.
                if self.accept(bytes.as_chunks().0.to_vec()).is_ok() {
                    self.find_present()?;
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).at(&self.leaves_path)?,
        }
    }

    /// Hashes what is on disk: nothing else says what a crash left whole. Where nothing was ever written nothing is read.
    fn find_present(&mut self) -> Result<(), BlobError> {
        let (Some(file), Some(leaves)) = (&self.file, &self.leaves) else { return Ok(()) };
        let (mut chunk, mut written) = (Vec::new(), 0);
        for (index, leaf) in (0..).zip(leaves) {
            let (begin, end) = (index * CHUNK_BYTES as u64, (index + 1) * CHUNK_BYTES as u64);
            if written < end {
                written = match seek(file, SeekFrom::Data(begin.max(written))) {
                    Ok(at) => at,
                    Err(Errno::NXIO) => break,
                    // A file system that does not tell.
                    Err(_) => begin,
                };
            }
            if written >= end {
                continue;
            }
            chunk.resize(chunk_length(self.blob.size, index)?, 0);
            file.read_exact_at(&mut chunk, begin).at(&self.path)?;
            if merkle::leaf(&chunk) == *leaf {
                self.missing.remove(&index);
            }
        }
        Ok(())
    }

    fn accept(&mut self, leaves: Vec<Hash>) -> Result<(), BlobError> {
        if leaves.len() as u64 != self.chunks() || merkle::root(&leaves) != self.blob.root.0 {
            return Err(BlobError::Mismatch("the list of chunks", self.blob.root));
        }
        self.leaves = Some(leaves);
        Ok(())
    }

    fn chunks(&self) -> u64 {
        self.blob.size.div_ceil(CHUNK_BYTES as u64)
    }

    /// Whether the leaves still have to be asked for.
    pub fn needs_leaves(&self) -> bool {
        self.leaves.is_none()
    }

    /// Takes the leaf hashes.
    ///
    /// # Errors
    /// They are not those of this root and length.
    pub fn set_leaves(&mut self, leaves: Vec<Hash>) -> Result<(), BlobError> {
        if self.file.is_none() || self.leaves.is_some() {
            return Ok(());
        }
        let bytes = leaves.concat();
        self.accept(leaves)?;
        fs::write(&self.leaves_path, bytes).at(&self.leaves_path)?;
        self.find_present()
    }

    /// Takes one chunk; one that is here already is fine.
    ///
    /// # Errors
    /// It is not the chunk of this blob at `index`, or the leaves are not known yet.
    pub fn put_chunk(&mut self, index: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let Some(file) = &self.file else { return Ok(()) };
        let leaves = self.leaves.as_ref().ok_or(BlobError::Incomplete(self.chunks(), self.blob.root))?;
        let length = chunk_length(self.blob.size, index)?;
        let leaf = usize::try_from(index).ok().and_then(|index| leaves.get(index));
        if bytes.len() != length || leaf != Some(&merkle::leaf(bytes)) {
            return Err(BlobError::Mismatch("a chunk", self.blob.root));
        }
        if self.missing.contains(&index) {
            file.write_all_at(bytes, index * CHUNK_BYTES as u64).at(&self.path)?;
            self.missing.remove(&index);
            self.unsynced += length as u64;
            if self.unsynced >= SYNC_EVERY {
                self.unsynced = 0;
                file.sync_data().at(&self.path)?;
            }
        }
        Ok(())
    }

    /// Bytes that are here.
    pub fn held(&self) -> u64 {
        let chunk = CHUNK_BYTES as u64;
        let held = (self.chunks() - self.missing.len() as u64) * chunk;
        // The last may be shorter, and then counts for as much less.
        let short = self.chunks() * chunk - self.blob.size;
        let last = self.chunks().checked_sub(1).is_some_and(|last| !self.missing.contains(&last));
        if last { held - short } else { held }
    }

    /// The chunks still to come, in order. Before the leaves are known: all of them.
    pub fn missing(&self) -> impl Iterator<Item = u64> + '_ {
        self.missing.iter().copied()
    }

    /// Makes the blob durable and gives it its name.
    ///
    /// # Errors
    /// Chunks are missing; the disk refused.
    pub fn finish(mut self) -> Result<BlobRef, BlobError> {
        let missing = self.missing.len() as u64;
        if missing > 0 || self.leaves.is_none() {
            return Err(BlobError::Incomplete(missing, self.blob.root));
        }
        let (Some(file), Some(leaves)) = (self.file.take(), self.leaves.take()) else { return Ok(self.blob) };
        file.sync_all().at(&self.path)?;
        let path = self.store.path(self.blob.root);
        if path.exists() {
            // Put from here meanwhile: one copy is enough.
            fs::remove_file(&self.path).at(&self.path)?;
            self.store.release(self.blob.size);
        } else {
            fs::rename(&self.path, &path).at(&path)?;
        }
        sync_dir(&self.store.0.dir)?;
        remove_if_there(&self.leaves_path)?;
        self.store.remember(self.blob.root, leaves.into());
        Ok(self.blob)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let mut state = self.store.state();
        if let (Some(_), Some(leaves)) = (&self.file, self.leaves.take()) {
            if state.parts.len() >= PARTS_REMEMBERED {
                state.parts.clear();
            }
            let part = Part { size: self.blob.size, leaves, missing: std::mem::take(&mut self.missing) };
            state.parts.insert(self.blob.root, part);
        }
        state.fetching.remove(&self.blob.root);
    }
}

/// Makes a file as long as it will be, in blocks of its own where the file system can: a disk that has no room says so now,
/// and not when half of the blob has come.
fn occupy(file: &File, size: u64) -> io::Result<()> {
    if size > 0 {
        match fallocate(file, FallocateFlags::empty(), 0, size) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    file.set_len(size)
}
