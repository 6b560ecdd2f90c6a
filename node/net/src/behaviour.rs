//! The protocols of a node and their settings. No state of ours and no decisions: those are in the driver.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::allow_block_list::BlockedPeers;
use libp2p::gossipsub::{self, TopicHash};
use libp2p::identity::Keypair;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, allow_block_list, identify, kad, memory_connection_limits, ping, relay};
use sha2::{Digest, Sha256};

use crate::callers::Callers;
use crate::config::{Config, Role, StartError};
use crate::connections::Connections;
use crate::exchange::Exchange;
use crate::lan::Lan;
use crate::limits;
use crate::names::Names;
use crate::reach::client::Client;
use crate::reach::punch::Punch;
use crate::reach::server::Server;

/// gossipsub with our filter of subscriptions.
pub type Gossip =
    gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::MaxCountSubscriptionFilter<RoomsOfOurNetwork>>;

/// Every protocol of a node. Those that refuse connections come first, so that no other sets anything up for them.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    /// How many connections, in total and from one peer.
    pub connections: Connections,
    /// How many handshakes from one address.
    pub callers: Callers,
    /// No new connections above a bound of resident memory.
    pub memory: memory_connection_limits::Behaviour,
    /// Agents we want nothing to do with, for a while.
    pub banned: allow_block_list::Behaviour<BlockedPeers>,
    /// Who a peer is, what it speaks, where it says it listens.
    pub identify: identify::Behaviour,
    /// Round trip times, and links that died without a word.
    pub ping: ping::Behaviour,
    /// Entry points of rooms, and contacts of agents.
    pub kad: kad::Behaviour<MemoryStore>,
    /// The way for those who cannot be reached themselves; of a bootstrap.
    pub relay: Toggle<relay::Behaviour>,
    /// That way, from where we stand. Made with the transport.
    pub relayed: Toggle<relay::client::Behaviour>,
    /// Off that way again, where NATs let it; a bootstrap needs none.
    pub punch: Toggle<Punch>,
    /// Whether we can be dialled; a bootstrap can, or is of no use.
    pub probe: Toggle<Client>,
    /// Dials those who ask whether they can be; of a bootstrap.
    pub prober: Toggle<Server>,
    /// Peers on the LAN, if wanted.
    pub lan: Toggle<Lan>,
    /// Rooms; a bootstrap has none.
    pub gossip: Toggle<Gossip>,
    /// Requests and answers; a bootstrap has none.
    pub exchange: Toggle<Exchange>,
}

impl Behaviour {
    /// The protocols as `config` wants them.
    pub fn new(
        config: &Config,
        keys: &Keypair,
        names: &Names,
        doors: HashSet<PeerId>,
        lan: bool,
    ) -> Result<Self, StartError> {
        let has_rooms = config.role == Role::Node;
        Ok(Self {
            connections: Connections::new(config.capacity.clone()),
            callers: Callers::new(config.capacity.pending_in),
            memory: memory_connection_limits::Behaviour::with_max_bytes(config.capacity.memory_bytes),
            banned: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(
                identify::Config::new(names.identify(), keys.public())
                    .with_agent_version(concat!("gigmesh/", env!("CARGO_PKG_VERSION")).to_owned())
                    .with_push_listen_addr_updates(true)
                    // Its cache would hand unfiltered addresses to every dial; our book keeps filtered ones.
                    .with_cache_size(0),
            ),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(limits::PING_INTERVAL).with_timeout(limits::PING_TIMEOUT),
            ),
            kad: kad(config.role, keys, names),
            relay: (config.role == Role::Bootstrap).then(|| relay(keys)).into(),
            relayed: None.into(),
            punch: has_rooms.then(|| Punch::new(keys.public().to_peer_id())).into(),
            probe: has_rooms.then(|| Client::new(doors)).into(),
            prober: (config.role == Role::Bootstrap).then(Server::default).into(),
            lan: lan.then(|| mdns(keys)).flatten().into(),
            gossip: has_rooms.then(|| gossip(config, names)).transpose()?.into(),
            exchange: has_rooms.then(|| Exchange::new(names.exchange())).into(),
        })
    }
}

fn kad(role: Role, keys: &Keypair, names: &Names) -> kad::Behaviour<MemoryStore> {
    let peer = keys.public().to_peer_id();
    let store = MemoryStoreConfig {
        max_records: limits::DHT_RECORDS,
        max_value_bytes: limits::CONTACT_BYTES + 1, // kad's bound excludes itself
        max_provided_keys: limits::DHT_ROOMS,
        max_providers_per_key: limits::PROVIDERS_PER_ROOM,
    };
    let mut config = kad::Config::new(names.kad());
    config
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_record_ttl(Some(limits::DHT_TTL))
        .set_provider_record_ttl(Some(limits::DHT_TTL))
        // Owners renew what is theirs, signed anew (driver/announce); copies by others would only keep the dead listed.
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_caching(kad::Caching::Disabled)
        .set_query_timeout(Duration::from_secs(20));
    let mut kad = kad::Behaviour::with_config(peer, MemoryStore::with_config(peer, store), config);
    // A node serves when it can be reached: see `Driver::update_reach`.
    kad.set_mode(Some(if role == Role::Bootstrap { kad::Mode::Server } else { kad::Mode::Client }));
    kad
}

