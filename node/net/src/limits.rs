//! Every bound of this crate, each with its reason. What is not bounded here is bounded by one of these.

use std::time::Duration;

/// Largest gossiped record. libp2p's receiver compares its whole read buffer, which may already hold 8 KiB of the
/// next frame, with the transmit size below; a payload near that size would be lost together with its stream.
pub const GOSSIP_BYTES: usize = 16 * 1024;
/// Largest gossip frame: several records and control messages.
pub const GOSSIP_FRAME_BYTES: usize = 64 * 1024;
/// Largest request and largest answer: one 256 KiB blob chunk, its proof and envelope, with room to spare.
pub const EXCHANGE_BYTES: usize = 512 * 1024;
/// Memory that unanswered inbound requests may hold together, whoever sent them.
pub const INBOUND_REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// The share of one peer in it: it takes eight that conspire, with bytes that they really send, to use it up.
pub const PEER_REQUEST_BYTES: usize = INBOUND_REQUEST_BYTES / 8;
/// For a request to come whole; the rest of the exchange's time is for the answer. The largest passes at 1 Mbit/s.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The whole exchange, the answering side's work included. Answers are given at once; outcomes come later.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Our own requests under way to one agent; the caller is told `Busy` beyond. So an agent that has more on their way to
/// us, not yet come whole, is none of ours, and is refused.
pub const REQUESTS_PER_AGENT: usize = 64;
/// Exchanges under way on one connection, both ways; beyond this libp2p drops streams, which the limit above avoids.
pub const EXCHANGES_PER_CONNECTION: usize = 2 * REQUESTS_PER_AGENT;
/// Our own requests under way, waiting for a dial included: the caller is told `Busy` beyond.
pub const REQUESTS: usize = 512;
/// Agents being looked for at once; each may cost a DHT query and a few dials.
pub const SEARCHES: usize = 64;
/// Finding an agent: hints, known addresses and the DHT together.
pub const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses dialled for one agent in one attempt. A contact has at most 4; hints, memory and the DHT may differ.
pub const DIAL_ADDRESSES: usize = 12;

/// QUIC flow control: what a peer may send ahead on a stream; the largest exchange fits twice.
pub const QUIC_STREAM_BYTES: u32 = 1024 * 1024;
/// The same of a connection.
pub const QUIC_CONNECTION_BYTES: u32 = 4 * 1024 * 1024;

/// Commands waiting for the event loop. A full channel means the loop is overloaded: callers get `Busy`.
pub const COMMANDS: usize = 1024;
/// Events waiting for the owner of the receiver, who is told `LinkUp` and `RoomMember` through it, too.
pub const EVENTS: usize = 1024;
/// Places in the event channel that gossip and requests may not take, so that links are still reported under load.
pub const EVENTS_RESERVED: usize = 256;

/// Bootstrap nodes at which one that cannot be reached itself keeps a place: one may restart. A contact has four addresses.
pub const RELAYS: usize = 2;
/// Places that a bootstrap keeps: an idle link each, of which it has room for eight times as many.
pub const RELAY_RESERVATIONS: usize = 1024;
/// Circuits through a bootstrap at once: with the two below, 1.8 MB/s at most.
pub const RELAY_CIRCUITS: usize = 512;
/// Circuits that one peer opens.
pub const RELAY_CIRCUITS_PER_PEER: usize = 16;
/// How long a circuit lasts. A hire's messages take moments; libp2p's two minutes would end many a claim half way.
pub const RELAY_CIRCUIT_TIME: Duration = Duration::from_secs(10 * 60);
/// Bytes through a circuit, each way: a blob of [`RELAYED_BLOB_BYTES`] with its proofs, in the midst of gossip.
pub const RELAY_CIRCUIT_BYTES: u64 = 2 * 1024 * 1024;
/// The largest blob that may be asked for over a relay: others pay for the way.
pub const RELAYED_BLOB_BYTES: u64 = 1024 * 1024;
/// A place that was refused or lost is asked for again after this, doubled up to the last, with jitter.
pub const RELAY_RETRY_FIRST: Duration = Duration::from_secs(1);
/// See [`RELAY_RETRY_FIRST`].
pub const RELAY_RETRY_LAST: Duration = Duration::from_secs(5 * 60);

