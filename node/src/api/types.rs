//! The bodies of requests and answers that are not the protocol's own types. Both ends use these.

use std::path::PathBuf;

use gigmesh_net::PeerInfo;
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::ledger::Direction;
use gigmesh_protocol::market::Offer;
pub use gigmesh_protocol::peer::io::LedgerPage;
use gigmesh_protocol::peer::io::{Notice, OrderToken, ReputationView, SeedRow, Status};
use gigmesh_protocol::reputation::Aspect;
use gigmesh_protocol::reputation::explain::Explained;
use gigmesh_protocol::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::SHORT_ID;
use crate::node::Transfer;

/// An id or its beginning, as part of a path: nothing else may be in it.
///
/// # Errors
/// What an id looks like.
pub fn id_prefix(text: &str) -> Result<String, String> {
    if (SHORT_ID..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("an id is 64 hexadecimal digits, or at least its first {SHORT_ID}"))
    }
}

/// Who this node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The agent.
    pub agent: AgentId,
    /// The market network it is part of.
    pub network: String,
    /// The program's version.
    pub version: String,
    /// Addresses that others reach it at.
    pub listen: Vec<String>,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
}

/// Numbers for the operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Connected agents.
    pub peers: usize,
    /// The bootstrap nodes that this node was told of.
    pub bootstrap: Vec<Bootstrap>,
    /// Whether it looks for peers on the LAN, and is seen there.
    pub mdns: bool,
    /// From where others can dial it.
    pub reach: Reach,
    /// The bootstrap nodes through which others come to it.
    pub relays: Vec<String>,
    /// What the operator should look after, in words.
    pub warnings: Vec<String>,
    /// What the market looks like from here.
    #[serde(flatten)]
    pub market: Status,
}

/// From where a node can be dialled. Not the network layer's type: clients of the API do not depend on libp2p.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// No bootstrap node has said yet.
    Unknown,
    /// From this machine or network, where all its peers are.
    Local,
    /// From everywhere, as a bootstrap node found out.
    Public,
    /// Not at all: through relays, if there are any.
    BehindNat,
}

impl From<gigmesh_net::Reach> for Reach {
    fn from(reach: gigmesh_net::Reach) -> Self {
        match reach {
            gigmesh_net::Reach::Unknown => Self::Unknown,
            gigmesh_net::Reach::Local => Self::Local,
            gigmesh_net::Reach::Public => Self::Public,
            gigmesh_net::Reach::BehindNat => Self::BehindNat,
        }
    }
}

/// How a bootstrap node fares. While it does not answer it is dialled again, with pauses of up to a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Where it should be.
    pub addresses: Vec<String>,
    /// Whether there is a link to it.
    pub connected: bool,
    /// Whether there has been one since the node was started. A link that carries nothing is let go, which is no failure.
    pub reached: bool,
    /// How often in a row it was not reached.
    pub failures: u32,
    /// Why, the last time.
    pub error: Option<String>,
}

impl From<gigmesh_net::Door> for Bootstrap {
    fn from(door: gigmesh_net::Door) -> Self {
        let gigmesh_net::Door { addresses, open, reached, failures, error } = door;
        Self { addresses, connected: open, reached, failures, error }
    }
}

/// Whether the node can take part in the market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

/// A search of the directory, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindParams {
    /// Agents at, below or above this skill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// What their properties must say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#where: Option<String>,
    /// The highest price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A list, or a page of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// The `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Bytes32>,
}

impl<T> From<Vec<T>> for Rows<T> {
    /// All there is.
    fn from(rows: Vec<T>) -> Self {
        Self { rows, next: None }
    }
}

/// Of the store for inputs and results, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Taken.
    pub used: u64,
    /// What may be taken.
    pub quota: u64,
    /// What fits in now: the disk may have less than the quota leaves.
    pub room: u64,
}

/// What happens, one document each in the stream of `GET /v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// In the market.
    Market(Notice),
    /// At the node.
    Node(NodeEvent),
    /// Something that this version of the program does not know.
    Unknown(Value),
}

/// What happens at the node itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum NodeEvent {
    /// Events are left out: the reader was slower than the node.
    Missed {
        /// How many.
        count: u64,
    },
    /// The system's clock was set while the node ran, or is right again.
    Clock {
        /// What is wrong with it, if it is.
        trouble: Option<String>,
    },
    /// A blob on its way has moved.
    Transfer(Transfer),
}

impl From<Value> for Event {
    fn from(event: Value) -> Self {
        serde_json::from_value(event.clone()).unwrap_or(Self::Unknown(event))
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageParams {
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many rows at most; never more than 200 a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Of hires: after those the node has in memory those in its archive, the last that was archived first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// A task to be posted: on the market, or to one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HireRequest {
    /// The task. Its inputs are in the node's store already (`POST /v1/blobs`).
    pub task: Task,
    /// The one worker, for a direct hire: its id or a unique beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Your own name for this order, up to 64 bytes. With it the request may be repeated, say when no answer came: the
    /// task is posted once, and each repetition is answered with the same offer. Remembered for 90 days, the newest
    /// 100,000; with another task the token is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<OrderToken>,
}

/// A task is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Under this id.
    pub offer: Id<Offer>,
    /// Whether it had been, by an earlier request with the same token.
    #[serde(default)]
    pub before: bool,
}

/// A posting or hire is to be stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRequest {
    /// Why; the other side reads it.
    #[serde(default)]
    pub reason: String,
}

