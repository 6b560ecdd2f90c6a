//! A store in one file, to be moved: what `gigmesh store export` writes and `import` reads. In: a stream. Out: its parts, in
//! order, one in memory at a time. What must never happen: that a length in the file is believed, or that a file that
//! was cut short or changed on its way passes for whole.
//!
//! ```text
//! bundle = "gigmesh-store\0\x01\0" head part* end
//! head   = length:u32 CBOR of Head
//! part   = tag:u8 length:u64 body[length]        in the order of the tags
//!          1 an archived event of the journal    oldest first
//!          2 a live event of the journal         oldest first
//!          3 a rating's envelope
//!          4 a blob: its root, 32 bytes, then its content
//! end    = 0:u8 SHA-256 of everything before it
//! ```
//! Integers are little-endian. The hash finds accidents; forgery is found by the signatures of what is inside. There are
//! no names of files in it.

use std::io::{self, Read, Write};

use gigmesh_protocol::codec::{self, Text};
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::limits::{BUNDLE_HEAD, MAX_EVENT, MAX_RATING};

const MAGIC: &[u8; 16] = b"gigmesh-store\0\x01\0";
const ARCHIVED: u8 = 1;
const EVENT: u8 = 2;
const RATING: u8 = 3;
const BLOB: u8 = 4;
const END: u8 = 0;

/// Whose store it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The agent.
    pub agent: AgentId,
    /// When it was exported.
    pub at: Timestamp,
    /// The network's name.
    pub network: Text<{ gigmesh_protocol::limits::SUMMARY }>,
}