fn relay(keys: &Keypair) -> relay::Behaviour {
    let peer_circuits = NonZeroU32::new(60).expect("60 is not 0");
    let ip_circuits = NonZeroU32::new(240).expect("240 is not 0");
    let config = relay::Config {
        max_reservations: limits::RELAY_RESERVATIONS,
        max_reservations_per_peer: 1,
        max_circuits: limits::RELAY_CIRCUITS,
        max_circuits_per_peer: limits::RELAY_CIRCUITS_PER_PEER,
        max_circuit_duration: limits::RELAY_CIRCUIT_TIME,
        max_circuit_bytes: limits::RELAY_CIRCUIT_BYTES,
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    }
    // A token comes back in each interval: idle links are let go and made again, and many homes share one address.
    .circuit_src_per_peer(peer_circuits, Duration::from_secs(10))
    .circuit_src_per_ip(ip_circuits, Duration::from_secs(2));
    let mut relay = relay::Behaviour::new(keys.public().to_peer_id(), config);
    relay.set_status(Some(relay::Status::Enable));
    relay
}

/// A system that does not let us watch its interfaces, or has none, is no reason not to start.
fn mdns(keys: &Keypair) -> Option<Lan> {
    let started = Lan::new(keys.public().to_peer_id());
    started.inspect_err(|error| tracing::warn!(%error, "mDNS does not start: peers on the LAN are not looked for")).ok()
}

fn gossip(config: &Config, names: &Names) -> Result<Gossip, StartError> {
    let settings = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(config.heartbeat)
        .heartbeat_initial_delay(Duration::ZERO)
        .max_transmit_size(limits::GOSSIP_FRAME_BYTES)
        // Nothing is forwarded before the owner's verdict.
        .validate_messages()
        // Records are signed themselves; the hash of the whole is the id, so that relayed copies are one message and
        // a badly signed copy cannot shadow the good one.
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::from(Sha256::digest(&message.data).to_vec()))
        .build()
        .map_err(|e| StartError::Setup(e.to_string()))?;
    let filter = gossipsub::MaxCountSubscriptionFilter {
        filter: RoomsOfOurNetwork(names.clone()),
        max_subscribed_topics: limits::ROOMS,
        max_subscriptions_per_request: limits::ROOMS * 2,
    };
    let mut gossip = Gossip::new_with_subscription_filter(gossipsub::MessageAuthenticity::Anonymous, settings, filter)
        .map_err(|e| StartError::Setup(e.to_owned()))?;
    gossip.with_peer_score(scores(), thresholds()).map_err(StartError::Setup)?;
    Ok(gossip)
}

/// Lets peers subscribe to any room of our network, not only to those we follow: gossipsub hears of a subscription
/// once, and would never learn that a peer is in a room which we enter later. The count bounds what that costs.
#[derive(Clone)]
pub struct RoomsOfOurNetwork(Names);

impl gossipsub::TopicSubscriptionFilter for RoomsOfOurNetwork {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        self.0.room(topic.as_str()).is_some()
    }
}

/// Below these a peer gets no gossip (-20), none of our own records (-50), is not heard (-80).
fn thresholds() -> gossipsub::PeerScoreThresholds {
    gossipsub::PeerScoreThresholds {
        gossip_threshold: -20.0,
        publish_threshold: -50.0,
        graylist_threshold: -80.0,
        ..Default::default()
    }
}

/// What counts against a peer whatever the room: our own penalties as they are (P5), many peers on one address (P6),
/// broken promises of gossipsub itself (P7).
fn scores() -> gossipsub::PeerScoreParams {
    gossipsub::PeerScoreParams {
        topic_score_cap: 20.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: -5.0,
        ip_colocation_factor_threshold: 10.0,
        ip_colocation_factor_whitelist: [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].into(),
        behaviour_penalty_weight: -5.0,
        behaviour_penalty_threshold: 4.0,
        behaviour_penalty_decay: gossipsub::score_parameter_decay(limits::PENALTY_HALF_LIFE),
        ..Default::default()
    }
}

/// What counts in a room: a little for staying (P1) and for being first (P2); four invalid records in ten minutes
/// silence a peer (P4). Rooms may be quiet for hours, so nothing is expected of anybody (P3 and its failures are off).
pub fn room_scores() -> gossipsub::TopicScoreParams {
    gossipsub::TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 500.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: gossipsub::score_parameter_decay(Duration::from_secs(600)),
        first_message_deliveries_cap: 50.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -6.0,
        invalid_message_deliveries_decay: gossipsub::score_parameter_decay(Duration::from_secs(600)),
        ..Default::default()
    }
}
