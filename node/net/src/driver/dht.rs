//! The DHT: what others may store with us, and the outcome of our own queries.
//!
//! Whatever a peer wants stored is judged here, in both arms: a contact by the owner's filter, and only from the agent
//! it belongs to; a room entry by its key, the peer's share, and the scope of its addresses.

use std::time::Instant;

use libp2p::PeerId;
use libp2p::kad::store::RecordStore;
use libp2p::kad::{self, GetProvidersOk, GetRecordOk, InboundRequest, ProviderRecord, QueryResult, Record};

use super::Driver;
use crate::limits;
use crate::names::{Names, agent_of};
use crate::scope::plausible;

impl Driver {
    /// How many peers our DHT table holds.
    pub(super) fn dht_peers(&mut self) -> usize {
        self.swarm.behaviour_mut().kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
    }

    /// Whether one more query fits; kad itself would take any number.
    pub(super) fn may_query(&self) -> bool {
        self.swarm.behaviour().kad.iter_queries().count() < limits::DHT_QUERIES
    }

    pub(super) fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest { request: InboundRequest::PutRecord { source, record: Some(record), .. } } => {
                let stored = self.store_contact(&source, record);
                *if stored { &mut self.stats.contacts_stored } else { &mut self.stats.contacts_refused } += 1;
            }
            kad::Event::InboundRequest { request: InboundRequest::AddProvider { record: Some(entry) } } => {
                let stored = self.store_provider(entry);
                *if stored { &mut self.stats.providers_stored } else { &mut self.stats.providers_refused } += 1;
            }
            kad::Event::RoutingUpdated { is_new_peer: true, .. } => {
                let now = Instant::now();
                self.announce(now);
                self.look_for_members(now);
            }
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => self.on_query(id, result, step.last),
            _ => {}
        }
    }

    fn on_query(&mut self, id: kad::QueryId, result: QueryResult, last: bool) {
        match result {
            QueryResult::GetProviders(outcome) => {
                if let Ok(GetProvidersOk::FoundProviders { providers, .. }) = outcome {
                    self.on_providers(id, &providers);
                }
                if last {
                    self.on_providers_done(id);
                }
            }
            QueryResult::GetRecord(outcome) => {
                if let Ok(GetRecordOk::FoundRecord(found)) = outcome {
                    self.on_contact(id, &found.record);
                }
                if last {
                    self.on_contacts_done(id);
                }
            }
            QueryResult::PutRecord(Err(error)) => {
                tracing::debug!(%error, "contact not stored by anybody");
                self.announcements.contact_failed(Instant::now());
            }
            _ => {}
        }
    }

    /// Only the agent itself may put its contact: then nobody can put back an older one that has not yet expired.
    fn store_contact(&mut self, source: &PeerId, record: Record) -> bool {
        let Some(agent) = agent_of(source) else { return false };
        record.key == Names::contact_key(&agent)
            && record.value.len() <= limits::CONTACT_BYTES
            && (self.contacts)(&agent, &record.value).is_some()
            && self.swarm.behaviour_mut().kad.store_mut().put(record).is_ok()
    }

    /// kad has made sure that the provider is the peer that sent the entry.
    fn store_provider(&mut self, mut entry: ProviderRecord) -> bool {
        let Some(remote) = self.links.get(&entry.provider).and_then(|link| link.remote()) else { return false };
        if !self.names.is_room_key(&entry.key) {
            return false;
        }
        entry.addresses = plausible(entry.provider, &entry.addresses, remote).take(limits::BOOK_ADDRESSES).collect();
        // Nobody could be sent there.
        if entry.addresses.is_empty() {
            return false;
        }
        self.claims.admit(self.swarm.behaviour_mut().kad.store_mut(), entry, Instant::now())
    }
}