/// Addresses of ours that doors are asked to dial: four IPs, TCP and QUIC.
pub const PROBE_CANDIDATES: usize = 8;
/// The pause between two probes of a round: each dial has ended, mostly, when the next begins, and so has its connection.
pub const PROBE_PULSE: Duration = Duration::from_millis(500);
/// Probes in a round: each address, and once more if a door did not answer.
pub const PROBES_PER_ROUND: usize = 2 * PROBE_CANDIDATES;
/// The shortest pause between rounds, however often our addresses change.
pub const PROBE_PAUSE: Duration = Duration::from_secs(5);
/// The pause between rounds while some address is confirmed. A probe of an address that the door does not see us at costs
/// 30 to 100 KB, which the protocol has us send so that nobody uses a door to flood others.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// The same while none is: whoever opens a port can also start the node anew.
pub const PROBE_INTERVAL_REFUSED: Duration = Duration::from_secs(60 * 60);
/// A confirmed address that a door could not dial is tried again after this; it takes two failures to drop it.
pub const PROBE_AGAIN: Duration = Duration::from_secs(30);
/// An address that no door has confirmed for this long is dropped: three rounds without an answer.
pub const PROBE_EXPIRY: Duration = Duration::from_secs(50 * 60);
/// How long a node with a global address waits for the doors' word before it takes a place at a relay.
pub const PROBE_GRACE: Duration = Duration::from_secs(10);
/// Dials under way that a bootstrap makes for those who ask: a quarter of its dials.
pub const PROBE_DIALS: usize = 32;
/// Probes that those of one IP may ask for in a [`PROBE_WINDOW`]: an office of some nodes that start at once.
pub const PROBES_PER_SOURCE: u32 = 32;
/// See [`PROBES_PER_SOURCE`].
pub const PROBE_WINDOW: Duration = Duration::from_secs(60);
/// IPs whose probes are counted.
pub const PROBE_SOURCES: usize = 4096;
/// Addresses that a peer behind a relay may have us dial at once: more are not its own.
pub const PUNCH_ADDRESSES: usize = 8;
/// Attempts at direct connections after which what libp2p remembers of them is let go: some 100 bytes each.
pub const PUNCHES: usize = 256;

/// Bytes of a network's name; it becomes part of protocol names.
pub const NETWORK_NAME_BYTES: usize = 64;
/// Bytes of a room's name; it becomes part of topic names, of which each peer makes us remember some.
pub const ROOM_NAME_BYTES: usize = 128;
/// Rooms followed by us, and rooms of one peer that we remember.
pub const ROOMS: usize = 64;
/// Records waiting for the first subscriber of their room.
pub const UNSENT_RECORDS: usize = 256;
/// How long they wait. Senders renew what must live longer.
pub const UNSENT_TTL: Duration = Duration::from_secs(120);

/// Records in our part of the DHT: a contact each, 8 MiB at most.
pub const DHT_RECORDS: usize = 8 * 1024;
/// Largest contact record: signed, four addresses; small, since kad's packets hold 16 KiB.
pub const CONTACT_BYTES: usize = 1024;
/// Room keys in our part of the DHT.
pub const DHT_ROOMS: usize = 4 * 1024;
/// Providers kept of one room: entry points, not a list of members. What kad answers with, too.
pub const PROVIDERS_PER_ROOM: usize = 20;
/// Contacts and room providers live this long without renewal: nobody dead stays listed.
pub const DHT_TTL: Duration = Duration::from_secs(60 * 60);
/// We renew ours this often: three chances before they lapse.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(20 * 60);
/// After a bootstrap node came back empty we renew at once, but not more often than this.
pub const ANNOUNCE_PAUSE: Duration = Duration::from_secs(5);
/// DHT queries of ours under way: kad itself has no back-pressure.
pub const DHT_QUERIES: usize = 32;

