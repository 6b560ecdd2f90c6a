//! Compaction: closed segments are rewritten without what no longer matters; what may matter to people goes to the
//! archive. In: a judge of events. Out: a new generation. A kill at any moment leaves the old generation or the new one.
//!
//! Steps 1 and 2 are a [`Compaction`], which needs nothing of the journal: it may be made on a thread of its own while the journal
//! takes events. Step 3 is [`Journal::adopt`].
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

use gigmesh_protocol::peer::event::Filed;

use super::archive::{Index, index_path};
use super::segment::{ENTRY_HEAD, HEADER, SKIP, Salt};
use super::{Each, Journal, SegmentFile, segment_path, segments};
use crate::limits::{MAX_EVENT, SEGMENT_BYTES};
use crate::store::disk::{At, DiskError, ensure_dir, names, remove_dir, sync_dir};
use crate::store::traits::{BoxError, Log, LogError};

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// It is still part of a replay.
    Live,
    /// It is over, but people may ask: [`super::Archive`] finds it by these.
    Archive(Filed),
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

/// A compaction to be made beside the journal: it reads closed segments, which do not change, and writes where nobody reads.
#[derive(Debug)]
pub struct Compaction {
    dir: PathBuf,
    old: Manifest,
    closed: Vec<SegmentFile>,
}

/// A generation that is on the disk and does not count yet: [`Journal::adopt`] takes it. Dropped, it leaves files that the next
/// compaction or opening removes.
#[derive(Debug)]
pub struct Prepared {
    manifest: Manifest,
    /// What takes the place of the segments that were read, and how many these were.
    closed: Vec<SegmentFile>,
    read: usize,
    done: Compacted,
}

/// Files that the journal no longer needs.
#[derive(Debug)]
pub struct Leftovers {
    dir: PathBuf,
    manifest: Manifest,
}

type Step<'a> = &'a mut dyn FnMut(&Path) -> Result<(), DiskError>;

impl Compaction {
    /// Asks `keep` about every event, oldest first, and writes a generation without what is over. Takes seconds for each
    /// hundred megabytes, most of it in `keep`. Between segments it asks whether to go on; `None` if it was stopped.
    ///
    /// # Errors
    /// A disk that failed, or damage in a closed segment. The journal is as it was.
    pub fn run(self, keep: impl FnMut(&[u8]) -> Keep, go_on: impl Fn() -> bool) -> Result<Option<Prepared>, LogError> {
        self.run_in_steps(keep, go_on, &mut |_| Ok(()))
    }

    fn run_in_steps(
        self,
        mut keep: impl FnMut(&[u8]) -> Keep,
        go_on: impl Fn() -> bool,
        step: Step<'_>,
    ) -> Result<Option<Prepared>, LogError> {
        let Self { dir, old, closed } = self;
        let generation = old.generation + 1;
        let live_dir = compacted_dir(&dir, generation);
        let archive_dir = archive_dir(&dir);
        old.remove_others(&dir)?;
        step(&live_dir)?;
        ensure_dir(&live_dir)?;
        ensure_dir(&archive_dir)?;

        let mut live = Writer::new(&live_dir, 1)?;
        let mut archive = Writer::new(&archive_dir, old.archived)?;
        let mut done = Compacted::default();
        let (mut next, mut bytes) = (1, Vec::new());
        for segment in &closed {
            if !go_on() {
                return Ok(None);
            }
            next = segment.replay(next, &mut bytes, |sequence, event| {
                match keep(event) {
                    Keep::Live => {
                        done.live += 1;
                        live.push(sequence, event, step)?;
                    }
                    Keep::Archive(filed) => {
                        done.archived += 1;
                        archive.file(event, &filed, step)?;
                    }
                    Keep::Drop => done.dropped += 1,
                }
                Ok(())
            })?;
        }
        let archived = archive.next;
        let manifest = Manifest { generation, through: next - 1, archived };
        let read = closed.len();
        let closed = live.finish(next, step)?;
        archive.finish(archived, step)?;
        sync_dir(&dir)?;
        Ok(Some(Prepared { manifest, closed, read, done }))
    }
}

impl Leftovers {
    /// Removes them; not while another compaction is made.
    pub fn remove(self) {
        if let Err(error) = self.manifest.remove_others(&self.dir) {
            tracing::warn!(%error, "files the journal no longer needs stay until it is opened again");
        }
    }
}

impl Journal {
    /// A compaction of all segments that are closed by now; one at a time.
    pub fn compaction(&self) -> Compaction {
        Compaction { dir: self.dir.clone(), old: self.manifest, closed: self.closed.clone() }
    }

    /// Goes on with what a compaction of this journal has prepared: a rename and two fsyncs.
    ///
    /// # Errors
    /// A disk that failed: the journal has to be opened again.
    pub fn adopt(&mut self, prepared: Prepared) -> Result<(Compacted, Leftovers), LogError> {
        self.adopt_in_steps(prepared, &mut |_| Ok(()))
    }

    fn adopt_in_steps(&mut self, prepared: Prepared, step: Step<'_>) -> Result<(Compacted, Leftovers), LogError> {
        let Prepared { manifest, closed, read, done } = prepared;
        debug_assert_eq!(manifest.generation, self.manifest.generation + 1, "compactions are made one at a time");
        self.or_poison(|journal| manifest.replace(&journal.dir, step))?;
        self.manifest = manifest;
        self.closed.splice(..read, closed);
        Ok((done, Leftovers { dir: self.dir.clone(), manifest }))
    }

