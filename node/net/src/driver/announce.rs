//! What we tell the DHT about ourselves: the rooms we are in and our contact. Kept up until told otherwise.
//!
//! The DHT's stores are memory: a bootstrap that restarted knows nothing. So everything is told again when a door
//! opens, and every twenty minutes in any case.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use libp2p::gossipsub::TopicHash;
use libp2p::kad;

use super::Driver;
use crate::limits;
use crate::names::{Names, agent_of};

/// How long to wait after a contact was stored by nobody.
const RETRY: Duration = Duration::from_secs(5);

/// What is still to be told.
#[derive(Default)]
pub(super) struct Announcements {
    contact: Option<Vec<u8>>,
    /// When the contact is to be put; `None` when it has been.
    contact_at: Option<Instant>,
    /// Rooms whose entry is to be put.
    rooms: HashSet<TopicHash>,
    /// When everything was told last.
    told_at: Option<Instant>,
}

impl Announcements {
    pub fn room(&mut self, topic: TopicHash) {
        self.rooms.insert(topic);
    }

    pub fn no_room(&mut self, topic: &TopicHash) {
        self.rooms.remove(topic);
    }

    /// Nobody stored the contact.
    pub fn contact_failed(&mut self, now: Instant) {
        self.contact_at = Some(now + RETRY);
    }
}

impl Driver {
    pub(super) fn announce_contact(&mut self, contact: Vec<u8>) {
        let now = Instant::now();
        self.announcements.contact = Some(contact);
        self.announcements.contact_at = Some(now);
        self.announce(now);
    }

    /// A door opened: whoever is behind it may know nothing of us.
    pub(super) fn announce_again(&mut self, now: Instant) {
        if self.announcements.told_at.is_some_and(|told| now < told + limits::ANNOUNCE_PAUSE) {
            return;
        }
        self.everything_again(now);
        self.look_again(now);
        self.announce(now);
    }

    /// Our entries in the rooms say where we are.
    pub(super) fn announce_rooms_again(&mut self, now: Instant) {
        self.announcements.rooms = self.rooms.keys().cloned().collect();
        self.announce(now);
    }

    fn everything_again(&mut self, now: Instant) {
        self.announcements.told_at = Some(now);
        self.announcements.rooms = self.rooms.keys().cloned().collect();
        self.announcements.contact_at = self.announcements.contact.is_some().then_some(now);
    }

    /// Tells what is due, if there is anybody to tell.
    pub(super) fn announce(&mut self, now: Instant) {
        if self.dht_peers() == 0 {
            return;
        }
        if self.announcements.told_at.is_none_or(|told| now >= told + limits::ANNOUNCE_INTERVAL) {
            self.everything_again(now);
        }
        for topic in self.announcements.rooms.clone() {
            if !self.may_query() {
                return;
            }
            self.announcements.rooms.remove(&topic);
            if let Err(error) = self.swarm.behaviour_mut().kad.start_providing(Names::room_key(&topic)) {
                tracing::warn!(%error, "room entry not stored");
            }
        }
        let contact = self.announcements.contact_at.filter(|at| *at <= now);
        if let (Some(_), Some(contact), true) = (contact, &self.announcements.contact, self.may_query()) {
            let Some(own) = agent_of(self.swarm.local_peer_id()) else { return };
            let record = kad::Record {
                expires: Some(now + limits::DHT_TTL),
                ..kad::Record::new(Names::contact_key(&own), contact.clone())
            };
            self.announcements.contact_at = None;
            if let Err(error) = self.swarm.behaviour_mut().kad.put_record(record, kad::Quorum::One) {
                tracing::warn!(%error, "contact not stored");
            }
        }
    }
}
