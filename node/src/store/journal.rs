//! The journal: what this node did and was told in its own hires, in order, forever or until a hire is closed.
//!
//! In: opaque events. Out: the same events with their sequence numbers, once, when it is opened. What must never happen:
//! that a committed event is lost or changed without an error, or that something is sent before what justifies it was
//! committed.
//!
//! ```text
//! journal/00000000000000000041.log     segments, named by their first sequence number; the last one is written to
//! journal/compacted-3/…                what compaction kept of everything before the oldest segment
//! journal/archive/…                    what it moved aside; numbered for itself, with an index beside each file
//! journal/manifest                     which compacted generation counts, up to where, and the archive's end
//! ```
//!
//! The caller holds the lock on the data directory. All calls block on the disk: they belong on the brain's own thread.

mod archive;
mod compact;
mod segment;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};

use self::compact::Manifest;
use self::segment::{ENTRY_HEAD, GROUP, HEADER, Salt, Scan};
use super::disk::{At, DiskError, ensure_dir, names, sync_dir};
use super::traits::{BoxError, Disk, Log, LogError, SystemDisk};
use crate::limits::{GROUP_BYTES, MAX_EVENT, SEGMENT_BYTES};

pub use self::archive::Archive;
pub use self::compact::{Compacted, Compaction, Importer, Keep, Leftovers, Prepared};

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    disk: Box<dyn Disk>,
    manifest: Manifest,
    /// Everything before the active segment, oldest first.
    closed: Vec<SegmentFile>,
    active: Active,
    /// The sequence number of the next event.
    next: u64,
    /// Entries appended and not yet written.
    pending: Vec<u8>,
    /// A write, fsync or rename failed. The kernel may have dropped the dirty pages and a second fsync would
    /// report success (the "fsyncgate" of PostgreSQL, 2018), so nothing is tried again on the same file.
    poisoned: bool,
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Events replayed.
    pub events: u64,
    /// The sequence number the next event gets.
    pub next: u64,
    /// What a crash had left of a commit, and was cut off.
    pub cut: Option<Cut>,
}

/// A torn tail: written in part, never committed, never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub path: PathBuf,
    /// Its length now.
    pub offset: u64,
    /// How many bytes went.
    pub bytes: u64,
}

#[derive(Debug, Clone)]
struct SegmentFile {
    first: u64,
    path: PathBuf,
}

#[derive(Debug)]
struct Active {
    segment: SegmentFile,
    file: File,
    salt: Salt,
    length: usize,
}

impl Journal {
    /// Opens or creates the journal in `dir`, handing every event to `each` in order, one segment in memory at a time.
    ///
    /// What a crash left of the last commit is cut off, with a warning, after everything else was read and found whole.
    ///
    /// # Errors
    /// Anything else that is not as it was written, and whatever `each` answers; then nothing has been changed.
    pub fn open(dir: &Path, each: impl FnMut(u64, &[u8]) -> Result<(), BoxError>) -> Result<(Self, Report), LogError> {
        Self::open_on(Box::new(SystemDisk), dir, each)
    }

    /// [`Journal::open`] whose commits go through `disk`.
    pub(crate) fn open_on(
        disk: Box<dyn Disk>,
        dir: &Path,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), BoxError>,
    ) -> Result<(Self, Report), LogError> {
        ensure_dir(dir)?;
        uncache(dir)?;
        let Walked { manifest, mut files, report, tail } = walk(dir, &mut each)?;
        let (Some(tail), Some(last)) = (tail, files.pop()) else {
            let journal = Self::new(disk, dir, manifest, Vec::new(), Active::create(dir, 1)?, 1);
            return Ok((journal, report));
        };
        let active = Active::resume(last, &tail)?;
        if let Some(cut) = &report.cut {
            tracing::warn!(
                file = %cut.path.display(), offset = cut.offset, bytes = cut.bytes,
                "cut off what a crash left of an uncommitted write at the end of the journal",
            );
        }
        let journal = Self::new(disk, dir, manifest, files, active, report.next);
        journal.remove_leftovers()?;
        Ok((journal, report))
    }

    /// Reads the journal in `dir` as [`Journal::open`] does, and changes nothing: what that would cut off stays. A journal
    /// that is not there has no events.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    pub fn read(dir: &Path, mut each: impl FnMut(u64, &[u8]) -> Result<(), BoxError>) -> Result<Report, LogError> {
        if !dir.is_dir() {
            return Ok(Report { events: 0, next: 1, cut: None });
        }
        Ok(walk(dir, &mut each)?.report)
    }

    fn new(
        disk: Box<dyn Disk>,
        dir: &Path,
        manifest: Manifest,
        closed: Vec<SegmentFile>,
        active: Active,
        next: u64,
    ) -> Self {
        Self { dir: dir.to_owned(), disk, manifest, closed, active, next, pending: Vec::new(), poisoned: false }
    }

    /// How many closed segments a compaction would read: the caller's measure of when one is worth its time.
    pub fn closed_segments(&self) -> usize {
        self.closed.len()
    }

    /// Ends the segment that is written to, so that a compaction takes it in.
    ///
    /// # Errors
    /// The disk failed.
    pub fn close_segment(&mut self) -> Result<(), LogError> {
        self.or_poison(|journal| {
            journal.write_pending()?;
            if journal.active.length > HEADER { journal.rotate() } else { Ok(()) }
        })
    }

    /// Runs a step that must not be tried again if it fails.
    fn or_poison<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, DiskError>) -> Result<T, LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let done = step(self);
        self.poisoned = done.is_err();
        Ok(done?)
    }

    fn write_pending(&mut self) -> Result<(), DiskError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let Active { segment, file, length, .. } = &mut self.active;
        self.disk.write(file, &self.pending).and_then(|()| self.disk.sync(file)).at(&segment.path)?;
        *length += self.pending.len();
        self.pending.clear();
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), DiskError> {
        let fresh = Active::create(&self.dir, self.next)?;
        let full = std::mem::replace(&mut self.active, fresh);
        self.closed.push(full.segment);
        Ok(())
    }
}

