//! One kind of soft record: which is held under a key, and which leaves first when there is no place.
//!
//! What is held depends on the records alone, not on the order in which they came (as long as none had to leave).

use std::collections::BTreeMap;

use super::Insert;
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::{Contact, Manifest, Offer};
use crate::record::{Payload, Verified};
use crate::time::Timestamp;

/// A record that stands for a while and is replaced by newer ones of its key.
pub(super) trait Soft: Payload {
    fn at(&self) -> Timestamp;
    fn seq(&self) -> u64;
    fn expires(&self) -> Timestamp;
    /// Which of its issuer's records it is; all zeros for kinds of which an issuer has one.
    fn which(&self) -> Bytes32 {
        ONLY
    }
}

const ONLY: Bytes32 = Bytes32([0; 32]);
const LAST: Bytes32 = Bytes32([255; 32]);

macro_rules! soft {
    ($kind:ident $(, which: $which:ident)?) => {
        impl Soft for $kind {
            fn at(&self) -> Timestamp {
                self.at
            }
            fn seq(&self) -> u64 {
                self.seq
            }
            fn expires(&self) -> Timestamp {
                self.expires
            }
            $(fn which(&self) -> Bytes32 {
                self.$which
            })?
        }
    };
}
soft!(Manifest);
soft!(Contact);
soft!(Offer, which: nonce);

#[derive(Debug)]
pub(super) struct Shelf<T: Payload> {
    max: usize,
    max_per_issuer: usize,
    held: BTreeMap<(AgentId, Bytes32), Verified<T>>,
    /// The same records, the first to leave first.
    leaving: BTreeMap<(Timestamp, Id<T>), Verified<T>>,
}

fn place<T: Soft>(record: &Verified<T>) -> (Timestamp, Id<T>) {
    (record.expires(), record.id())
}

impl<T: Soft> Shelf<T> {
    pub fn new(max: usize, max_per_issuer: usize) -> Self {
        Self { max, max_per_issuer, held: BTreeMap::new(), leaving: BTreeMap::new() }
    }

    /// Takes `record` in and returns the one that had to go for it: superseded, or the next to expire.
    pub fn insert(&mut self, now: Timestamp, record: &Verified<T>) -> Result<Option<Verified<T>>, Insert> {
        if record.expires() <= now || record.at() > now + limits::AHEAD {
            return Err(Insert::Stale);
        }
        let key = (record.issuer(), record.which());
        let gone = match self.held.get(&key) {
            Some(held) if record.seq() > held.seq() => Some(held),
            Some(held) if record.seq() == held.seq() && record.id() < held.id() => Some(held),
            Some(_) => return Err(Insert::Stale),
            None => match self.next_to_go(record.issuer()) {
                Some(next) if place(record) < place(next) => return Err(Insert::Full),
                next => next,
            },
        };
        let gone = gone.cloned();
        if let Some(gone) = &gone {
            self.remove(gone);
        }
        self.held.insert(key, record.clone());
        self.leaving.insert(place(record), record.clone());
        Ok(gone)
    }

    /// Who goes if `issuer` gets one place more: its own first to expire once it has its share, else the first of all.
    fn next_to_go(&self, issuer: AgentId) -> Option<&Verified<T>> {
        let own = || self.held.range((issuer, ONLY)..=(issuer, LAST)).map(|(_, record)| record);
        if own().count() >= self.max_per_issuer {
            own().min_by_key(|record| place(record))
        } else if self.held.len() >= self.max {
            self.leaving.values().next()
        } else {
            None
        }
    }

    fn remove(&mut self, record: &Verified<T>) {
        self.held.remove(&(record.issuer(), record.which()));
        self.leaving.remove(&place(record));
    }

    /// Removes one record that has expired by `now`, if there is one.
    pub fn pop_expired(&mut self, now: Timestamp) -> Option<Verified<T>> {
        let gone = self.leaving.values().next().filter(|record| record.expires() <= now)?.clone();
        self.remove(&gone);
        Some(gone)
    }

    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.leaving.keys().next().map(|(expires, _)| *expires)
    }

    /// The record of a kind of which an issuer has one.
    pub fn get(&self, issuer: &AgentId) -> Option<&Verified<T>> {
        self.held.get(&(*issuer, ONLY))
    }

    /// What is live at `now`, by expiry, then id.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &Verified<T>> {
        self.leaving.values().skip_while(move |record| record.expires() <= now)
    }

    /// Whether anything of this issuer is held.
    pub fn has(&self, issuer: &AgentId) -> bool {
        self.held.range((*issuer, ONLY)..=(*issuer, LAST)).next().is_some()
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }
}
