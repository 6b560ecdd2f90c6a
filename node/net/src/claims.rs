//! Our part of the DHT's room lists: who may be listed in how many rooms, and who is no longer there.
//!
//! In: entries that peers want stored. Out: kad's store, and whether it took them. kad's own bounds count keys and
//! providers of a key, so one peer could fill every key; here each peer has a share. kad forgets the dead only when it
//! is asked for them; here they make room.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use libp2p::PeerId;
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::kad::{ProviderRecord, RecordKey};

use crate::limits::ROOMS;

/// See the module.
#[derive(Debug, Default)]
pub struct Claims {
    of: HashMap<PeerId, HashSet<RecordKey>>,
}

impl Claims {
    /// Stores an entry, if its provider has not used up its share and the room has a place. Renewals always pass.
    pub fn admit(&mut self, store: &mut MemoryStore, entry: ProviderRecord, now: Instant) -> bool {
        let (peer, key) = (entry.provider, entry.key.clone());
        let keys = self.of.get(&peer);
        if keys.is_some_and(|keys| keys.len() >= ROOMS && !keys.contains(&key)) {
            return false;
        }
        sweep(store, &key, now);
        // A full room is no error to kad: it keeps the old entries and drops the new one.
        let listed = store.add_provider(entry).is_ok() && store.providers(&key).iter().any(|p| p.provider == peer);
        if listed {
            self.of.entry(peer).or_default().insert(key);
        }
        listed
    }

    /// Removes what has expired, contacts included. Call it now and then.
    pub fn prune(&mut self, store: &mut MemoryStore, now: Instant) {
        store.retain(|_, record| !record.is_expired(now));
        let keys: HashSet<RecordKey> = self.of.drain().flat_map(|(_, keys)| keys).collect();
        for key in keys {
            for peer in sweep(store, &key, now) {
                self.of.entry(peer).or_default().insert(key.clone());
            }
        }
    }
}

/// Removes the expired providers of `key`; returns the others.
fn sweep(store: &mut MemoryStore, key: &RecordKey, now: Instant) -> Vec<PeerId> {
    let (dead, live): (Vec<_>, Vec<_>) = store.providers(key).into_iter().partition(|p| p.is_expired(now));
    dead.iter().for_each(|p| store.remove_provider(key, &p.provider));
    live.into_iter().map(|p| p.provider).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PROVIDERS_PER_ROOM;
    use std::time::Duration;

    fn entry(room: usize, provider: PeerId, expires: Instant) -> ProviderRecord {
        let mut entry = ProviderRecord::new(RecordKey::new(&room.to_string()), provider, vec![]);
        entry.expires = Some(expires);
        entry
    }

    #[test]
    fn one_peer_cannot_fill_every_room() {
        let (mut claims, mut store) = (Claims::default(), MemoryStore::new(PeerId::random()));
        let (peer, now) = (PeerId::random(), Instant::now());
        let later = now + Duration::from_secs(60);
        assert!((0..ROOMS).all(|room| claims.admit(&mut store, entry(room, peer, later), now)));
        assert!(!claims.admit(&mut store, entry(ROOMS, peer, later), now));
        assert!(claims.admit(&mut store, entry(0, peer, later), now), "a renewal");
        assert!(claims.admit(&mut store, entry(ROOMS, PeerId::random(), later), now), "another peer");
    }

    #[test]
    fn the_dead_make_room_in_a_full_list() {
        let (mut claims, mut store) = (Claims::default(), MemoryStore::new(PeerId::random()));
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        for _ in 0..PROVIDERS_PER_ROOM {
            assert!(claims.admit(&mut store, entry(1, PeerId::random(), later), now));
        }
        assert!(!claims.admit(&mut store, entry(1, PeerId::random(), later), now));
        assert!(claims.admit(&mut store, entry(1, PeerId::random(), later + Duration::from_secs(60)), later));
        claims.prune(&mut store, later);
        assert_eq!(claims.of.len(), 1);
    }
}