/// A part of a bundle.
pub enum Part<'a> {
    /// An archived event.
    Archived(&'a [u8]),
    /// A live event.
    Event(&'a [u8]),
    /// A rating's envelope.
    Rating(&'a [u8]),
    /// A blob and its content, to be read or not.
    Blob(Bytes32, &'a mut dyn Read),
}

/// Why a bundle cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Something else, or of a later version.
    #[error("it is not an exported store of this version")]
    Format,
    /// It ends too early.
    #[error("it is cut short; copy it again")]
    Short,
    /// Its hash does not fit.
    #[error("it was changed after it was made, or damaged on its way; copy it again")]
    Damaged,
    /// The system refused.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for BundleError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Short } else { Self::Io(error) }
    }
}

/// Writes a bundle.
pub struct Writer<W> {
    out: W,
    hash: Sha256,
    last: u8,
}

impl<W: Write> Writer<W> {
    /// Begins one.
    ///
    /// # Errors
    /// Those of `out`, as everywhere here.
    pub fn new(out: W, head: &Head) -> io::Result<Self> {
        let mut writer = Self { out, hash: Sha256::new(), last: ARCHIVED };
        let head = codec::encode(head);
        let length = u32::try_from(head.len()).expect("a head is bounded by its types");
        writer.write(MAGIC)?;
        writer.write(&length.to_le_bytes())?;
        writer.write(&head)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }

    fn begin(&mut self, tag: u8, length: u64) -> io::Result<()> {
        debug_assert!(self.last <= tag, "parts are written in the order of their tags");
        self.last = tag;
        self.write(&[tag])?;
        self.write(&length.to_le_bytes())
    }

    fn whole(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        self.begin(tag, body.len() as u64)?;
        self.write(body)
    }

    /// Adds an archived event.
    pub fn archived(&mut self, event: &[u8]) -> io::Result<()> {
        self.whole(ARCHIVED, event)
    }

    /// Adds a live event.
    pub fn event(&mut self, event: &[u8]) -> io::Result<()> {
        self.whole(EVENT, event)
    }

    /// Adds a rating.
    pub fn rating(&mut self, envelope: &[u8]) -> io::Result<()> {
        self.whole(RATING, envelope)
    }

    /// Adds a blob of `size` bytes.
    pub fn blob(&mut self, root: &Bytes32, size: u64, content: &mut dyn Read) -> io::Result<()> {
        self.begin(BLOB, size + 32)?;
        self.write(&root.0)?;
        let (mut left, mut buffer) = (size, vec![0; 64 << 10]);
        while left > 0 {
            let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let part = &mut buffer[..most];
            content.read_exact(part)?;
            self.hash.update(&*part);
            self.out.write_all(part)?;
            left -= most as u64;
        }
        Ok(())
    }

    /// Ends it.
    pub fn finish(mut self) -> io::Result<W> {
        self.write(&[END])?;
        self.out.write_all(&self.hash.finalize())?;
        Ok(self.out)
    }
}

/// Everything that is read is hashed.
struct Hashing<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

impl<R: Read> Hashing<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        // As much as is there, whatever the length says.
        if self.take(length as u64).read_to_end(into)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Reads a bundle to its end: its head, then each part. What they said holds only if this returns well.
///
/// # Errors
/// The bundle's, and whatever `accept` and `part` answer.
pub fn read<E: From<BundleError>>(
    from: impl Read,
    accept: impl FnOnce(&Head) -> Result<(), E>,
    mut part: impl FnMut(&Head, Part<'_>) -> Result<(), E>,
) -> Result<Head, E> {
    let failed = |error: io::Error| E::from(error.into());
    let mut from = Hashing { from, hash: Sha256::new() };
    if from.array().map_err(failed)? != *MAGIC {
        return Err(BundleError::Format.into());
    }
    let mut body = Vec::new();
    let length = u32::from_le_bytes(from.array().map_err(failed)?) as usize;
    if length > BUNDLE_HEAD {
        return Err(BundleError::Format.into());
    }
    from.fill(length, &mut body).map_err(failed)?;
    let head: Head = codec::decode(&body, BUNDLE_HEAD).map_err(|_| E::from(BundleError::Format))?;
    accept(&head)?;

    let mut last = ARCHIVED;
    loop {
        let [tag] = from.array().map_err(failed)?;
        if tag == END {
            break;
        }
        let length = u64::from_le_bytes(from.array().map_err(failed)?);
        let most = match tag {
            ARCHIVED | EVENT => MAX_EVENT as u64,
            RATING => MAX_RATING as u64,
            BLOB => gigmesh_protocol::limits::BLOB + 32,
            _ => return Err(BundleError::Format.into()),
        };
        if tag < last || length > most || (tag == BLOB && length < 32) {
            return Err(BundleError::Damaged.into());
        }
        last = tag;
        if tag == BLOB {
            let root = Bytes32(from.array().map_err(failed)?);
            let mut content = (&mut from).take(length - 32);
            part(&head, Part::Blob(root, &mut content))?;
            io::copy(&mut content, &mut io::sink()).map_err(failed)?;
            if content.limit() > 0 {
                return Err(BundleError::Short.into());
            }
            continue;
        }
        let length = usize::try_from(length).expect("bounded above by what is held in memory");
        from.fill(length, &mut body).map_err(failed)?;
        let whole = match tag {
            ARCHIVED => Part::Archived(&body),
            EVENT => Part::Event(&body),
            _ => Part::Rating(&body),
        };
        part(&head, whole)?;
    }
    let expected: [u8; 32] = from.hash.clone().finalize().into();
    let found: [u8; 32] = from.array().map_err(failed)?;
    let after = from.from.read(&mut [0]).map_err(failed)?;
    if found == expected && after == 0 { Ok(head) } else { Err(BundleError::Damaged.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head { agent: AgentId([7; 32]), at: Timestamp(9), network: Text::fit("main") }
    }

    fn sample() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &head()).unwrap();
        writer.archived(b"old").unwrap();
        writer.event(b"one").unwrap();
        writer.event(&[]).unwrap();
        writer.rating(b"good").unwrap();
        writer.blob(&Bytes32([1; 32]), 5, &mut &b"hello"[..]).unwrap();
        writer.blob(&Bytes32([2; 32]), 0, &mut &b""[..]).unwrap();
        writer.finish().unwrap()
    }

    fn told(bytes: &[u8]) -> Result<Vec<String>, BundleError> {
        let mut told = Vec::new();
        read(
            bytes,
            |head| {
                assert_eq!((head.agent.0[0], &*head.network), (7, "main"));
                Ok(())
            },
            |_, part| {
                told.push(match part {
                    Part::Archived(event) => format!("archived {}", event.escape_ascii()),
                    Part::Event(event) => format!("event {}", event.escape_ascii()),
                    Part::Rating(envelope) => format!("rating {}", envelope.escape_ascii()),
                    Part::Blob(root, content) => format!("blob {} {}", root.0[0], io::read_to_string(content).unwrap()),
                });
                Ok::<_, BundleError>(())
            },
        )?;
        Ok(told)
    }

    #[test]
    fn what_is_written_is_read() {
        let expected = ["archived old", "event one", "event ", "rating good", "blob 1 hello", "blob 2 "];
        assert_eq!(told(&sample()).unwrap(), expected);
    }

    #[test]
    fn a_part_that_nobody_looks_at_is_hashed_all_the_same() {
        read(&sample()[..], |_| Ok(()), |_, _| Ok::<_, BundleError>(())).unwrap();
    }

    #[test]
    fn any_changed_missing_or_added_byte_is_found() {
        let sound = sample();
        let refused = |bytes: &[u8]| read(bytes, |_| Ok(()), |_, _| Ok::<_, BundleError>(())).is_err();
        for at in 0..sound.len() {
            assert!(refused(&sound[..at]), "cut at {at}");
            for bit in 0..8 {
                let mut changed = sound.clone();
                changed[at] ^= 1 << bit;
                assert!(refused(&changed), "byte {at}");
            }
        }
        assert!(refused(&[&sound[..], &[0]].concat()));
        assert!(matches!(told(b"PK\x03\x04 something else entirely"), Err(BundleError::Format)));
        assert!(matches!(told(&sound[..40]), Err(BundleError::Short)));
    }

    #[test]
    fn a_length_out_of_a_file_takes_no_memory_and_no_long_read() {
        let mut bytes = Writer::new(Vec::new(), &head()).unwrap().out;
        bytes.extend([EVENT]);
        bytes.extend(u64::MAX.to_le_bytes());
        assert!(matches!(told(&bytes), Err(BundleError::Damaged)));
        let at = bytes.len() - 8;
        bytes[at..].copy_from_slice(&(MAX_EVENT as u64).to_le_bytes());
        assert!(matches!(told(&bytes), Err(BundleError::Short)));
    }
}
