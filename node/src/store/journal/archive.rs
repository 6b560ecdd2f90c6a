//! What compaction moved aside, and how it is found again: each file of the archive has an index beside it. In: an id or its
//! beginning. Out: the events filed under it. Nothing here changes anything, and it may be asked while the journal is
//! written to: what the manifest names of the archive never changes.
//!
//! ```text
//! journal/archive/00000000000000000041.log     a segment, numbered for itself
//! journal/archive/00000000000000000041.idx     "gigmesh-idx\0\1\0\0\0" entry* crc:u32      sorted
//! entry = id[32] number:u32 offset:u32         the event's place in the segment; the top bit of `number`: it begins a hire
//! ```
//! An index may be missing or damaged: then its segment is read instead, which takes longer.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::peer::event::{Filed, Logged};
use gigmesh_protocol::record::Network;

use super::compact::{Manifest, archive_dir};
use super::segment::{ENTRY_HEAD, HEADER, Salt, body_length};
use super::{SegmentFile, segments};
use crate::limits::ARCHIVE_EVENTS;
use crate::store::disk::At;
use crate::store::traits::LogError;

const MAGIC: &[u8; 16] = b"gigmesh-idx\0\x01\0\0\0";
const ENTRY: usize = 40;
const BEGINS: u32 = 1 << 31;

/// The archive of a journal.
#[derive(Debug, Clone)]
pub struct Archive {
    journal: PathBuf,
}

/// One event under one of its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    id: [u8; 32],
    /// Counted within the file.
    number: u32,
    offset: u32,
    begins: bool,
}

/// What an index is made of.
#[derive(Debug, Default)]
pub(super) struct Index(Vec<Entry>);

impl Index {
    /// Adds the file's event of this number, at this offset.
    pub fn add(&mut self, filed: &Filed, number: u64, offset: usize) {
        // A segment is far below what 32 bits count.
        let (Ok(number), Ok(offset)) = (u32::try_from(number), u32::try_from(offset)) else { return };
        let entries = filed.ids.iter().enumerate();
        self.0.extend(entries.map(|(n, id)| Entry { id: id.0, number, offset, begins: filed.begins && n == 0 }));
    }