impl Log for Journal {
    /// Writes what is pending first when the group or the segment is full; otherwise touches memory only.
    fn append(&mut self, event: &[u8]) -> Result<u64, LogError> {
        if event.is_empty() || event.len() > MAX_EVENT {
            return Err(LogError::EventSize(event.len()));
        }
        let size = ENTRY_HEAD + event.len();
        let group_full = self.pending.len() + size > GROUP_BYTES;
        let segment_full = self.active.length + self.pending.len() + size > SEGMENT_BYTES;
        self.or_poison(|journal| {
            if group_full || segment_full {
                journal.write_pending()?;
            }
            if segment_full { journal.rotate() } else { Ok(()) }
        })?;
        let flags = if self.pending.is_empty() { GROUP } else { 0 };
        let sequence = self.next;
        self.active.salt.push(&mut self.pending, flags, sequence, event);
        self.next += 1;
        Ok(sequence)
    }

    /// One write and one fdatasync for everything appended since the last.
    fn commit(&mut self) -> Result<(), LogError> {
        self.or_poison(Self::write_pending)
    }
}

/// Whoever reads: takes each event with its number.
type Each<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), BoxError>;

/// What a journal's files hold.
struct Walked {
    manifest: Manifest,
    /// All of them, oldest first.
    files: Vec<SegmentFile>,
    report: Report,
    /// How the last one ends; a journal that is just being created has none.
    tail: Option<Tail>,
}

/// How a segment ends.
struct Tail {
    /// Absent if its header was not written whole.
    salt: Option<Salt>,
    /// After its last whole entry.
    end: usize,
    /// Its length on disk.
    length: usize,
}

/// Hands every event to `each` in order, and finds out how the journal ends. Changes nothing.
fn walk(dir: &Path, each: Each<'_>) -> Result<Walked, LogError> {
    let manifest = Manifest::read(dir)?;
    let mut files = manifest.compacted(dir)?;
    let compacted = files.len();
    files.extend(segments(dir, manifest.through + 1..u64::MAX)?);
    if files.is_empty() && manifest.generation == 0 {
        return Ok(Walked { manifest, files, report: Report { events: 0, next: 1, cut: None }, tail: None });
    }
    let (mut next, mut events) = (1, 0);
    let mut bytes = Vec::new();
    let mut tail = None;
    for (index, file) in files.iter().enumerate() {
        let last = index >= compacted && index + 1 == files.len();
        file.read(next, &mut bytes)?;
        let Some(salt) = Salt::of(&bytes) else {
            // A segment's header is durable before its first entry; this one was just being created.
            if last && (bytes.len() < HEADER || bytes == [0; HEADER]) {
                tail = Some(Tail { salt: None, end: 0, length: bytes.len() });
                break;
            }
            return Err(file.damaged(0, "it does not begin as this version writes a segment"));
        };
        let scan = salt.scan(&bytes, next, |sequence, event| {
            events += 1;
            each(sequence, event).map_err(|source| LogError::Refused { path: file.path.clone(), sequence, source })
        })?;
        if scan.end < bytes.len() && !(last && salt.torn(&bytes, &scan)) {
            return Err(file.failed(&scan));
        }
        next = scan.next;
        tail = last.then_some(Tail { salt: Some(salt), end: scan.end, length: bytes.len() });
    }
    let (Some(end), Some(last)) = (&tail, files.last()) else {
        let missing = SegmentFile { first: next, path: segment_path(dir, next) };
        return Err(missing.damaged(0, "the last segment is missing"));
    };
    let cut = end.cut(&last.path);
    Ok(Walked { manifest, files, report: Report { events, next, cut }, tail })
}

