//! Names on the wire: agents as libp2p peers, networks as protocol names, rooms as topics and DHT keys.
//!
//! In: our ids and names. Out: libp2p's. Two networks must never share a protocol name, a topic or a key.

use gigmesh_protocol::id::AgentId;
use libp2p::gossipsub::{IdentTopic, TopicHash};
use libp2p::multihash::Multihash;
use libp2p::{PeerId, StreamProtocol, kad};

use crate::limits::{NETWORK_NAME_BYTES, ROOM_NAME_BYTES};

/// A protobuf `PublicKey` of type ed25519 up to its 32 key bytes. A peer id is the identity hash of the whole.
const ED25519_PREFIX: [u8; 4] = [0x08, 0x01, 0x12, 0x20];
const IDENTITY_HASH: u64 = 0;

/// The peer with this agent's key. Bytes that are no curve point make a peer that nobody can be.
pub fn peer_of(agent: &AgentId) -> PeerId {
    let mut key = [0; 36];
    key[..4].copy_from_slice(&ED25519_PREFIX);
    key[4..].copy_from_slice(&agent.0);
    let hash = Multihash::wrap(IDENTITY_HASH, &key).expect("36 bytes fit into the 64 of a multihash");
    PeerId::from_multihash(hash).expect("an identity hash of up to 42 bytes is a peer id")
}

/// The agent behind a peer; none if its key is not ed25519.
pub fn agent_of(peer: &PeerId) -> Option<AgentId> {
    let hash: &Multihash<64> = peer.as_ref();
    let key = hash.digest().strip_prefix(&ED25519_PREFIX)?;
    (hash.code() == IDENTITY_HASH).then_some(AgentId(key.try_into().ok()?))
}

/// The names of one network's protocols, topics and keys.
#[derive(Debug, Clone)]
pub struct Names {
    network: String,
    room_prefix: String,
}

const ROOM_SUFFIX: &str = "/1";

impl Names {
    /// Names of the network `network`; none if the name does not fit into protocol names.
    pub fn new(network: &str) -> Option<Self> {
        let fits = (1..=NETWORK_NAME_BYTES).contains(&network.len())
            && network.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        fits.then(|| Self { network: network.to_owned(), room_prefix: format!("gigmesh/{network}/room/") })
    }

    fn protocol(&self, what: &str) -> StreamProtocol {
        StreamProtocol::try_from_owned(format!("/gigmesh/{}/{what}/1", self.network))
            .expect("a protocol name starts with a slash, and this one does")
    }

    /// The DHT's protocol. Its own, so that tables of different networks cannot merge.
    pub fn kad(&self) -> StreamProtocol {
        self.protocol("kad")
    }

    /// The protocol of requests and answers.
    pub fn exchange(&self) -> StreamProtocol {
        self.protocol("exchange")
    }

    /// What identify says we speak; a peer that says otherwise is in another network.
    pub fn identify(&self) -> String {
        format!("/gigmesh/{}/1", self.network)
    }

    /// The topic of a room; none if the room's name cannot be one.
    pub fn topic(&self, room: &str) -> Option<IdentTopic> {
        is_room(room).then(|| IdentTopic::new(format!("{}{room}{ROOM_SUFFIX}", self.room_prefix)))
    }

    /// The room of a topic of this network.
    pub fn room<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(&self.room_prefix)?.strip_suffix(ROOM_SUFFIX).filter(|room| is_room(room))
    }

    /// The DHT key under which members of a room are found: its topic.
    pub fn room_key(topic: &TopicHash) -> kad::RecordKey {
        kad::RecordKey::new(&topic.as_str())
    }

    /// Whether this DHT key is a room's of this network.
    pub fn is_room_key(&self, key: &kad::RecordKey) -> bool {
        std::str::from_utf8(key.as_ref()).is_ok_and(|text| self.room(text).is_some())
    }

    /// The DHT key of an agent's contact.
    pub fn contact_key(agent: &AgentId) -> kad::RecordKey {
        kad::RecordKey::new(&agent.0)
    }
}

fn is_room(room: &str) -> bool {
    (1..=ROOM_NAME_BYTES).contains(&room.len()) && room.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    #[test]
    fn an_agent_and_its_peer_are_the_same_key() {
        let keys = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let agent = AgentId(keys.public().try_into_ed25519().unwrap().to_bytes());
        assert_eq!(peer_of(&agent), keys.public().to_peer_id());
        assert_eq!(agent_of(&keys.public().to_peer_id()), Some(agent));
        assert_eq!(agent_of(&PeerId::random()), None);
    }

    #[test]
    fn rooms_of_another_network_are_not_ours() {
        let (a, b) = (Names::new("a").unwrap(), Names::new("a.b").unwrap());
        let topic = a.topic("table/summarise").unwrap();
        assert_eq!(topic.to_string(), "gigmesh/a/room/table/summarise/1");
        assert_eq!(a.room(&topic.to_string()), Some("table/summarise"));
        assert_eq!(b.room(&topic.to_string()), None);
        assert!(a.is_room_key(&Names::room_key(&topic.hash())));
        assert!(a.topic("").is_none() && a.topic("a b").is_none() && a.topic(&"x".repeat(129)).is_none());
        assert!(Names::new("").is_none() && Names::new("a/b").is_none());
    }
}