    /// The bytes of its file; it is empty afterwards.
    pub fn take(&mut self) -> Vec<u8> {
        let mut entries = std::mem::take(&mut self.0);
        entries.sort_unstable();
        let mut bytes = MAGIC.to_vec();
        for Entry { id, number, offset, begins } in entries {
            bytes.extend(id);
            bytes.extend((number | if begins { BEGINS } else { 0 }).to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk()?;
        let entries = body.strip_prefix(MAGIC)?;
        let whole = crc32c::crc32c(body) == u32::from_le_bytes(*sum) && entries.len().is_multiple_of(ENTRY);
        let entry = |bytes: &[u8]| {
            let (id, rest) = bytes.split_first_chunk()?;
            let (number, rest) = rest.split_first_chunk()?;
            let number = u32::from_le_bytes(*number);
            let offset = u32::from_le_bytes(*rest.first_chunk()?);
            Some(Entry { id: *id, number: number & !BEGINS, offset, begins: number & BEGINS != 0 })
        };
        whole.then(|| entries.chunks_exact(ENTRY).filter_map(entry).collect()).map(Self)
    }
}

/// Where the index of an archive's segment is.
pub(super) fn index_path(segment: &Path) -> PathBuf {
    segment.with_extension("idx")
}

impl Archive {
    /// Of the journal in this directory, which need not be there.
    pub fn of(journal: &Path) -> Self {
        Self { journal: journal.to_owned() }
    }

    /// Its files, oldest first.
    fn files(&self) -> Result<Vec<SegmentFile>, LogError> {
        let manifest = Manifest::read(&self.journal)?;
        let dir = archive_dir(&self.journal);
        if manifest.archived == 1 || !dir.is_dir() {
            return Ok(Vec::new());
        }
        Ok(segments(&dir, 1..manifest.archived)?)
    }

    fn index(file: &SegmentFile, network: &Network) -> Result<Index, LogError> {
        if let Some(index) = fs::read(index_path(&file.path)).ok().and_then(|bytes| Index::parse(&bytes)) {
            return Ok(index);
        }
        let (mut index, mut bytes, mut offset) = (Index::default(), Vec::new(), HEADER);
        file.replay(file.first, &mut bytes, |number, event| {
            // One that cannot be read is found by nobody; `store check` tells of it.
            if let Ok(logged) = Logged::decode(event, network) {
                index.add(&logged.event.filed(), number - file.first, offset);
            }
            offset += ENTRY_HEAD + event.len();
            Ok(())
        })?;
        index.0.sort_unstable();
        Ok(index)
    }

    /// The ids that begin with `prefix`, in hexadecimal digits: two at most, for more than one is too many.
    ///
    /// # Errors
    /// A disk that refuses, or a file that is damaged; the same for all.
    pub fn ids(&self, prefix: &str, network: &Network) -> Result<BTreeSet<Bytes32>, LogError> {
        let mut found = BTreeSet::new();
        let first: Vec<u8> = (0..64).step_by(2).map(|at| digits(prefix, at, '0')).collect();
        let last: Vec<u8> = (0..64).step_by(2).map(|at| digits(prefix, at, 'f')).collect();
        for file in self.files()? {
            let Index(entries) = Self::index(&file, network)?;
            let start = entries.partition_point(|entry| entry.id[..] < first[..]);
            for entry in entries[start..].iter().take_while(|entry| entry.id[..] <= last[..]) {
                found.insert(Bytes32(entry.id));
                if found.len() > 1 {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// The events filed under any of these ids, oldest first, each once; the first so many.
    ///
    /// # Errors
    /// As for [`Archive::ids`].
    pub fn events(&self, ids: &BTreeSet<Bytes32>, network: &Network) -> Result<Vec<Vec<u8>>, LogError> {
        let mut events = Vec::new();
        for file in self.files()? {
            let Index(entries) = Self::index(&file, network)?;
            let mut wanted = BTreeSet::new();
            for id in ids {
                let start = entries.partition_point(|entry| entry.id < id.0);
                let of = entries[start..].iter().take_while(|entry| entry.id == id.0);
                wanted.extend(of.map(|entry| (entry.number, entry.offset)));
            }
            if wanted.is_empty() {
                continue;
            }
            let mut log = File::open(&file.path).at(&file.path)?;
            let mut header = [0; HEADER];
            log.read_exact(&mut header).at(&file.path)?;
            let salt = Salt::of(&header).ok_or_else(|| file.damaged(0, "it does not begin as a segment"))?;
            for (number, offset) in wanted {
                if events.len() >= ARCHIVE_EVENTS * ids.len() {
                    return Ok(events);
                }
                log.seek(SeekFrom::Start(offset.into())).at(&file.path)?;
                let mut head = [0; ENTRY_HEAD];
                log.read_exact(&mut head).at(&file.path)?;
                let mut bytes = head.to_vec();
                bytes.resize(ENTRY_HEAD + body_length(head), 0);
                log.read_exact(&mut bytes[ENTRY_HEAD..]).at(&file.path)?;
                let event = salt.event(&bytes, file.first + u64::from(number));
                let event = event.ok_or_else(|| file.damaged(offset as usize, "this event fails its checksum"))?;
                events.push(event.to_owned());
            }
        }
        Ok(events)
    }

    /// The hires in it, the last that was archived first: so many after this one. Absent if that is not in it.
    ///
    /// # Errors
    /// As for [`Archive::ids`].
    pub fn hires(
        &self,
        after: Option<Bytes32>,
        limit: usize,
        network: &Network,
    ) -> Result<Option<Vec<Bytes32>>, LogError> {
        let (mut found, mut passed) = (Vec::new(), after.is_none());
        for file in self.files()?.iter().rev() {
            let Index(entries) = Self::index(file, network)?;
            let mut hires: Vec<_> = entries.into_iter().filter(|entry| entry.begins).collect();
            hires.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.number));
            for entry in hires {
                if passed {
                    found.push(Bytes32(entry.id));
                }
                passed |= Some(Bytes32(entry.id)) == after;
                if found.len() == limit {
                    return Ok(Some(found));
                }
            }
        }
        Ok(passed.then_some(found))
    }
}

/// Two hexadecimal digits of an id of which only the beginning is known.
fn digits(prefix: &str, at: usize, rest: char) -> u8 {
    let digit = |at| prefix[..].chars().nth(at).unwrap_or(rest).to_digit(16).unwrap_or_default();
    u8::try_from(digit(at) * 16 + digit(at + 1)).expect("two digits of four bits")
}