impl Tail {
    /// Where entries end, or will: after the header, should that have to be written first.
    fn offset(&self) -> usize {
        if self.salt.is_some() { self.end } else { HEADER }
    }

    fn cut(&self, path: &Path) -> Option<Cut> {
        let bytes = self.length.saturating_sub(self.offset()) as u64;
        (bytes > 0).then(|| Cut { path: path.to_owned(), offset: self.offset() as u64, bytes })
    }
}

impl Active {
    fn create(dir: &Path, first: u64) -> Result<Self, DiskError> {
        let path = segment_path(dir, first);
        let salt = Salt::random().at(&path)?;
        let mut file = OpenOptions::new().append(true).create_new(true).open(&path).at(&path)?;
        // With its blocks already allocated an fdatasync has less metadata to write: 15 to 25 % faster on ext4. Where
        // it cannot be done, nothing is lost but that.
        let _ = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, SEGMENT_BYTES as u64);
        file.write_all(&salt.header()).and_then(|()| file.sync_all()).at(&path)?;
        sync_dir(dir)?;
        Ok(Self { segment: SegmentFile { first, path }, file, salt, length: HEADER })
    }

    /// Continues a segment after its last whole entry; what lies behind is cut off.
    fn resume(segment: SegmentFile, tail: &Tail) -> Result<Self, DiskError> {
        let path = &segment.path;
        let mut file = OpenOptions::new().append(true).open(path).at(path)?;
        if tail.end < tail.length {
            file.set_len(tail.end as u64).at(path)?;
        }
        let salt = match tail.salt {
            Some(salt) => salt,
            None => {
                let salt = Salt::random().at(path)?;
                file.write_all(&salt.header()).at(path)?;
                salt
            }
        };
        // Also without a cut: after a kill the last group may be in the page cache only, and it is acted upon from now.
        file.sync_all().at(path)?;
        Ok(Self { segment, file, salt, length: tail.offset() })
    }
}

impl SegmentFile {
    /// Reads the segment whole; `next` is the sequence number the ones before it ended with.
    fn read(&self, next: u64, bytes: &mut Vec<u8>) -> Result<(), LogError> {
        if self.first != next {
            return Err(self.damaged(0, &format!("the segment that starts with event {next} is missing")));
        }
        bytes.clear();
        // One byte more than any segment, so that reading to the end needs no larger buffer.
        bytes.reserve_exact(SEGMENT_BYTES + 1);
        let file = File::open(&self.path).at(&self.path)?;
        file.take(SEGMENT_BYTES as u64 + 1).read_to_end(bytes).at(&self.path)?;
        if bytes.len() > SEGMENT_BYTES {
            return Err(self.damaged(SEGMENT_BYTES, "it is longer than a segment can be"));
        }
        Ok(())
    }

    /// Reads a segment that was closed, so that all of it must be whole, and returns the next sequence number.
    fn replay(
        &self,
        next: u64,
        bytes: &mut Vec<u8>,
        each: impl FnMut(u64, &[u8]) -> Result<(), LogError>,
    ) -> Result<u64, LogError> {
        self.read(next, bytes)?;
        let salt =
            Salt::of(bytes).ok_or_else(|| self.damaged(0, "it does not begin as this version writes a segment"))?;
        let scan = salt.scan(bytes, next, each)?;
        if scan.end < bytes.len() { Err(self.failed(&scan)) } else { Ok(scan.next) }
    }

    fn failed(&self, scan: &Scan) -> LogError {
        let why = format!("event {} fails its checksum and is not part of the last commit", scan.next);
        self.damaged(scan.end, &why)
    }

    fn damaged(&self, offset: usize, why: &str) -> LogError {
        LogError::Damaged { path: self.path.clone(), offset: offset as u64, why: why.to_owned() }
    }
}

fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// Has the segment that is written to read from the disk itself. After an fsync that failed, the kernel may still show bytes
/// that never arrived, and call them clean; what is not clean yet stays.
fn uncache(dir: &Path) -> Result<(), DiskError> {
    if let Some(last) = segments(dir, 0..u64::MAX)?.pop() {
        let file = File::open(&last.path).at(&last.path)?;
        // Where it cannot be done there is no such cache.
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
    }
    Ok(())
}

/// The segments in `dir` whose first sequence number lies in `range`, in order.
fn segments(dir: &Path, range: Range<u64>) -> Result<Vec<SegmentFile>, DiskError> {
    let firsts = names(dir)?.into_iter().filter_map(|name| name.strip_suffix(".log")?.parse().ok());
    let mut found: Vec<_> = firsts
        .filter(|first| range.contains(first))
        .map(|first| SegmentFile { first, path: segment_path(dir, first) })
        .collect();
    found.sort_by_key(|segment| segment.first);
    Ok(found)
}

#[cfg(test)]
mod tests;
