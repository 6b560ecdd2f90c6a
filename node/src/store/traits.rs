//! What the node asks of its stores, so that a trial and tests can hold them in memory.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::disk::DiskError;

/// An append-only log of opaque events: what must survive before anything that rests on it is said.
pub trait Log: Send {
    /// Adds an event to the open group and returns its sequence number, which never changes. Not durable yet.
    ///
    /// # Errors
    /// An event that is empty or over [`crate::limits::MAX_EVENT`]; a log that failed before.
    fn append(&mut self, event: &[u8]) -> Result<u64, LogError>;

    /// Makes everything appended durable. Only after this may anybody be told.
    ///
    /// # Errors
    /// The disk failed; then the log takes nothing more until it is opened again.
    fn commit(&mut self) -> Result<(), LogError>;
}

/// How what is committed reaches the disk: the two calls on which everything rests that is said.
pub(crate) trait Disk: Debug + Send {
    /// Appends to a file.
    fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
    /// Makes durable what was written to it.
    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// This machine's.
#[derive(Debug)]
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {}

/// Why a log did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// An event of this many bytes is empty or too long; the log is as before.
    #[error("an event has 1 to {max} bytes, this one has {0}", max = crate::limits::MAX_EVENT)]
    EventSize(usize),
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// An earlier write or fsync failed, so what the disk holds is unknown until it is read again.
    #[error("the journal stopped after a failed write; fix the disk and start the node again")]
    Poisoned,
    /// An archived event cannot be read.
    #[error("the archive cannot be read: {0}")]
    Archive(String),
    /// A part that was durable once is not as it was written.
    #[error(
        "journal file {} is damaged at byte {offset}: {why}; nothing was changed. Restore the journal directory from a \
         backup, or move it away to start without its hires",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// Whoever replays could not read an event that is as it was written.
    #[error("event {sequence} in journal file {} cannot be used: {source}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The event.
        sequence: u64,
        /// What the reader said.
        source: BoxError,
    },
}

/// What a reader of events may answer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Signed ratings by id and by subject. Evidence: immutable, and to be had again from the journal or the network.
pub trait Ratings: Send + Sync {
    /// Keeps a rating; false if its id is held already. Durable after [`Ratings::flush`].
    ///
    /// # Errors
    /// More than [`crate::limits::MAX_RATING`] bytes; the store failed.
    fn put(&self, id: [u8; 32], subject: [u8; 32], envelope: &[u8]) -> Result<bool, RatingsError>;

    /// Lets a rating go; false if it is not held.
    ///
    /// # Errors
    /// The store failed.
    fn remove(&self, id: [u8; 32], subject: [u8; 32]) -> Result<bool, RatingsError>;

    /// Makes everything put so far survive a power cut.
    ///
    /// # Errors
    /// The store failed.
    fn flush(&self) -> Result<(), RatingsError>;

    /// The envelope of one rating.
    ///
    /// # Errors
    /// The store failed.
    fn get(&self, id: [u8; 32]) -> Result<Option<Vec<u8>>, RatingsError>;

    /// At most `limit` ratings of `subject`, by id.
    ///
    /// # Errors
    /// The store failed.
    fn by_subject(&self, subject: [u8; 32], limit: usize) -> Result<Vec<StoredRating>, RatingsError>;

    /// How many ratings are held; no IO.
    fn count(&self) -> u64;

    /// All ratings by id, read as they are asked for.
    fn iter(&self) -> Box<dyn Iterator<Item = Result<StoredRating, RatingsError>> + '_>;
}

impl<R: Ratings + ?Sized> Ratings for std::sync::Arc<R> {
    fn put(&self, id: [u8; 32], subject: [u8; 32], envelope: &[u8]) -> Result<bool, RatingsError> {
        (**self).put(id, subject, envelope)
    }
    fn remove(&self, id: [u8; 32], subject: [u8; 32]) -> Result<bool, RatingsError> {
        (**self).remove(id, subject)
    }
    fn flush(&self) -> Result<(), RatingsError> {
        (**self).flush()
    }
    fn get(&self, id: [u8; 32]) -> Result<Option<Vec<u8>>, RatingsError> {
        (**self).get(id)
    }
    fn by_subject(&self, subject: [u8; 32], limit: usize) -> Result<Vec<StoredRating>, RatingsError> {
        (**self).by_subject(subject, limit)
    }
    fn count(&self) -> u64 {
        (**self).count()
    }
    fn iter(&self) -> Box<dyn Iterator<Item = Result<StoredRating, RatingsError>> + '_> {
        (**self).iter()
    }
}

/// A rating as it is held: its id and its envelope's bytes as they came.
pub type StoredRating = ([u8; 32], Vec<u8>);

/// Why the ratings could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum RatingsError {
    /// The envelope is too long to be a rating.
    #[error("a rating has at most {max} bytes, this one has {0}", max = crate::limits::MAX_RATING)]
    Size(usize),
    /// Another process holds the store.
    #[error("the ratings in {} are in use by another process", .0.display())]
    Locked(PathBuf),
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The database failed; start the node again and it is checked, set aside and rebuilt if need be.
    #[error("the ratings store failed: {0}")]
    Store(String),
}
