//! Where bytes become records, before the brain: each is verified once, and not again when it comes again.
//!
//! In: envelopes from gossip and catch-up pages. Out: records, on whatever thread asks. An envelope is remembered only
//! after it verified and was taken, so that nothing can shadow it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use gigmesh_protocol::id::{Bytes32, sha256};
use gigmesh_protocol::record::{Network, Record, Refusal};
use gigmesh_protocol::wire::Item;

use crate::limits::{SEEN, SEEN_FOR};

/// The edge of one node.
#[derive(Debug)]
pub(crate) struct Edge {
    network: Network,
    /// The network's name: files that leave this node say it.
    pub name: String,
    seen: Mutex<Seen>,
}

impl Edge {
    pub fn new(name: &str) -> Self {
        Self { network: Network::new(name), name: name.to_owned(), seen: Mutex::default() }
    }

    /// Admits a record sent to us: nothing in a parcel comes twice but by mistake, so nothing is remembered.
    pub fn admit(&self, item: &Item) -> Result<Record, Refusal> {
        Record::admit(&item.record, item.beside.as_deref(), &self.network)
    }

    /// Admits a record without a private part that was asked for.
    pub fn admit_bare(&self, envelope: &[u8]) -> Result<Record, Refusal> {
        Record::admit(envelope, None, &self.network)
    }

    /// Admits a record that many may bring. `Ok(None)`: it was here a moment ago. Once it is with the brain,
    /// [`Edge::remember`] the hash.
    pub fn admit_once(&self, envelope: &[u8]) -> Result<Option<(Record, Bytes32)>, Refusal> {
        let hash = sha256(&[envelope]);
        if self.with_seen(|seen| seen.contains(&hash)) {
            return Ok(None);
        }
        Record::admit(envelope, None, &self.network).map(|record| Some((record, hash)))
    }

    pub fn remember(&self, hash: Bytes32) {
        self.with_seen(|seen| seen.insert(hash, Instant::now()));
    }

    fn with_seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        // A cache: at worst something is verified twice.
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Hashes with their age, oldest first.
#[derive(Debug, Default)]
struct Seen {
    hashes: HashSet<Bytes32>,
    order: VecDeque<(Instant, Bytes32)>,
}

impl Seen {
    fn contains(&self, hash: &Bytes32) -> bool {
        self.hashes.contains(hash)
    }

    fn insert(&mut self, hash: Bytes32, now: Instant) {
        while let Some((at, oldest)) = self.order.front() {
            if self.order.len() < SEEN && now.duration_since(*at) < SEEN_FOR {
                break;
            }
            self.hashes.remove(oldest);
            self.order.pop_front();
        }
        if self.hashes.insert(hash) {
            self.order.push_back((now, hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: usize) -> Bytes32 {
        sha256(&[&n.to_le_bytes()])
    }

    #[test]
    fn the_seen_set_is_bounded_in_number_and_time() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        for n in 0..SEEN + 10 {
            seen.insert(hash(n), start);
        }
        assert_eq!((seen.hashes.len(), seen.order.len()), (SEEN, SEEN));
        assert!(!seen.contains(&hash(9)) && seen.contains(&hash(10)), "the oldest go");
        seen.insert(hash(0), start + SEEN_FOR);
        assert_eq!((seen.hashes.len(), seen.order.len()), (1, 1), "the old go");
    }

    #[test]
    fn bytes_that_do_not_verify_are_never_remembered() {
        let edge = Edge::new("test");
        for _ in 0..2 {
            assert!(edge.admit_once(b"not an envelope").is_err());
        }
    }
}
