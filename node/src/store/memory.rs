//! The stores without a disk, for a trial and for tests: same rules, same errors, gone at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::traits::{Log, LogError, Ratings, RatingsError, StoredRating};
use crate::limits::{MAX_EVENT, MAX_RATING};

/// A log in memory. `events()` is what would survive a crash now.
#[derive(Debug, Default)]
pub struct MemoryLog {
    events: Vec<Vec<u8>>,
    committed: usize,
}

impl MemoryLog {
    /// The committed events, the first having sequence number 1.
    pub fn events(&self) -> &[Vec<u8>] {
        &self.events[..self.committed]
    }
}

impl Log for MemoryLog {
    fn append(&mut self, event: &[u8]) -> Result<u64, LogError> {
        if event.is_empty() || event.len() > MAX_EVENT {
            return Err(LogError::EventSize(event.len()));
        }
        self.events.push(event.to_owned());
        Ok(self.events.len() as u64)
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.committed = self.events.len();
        Ok(())
    }
}

/// Ratings in memory.
#[derive(Debug, Default)]
pub struct MemoryRatings(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    envelopes: BTreeMap<[u8; 32], Vec<u8>>,
    subjects: BTreeSet<([u8; 32], [u8; 32])>,
}

impl MemoryRatings {
    // Each change is a whole one, so a panic elsewhere leaves nothing half done.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ratings for MemoryRatings {
    fn put(&self, id: [u8; 32], subject: [u8; 32], envelope: &[u8]) -> Result<bool, RatingsError> {
        if envelope.len() > MAX_RATING {
            return Err(RatingsError::Size(envelope.len()));
        }
        let mut held = self.held();
        if held.envelopes.contains_key(&id) {
            return Ok(false);
        }
        held.envelopes.insert(id, envelope.to_owned());
        held.subjects.insert((subject, id));
        Ok(true)
    }

    fn remove(&self, id: [u8; 32], subject: [u8; 32]) -> Result<bool, RatingsError> {
        let mut held = self.held();
        held.subjects.remove(&(subject, id));
        Ok(held.envelopes.remove(&id).is_some())
    }

    fn flush(&self) -> Result<(), RatingsError> {
        Ok(())
    }

    fn get(&self, id: [u8; 32]) -> Result<Option<Vec<u8>>, RatingsError> {
        Ok(self.held().envelopes.get(&id).cloned())
    }

    fn by_subject(&self, subject: [u8; 32], limit: usize) -> Result<Vec<StoredRating>, RatingsError> {
        let held = self.held();
        let ids = held.subjects.range((subject, [0; 32])..=(subject, [255; 32])).take(limit);
        Ok(ids.filter_map(|(_, id)| Some((*id, held.envelopes.get(id)?.clone()))).collect())
    }

    fn count(&self) -> u64 {
        self.held().envelopes.len() as u64
    }

    fn iter(&self) -> Box<dyn Iterator<Item = Result<StoredRating, RatingsError>> + '_> {
        let all = self.held().envelopes.clone();
        Box::new(all.into_iter().map(Ok))
    }
}
