//! The front door: a handle that turns calls into commands for the event loop, and the words both speak.
//!
//! In: calls from any thread. Out: commands on a bounded channel. A full channel is told to the caller, who knows
//! what can wait; nothing queues without bound and nothing blocks, except where `async` says so.

use std::time::Duration;

use gigmesh_protocol::gossip::Verdict;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::untrusted::Untrusted;
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use tokio::sync::{mpsc, oneshot, watch};

use crate::codec::Ration;
use crate::config::{Config, StartError};
use crate::limits::{CONTACT_BYTES, EXCHANGE_BYTES, GOSSIP_BYTES};
use crate::names::Names;

/// What happened. Records and requests are bytes: the owner of the receiver knows what they mean.
#[derive(Debug)]
pub enum Event {
    /// The first connection to an agent is up. Its node spoke libp2p and holds the agent's key; no more is known.
    LinkUp {
        /// Who.
        agent: AgentId,
        /// Where we see it.
        addr: String,
    },
    /// The last connection to an agent is gone.
    LinkDown {
        /// Who.
        agent: AgentId,
    },
    /// A record in a room. It is forwarded if and when [`Net::verdict`] accepts it, within about five seconds.
    Gossip {
        /// Names the record in the verdict.
        token: GossipToken,
        /// Who passed it on; not who wrote it.
        from: AgentId,
        /// The room.
        room: String,
        /// The record, 16 KiB at most.
        bytes: Vec<u8>,
    },
    /// A question that wants an answer within ten seconds.
    Request {
        /// Takes the answer.
        token: ResponseToken,
        /// Who asks.
        from: AgentId,
        /// The question, 512 KiB at most.
        bytes: Vec<u8>,
    },
    /// Our usable addresses changed.
    Listening {
        /// All of them, widest scope first, each with our `/p2p/` at its end.
        addrs: Vec<String>,
    },
    /// A connected agent is in a room that we follow: time to catch up with it.
    RoomMember {
        /// The room.
        room: String,
        /// The member.
        agent: AgentId,
    },
}

/// Names a gossiped record until its verdict. Dropped without one, the record goes no further.
#[derive(Debug)]
pub struct GossipToken {
    pub(crate) id: MessageId,
    pub(crate) source: PeerId,
}

/// Takes the answer to a request. Dropped without one, the asker is told that there will be none.
#[derive(Debug)]
pub struct ResponseToken {
    pub(crate) answer: oneshot::Sender<Vec<u8>>,
    /// The request's share of memory, given back with the answer.
    pub(crate) _ration: Option<Ration>,
}

/// How bad an agent's conduct was. Numbers are this crate's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// May be an accident; fifty in ten minutes are not.
    Low,
    /// Ten of these end the link.
    Mid,
    /// Three of these end the link.
    High,
    /// Cannot be an accident: the link ends now and the agent is refused for an hour.
    Fatal,
}

/// A connected agent.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// Who.
    pub agent: AgentId,
    /// Where its connections end, one address each.
    pub addresses: Vec<String>,
    /// Over what: `tcp`, `quic` or `relay`, one for each connection.
    pub transports: Vec<&'static str>,
    /// Whether we opened the first connection.
    pub outbound: bool,
    /// The last round trip time measured.
    pub rtt: Option<Duration>,
    /// What its program calls itself: bounded, printable, and nobody's promise.
    pub agent_version: Untrusted,
    /// Rooms that both follow.
    pub rooms: Vec<String>,
    /// gossipsub's score, our penalties included. Below -80 the agent is not heard.
    pub score: f64,
    /// How long the link has been up.
    pub connected_for: Duration,
}

/// A bootstrap node that we were told of. While it is not reached it is dialled again, with pauses of up to a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Where it should be, each with its `/p2p/` at the end.
    pub addresses: Vec<String>,
    /// Whether there is a link, and it is of our network.
    pub open: bool,
    /// Whether there has been one since start. A link that carries nothing is let go; that is no failure.
    pub reached: bool,
    /// How often in a row it was not reached.
    pub failures: u32,
    /// Why, the last time.
    pub error: Option<String>,
}

/// From where we can be dialled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// No peer is known yet, or no bootstrap node has said.
    #[default]
    Unknown,
    /// From this machine or network, where all our peers are.
    Local,
    /// From everywhere: a bootstrap node has dialled us.
    Public,
    /// Not by our peers, as bootstrap nodes found out or our addresses show: through relays, if at all.
    BehindNat,
}

