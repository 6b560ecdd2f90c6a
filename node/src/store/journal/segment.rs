//! The bytes of a segment: a header, then entries. In: a slice or events; out: events or bytes. No file is opened here.
//!
//! ```text
//! segment = "gigmesh-log\0" version:u32 salt:u64 crc:u32 entry*        all integers little-endian
//! entry   = flags_and_length:u32 crc:u32 body[length]
//! crc     = CRC-32C of body ++ (sequence xor salt):u64 ++ flags_and_length
//! ```
//!
//! The sequence number is not stored but counted from the file's name: an entry in the wrong place fails its checksum.
//! A `SKIP` entry's body is the next sequence number: what compaction took out leaves a gap, and nothing is renumbered.
//! A `GROUP` entry begins a commit. Whole, it proves that everything before it was durable once, because a commit is
//! written only after the one before reached the disk. So a bad entry with a later `GROUP` is damage, never a torn tail.
//! The salt is random, so that no peer can send us a record whose bytes look like such an entry.

use std::io;

use crate::limits::{GROUP_BYTES, MAX_EVENT};

/// Magic and version, the first bytes of every segment.
const MAGIC: [u8; 16] = *b"gigmesh-log\0\x01\0\0\0";
/// Magic, version, salt and the checksum of these: a damaged salt would make every entry look torn.
pub(super) const HEADER: usize = SEALED + 4;
const SEALED: usize = MAGIC.len() + 8;
/// Length and checksum before each body.
pub(super) const ENTRY_HEAD: usize = 8;
/// On the first entry of a commit.
pub(super) const GROUP: u32 = 1 << 31;
/// The body is the sequence number that follows.
pub(super) const SKIP: u32 = 1 << 30;

/// What the checksums of one segment are mixed with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Salt(u64);

/// Where reading a segment ended.
pub(super) struct Scan {
    /// The sequence number that comes next.
    pub next: u64,
    /// The first byte that is not part of a whole entry; the segment's length if all is well.
    pub end: usize,
}

/// How long the body is of the entry with this head.
pub(super) fn body_length(head: [u8; ENTRY_HEAD]) -> usize {
    let [a, b, c, d, ..] = head;
    ((u32::from_le_bytes([a, b, c, d]) & !(GROUP | SKIP)) as usize).min(MAX_EVENT)
}

impl Salt {
    /// A salt nobody can guess.
    pub fn random() -> io::Result<Self> {
        getrandom::u64().map(Self).map_err(|error| io::Error::other(error.to_string()))
    }

    /// The salt of a segment; `None` if it does not begin as this version writes.
    pub fn of(segment: &[u8]) -> Option<Self> {
        let salt = Self(u64::from_le_bytes(*segment.get(MAGIC.len()..)?.first_chunk()?));
        segment.starts_with(&salt.header()).then_some(salt)
    }

    /// The header that tells it.
    pub fn header(self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[MAGIC.len()..SEALED].copy_from_slice(&self.0.to_le_bytes());
        let sum = crc32c::crc32c(&header[..SEALED]);
        header[SEALED..].copy_from_slice(&sum.to_le_bytes());
        header
    }

    /// Appends one entry to `out`.
    pub fn push(self, out: &mut Vec<u8>, flags: u32, sequence: u64, body: &[u8]) {
        let word = flags | u32::try_from(body.len()).expect("callers bound events by MAX_EVENT");
        out.reserve(ENTRY_HEAD + body.len());
        out.extend_from_slice(&word.to_le_bytes());
        out.extend_from_slice(&self.seal(crc32c::crc32c(body), sequence, word).to_le_bytes());
        out.extend_from_slice(body);
    }

    /// Reads entries until the end or the first that is not whole, handing each event with its number to `each`.
    pub fn scan<E>(
        self,
        segment: &[u8],
        first: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<Scan, E> {
        let mut at = Scan { next: first, end: HEADER };
        while let Some(entry) = Entry::at(segment, at.end) {
            if self.seal(crc32c::crc32c(entry.body), at.next, entry.word) != entry.sum {
                break;
            }
            at.next = if entry.word & SKIP == 0 {
                each(at.next, entry.body)?;
                at.next + 1
            } else {
                match entry.body.try_into().map(u64::from_le_bytes) {
                    Ok(next) if next > at.next => next,
                    _ => break,
                }
            };
            at.end += ENTRY_HEAD + entry.body.len();
        }
        Ok(at)
    }

    /// The event of this number, if that is what `entry` is, whole.
    pub fn event(self, entry: &[u8], sequence: u64) -> Option<&[u8]> {
        let found = Entry::at(entry, 0).filter(|entry| entry.word & SKIP == 0)?;
        (self.seal(crc32c::crc32c(found.body), sequence, found.word) == found.sum).then_some(found.body)
    }

    /// Whether the bytes from `bad.end` on can be what a crash left of the last commit: they are no more than a commit
    /// may have, and no later commit begins in them.
    pub fn torn(self, segment: &[u8], bad: &Scan) -> bool {
        let later = |at| {
            let Some(entry) = Entry::at(segment, at).filter(|entry| entry.word & GROUP != 0) else { return false };
            // Between the bad entry and here lie at most as many events as fit, each of at least one byte.
            let most = ((at - bad.end) / (ENTRY_HEAD + 1) + 1) as u64;
            let body = crc32c::crc32c(entry.body);
            (bad.next..=bad.next + most).any(|sequence| self.seal(body, sequence, entry.word) == entry.sum)
        };
        segment.len() - bad.end <= GROUP_BYTES && !(bad.end + 1..segment.len()).any(later)
    }

    /// The checksum of an entry whose body has the CRC-32C `body`.
    fn seal(self, body: u32, sequence: u64, word: u32) -> u32 {
        let mut tail = [0; 12];
        tail[..8].copy_from_slice(&(sequence ^ self.0).to_le_bytes());
        tail[8..].copy_from_slice(&word.to_le_bytes());
        crc32c::crc32c_append(body, &tail)
    }
}

/// An entry whose frame is plausible and all there; its checksum is still to be compared.
struct Entry<'a> {
    word: u32,
    sum: u32,
    body: &'a [u8],
}

impl<'a> Entry<'a> {
    fn at(segment: &'a [u8], offset: usize) -> Option<Self> {
        let (word, rest) = segment.get(offset..)?.split_first_chunk()?;
        let (sum, rest) = rest.split_first_chunk()?;
        let word = u32::from_le_bytes(*word);
        let length = (word & !(GROUP | SKIP)) as usize;
        // A length of zero is no entry: a file system may leave zeros where data did not arrive.
        let body = (1..=MAX_EVENT).contains(&length).then(|| rest.get(..length))??;
        Some(Self { word, sum: u32::from_le_bytes(*sum), body })
    }
}
