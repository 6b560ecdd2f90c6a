//! Compaction: closed segments are rewritten without what no longer matters; what may matter to people goes to the
//! archive. In: a judge of events. Out: a new generation. A kill at any moment leaves the old generation or the new one.
//!
//! 1. New files are written where no reader looks: `compacted-<next generation>/` and archive files whose numbers lie
//!    at or after the manifest's `archived`.
//! 2. All of them and their directories are fsynced.
//! 3. The manifest is replaced by rename. **This is the moment.**
//! 4. What the new manifest does not name is removed, now or at the next opening.
//!
//! Sequence numbers stay: what is left out becomes a gap in the numbering.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::segment::{ENTRY_HEAD, HEADER, SKIP, Salt};
use super::{Each, Journal, SegmentFile, segment_path, segments};
use crate::limits::{MAX_EVENT, SEGMENT_BYTES};
use crate::store::disk::{At, DiskError, ensure_dir, names, remove_dir, sync_dir};
use crate::store::traits::{BoxError, Log, LogError};

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is still part of a replay.
    Live,
    /// It is over, but people may ask: [`Journal::read_archive`] still returns it.
    Archive,
    /// Nobody needs it.
    Drop,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Events kept.
    pub live: u64,
    /// Events moved to the archive.
    pub archived: u64,
    /// Events gone.
    pub dropped: u64,
}

/// What must change as a whole, and does so by rename. A journal that was never compacted has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manifest {
    /// Which `compacted-N` counts; 0 for none.
    pub generation: u64,
    /// The last sequence number it covers; segments start after it.
    pub through: u64,
    /// The number the archive's next event gets.
    pub archived: u64,
}

impl Journal {
    /// Asks `keep` about every event in closed segments, oldest first, and rewrites them accordingly.
    ///
    /// Reads and writes all closed events, so it takes about a second per few hundred megabytes; the journal takes no
    /// events meanwhile.
    ///
    /// # Errors
    /// A disk that failed, or damage in a closed segment. Until the manifest was replaced nothing has happened; if
    /// replacing it failed the journal has to be opened again.
    pub fn compact(&mut self, keep: impl FnMut(&[u8]) -> Keep) -> Result<Compacted, LogError> {
        self.compact_in_steps(keep, &mut |_| Ok(()))
    }

    /// [`Journal::compact`] with a call before each step that changes the disk; tests end the process there.
    pub(super) fn compact_in_steps(
        &mut self,
        mut keep: impl FnMut(&[u8]) -> Keep,
        step: &mut dyn FnMut(&Path) -> Result<(), DiskError>,
    ) -> Result<Compacted, LogError> {
        self.commit()?;
        if self.closed.is_empty() {
            return Ok(Compacted::default());
        }
        let old = self.manifest;
        let generation = old.generation + 1;
        let live_dir = compacted_dir(&self.dir, generation);
        let archive_dir = archive_dir(&self.dir);
        self.remove_leftovers()?;
        step(&live_dir)?;
        ensure_dir(&live_dir)?;
        ensure_dir(&archive_dir)?;

        let mut live = Writer::new(&live_dir, 1)?;
        let mut archive = Writer::new(&archive_dir, old.archived)?;
        let mut done = Compacted::default();
        let (mut next, mut bytes) = (1, Vec::new());
        for segment in &self.closed {
            next = segment.replay(next, &mut bytes, |sequence, event| {
                match keep(event) {
                    Keep::Live => {
                        done.live += 1;
                        live.push(sequence, event, step)?;
                    }
                    Keep::Archive => {
                        done.archived += 1;
                        archive.push(archive.next, event, step)?;
                    }
                    Keep::Drop => done.dropped += 1,
                }
                Ok(())
            })?;
        }
        let archived = archive.next;
        let manifest = Manifest { generation, through: next - 1, archived };
        let closed = live.finish(next, step)?;
        archive.finish(archived, step)?;
        sync_dir(&self.dir)?;

        self.or_poison(|journal| manifest.replace(&journal.dir, step))?;
        self.manifest = manifest;
        self.closed = closed;
        step(&live_dir)?;
        if let Err(error) = self.remove_leftovers() {
            tracing::warn!(%error, "files the journal no longer needs stay until it is opened again");
        }
        Ok(done)
    }

    /// `read_archive` of this journal.
    ///
    /// # Errors
    /// A file of the archive that is missing or damaged.
    pub fn read_archive(&self, mut each: impl FnMut(u64, &[u8])) -> Result<(), LogError> {
        read_archive(&self.dir, self.manifest, &mut |number, event| {
            each(number, event);
            Ok(())
        })
    }