/// Counters since start, and gauges of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// How the bootstrap nodes fare that we were told of, now.
    pub doors: Vec<Door>,
    /// From where we can be dialled, now.
    pub reach: Reach,
    /// Bootstrap nodes through which we can be reached, now.
    pub relays: u64,
    /// Where they are.
    pub relayed_by: Vec<String>,
    /// Attempts to make a relayed connection a direct one that came to it.
    pub punched: u64,
    /// Those that did not: the connection stayed relayed.
    pub punches_failed: u64,
    /// Dials that a bootstrap made for those who asked whether they can be dialled.
    pub probes_made: u64,
    /// Such requests that got no answer, because there were too many.
    pub probes_refused: u64,
    /// Whether we look for peers on the LAN, and are seen there, now.
    pub mdns: bool,
    /// Connected agents, now.
    pub links: u64,
    /// Connections, now; two to one agent count twice.
    pub connections: u64,
    /// Connections refused by a limit or a ban, on either side of the handshake.
    pub connections_refused: u64,
    /// Handshakes from outside that came to nothing: broken off, or not finished in time.
    pub handshakes_failed: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// Agents in our DHT table, now. Zero means that nobody can be found: an alarm.
    pub dht_peers: u64,
    /// Whether we serve the DHT, now.
    pub dht_server: bool,
    /// Contacts stored for others.
    pub contacts_stored: u64,
    /// Contacts that others wanted stored and we refused.
    pub contacts_refused: u64,
    /// Room entries stored for others.
    pub providers_stored: u64,
    /// Room entries that others wanted stored and we refused.
    pub providers_refused: u64,
    /// Records received in rooms.
    pub gossip_received: u64,
    /// Records accepted.
    pub gossip_accepted: u64,
    /// Records ignored, those dropped included.
    pub gossip_ignored: u64,
    /// Records rejected.
    pub gossip_rejected: u64,
    /// Records ignored because the event channel was full.
    pub gossip_dropped: u64,
    /// Verdicts that came after gossipsub had forgotten the record.
    pub gossip_late: u64,
    /// Records of ours that left for at least one peer.
    pub gossip_published: u64,
    /// Records of ours that wait for a peer in their room, now.
    pub gossip_unsent: u64,
    /// Records of ours that found nobody in time.
    pub gossip_expired: u64,
    /// Requests received.
    pub requests_in: u64,
    /// Requests refused because the event channel was full.
    pub requests_refused: u64,
    /// Requests that had not come whole when their time was over.
    pub requests_stalled: u64,
    /// Requests refused before they had come whole: malformed, cut short, or too many of one agent or of all.
    pub requests_broken: u64,
    /// Requests received that got no answer out, for whatever reason.
    pub requests_unanswered: u64,
    /// Requests sent.
    pub requests_out: u64,
    /// Requests sent that failed.
    pub requests_failed: u64,
    /// Events about links and rooms that found no place in the channel. The owner of the receiver is far behind.
    pub events_lost: u64,
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Hints, known addresses and the DHT led nowhere.
    #[error("the agent cannot be reached")]
    Unreachable,
    /// No answer within ten seconds. The request may have been received.
    #[error("the agent did not answer in time")]
    Timeout,
    /// The agent's node declined to answer, or the connection broke. The request may have been received.
    #[error("the agent gave no answer")]
    NoAnswer,
    /// The agent's node does not take requests.
    #[error("the agent's node does not take requests")]
    Unsupported,
    /// The request or its answer is larger than 512 KiB.
    #[error("the request or its answer is larger than {EXCHANGE_BYTES} bytes")]
    TooLarge,
    /// A request that must not go over a relay, and there is no other way.
    #[error("the agent is reached through a relay only, which carries nothing this large")]
    Relayed,
    /// Too many requests of ours are under way, in all or to this agent.
    #[error("too many requests are under way")]
    Busy,
    /// The node is shutting down.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The room's name does not fit.
    #[error("a room's name is 1 to 128 printable ASCII characters without spaces")]
    Room,
    /// The record or answer is too large.
    #[error("{bytes} bytes are more than the {limit} allowed")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// The event loop is behind. Try again.
    #[error("the network is overloaded")]
    Busy,
    /// The node is shutting down, or, for an answer, nobody waits for it any more.
    #[error("the node has stopped")]
    Stopped,
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Question {
    pub bytes: Vec<u8>,
    /// Not over a relay.
    pub direct: bool,
    pub answer: Answer,
}

/// What the handle asks of the event loop.
#[derive(Debug)]
pub(crate) enum Command {
    Follow(String),
    Unfollow(String),
    Publish { room: String, bytes: Vec<u8> },
    Verdict(GossipToken, Verdict),
    Request { to: AgentId, hints: Vec<String>, question: Question },
    Announce(Vec<u8>),
    Penalize(AgentId, Severity),
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    Stats(oneshot::Sender<Stats>),
    Shutdown(oneshot::Sender<()>),
}

/// Where the outcome of a request goes.
pub(crate) type Answer = oneshot::Sender<Result<Vec<u8>, RequestError>>;

/// A running node. Cheap to clone; the node stops when the last clone is gone or one is told to shut down.
#[derive(Debug, Clone)]
pub struct Net {
    pub(crate) agent: AgentId,
    pub(crate) names: Names,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) addresses: watch::Receiver<Vec<String>>,
}

