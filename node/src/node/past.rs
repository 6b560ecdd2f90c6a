//! Hires that are over for so long that the brain has forgotten them: read from the archive, and asked in their turn. In: an id
//! or its beginning. Out: what the brain would have said. Bounded by what the archive gives back of one hire.

use std::path::Path;

use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::peer::Peer;
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::{Config, HireRecords, HireRow, Page, Shown};
use gigmesh_protocol::peer::query::{Hires, RatingsOfHire, Records, Show};
use gigmesh_protocol::record::{Network, Record, Signer};
use gigmesh_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::store::journal::Archive;
use crate::store::traits::LogError;

/// The archive of a node's journal.
#[derive(Debug, Clone)]
pub(super) struct Past {
    archive: Archive,
    network: Network,
}

impl Past {
    pub fn of(journal: &Path, network: &str) -> Self {
        Self { archive: Archive::of(journal), network: Network::new(network) }
    }

    /// Everything about the one archived hire or offer whose id begins so.
    pub fn show(&self, prefix: &str) -> Result<Option<Shown>, LogError> {
        let recalled = self.recall(prefix)?;
        Ok(recalled.and_then(|(peer, _)| peer.query(Timestamp(0), Show(prefix.to_owned())).ok()))
    }

    /// The records of the one archived hire whose id begins so, without its ratings; and a query for these, which live on.
    pub fn records(&self, prefix: &str) -> Result<Option<(HireRecords, Option<RatingsOfHire>)>, LogError> {
        let Some((peer, ratings)) = self.recall(prefix)? else { return Ok(None) };
        Ok(peer.query(Timestamp(0), Records(prefix.to_owned())).ok().map(|records| (records, ratings)))
    }

    /// A peer that knows nothing but the one archived hire or offer whose id begins so, and what that is about.
    fn recall(&self, prefix: &str) -> Result<Option<(Peer, Option<RatingsOfHire>)>, LogError> {
        let ids = self.archive.ids(&prefix.to_ascii_lowercase(), &self.network)?;
        if ids.len() != 1 {
            return Ok(None);
        }
        // And what else that is about: the offer of a hire, the hires of an offer.
        let mut all = ids.clone();
        for event in self.archive.events(&ids, &self.network)? {
            if let Ok(logged) = Logged::decode(&event, &self.network) {
                all.extend(logged.event.filed().ids);
            }
        }
        let events = self.archive.events(&all, &self.network)?;
        let mut hires: Vec<RatingsOfHire> = Vec::new();
        for event in &events {
            let logged = Logged::decode(event, &self.network);
            if let Ok(Logged { event: Event::Awarded { award: Record::Award(award), .. }, .. }) = logged {
                let (hire, requester, worker) = (award.id(), award.issuer(), award.worker);
                hires.push(RatingsOfHire { hire, requester, worker });
            }
        }
        let asked = hires.iter().find(|of| ids.contains(&of.hire.untyped())).or(hires.first()).copied();
        Ok(Some((self.peer(events)?, asked)))
    }

    /// A page of the archived hires, and where to go on.
    pub fn rows(&self, after: Option<Bytes32>, limit: usize) -> Result<Option<Page<HireRow>>, LogError> {
        let Some(mut ids) = self.archive.hires(after, limit.saturating_add(1), &self.network)? else { return Ok(None) };
        let more = ids.len() > limit;
        ids.truncate(limit);
        let events = self.archive.events(&ids.iter().copied().collect(), &self.network)?;
        let Page { rows, .. } = self.peer(events)?.query(Timestamp(0), Hires::default());
        // In the order of the archive, of which the cursor is a place.
        let row = |id: &Bytes32| rows.iter().find(|row| row.id() == *id).cloned();
        let next = ids.last().copied().filter(|_| more);
        Ok(Some(Page { rows: ids.iter().filter_map(row).collect(), next }))
    }

    fn peer(&self, events: Vec<Vec<u8>>) -> Result<Peer, LogError> {
        let readable = events.into_iter().filter(|event| Logged::decode(event, &self.network).is_ok());
        let rng = Box::new(ChaCha20Rng::from_seed([0; 32]));
        // It is only asked, so the key may be anybody's.
        let signer = Signer::new(&[0; 32], self.network);
        let replayed = Peer::replay(Config::default(), signer, rng, readable, []);
        replayed.map(|(peer, _)| peer).map_err(|error| LogError::Archive(error.to_string()))
    }
}