    /// Hands every archived event of the journal in `dir` to `each`, oldest compaction first, with its number in the
    /// archive. Changes nothing.
    ///
    /// # Errors
    /// A file of the archive that is missing or damaged, and whatever `each` answers.
    pub fn read_archive_in(
        dir: &Path,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), BoxError>,
    ) -> Result<(), LogError> {
        read_archive(dir, Manifest::read(dir)?, &mut each)
    }

    /// Removes what the manifest does not name: the old generation, or one that was never finished.
    pub(super) fn remove_leftovers(&self) -> Result<(), DiskError> {
        let Manifest { generation, through, archived } = self.manifest;
        for name in names(&self.dir)? {
            if name.strip_prefix("compacted-").and_then(|n| n.parse().ok()).is_some_and(|n: u64| n != generation) {
                remove_dir(&self.dir.join(name))?;
            }
        }
        let mut stale = segments(&self.dir, 0..through + 1)?;
        let archive = archive_dir(&self.dir);
        if archive.is_dir() {
            stale.extend(segments(&archive, archived..u64::MAX)?);
        }
        stale.iter().try_for_each(|segment| fs::remove_file(&segment.path).at(&segment.path))
    }
}

fn read_archive(journal: &Path, manifest: Manifest, each: Each<'_>) -> Result<(), LogError> {
    if manifest.archived == 1 {
        return Ok(());
    }
    let dir = archive_dir(journal);
    let (mut next, mut bytes) = (1, Vec::new());
    for segment in segments(&dir, 1..manifest.archived)? {
        next = segment.replay(next, &mut bytes, |sequence, event| {
            each(sequence, event).map_err(|source| LogError::Refused { path: segment.path.clone(), sequence, source })
        })?;
    }
    if next != manifest.archived {
        let missing = SegmentFile { first: next, path: segment_path(&dir, next) };
        return Err(missing.damaged(0, "this part of the archive is missing"));
    }
    Ok(())
}

/// Writes a journal that was exported: the archived events, then the live ones, renumbered. It is there, whole, after
/// [`Importer::finish`] and not before.
#[derive(Debug)]
pub struct Importer {
    dir: PathBuf,
    new: PathBuf,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Archive(Writer),
    Live(Journal),
}

impl Importer {
    /// For a journal in `dir`, where none may be.
    ///
    /// # Errors
    /// A disk that refuses.
    pub fn new(dir: &Path) -> Result<Self, LogError> {
        let new = dir.with_extension("import");
        // What an import before this one left when it fell.
        remove_dir(&new)?;
        ensure_dir(&new)?;
        let archive = archive_dir(&new);
        ensure_dir(&archive)?;
        Ok(Self { dir: dir.to_owned(), stage: Stage::Archive(Writer::new(&archive, 1)?), new })
    }

    /// Adds an archived event.
    ///
    /// # Errors
    /// A disk that refuses; an event of a wrong size.
    ///
    /// # Panics
    /// After the first live one.
    pub fn archived(&mut self, event: &[u8]) -> Result<(), LogError> {
        match &mut self.stage {
            Stage::Archive(_) if event.is_empty() || event.len() > MAX_EVENT => Err(LogError::EventSize(event.len())),
            Stage::Archive(archive) => Ok(archive.push(archive.next, event, &mut |_| Ok(()))?),
            Stage::Live(_) => unreachable!("the caller keeps the order"),
        }
    }

    /// Adds a live event.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn live(&mut self, event: &[u8]) -> Result<(), LogError> {
        self.journal()?.append(event).map(drop)
    }

    /// Makes all of it durable and gives it its name.
    ///
    /// # Errors
    /// A disk that refuses; a journal that is there already. Then that one is as it was.
    pub fn finish(mut self) -> Result<(), LogError> {
        self.journal()?.commit()?;
        sync_dir(&self.new)?;
        // An empty directory may be replaced; the system refuses any other.
        fs::rename(&self.new, &self.dir).at(&self.dir)?;
        Ok(self.dir.parent().map_or(Ok(()), sync_dir)?)
    }

    /// The live part; the archive ends where it begins.
    fn journal(&mut self) -> Result<&mut Journal, LogError> {
        if let Stage::Archive(archive) = &mut self.stage {
            let archived = archive.next;
            archive.close(&mut |_| Ok(()))?;
            sync_dir(&archive.dir)?;
            if archived > 1 {
                Manifest { archived, ..Manifest::NONE }.replace(&self.new, &mut |_| Ok(()))?;
            }
            self.stage = Stage::Live(Journal::open(&self.new, |_, _| Ok(()))?.0);
        }
        match &mut self.stage {
            Stage::Live(journal) => Ok(journal),
            Stage::Archive(_) => unreachable!("it was made live above"),
        }
    }
}