impl Net {
    /// Starts a node on the current tokio runtime. When this returns, it is listening.
    ///
    /// Events must be drained: gossip and requests that find the channel full are dropped and counted.
    pub async fn start(config: Config) -> Result<(Self, mpsc::Receiver<Event>), StartError> {
        crate::driver::start(config).await
    }

    /// Whose node this is.
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// Where peers can reach us as far as we know, widest scope first, each with our `/p2p/` at its end.
    pub fn listen_addrs(&self) -> Vec<String> {
        self.addresses.borrow().clone()
    }

    /// Joins a room: hears its gossip, is found in it, and connects to some of its members.
    pub fn follow(&self, room: &str) -> Result<(), CommandError> {
        self.command(Command::Follow(self.room(room)?))
    }

    /// Leaves a room.
    pub fn unfollow(&self, room: &str) -> Result<(), CommandError> {
        self.command(Command::Unfollow(self.room(room)?))
    }

    /// Gossips a record of 16 KiB at most. If nobody is in the room yet, it waits for somebody, for two minutes.
    pub fn publish(&self, room: &str, bytes: Vec<u8>) -> Result<(), CommandError> {
        fits(&bytes, GOSSIP_BYTES)?;
        self.command(Command::Publish { room: self.room(room)?, bytes })
    }

    /// Decides what becomes of a gossiped record.
    pub fn verdict(&self, token: GossipToken, verdict: Verdict) -> Result<(), CommandError> {
        self.command(Command::Verdict(token, verdict))
    }

    /// Asks an agent. Dials it if need be: at `hints`, where it was seen before, or where its contact in the DHT says.
    ///
    /// The agent may receive the request even if this fails: requests must be idempotent.
    pub async fn request(&self, to: AgentId, hints: Vec<String>, bytes: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        self.exchange(to, hints, bytes, false).await
    }

    /// The same, but never over a relay: for parts of what is larger than [`RELAYED_BLOB_BYTES`](crate::limits::RELAYED_BLOB_BYTES).
    ///
    /// # Errors
    /// [`RequestError::Relayed`], besides.
    pub async fn request_direct(
        &self,
        to: AgentId,
        hints: Vec<String>,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, RequestError> {
        self.exchange(to, hints, bytes, true).await
    }

    async fn exchange(
        &self,
        to: AgentId,
        hints: Vec<String>,
        bytes: Vec<u8>,
        direct: bool,
    ) -> Result<Vec<u8>, RequestError> {
        if bytes.len() > EXCHANGE_BYTES {
            return Err(RequestError::TooLarge);
        }
        let (answer, outcome) = oneshot::channel();
        let command = Command::Request { to, hints, question: Question { bytes, direct, answer } };
        self.commands.send(command).await.map_err(|_| RequestError::Stopped)?;
        outcome.await.unwrap_or(Err(RequestError::Stopped))
    }

    /// Answers a request; the answer wakes the connection that waits for it, past the event loop.
    pub fn respond(&self, token: ResponseToken, bytes: Vec<u8>) -> Result<(), CommandError> {
        fits(&bytes, EXCHANGE_BYTES)?;
        token.answer.send(bytes).map_err(|_| CommandError::Stopped)
    }

    /// Puts our contact record into the DHT, under our id, and keeps it there until the next one replaces it.
    pub fn announce(&self, contact: Vec<u8>) -> Result<(), CommandError> {
        fits(&contact, CONTACT_BYTES)?;
        self.command(Command::Announce(contact))
    }

    /// Connected agents. Empty if the node has stopped.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        self.ask(Command::Peers).await.unwrap_or_default()
    }

    /// Counters and gauges. All zero if the node has stopped.
    pub async fn stats(&self) -> Stats {
        self.ask(Command::Stats).await.unwrap_or_default()
    }

    /// Counts misconduct against an agent. Enough of it, or [`Severity::Fatal`], ends the link for an hour.
    pub fn penalize(&self, who: AgentId, severity: Severity) -> Result<(), CommandError> {
        self.command(Command::Penalize(who, severity))
    }

    /// Closes every connection and stops. Returns when done, other clones notwithstanding.
    pub async fn shutdown(self) {
        self.ask(Command::Shutdown).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    fn command(&self, command: Command) -> Result<(), CommandError> {
        self.commands.try_send(command).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Stopped,
        })
    }

    fn room(&self, room: &str) -> Result<String, CommandError> {
        self.names.topic(room).map(|_| room.to_owned()).ok_or(CommandError::Room)
    }
}

fn fits(bytes: &[u8], limit: usize) -> Result<(), CommandError> {
    if bytes.len() > limit { Err(CommandError::TooLarge { bytes: bytes.len(), limit }) } else { Ok(()) }
}
