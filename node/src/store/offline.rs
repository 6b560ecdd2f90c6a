//! A data directory while no node runs in it: looked through, rebuilt, moved. In: the directory and its network's name. Out:
//! counts and faults. What must never happen: two at work in one directory, a journal overwritten, or something taken
//! for an agent's own that its key did not sign.

pub mod check;
pub mod compact;
pub mod transfer;

use std::path::{Path, PathBuf};

use gigmesh_bootstrap::lock::{self, DirLock, LockError};
use gigmesh_protocol::hire::Side;
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::market::Rating;
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::record::{Network, Record, Refusal, Signer, Verified};

use super::blobs::{BlobError, BlobStore};
use super::bundle::BundleError;
use super::disk::DiskError;
use super::journal::Journal;
use super::ratings::{SledRatings, set_aside};
use super::traits::{Ratings as _, RatingsError};
use crate::identity::{self, IdentityError};
use crate::store::traits::LogError;

/// Told how far long work is: what it is about, and how many were done.
pub type Tell<'a> = &'a mut dyn FnMut(&'static str, u64);

/// A data directory that nobody else uses until this is dropped.
#[derive(Debug)]
pub struct Offline {
    dir: PathBuf,
    /// The network's name.
    name: String,
    network: Network,
    _lock: DirLock,
}

/// Why nothing was done. Everything here is for the operator to put right.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// A node runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is nothing to look at.
    #[error("{} holds no node's data; name the right directory with --data-dir", .0.display())]
    Nothing(PathBuf),
    /// The key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] LogError),
    /// The ratings.
    #[error(transparent)]
    Ratings(#[from] RatingsError),
    /// The blobs.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The exported file.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// What was asked for does not fit what is there.
    #[error("{0}")]
    Unfit(String),
}

/// What a rebuilding of the ratings came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Where the database of before is now; it is no longer used.
    pub aside: Option<PathBuf>,
    /// This agent's own ratings, from the journal.
    pub mine: u64,
    /// Others that could still be read, and verify.
    pub kept: u64,
    /// Those that could not; unknown if nothing could be read.
    pub lost: Option<u64>,
}

impl Offline {
    /// Takes a data directory that is there.
    ///
    /// # Errors
    /// A node runs in it; it is no data directory.
    pub fn open(dir: &Path, network: &str) -> Result<Self, OfflineError> {
        let parts = ["identity.key", "journal", "ratings", "blobs"];
        if !parts.iter().any(|part| dir.join(part).exists()) {
            return Err(OfflineError::Nothing(dir.to_owned()));
        }
        Self::create(dir, network)
    }

    /// Takes a data directory, and makes it if it is not there.
    ///
    /// # Errors
    /// A node runs in it.
    pub fn create(dir: &Path, network: &str) -> Result<Self, OfflineError> {
        let lock = lock::lock(dir)?;
        Ok(Self { dir: dir.to_owned(), name: network.to_owned(), network: Network::new(network), _lock: lock })
    }

    fn journal_dir(&self) -> PathBuf {
        self.dir.join("journal")
    }

    fn ratings_dir(&self) -> PathBuf {
        self.dir.join("ratings")
    }