/// A delivery under review is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeRequest {
    /// How.
    pub ruling: Judged,
    /// For the other side.
    #[serde(default)]
    pub note: String,
    /// With [`Judged::Changes`]: how long the worker has from now, like `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// A person rates: each score from 0 to 1, at least one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRequest {
    /// Share of what was asked for that was right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// The whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<f64>,
    /// In time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Answered and closed as agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communication: Option<f64>,
}

/// What waits for a person is let go on, or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleRequest {
    /// For the other side.
    #[serde(default)]
    pub note: String,
}

/// A question of the worker's, or its statement against a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRequest {
    /// What the other side will read.
    pub text: String,
}

/// The requester's answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyRequest {
    /// What the worker will read.
    pub text: String,
    /// How much longer it has, like `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<String>,
}

/// A payment that was made outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentRequest {
    /// The counterparty: its id or a unique beginning.
    pub with: String,
    /// How much, like `5 USD`.
    pub amount: String,
    /// Which way: `credit` if I have paid, `debit` if I was paid.
    pub direction: Direction,
    /// For people.
    #[serde(default)]
    pub note: String,
}

/// Which lines of the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerParams {
    /// How many of the newest to skip.
    #[serde(default)]
    pub skip: usize,
}

/// Whose judgement is to be taken for one's own, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRequest {
    /// Its id or a unique beginning.
    pub agent: String,
    /// Whether it is pinned from now on.
    pub pinned: bool,
}

/// Who is pinned now, or no longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trusted {
    /// Who.
    #[serde(flatten)]
    pub seed: SeedRow,
    /// Whether it is pinned.
    pub pinned: bool,
    /// How many are.
    pub seeds: usize,
}

/// What is to be told of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReputationParams {
    /// In `skills` this one, whether or not anything was rated at just it (what is known more widely is borrowed), and those
    /// rated below it; `ratings` that it covers only; and the reasons of the score at just this skill. Without it, of all it
    /// did. `overall` is of all it did in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// With the reasons of this score: `overall`, or one criterion as in `speed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<String>,
}

/// What this node thinks of an agent, in three columns: `mine`, `pinned` (through whom it has pinned) and `facts`. A column
/// without a view is null, which is "no view yet" and not a bad one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reputation {
    /// What it thinks.
    #[serde(flatten)]
    pub view: ReputationView,
    /// How many agents are pinned. Without any, there is nothing in that column.
    pub seeds: usize,
    /// Why, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained: Option<Explanations>,
}

/// Why a score is what it is, by column: `score = prior + the raters' contributions + others`, to 1e-12. A column without a
/// view has nothing to explain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanations {
    /// Of my own view.
    pub mine: Option<Explained>,
    /// Of the view through whom I have pinned.
    pub pinned: Option<Explained>,
}

/// The aspect of this name.
///
/// # Errors
/// Which there are.
pub fn aspect(name: &str) -> Result<Aspect, String> {
    let named = |aspect: &&Aspect| serde_json::to_value(aspect).is_ok_and(|known| known == name);
    let found = Aspect::ALL.iter().find(named).copied();
    found.ok_or_else(|| "what is explained is `overall`, `accuracy`, `quality`, `speed` or `communication`".to_owned())
}

/// What a person says to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    /// It is what was asked for.
    Accept,
    /// It is not.
    Refuse,
    /// It is not, and may be mended.
    Changes,
}

/// It is done, or will be as soon as the records allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Always true: what is not done is an error.
    pub done: bool,
}

/// A connected agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Who.
    pub agent: AgentId,
    /// Where its connections end.
    pub addresses: Vec<String>,
    /// Over what each of them goes.
    pub transports: Vec<String>,
    /// Whether this node opened the first.
    pub outbound: bool,
    /// The last round trip measured, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// What its program calls itself.
    pub agent_version: Untrusted,
    /// Rooms that both follow.
    pub rooms: Vec<String>,
    /// How well it behaves on the network: below -80 it is not heard.
    pub score: f64,
    /// How long the link has been up, in seconds.
    pub connected_s: u64,
}

impl From<PeerInfo> for Peer {
    fn from(info: PeerInfo) -> Self {
        Self {
            agent: info.agent,
            addresses: info.addresses,
            transports: info.transports.into_iter().map(str::to_owned).collect(),
            outbound: info.outbound,
            rtt_ms: info.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            agent_version: info.agent_version,
            rooms: info.rooms,
            score: info.score,
            connected_s: info.connected_for.as_secs(),
        }
    }
}