/// Connected members of a room that make looking for more pointless: gossipsub's mesh is six wide.
pub const ROOM_MEMBERS_WANTED: usize = 6;
/// Providers dialled after one look-up. How many are returned is the answerer's choice, not ours.
pub const ROOM_DIALS: usize = 4;
/// The first repeat of a look-up. Provider records arrive about half a second after kad says they did.
pub const ROOM_LOOKUP_FIRST: Duration = Duration::from_millis(700);
/// The pause between look-ups of a room doubles up to this.
pub const ROOM_LOOKUP_LAST: Duration = Duration::from_secs(5 * 60);
/// Redialling bootstrap nodes: the first pause, doubled up to the last, each with jitter, so that thousands of nodes
/// do not come back to a restarted bootstrap in one second.
pub const REDIAL_FIRST: Duration = Duration::from_millis(500);
/// See [`REDIAL_FIRST`].
pub const REDIAL_LAST: Duration = Duration::from_secs(60);

/// Peers found by mDNS that we dial: the others on the LAN are found through them. A quarter of a node's dials, so that
/// a crowded or hostile LAN leaves room for the rest of the network.
pub const LAN_DOORS: usize = 32;
/// Addresses that mDNS may remember: a LAN of a thousand nodes, a few addresses each. It looks through all of them for
/// each that it hears.
pub const LAN_ADDRESSES: usize = 4096;

/// Connections a peer may have with us, and as many through relays: two, because simultaneous dials legitimately make two,
/// and a limit of one makes both ends close both; and two by which a door tries whether we can be dialled, over TCP and QUIC.
pub const CONNECTIONS_PER_PEER: u32 = 4;
/// A connection from its first packet to a link, in either direction. Half of libp2p's, as QUIC's own is: seconds of
/// round trips pass, and silent sockets do not hold the places of newcomers for long.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer of another network stays linked: long enough for both to have said who they are.
pub const STRANGER: Duration = Duration::from_secs(1);
/// How often a peer is pinged, and for how long it may be silent. A NAT that forgot us, or a new address, breaks
/// connections without a word; a hire waits until we know.
pub const PING_INTERVAL: Duration = Duration::from_secs(10);
/// See [`PING_INTERVAL`]. Seconds of lost packets pass.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// A node closes links that carry nothing (gossip keeps those of its mesh).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A bootstrap waits longer, so that idle links are closed by the node's own choice, and the node can tell a
/// bootstrap that went away from a link that was let go.
pub const IDLE_TIMEOUT_BOOTSTRAP: Duration = Duration::from_secs(150);

/// Addresses of agents we are not connected to that we remember.
pub const BOOK_AGENTS: usize = 2048;
/// Addresses remembered of one agent.
pub const BOOK_ADDRESSES: usize = 8;
/// Characters of a peer's self-description that we keep.
pub const AGENT_VERSION_CHARS: usize = 64;
/// Agents whose misbehaviour we remember.
pub const PENALISED_AGENTS: usize = 1024;
/// Half of a penalty is forgiven after this.
pub const PENALTY_HALF_LIFE: Duration = Duration::from_secs(10 * 60);
/// A ban ends: addresses and keys change hands, and mistakes happen.
pub const BAN: Duration = Duration::from_secs(60 * 60);
/// Time for closing frames to leave on shutdown.
pub const FAREWELL: Duration = Duration::from_millis(500);
/// Time for listeners to report their addresses at start.
pub const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections a node of this kind accepts and opens, and how much memory it may use.
#[derive(Debug, Clone)]
pub struct Capacity {
    /// Handshakes under way from outside; a quarter of them from one address.
    pub pending_in: u32,
    /// Dials under way: also the bound on concurrent dials.
    pub pending_out: u32,
    /// Established from outside; below `total`, so that an attacker cannot own every link of ours.
    pub inbound: u32,
    /// Established by us.
    pub outbound: u32,
    /// Established altogether.
    pub total: u32,
    /// Resident memory of the process above which connections are refused.
    pub memory_bytes: usize,
}

impl Capacity {
    /// For an agent's node: a mesh of a few rooms and direct business.
    pub const NODE: Self = Self {
        pending_in: 64,
        pending_out: 32,
        inbound: 160,
        outbound: 128,
        total: 256,
        memory_bytes: 1024 * 1024 * 1024,
    };
    /// For a bootstrap: thousands of peers at 46 KB (TCP) to 90 KB (QUIC) an idle connection, measured.
    pub const BOOTSTRAP: Self = Self {
        pending_in: 512,
        pending_out: 128,
        inbound: 8_000,
        outbound: 512,
        total: 8_192,
        memory_bytes: 2 * 1024 * 1024 * 1024,
    };
}