    /// All of a compaction at once; the journal takes no events meanwhile.
    ///
    /// # Errors
    /// As for [`Compaction::run`] and [`Journal::adopt`].
    pub fn compact(&mut self, keep: impl FnMut(&[u8]) -> Keep) -> Result<Compacted, LogError> {
        self.compact_in_steps(keep, &mut |_| Ok(()))
    }

    /// [`Journal::compact`] with a call before each step that changes the disk; tests end the process there.
    pub(super) fn compact_in_steps(
        &mut self,
        keep: impl FnMut(&[u8]) -> Keep,
        step: Step<'_>,
    ) -> Result<Compacted, LogError> {
        self.commit()?;
        if self.closed.is_empty() {
            return Ok(Compacted::default());
        }
        let Some(prepared) = self.compaction().run_in_steps(keep, || true, step)? else {
            return Ok(Compacted::default());
        };
        let live_dir = compacted_dir(&self.dir, prepared.manifest.generation);
        let (done, leftovers) = self.adopt_in_steps(prepared, step)?;
        step(&live_dir)?;
        leftovers.remove();
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
        self.manifest.remove_others(&self.dir)
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

    /// Adds an archived event, to be found by these.
    ///
    /// # Errors
    /// A disk that refuses; an event of a wrong size.
    ///
    /// # Panics
    /// After the first live one.
    pub fn archived(&mut self, event: &[u8], filed: &Filed) -> Result<(), LogError> {
        match &mut self.stage {
            Stage::Archive(_) if event.is_empty() || event.len() > MAX_EVENT => Err(LogError::EventSize(event.len())),
            Stage::Archive(archive) => Ok(archive.file(event, filed, &mut |_| Ok(()))?),
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

    fn replace(self, dir: &Path, step: Step<'_>) -> Result<(), DiskError> {
        let (new, path) = (dir.join("manifest.new"), dir.join("manifest"));
        step(&new)?;
        write_synced(&new, &self.encode(Salt::random().at(&new)?))?;
        step(&path)?;
        fs::rename(&new, &path).at(&path)?;
        step(dir)?;
        sync_dir(dir)
    }

    /// Removes what this does not name. What is gone already is fine.
    fn remove_others(self, dir: &Path) -> Result<(), DiskError> {
        let Self { generation, through, archived } = self;
        for name in names(dir)? {
            if name.strip_prefix("compacted-").and_then(|n| n.parse().ok()).is_some_and(|n: u64| n != generation) {
                remove_dir(&dir.join(name))?;
            }
        }
        let mut stale = segments(dir, 0..through + 1)?;
        let archive = archive_dir(dir);
        if archive.is_dir() {
            stale.extend(segments(&archive, archived..u64::MAX)?);
        }
        let mut gone = stale.into_iter().flat_map(|segment| [index_path(&segment.path), segment.path]);
        gone.try_for_each(|path| match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.at(&path),
        })
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
    /// Of the file being written, if it is one of the archive's.
    index: Option<Index>,
}

impl Writer {
    fn new(dir: &Path, first: u64) -> Result<Self, DiskError> {
        let salt = Salt::random().at(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            salt,
            first,
            next: first,
            bytes: salt.header().to_vec(),
            files: Vec::new(),
            index: None,
        })
    }

    fn push(&mut self, sequence: u64, event: &[u8], step: Step<'_>) -> Result<(), DiskError> {
        // Room for the event and for a gap before and after it.
        if self.bytes.len() + 3 * ENTRY_HEAD + 16 + event.len() > SEGMENT_BYTES {
            self.close(step)?;
        }
        self.skip_to(sequence);
        self.salt.push(&mut self.bytes, 0, sequence, event);
        self.next += 1;
        Ok(())
    }

    /// Adds an event to the archive, to be found by these.
    fn file(&mut self, event: &[u8], filed: &Filed, step: Step<'_>) -> Result<(), DiskError> {
        self.push(self.next, event, step)?;
        let offset = self.bytes.len() - ENTRY_HEAD - event.len();
        let number = self.next - 1 - self.first;
        self.index.get_or_insert_default().add(filed, number, offset);
        Ok(())
    }

    fn skip_to(&mut self, sequence: u64) {
        if sequence > self.next {
            self.salt.push(&mut self.bytes, SKIP, self.next, &sequence.to_le_bytes());
            self.next = sequence;
        }
    }

    fn close(&mut self, step: Step<'_>) -> Result<(), DiskError> {
        if self.bytes.len() > HEADER {
            let path = segment_path(&self.dir, self.first);
            step(&path)?;
            // First, so that a segment that is there has its index.
            if let Some(index) = &mut self.index {
                write_synced(&index_path(&path), &index.take())?;
            }
            write_synced(&path, &self.bytes)?;
            self.files.push(SegmentFile { first: self.first, path });
            self.bytes.truncate(HEADER);
            self.first = self.next;
        }
        Ok(())
    }

    /// Closes the last file so that event `next` may follow, and makes all of them durable.
    fn finish(mut self, next: u64, step: Step<'_>) -> Result<Vec<SegmentFile>, DiskError> {
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

pub(super) fn archive_dir(journal: &Path) -> PathBuf {
    journal.join("archive")
}
