//! Rooms: following, publishing, verdicts, and finding members through the DHT.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use gigmesh_protocol::gossip::Verdict;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, PublishError, TopicHash};
use libp2p::kad::QueryId;
use libp2p::kad::store::RecordStore;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId};

use super::Driver;
use crate::backoff::Backoff;
use crate::behaviour::room_scores;
use crate::handle::{Event, GossipToken};
use crate::limits;
use crate::names::{Names, agent_of};

/// A room we follow.
pub(super) struct Room {
    name: String,
    topic: IdentTopic,
    backoff: Backoff,
    look_at: Instant,
    query: Option<QueryId>,
}

/// Records that found nobody to go to, oldest first.
#[derive(Default)]
pub(super) struct Unsent(VecDeque<(TopicHash, Vec<u8>, Instant)>);

impl Unsent {
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Driver {
    pub(super) fn follow(&mut self, name: String) {
        let Some(topic) = self.names.topic(&name) else { return };
        let hash = topic.hash();
        if self.rooms.contains_key(&hash) || self.rooms.len() >= limits::ROOMS {
            return;
        }
        let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() else { return };
        // Neither can fail: scoring is on, and the filter lets in every room of our network.
        let scored = gossip.set_topic_params(topic.clone(), room_scores());
        if let (Err(error), _) | (_, Err(error)) = (scored, gossip.subscribe(&topic).map_err(|_| "not allowed")) {
            tracing::error!(room = name, error, "room not followed");
            return;
        }
        let present: Vec<PeerId> =
            gossip.all_peers().filter(|(_, topics)| topics.contains(&&hash)).map(|(peer, _)| *peer).collect();
        let now = Instant::now();
        let backoff = Backoff::new(limits::ROOM_LOOKUP_FIRST, limits::ROOM_LOOKUP_LAST);
        self.rooms.insert(hash.clone(), Room { name, topic, backoff, look_at: now, query: None });
        self.announcements.room(hash.clone());
        self.announce(now);
        self.look_for_members(now);
        present.into_iter().for_each(|peer| self.room_member(&hash, &peer));
    }

    pub(super) fn unfollow(&mut self, name: &str) {
        let Some(topic) = self.names.topic(name) else { return };
        let Some(room) = self.rooms.remove(&topic.hash()) else { return };
        self.announcements.no_room(&topic.hash());
        let behaviour = self.swarm.behaviour_mut();
        behaviour.kad.stop_providing(&Names::room_key(&topic.hash()));
        if let Some(mut query) = room.query.and_then(|id| behaviour.kad.query_mut(&id)) {
            query.finish();
        }
        if let Some(gossip) = behaviour.gossip.as_mut() {
            gossip.unsubscribe(&topic);
        }
    }

    pub(super) fn publish(&mut self, room: &str, bytes: Vec<u8>) {
        let Some(topic) = self.names.topic(room) else { return };
        if !self.try_publish(&topic.hash(), &bytes) {
            if self.unsent.len() >= limits::UNSENT_RECORDS {
                self.unsent.0.pop_front();
                self.stats.gossip_expired += 1;
            }
            self.unsent.0.push_back((topic.hash(), bytes, Instant::now() + limits::UNSENT_TTL));
        }
    }

    /// False if the record must wait: there is nobody in the room, or everybody is too slow.
    fn try_publish(&mut self, topic: &TopicHash, bytes: &[u8]) -> bool {
        let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() else { return true };
        match gossip.publish(topic.clone(), bytes) {
            Ok(_) => self.stats.gossip_published += 1,
            Err(PublishError::Duplicate) => {}
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => return false,
            Err(error) => tracing::error!(%error, "record not published"),
        }
        true
    }

    /// Tries waiting records again; forgets those whose time is over.
    pub(super) fn retry_unsent(&mut self, now: Instant) {
        self.retry(now, |_| true);
    }

    fn retry(&mut self, now: Instant, due: impl Fn(&TopicHash) -> bool) {
        for _ in 0..self.unsent.len() {
            let Some((topic, bytes, expires)) = self.unsent.0.pop_front() else { return };
            if expires <= now {
                self.stats.gossip_expired += 1;
            } else if !due(&topic) || !self.try_publish(&topic, &bytes) {
                self.unsent.0.push_back((topic, bytes, expires));
            }
        }
    }

    pub(super) fn on_verdict(&mut self, token: &GossipToken, verdict: Verdict) {
        let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() else { return };
        let (acceptance, counter) = match verdict {
            Verdict::Accept => (MessageAcceptance::Accept, &mut self.stats.gossip_accepted),
            Verdict::Ignore => (MessageAcceptance::Ignore, &mut self.stats.gossip_ignored),
            Verdict::Reject => (MessageAcceptance::Reject, &mut self.stats.gossip_rejected),
        };
        *counter += 1;
        if !gossip.report_message_validation_result(&token.id, &token.source, acceptance) {
            self.stats.gossip_late += 1;
        }
    }

    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.stats.gossip_received += 1;
                let token = || GossipToken { id: message_id.clone(), source: propagation_source };
                if let Err(verdict) = self.hand_on(token(), message) {
                    self.on_verdict(&token(), verdict);
                }
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                self.retry(Instant::now(), |waiting| *waiting == topic);
                self.room_member(&topic, &peer_id);
            }
            gossipsub::Event::Unsubscribed { topic, .. } => {
                if let Some(room) = self.rooms.get_mut(&topic) {
                    room.backoff.reset();
                }
            }
            gossipsub::Event::GossipsubNotSupported { .. } | gossipsub::Event::SlowPeer { .. } => {}
        }
    }

    /// Hands a record to its judge, or says what becomes of it without one.
    fn hand_on(&mut self, token: GossipToken, message: gossipsub::Message) -> Result<(), Verdict> {
        let (Some(room), Some(from)) = (self.rooms.get(&message.topic), agent_of(&token.source)) else {
            return Err(Verdict::Ignore);
        };
        if message.data.len() > limits::GOSSIP_BYTES {
            return Err(Verdict::Reject);
        }
        if self.outlet.offer(Event::Gossip { token, from, room: room.name.clone(), bytes: message.data }) {
            return Ok(());
        }
        self.stats.gossip_dropped += 1;
        Err(Verdict::Ignore)
    }

    fn room_member(&mut self, topic: &TopicHash, peer: &PeerId) {
        if let (Some(room), Some(agent)) = (self.rooms.get(topic), agent_of(peer)) {
            let room = room.name.clone();
            self.tell(Event::RoomMember { room, agent });
        }
    }

    /// The rooms of ours that a peer is in, too.
    pub(super) fn rooms_with(&self, peer: &PeerId) -> Vec<String> {
        let gossip = self.swarm.behaviour().gossip.as_ref();
        let topics = gossip.into_iter().flat_map(|gossip| gossip.all_peers()).filter(|(id, _)| *id == peer);
        let mut rooms: Vec<String> = topics
            .flat_map(|(_, topics)| topics)
            .filter_map(|topic| self.rooms.get(topic).map(|room| room.name.clone()))
            .collect();
        rooms.sort_unstable();
        rooms
    }

    fn members(&self, topic: &TopicHash) -> usize {
        let gossip = self.swarm.behaviour().gossip.as_ref();
        gossip.map_or(0, |gossip| gossip.all_peers().filter(|(_, topics)| topics.contains(&topic)).count())
    }

    /// Asks the DHT for members of rooms in which we know too few.
    pub(super) fn look_for_members(&mut self, now: Instant) {
        if self.dht_peers() == 0 {
            return;
        }
        let due: Vec<TopicHash> = self
            .rooms
            .iter()
            .filter(|(_, room)| room.query.is_none() && room.look_at <= now)
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in due {
            let enough = self.members(&topic) >= limits::ROOM_MEMBERS_WANTED;
            if !enough && !self.may_query() {
                return;
            }
            let Some(room) = self.rooms.get_mut(&topic) else { continue };
            room.look_at = now + room.backoff.pause();
            if !enough {
                room.query = Some(self.swarm.behaviour_mut().kad.get_providers(Names::room_key(&topic)));
            }
        }
    }

    /// Look-ups start over: the DHT has just become reachable again.
    pub(super) fn look_again(&mut self, now: Instant) {
        for room in self.rooms.values_mut() {
            room.backoff.reset();
            room.look_at = now + room.backoff.pause();
        }
    }

    pub(super) fn on_providers(&mut self, query: QueryId, providers: &HashSet<PeerId>) {
        let Some(topic) = self.rooms.values().find(|room| room.query == Some(query)).map(|room| room.topic.hash())
        else {
            return;
        };
        let own = *self.swarm.local_peer_id();
        let strangers = providers.iter().filter(|peer| **peer != own && !self.links.contains_key(peer));
        // A set's order is random, and so is the choice among too many.
        let chosen: Vec<PeerId> = strangers.take(limits::ROOM_DIALS).copied().collect();
        for peer in chosen {
            let addresses = self.known_addresses(&peer, &topic);
            let dial = DialOpts::peer_id(peer).addresses(addresses).extend_addresses_through_behaviour().build();
            if let Err(error) = self.swarm.dial(dial) {
                tracing::debug!(%error, "room member not dialled");
            }
        }
    }

    pub(super) fn on_providers_done(&mut self, query: QueryId) {
        if let Some(room) = self.rooms.values_mut().find(|room| room.query == Some(query)) {
            room.query = None;
        }
    }

    /// Addresses from our book and from our own part of the DHT; kad adds those that its query brought.
    fn known_addresses(&mut self, peer: &PeerId, topic: &TopicHash) -> Vec<Multiaddr> {
        let mut addresses = self.book.get(peer).to_vec();
        let stored = self.swarm.behaviour_mut().kad.store_mut().providers(&Names::room_key(topic));
        addresses.extend(stored.into_iter().filter(|entry| entry.provider == *peer).flat_map(|entry| entry.addresses));
        addresses.truncate(limits::DIAL_ADDRESSES);
        addresses
    }
}
