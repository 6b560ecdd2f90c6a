//! Addresses of agents we have met, so that a dropped link can be made again without asking the DHT.
//!
//! In: addresses that passed the scope filter, and dials that failed. Out: addresses to dial. Bounded: the agent not
//! heard of for longest makes room.

use std::collections::HashMap;
use std::time::Instant;

use libp2p::{Multiaddr, PeerId};

use crate::limits::{BOOK_ADDRESSES, BOOK_AGENTS};

/// See the module.
#[derive(Debug, Default)]
pub struct Book {
    entries: HashMap<PeerId, (Instant, Vec<Multiaddr>)>,
}

impl Book {
    /// Replaces what is known of `peer`; the newest word counts.
    pub fn put(&mut self, peer: PeerId, addresses: impl Iterator<Item = Multiaddr>, now: Instant) {
        let addresses: Vec<_> = addresses.take(BOOK_ADDRESSES).collect();
        if addresses.is_empty() {
            return;
        }
        if self.entries.len() >= BOOK_AGENTS && !self.entries.contains_key(&peer) {
            let oldest = self.entries.iter().min_by_key(|(_, (seen, _))| *seen).map(|(peer, _)| *peer);
            oldest.and_then(|peer| self.entries.remove(&peer));
        }
        self.entries.insert(peer, (now, addresses));
    }

    /// Addresses to try.
    pub fn get(&self, peer: &PeerId) -> &[Multiaddr] {
        self.entries.get(peer).map_or(&[], |(_, addresses)| addresses)
    }

    /// A dial to this address failed.
    pub fn failed(&mut self, peer: &PeerId, address: &Multiaddr) {
        if let Some((_, addresses)) = self.entries.get_mut(peer) {
            addresses.retain(|known| known != address);
            if addresses.is_empty() {
                self.entries.remove(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_agent_not_heard_of_for_longest_makes_room() {
        let (mut book, now) = (Book::default(), Instant::now());
        let address: Multiaddr = "/ip4/8.8.8.8/tcp/1".parse().unwrap();
        let peers: Vec<PeerId> = (0..=BOOK_AGENTS).map(|_| PeerId::random()).collect();
        for (n, peer) in peers.iter().enumerate() {
            book.put(*peer, std::iter::repeat_n(address.clone(), 99), now + Duration::from_millis(n as u64));
        }
        assert_eq!(book.entries.len(), BOOK_AGENTS);
        assert!(book.get(&peers[0]).is_empty());
        assert_eq!(book.get(&peers[1]).len(), BOOK_ADDRESSES);
        book.failed(&peers[1], &address);
        assert!(book.get(&peers[1]).is_empty());
    }
}
