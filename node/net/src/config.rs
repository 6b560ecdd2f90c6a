//! What a node is told at start, and the check that it makes sense. Nothing here touches the network or the disk.

use std::fmt;
use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use gigmesh_protocol::id::AgentId;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::limits::Capacity;
use crate::names::Names;
use crate::scope::{Scope, scope_of};

/// Is this DHT record a valid, live contact of that agent, and which addresses does it give? `None`: it is not.
///
/// Called on the event loop for every contact that is stored or found, so it must be quick: one signature check.
pub type ContactFilter = Arc<dyn Fn(&AgentId, &[u8]) -> Option<Vec<String>> + Send + Sync>;

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An agent's node: rooms, requests, a part in the DHT where it can be reached.
    Node,
    /// A door into the network: always a DHT server, no rooms, no requests.
    Bootstrap,
}

/// What [`Net::start`](crate::Net::start) needs to know.
#[derive(Clone)]
pub struct Config {
    /// The ed25519 seed. Never printed.
    pub secret: [u8; 32],
    /// The market network: letters, digits, `-`, `_` and `.`. Networks of different names do not hear each other.
    pub network: String,
    /// Where to listen, as multiaddresses: `/ip4/0.0.0.0/tcp/0`, `/ip4/127.0.0.1/udp/0/quic-v1`.
    pub listen: Vec<String>,
    /// Doors into the network, as multiaddresses that end in `/p2p/` and the peer's id.
    pub bootstrap: Vec<String>,
    /// Whether to look for peers on the LAN and to be seen there, by mDNS. Of no use, and so not done, when we listen on
    /// loopback alone.
    pub mdns: bool,
    /// Whether to be reached through bootstrap nodes in any case. A node that they cannot dial is so without being told.
    pub relay: bool,
    /// What the node is for.
    pub role: Role,
    /// Judges contacts, ours and those of others.
    pub contacts: ContactFilter,
    /// Connections and memory.
    pub capacity: Capacity,
    /// Pause between gossipsub's heartbeats. A second; tests may be less patient.
    pub heartbeat: Duration,
}

impl Config {
    /// A configuration that listens nowhere and knows nobody.
    pub fn new(role: Role, network: impl Into<String>, secret: [u8; 32], contacts: ContactFilter) -> Self {
        Self {
            secret,
            network: network.into(),
            listen: Vec::new(),
            bootstrap: Vec::new(),
            mdns: false,
            relay: false,
            role,
            contacts,
            capacity: match role {
                Role::Node => Capacity::NODE,
                Role::Bootstrap => Capacity::BOOTSTRAP,
            },
            heartbeat: Duration::from_secs(1),
        }
    }

    /// Whether a start would fail for a reason that can be known before: the configuration, and ports that are taken.
    /// For callers that write nothing to disk until they know.
    pub fn probe(&self) -> Result<(), StartError> {
        self.check()?.listen.iter().try_for_each(probe)
    }

    pub(crate) fn check(&self) -> Result<Checked, StartError> {
        let names = Names::new(&self.network).ok_or_else(|| StartError::Network(self.network.clone()))?;
        let address = |text: &String| text.parse::<Multiaddr>().map_err(|_| StartError::Address(text.clone()));
        let listen: Vec<_> = self.listen.iter().map(address).collect::<Result<_, _>>()?;
        let mut doors: Vec<(PeerId, Vec<Multiaddr>)> = Vec::new();
        for text in &self.bootstrap {
            let mut address = address(text)?;
            let Some(Protocol::P2p(peer)) = address.pop() else { return Err(StartError::NoPeer(text.clone())) };
            if !matches!(address.iter().next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_))) {
                return Err(StartError::NotIp(text.clone()));
            }
            match doors.iter_mut().find(|(known, _)| *known == peer) {
                Some((_, addresses)) => addresses.push(address),
                None => doors.push((peer, vec![address])),
            }
        }
        let keys = Keypair::ed25519_from_bytes(self.secret).expect("any 32 bytes are an ed25519 seed");
        // Our own address in a shared list of doors is no mistake.
        doors.retain(|(peer, _)| *peer != keys.public().to_peer_id());
        let lan = self.mdns && listen.iter().any(|address| scope_of(address) != Some(Scope::Loopback));
        Ok(Checked { keys, names, listen, doors, lan })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("network", &self.network)
            .field("mdns", &self.mdns)
            .field("relay", &self.relay)
            .field("role", &self.role)
            .field("listen", &self.listen)
            .field("bootstrap", &self.bootstrap)
            .finish_non_exhaustive()
    }
}

/// libp2p listens with SO_REUSEPORT, and so would share a taken port with another gigmesh of the same user without a
/// word; and of a taken UDP port it forgets what kind of error that was. A plain bind finds out.
///
/// What we do not listen on at all is found out here, too: a caller who has probed writes to its disk next.
pub(crate) fn probe(address: &Multiaddr) -> Result<(), StartError> {
    let unsupported = || Err(StartError::Unsupported(address.to_string()));
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return unsupported(),
    };
    let bound = match (parts.next(), parts.next(), parts.next()) {
        (Some(Protocol::Tcp(port)), None, None) => TcpListener::bind((ip, port)).map(drop),
        (Some(Protocol::Udp(port)), Some(Protocol::QuicV1), None) => UdpSocket::bind((ip, port)).map(drop),
        _ => return unsupported(),
    };
    bound.map_err(|source| StartError::listen(address, source))
}

/// A configuration that parsed.
pub(crate) struct Checked {
    pub keys: Keypair,
    pub names: Names,
    pub listen: Vec<Multiaddr>,
    pub doors: Vec<(PeerId, Vec<Multiaddr>)>,
    /// Whether mDNS is wanted and of use.
    pub lan: bool,
}

/// Why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The network's name.
    #[error("network name {0:?} must be 1 to 64 letters, digits, '-', '_' or '.'")]
    Network(String),
    /// An address that does not parse.
    #[error("{0:?} is not a multiaddress; write for example \"/ip4/0.0.0.0/tcp/4001\"")]
    Address(String),
    /// A bootstrap address that does not say who must answer there.
    #[error("bootstrap address {0:?} must end in /p2p/ and the peer id that the bootstrap node prints at its start")]
    NoPeer(String),
    /// A bootstrap address by name.
    #[error("bootstrap address {0:?} must begin with /ip4/ or /ip6/: names are not resolved")]
    NotIp(String),
    /// Somebody else listens there.
    #[error("{0} is already in use; stop the process that listens there or choose another port (0 takes a free one)")]
    InUse(String),
    /// The address is of a kind that we do not speak.
    #[error("cannot listen on {0}: use /tcp/PORT or /udp/PORT/quic-v1 on an IP address")]
    Unsupported(String),
    /// The system said no.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Something the libraries refuse.
    #[error("cannot set up the network: {0}")]
    Setup(String),
}

impl StartError {
    pub(crate) fn listen(address: &Multiaddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address.to_string()),
            _ => Self::Listen { address: address.to_string(), source },
        }
    }
}