    /// Whose directory it is, by its key; `None` if there is none.
    fn key(&self) -> Result<Option<AgentId>, IdentityError> {
        match identity::load(&self.dir) {
            Ok(secret) => Ok(Some(Signer::new(&secret, self.network).agent())),
            Err(IdentityError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The blobs, if there is a store of them.
    fn blobs(&self) -> Result<Option<BlobStore>, BlobError> {
        let dir = self.dir.join("blobs");
        // What is here is here: nothing is refused for being too much.
        if dir.is_dir() { BlobStore::open_dir(&dir, u64::MAX).map(Some) } else { Ok(None) }
    }

    /// The database of ratings as it is, if there is one.
    fn ratings(&self) -> Result<Option<SledRatings>, RatingsError> {
        let dir = self.ratings_dir();
        if dir.is_dir() { SledRatings::open_whole(&dir).map(Some) } else { Ok(None) }
    }

    /// An event with everything signed in it verified again.
    fn event(&self, bytes: &[u8]) -> Result<Logged<Record>, Refusal> {
        let logged = Logged::decode(bytes, &self.network)?;
        logged.event.clone().map(|record| Record::admit(record.envelope(), record.beside(), &self.network))?;
        Ok(logged)
    }

    /// A kept rating, verified again.
    fn rating(&self, id: &[u8; 32], envelope: &[u8]) -> Result<Verified<Rating>, String> {
        match Record::admit(envelope, None, &self.network) {
            Ok(Record::Rating(rating)) if rating.id().as_bytes() == id => Ok(rating),
            Ok(Record::Rating(_)) => Err("it is kept under another rating's id".to_owned()),
            Ok(record) => Err(format!("it is no rating but a {}", record.kind())),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    /// Sets the database of ratings aside and fills a new one: with this agent's own, from the journal, and with every other
    /// that can still be read and verifies. The rest can be had again from the network.
    ///
    /// # Errors
    /// A journal that cannot be read: then nothing has changed. A disk that refuses.
    pub fn rebuild(&self, tell: Tell<'_>) -> Result<Rebuilt, OfflineError> {
        let mut mine = Vec::new();
        Journal::read(&self.journal_dir(), |number, bytes| {
            tell("events read", number);
            if let Event::Rated { rating: Record::Rating(rating) } = self.event(bytes)?.event {
                mine.push(rating);
            }
            Ok(())
        })?;
        let dir = self.ratings_dir();
        let aside = if dir.is_dir() { Some(set_aside(&dir)?) } else { None };
        let fresh = SledRatings::open_whole(&dir)?;
        let put = |rating: &Verified<Rating>| {
            fresh.put(*rating.id().as_bytes(), rating.judgement.subject.0, rating.envelope())
        };
        let mut done = Rebuilt { aside, mine: 0, kept: 0, lost: None };
        for rating in &mine {
            done.mine += u64::from(put(rating)?);
        }
        // sled makes a database of what is none: only one that opens whole is read.
        let old = done.aside.as_deref().map(SledRatings::open_whole);
        if let Some(Ok(old)) = &old {
            let mut lost = 0;
            for (number, entry) in (1..).zip(old.iter()) {
                tell("ratings read", number);
                let sound = entry.ok().and_then(|(id, envelope)| self.rating(&id, &envelope).ok());
                match sound {
                    Some(rating) => done.kept += u64::from(put(&rating)?),
                    None => lost += 1,
                }
            }
            done.lost = Some(lost);
        } else if old.is_none() {
            done.lost = Some(0);
        }
        fresh.flush()?;
        Ok(done)
    }
}

/// Whose journal an event is of, as far as it tells: the issuer of what only the owner signs.
pub fn owner(event: &Event<Record>) -> Option<AgentId> {
    Some(match event {
        Event::Posted { offer, .. } => offer.issuer(),
        Event::Awarded { side: Side::Requester, award, .. } => award.issuer(),
        Event::Claimed { claim, .. } | Event::Awarded { side: Side::Worker, claim, .. } => claim.issuer(),
        Event::Rated { rating } => rating.issuer(),
        _ => return None,
    })
}

/// Whose journal is in a data directory, by the first event that tells. Verifies nothing and changes nothing.
///
/// # Errors
/// A journal that cannot be read.
pub fn owner_of(dir: &Path) -> Result<Option<AgentId>, LogError> {
    let mut found = None;
    // Who issued a record is in its envelope, whatever network it was signed for.
    let any = Network::new("");
    Journal::read(&dir.join("journal"), |_, bytes| {
        if found.is_none() {
            found = owner(&Logged::decode(bytes, &any)?.event);
        }
        Ok(())
    })?;
    Ok(found)
}

/// For messages.
fn short(id: &[u8; 32]) -> String {
    Bytes32(*id).short()
}

#[cfg(test)]
pub(crate) mod tests;