impl Drop for Importer {
    fn drop(&mut self) {
        // Only what was not finished is still there.
        if let Err(error) = remove_dir(&self.new) {
            tracing::warn!(%error, "what an import left cannot be removed");
        }
    }
}

impl Manifest {
    const NONE: Self = Self { generation: 0, through: 0, archived: 1 };

    /// The manifest of the journal in `dir`.
    pub fn read(dir: &Path) -> Result<Self, LogError> {
        let path = dir.join("manifest");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::NONE),
            other => other.at(&path)?,
        };
        Self::decode(&bytes).ok_or_else(|| SegmentFile { first: 0, path }.damaged(0, "the manifest is not whole"))
    }

    /// The files of its generation, oldest first.
    pub fn compacted(self, dir: &Path) -> Result<Vec<SegmentFile>, DiskError> {
        if self.generation == 0 {
            return Ok(Vec::new());
        }
        segments(&compacted_dir(dir, self.generation), 1..self.through + 1)
    }

    fn replace(self, dir: &Path, step: &mut dyn FnMut(&Path) -> Result<(), DiskError>) -> Result<(), DiskError> {
        let (new, path) = (dir.join("manifest.new"), dir.join("manifest"));
        step(&new)?;
        write_synced(&new, &self.encode(Salt::random().at(&new)?))?;
        step(&path)?;
        fs::rename(&new, &path).at(&path)?;
        step(dir)?;
        sync_dir(dir)
    }

    /// One entry in a segment of its own, for the checksum.
    fn encode(self, salt: Salt) -> Vec<u8> {
        let body = [self.generation, self.through, self.archived].map(u64::to_le_bytes).concat();
        let mut bytes = salt.header().to_vec();
        salt.push(&mut bytes, 0, 0, &body);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut found = None;
        let scan = Salt::of(bytes)?.scan(bytes, 0, |_, body| {
            found = body.as_chunks().0.iter().copied().map(u64::from_le_bytes).collect::<Vec<_>>().try_into().ok();
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(scan) = scan;
        let [generation, through, archived] = found?;
        (scan.end == bytes.len()).then_some(Self { generation, through, archived })
    }
}

/// Writes events into segment files that nobody reads yet.
#[derive(Debug)]
struct Writer {
    dir: PathBuf,
    salt: Salt,
    first: u64,
    next: u64,
    bytes: Vec<u8>,
    files: Vec<SegmentFile>,
}

impl Writer {
    fn new(dir: &Path, first: u64) -> Result<Self, DiskError> {
        let salt = Salt::random().at(dir)?;
        Ok(Self { dir: dir.to_owned(), salt, first, next: first, bytes: salt.header().to_vec(), files: Vec::new() })
    }

    fn push(
        &mut self,
        sequence: u64,
        event: &[u8],
        step: &mut dyn FnMut(&Path) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        // Room for the event and for a gap before and after it.
        if self.bytes.len() + 3 * ENTRY_HEAD + 16 + event.len() > SEGMENT_BYTES {
            self.close(step)?;
        }
        self.skip_to(sequence);
        self.salt.push(&mut self.bytes, 0, sequence, event);
        self.next += 1;
        Ok(())
    }

    fn skip_to(&mut self, sequence: u64) {
        if sequence > self.next {
            self.salt.push(&mut self.bytes, SKIP, self.next, &sequence.to_le_bytes());
            self.next = sequence;
        }
    }

    fn close(&mut self, step: &mut dyn FnMut(&Path) -> Result<(), DiskError>) -> Result<(), DiskError> {
        if self.bytes.len() > HEADER {
            let path = segment_path(&self.dir, self.first);
            step(&path)?;
            write_synced(&path, &self.bytes)?;
            self.files.push(SegmentFile { first: self.first, path });
            self.bytes.truncate(HEADER);
            self.first = self.next;
        }
        Ok(())
    }

    /// Closes the last file so that event `next` may follow, and makes all of them durable.
    fn finish(
        mut self,
        next: u64,
        step: &mut dyn FnMut(&Path) -> Result<(), DiskError>,
    ) -> Result<Vec<SegmentFile>, DiskError> {
        self.skip_to(next);
        self.close(step)?;
        sync_dir(&self.dir)?;
        Ok(self.files)
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let mut file = File::create(path).at(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).at(path)
}

fn compacted_dir(journal: &Path, generation: u64) -> PathBuf {
    journal.join(format!("compacted-{generation}"))
}

fn archive_dir(journal: &Path) -> PathBuf {
    journal.join("archive")
}
